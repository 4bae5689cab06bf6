// Calls of library functions from Python, for eager evaluation and tests.
#include "library.h"
#include "small_vector.h"

namespace {

constexpr Py_ssize_t kMostArrays = 6;

using Pointer = void*;

void call(void* function, const int64_t* spec, Pointer* a, Py_ssize_t count) {
  using S = const int64_t*;
  switch (count) {
    case 1: return ((void (*)(S, Pointer))function)(spec, a[0]);
    case 2: return ((void (*)(S, Pointer, Pointer))function)(spec, a[0], a[1]);
    case 3: return ((void (*)(S, Pointer, Pointer, Pointer))function)(spec, a[0], a[1], a[2]);
    case 4:
      return ((void (*)(S, Pointer, Pointer, Pointer, Pointer))function)(spec, a[0], a[1], a[2],
                                                                         a[3]);
    case 5:
      return ((void (*)(S, Pointer, Pointer, Pointer, Pointer, Pointer))function)(
          spec, a[0], a[1], a[2], a[3], a[4]);
    case 6:
      return ((void (*)(S, Pointer, Pointer, Pointer, Pointer, Pointer, Pointer))function)(
          spec, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
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
  if (PyErr_Occurred() || !read_addresses(arguments + 2, count - 2, addresses)) return nullptr;
  Py_BEGIN_ALLOW_THREADS
  call(function, spec.data(), addresses, count - 2);
  Py_END_ALLOW_THREADS
  Py_RETURN_NONE;
}

}  // namespace

PyMethodDef library_functions[] = {
    {"call_library", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call_library)),
     METH_FASTCALL,
     "call_library(address, spec, *arrays): call a library function with a tuple of ints and\n"
     "contiguous ndarrays (None: a null pointer). Nothing else is checked."},
    {nullptr}};
