// What stands between C++ and its callers: exceptions become statuses or exceptions of Python's, and
// functions that need deep stacks get them.
#include <pthread.h>

#include <stdexcept>

#include "library.h"

void raise_current_exception() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::length_error&) {  // a vector of more elements than there are addresses
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_Format(PyExc_RuntimeError, "internal error: %s", error.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "internal error: an unknown C++ exception");
  }
}

int32_t status_of_exception() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  } catch (const std::length_error&) {
    return kNoMemory;
  } catch (...) {
    return kFailed;
  }
}

namespace {

constexpr size_t kOwnStack = size_t{16} << 20;

// The lowest address of this thread's stack; it does not change.
char* stack_end() {
  static ARRAX_THREAD_LOCAL char* end = nullptr;
  if (!end) {
    pthread_attr_t attributes;
    void* low = nullptr;
    size_t size = 0;
    if (!pthread_getattr_np(pthread_self(), &attributes)) {
      pthread_attr_getstack(&attributes, &low, &size);
      pthread_attr_destroy(&attributes);
    }
    end = low ? static_cast<char*>(low) : reinterpret_cast<char*>(1);
  }
  return end;
}

bool has_stack(size_t bytes) {
  char here;
  return size_t(&here - stack_end()) >= bytes;
}

struct Job {
  void (*function)(void*);
  void* argument;
};

void* run_job(void* argument) {
  auto* job = static_cast<Job*>(argument);
  job->function(job->argument);
  return nullptr;
}

}  // namespace

void call_with_room(size_t bytes, void (*function)(void*), void* argument) {
  if (!pool_room(kLapackRoom)) throw std::bad_alloc();
  if (has_stack(bytes)) return function(argument);
  Job job{function, argument};
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kOwnStack);
  int failure = pthread_create(&thread, &attributes, run_job, &job);
  pthread_attr_destroy(&attributes);
  if (failure) throw std::bad_alloc();
  pthread_join(thread, nullptr);
}
