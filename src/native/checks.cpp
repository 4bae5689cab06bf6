// What checked programs (flag `check`) report: the first access outside of its buffer, by program.
//
// Calls of the library are checked by experiment: each runs twice, on copies of its buffers in
// guarded memory, with other bytes around them (and in results that hold nothing yet) each time. So
// a write outside is seen in what stands around, and a read outside, or an element that is left
// unwritten, in results that differ.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "library.h"

namespace {

struct Failure {
  int64_t site, index;
};

std::mutex failures_lock;
std::unordered_map<int64_t, Failure> failures;

constexpr int64_t kZone = 4096;  // guarded bytes on each side; a multiple of any alignment

struct CheckedCopy {
  std::unique_ptr<char, decltype(&std::free)> block;
  int64_t bytes;
  unsigned char fill;

  char* data() const { return block.get() + kZone; }
  // The offset from the data of a byte around it that was changed, or 0: none was.
  int64_t changed() const {
    for (int64_t i = 0; i < kZone; i++) {
      if (static_cast<unsigned char>(data()[bytes + i]) != fill) return bytes + i;
      if (static_cast<unsigned char>(data()[-1 - i]) != fill) return -1 - i;
    }
    return 0;
  }
};

thread_local std::vector<CheckedCopy> checked_copies;  // of the call that is being checked

// The first byte in which two blocks differ, or `bytes`.
int64_t first_difference(const char* a, const char* b, int64_t bytes) {
  return std::mismatch(a, a + bytes, b).first - a;
}

// A copy of a buffer (or, if `fresh`, room for it) with bytes `fill` around, at *out.
void guard_buffer(const char* data, int64_t bytes, int64_t fill, int64_t fresh, char** out) {
  const size_t room = (size_t(bytes + 2 * kZone) + 63) / 64 * 64;
  void* block = std::aligned_alloc(64, room);
  if (!block) throw std::bad_alloc();
  checked_copies.push_back({{static_cast<char*>(block), &std::free}, bytes,
                            static_cast<unsigned char>(fill)});
  std::memset(block, int(fill), room);
  *out = checked_copies.back().data();
  if (!fresh) std::copy_n(data, bytes, *out);
}

}  // namespace

// Called by machine code on any thread, with and without the GIL.
extern "C" void arrax_out_of_bounds(int64_t program, int64_t site, int64_t index) {
  std::lock_guard<std::mutex> guard(failures_lock);
  failures.emplace(program, Failure{site, index});
}

// Ends the check of a call: `first` and `second` are the copies of buffer `number` of `count` in its
// two runs. Sites from `site` on: an access outside, a write to an operand, a result that differs.
extern "C" void arrax_unguard(int64_t program, int64_t site, int64_t number, int64_t count,
                              char* data, int64_t item, int64_t written) {
  const CheckedCopy& first = checked_copies[size_t(number)];
  const CheckedCopy& second = checked_copies[size_t(number + count)];
  for (const CheckedCopy* run : {&first, &second}) {
    const int64_t byte = run->changed();
    if (byte) arrax_out_of_bounds(program, site, byte < 0 ? -((item - 1 - byte) / item) : byte / item);
  }
  const int64_t bytes = first.bytes;
  const char* expected = written ? first.data() : data;
  const int64_t byte = first_difference(expected, second.data(), bytes);
  if (byte < bytes) arrax_out_of_bounds(program, site + (written ? 2 : 1), byte / item);
  if (written) std::copy_n(second.data(), bytes, data);
}

extern "C" void arrax_drop_guards() { checked_copies.clear(); }

static PyObject* take_out_of_bounds(PyObject*, PyObject* program) {
  long long number = PyLong_AsLongLong(program);
  if (number == -1 && PyErr_Occurred()) return nullptr;
  std::unique_lock<std::mutex> guard(failures_lock);
  auto found = failures.find(number);
  if (found == failures.end()) {
    guard.unlock();
    Py_RETURN_NONE;
  }
  Failure failure = found->second;
  failures.erase(found);
  guard.unlock();
  return Py_BuildValue("LL", (long long)failure.site, (long long)failure.index);
}

PyMethodDef check_functions[] = {
    {"take_out_of_bounds", take_out_of_bounds, METH_O,
     "take_out_of_bounds(program) -> (site, index) or None\n--\n\n"
     "The first access outside of its buffer that a checked program reported since the last call."},
    {nullptr}};

ARRAX_SYMBOLS({"arrax_out_of_bounds", reinterpret_cast<void*>(arrax_out_of_bounds)},
              {"arrax_guard", library_function<guard_buffer>()},
              {"arrax_unguard", reinterpret_cast<void*>(arrax_unguard)},
              {"arrax_drop_guards", reinterpret_cast<void*>(arrax_drop_guards)});
