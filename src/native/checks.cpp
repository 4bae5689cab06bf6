// What checked programs (flag `check`) report: the first access outside of its buffer, by program.
#include <mutex>
#include <unordered_map>

#include "native.h"

namespace {

struct Failure {
  int64_t site, index;
};

std::mutex failures_lock;
std::unordered_map<int64_t, Failure> failures;

}  // namespace

// Called by machine code on any thread, with and without the GIL.
extern "C" void arrax_out_of_bounds(int64_t program, int64_t site, int64_t index) {
  std::lock_guard<std::mutex> guard(failures_lock);
  failures.emplace(program, Failure{site, index});
}

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

ARRAX_SYMBOLS({"arrax_out_of_bounds", reinterpret_cast<void*>(arrax_out_of_bounds)});
