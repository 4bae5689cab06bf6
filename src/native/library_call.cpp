// Calls of library functions from Python, for eager evaluation and tests.
#include "library.h"
#include "small_vector.h"

namespace {

constexpr Py_ssize_t kMostArrays = 6;

using Pointer = void*;

int32_t call(void* function, const int64_t* spec, Pointer* a, Py_ssize_t count) {
  using S = const int64_t*;
  using R = int32_t;
  switch (count) {
    case 1: return ((R (*)(S, Pointer))function)(spec, a[0]);
    case 2: return ((R (*)(S, Pointer, Pointer))function)(spec, a[0], a[1]);
    case 3: return ((R (*)(S, Pointer, Pointer, Pointer))function)(spec, a[0], a[1], a[2]);
    case 4:
      return ((R (*)(S, Pointer, Pointer, Pointer, Pointer))function)(spec, a[0], a[1], a[2],
                                                                         a[3]);
    case 5:
      return ((R (*)(S, Pointer, Pointer, Pointer, Pointer, Pointer))function)(
          spec, a[0], a[1], a[2], a[3], a[4]);
    case 6:
      return ((R (*)(S, Pointer, Pointer, Pointer, Pointer, Pointer, Pointer))function)(
          spec, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  return kFailed;
}

bool read_addresses(PyObject* const* arrays, Py_ssize_t count, Pointer* addresses) {
  for (Py_ssize_t i = 0; i < count; i++) {
    addresses[i] = nullptr;
    if (arrays[i] == Py_None) continue;
    auto* array = reinterpret_cast<PyArrayObject*>(arrays[i]);
    if (!PyArray_Check(arrays[i]) || !PyArray_IS_C_CONTIGUOUS(array)) {
      PyErr_Format(PyExc_TypeError, "array %zd of a library call is not a contiguous ndarray", i);
      return false;
    }
    addresses[i] = PyArray_DATA(array);
  }
  return true;
}

PyObject* call_library(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 3 || count > 2 + kMostArrays || !PyTuple_Check(arguments[1])) {
    PyErr_Format(PyExc_TypeError, "call_library takes an address, a tuple and 1 to %zd arrays",
                 kMostArrays);
    return nullptr;
  }
  void* function = PyLong_AsVoidPtr(arguments[0]);
  SmallVector<int64_t, 32> spec;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(arguments[1]); i++)
    spec.push(PyLong_AsLongLong(PyTuple_GET_ITEM(arguments[1], i)));
  Pointer addresses[kMostArrays];
  int32_t status;
  if (PyErr_Occurred() || !read_addresses(arguments + 2, count - 2, addresses)) return nullptr;
  Py_BEGIN_ALLOW_THREADS
  status = call(function, spec.data(), addresses, count - 2);
  Py_END_ALLOW_THREADS
  if (status == kNoMemory) return PyErr_NoMemory();
  if (status != kDone)
    return PyErr_Format(PyExc_RuntimeError, "internal error: a library call failed with status %d",
                        int(status));
  Py_RETURN_NONE;
}

// A call of a Python function, maybe in another thread than the one that holds the GIL.
struct PythonCall {
  PyObject* const* arguments;  // the function, then its arguments
  size_t count;
  PyObject* names;
  PyObject *result, *error_type, *error_value, *error_traceback;

  static void run(void* argument) {
    auto* self = static_cast<PythonCall*>(argument);
    PyGILState_STATE state = PyGILState_Ensure();
    self->result = PyObject_Vectorcall(self->arguments[0], self->arguments + 1, self->count - 1,
                                       self->names);
    if (!self->result)
      PyErr_Fetch(&self->error_type, &self->error_value, &self->error_traceback);
    PyGILState_Release(state);
  }
};

PyObject* call_deep(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  if (count < 1) {
    PyErr_SetString(PyExc_TypeError, "call_deep takes a function and its arguments");
    return nullptr;
  }
  PythonCall call = {arguments, size_t(count), names, nullptr, nullptr, nullptr, nullptr};
  PyThreadState* state = PyEval_SaveThread();
  bool room = true;
  try {
    call_with_room(kDeepStack, PythonCall::run, &call);
  } catch (const std::bad_alloc&) {
    room = false;
  }
  PyEval_RestoreThread(state);
  if (!room) return PyErr_NoMemory();
  if (!call.result) PyErr_Restore(call.error_type, call.error_value, call.error_traceback);
  return call.result;
}

}  // namespace

PyMethodDef library_functions[] = {
    {"call_library", method<call_library>(), METH_FASTCALL,
     "call_library(address, spec, *arrays): call a library function with a tuple of ints and\n"
     "contiguous ndarrays (None: a null pointer). Nothing else is checked."},
    {"call_deep", method<call_deep>(), METH_FASTCALL | METH_KEYWORDS,
     "call_deep(function, *args, **kwargs): call a Python function that calls LAPACK, where there is\n"
     "a stack that is deep enough, and memory for LAPACK's buffers (else MemoryError)."},
    {nullptr}};
