// A vector whose first N elements live on the stack: for the lists of one jit call.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

// T must be trivially copyable.
template <typename T, size_t N>
class SmallVector {
 public:
  SmallVector() = default;
  SmallVector(const SmallVector&) = delete;
  SmallVector& operator=(const SmallVector&) = delete;
  ~SmallVector() {
    if (data_ != inline_) std::free(data_);
  }

  void push(const T& value) {
    if (size_ == capacity_) reserve(capacity_ * 2);
    data_[size_++] = value;
  }
  // Sets the size; new elements are not initialised.
  void resize(size_t size) {
    if (size > capacity_) reserve(size);
    size_ = size;
  }
  T& operator[](size_t index) { return data_[index]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  T* data() { return data_; }
  size_t size() const { return size_; }

 private:
  void reserve(size_t capacity) {
    T* bigger = static_cast<T*>(std::malloc(capacity * sizeof(T)));
    if (!bigger) throw std::bad_alloc();
    std::memcpy(static_cast<void*>(bigger), data_, size_ * sizeof(T));
    if (data_ != inline_) std::free(data_);
    data_ = bigger;
    capacity_ = capacity;
  }

  size_t size_ = 0, capacity_ = N;
  T* data_ = inline_;
  T inline_[N];
};
