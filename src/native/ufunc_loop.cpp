// Calls of a ufunc's inner loop without the machinery around it: for small operands that need no
// conversion, that machinery is most of the call. The loop is the one that NumPy would run, so
// that results are the same to the bit. Loops report floating-point errors by the processor's flags
// alone, which nobody reads here: no warnings.
#define PY_UFUNC_UNIQUE_SYMBOL arrax_ufunc_api
#define NO_IMPORT_UFUNC
#include "native.h"

#include <numpy/ufuncobject.h>

#include <cstring>

namespace {

constexpr npy_intp kMostElements = 1024;  // above, the loop itself is most of the call
constexpr int kMostOperands = 3;

inline bool plain(int type_number) {
  return PyTypeNum_ISNUMBER(type_number) || PyTypeNum_ISBOOL(type_number);
}

// The number of the loop that takes just these dtypes, or -1.
int find_loop(const PyUFuncObject* ufunc, PyArrayObject* const* operands) {
  for (int i = 0; i < ufunc->ntypes; i++) {
    const char* types = ufunc->types + i * ufunc->nargs;
    bool same = true;
    for (int j = 0; same && j < ufunc->nin; j++) same = types[j] == PyArray_TYPE(operands[j]);
    if (same) return ufunc->functions[i] && plain(types[ufunc->nin]) ? i : -1;
  }
  return -1;
}

// The operand whose shape the result has, where all others have that shape or are one element of
// no higher rank; else NULL.
PyArrayObject* find_shape(PyArrayObject* const* operands, int count) {
  PyArrayObject* widest = operands[0];
  for (int j = 1; j < count; j++)
    if (PyArray_SIZE(operands[j]) > PyArray_SIZE(widest) ||
        (PyArray_SIZE(operands[j]) == PyArray_SIZE(widest) &&
         PyArray_NDIM(operands[j]) > PyArray_NDIM(widest)))
      widest = operands[j];
  const int rank = PyArray_NDIM(widest);
  for (int j = 0; j < count; j++)
    if (!PyArray_SAMESHAPE(operands[j], widest) &&
        !(PyArray_SIZE(operands[j]) == 1 && PyArray_NDIM(operands[j]) <= rank))
      return nullptr;
  const npy_intp size = PyArray_SIZE(widest);
  return size > 0 && size <= kMostElements ? widest : nullptr;
}

}  // namespace

bool is_loop_ufunc(PyObject* function) {
  if (std::strcmp(Py_TYPE(function)->tp_name, "numpy.ufunc")) return false;
  auto* ufunc = reinterpret_cast<PyUFuncObject*>(function);
  return !ufunc->core_enabled && ufunc->nout == 1 && ufunc->nin <= kMostOperands &&
         ufunc->functions && ufunc->types;
}

PyObject* call_ufunc_loop(PyObject* function, PyObject* const* arguments, size_t count) {
  auto* ufunc = reinterpret_cast<PyUFuncObject*>(function);
  PyArrayObject* operands[kMostOperands];
  if (count != size_t(ufunc->nin)) return nullptr;
  for (size_t j = 0; j < count; j++) {
    if (!PyArray_CheckExact(arguments[j])) return nullptr;
    operands[j] = reinterpret_cast<PyArrayObject*>(arguments[j]);
    if (!PyArray_ISCARRAY_RO(operands[j]) || !plain(PyArray_TYPE(operands[j]))) return nullptr;
  }
  PyArrayObject* shape = find_shape(operands, ufunc->nin);
  const int loop = shape ? find_loop(ufunc, operands) : -1;
  if (loop < 0) return nullptr;
  PyObject* result = PyArray_SimpleNew(PyArray_NDIM(shape), PyArray_DIMS(shape),
                                       ufunc->types[loop * ufunc->nargs + ufunc->nin]);
  if (!result) {
    PyErr_Clear();  // NumPy's own call says what is wrong
    return nullptr;
  }
  char* data[kMostOperands + 1];
  npy_intp strides[kMostOperands + 1];
  npy_intp size = PyArray_SIZE(shape);
  for (int j = 0; j < ufunc->nin; j++) {
    data[j] = PyArray_BYTES(operands[j]);
    strides[j] = PyArray_SIZE(operands[j]) == 1 && size > 1 ? 0 : PyArray_ITEMSIZE(operands[j]);
  }
  data[ufunc->nin] = PyArray_BYTES(reinterpret_cast<PyArrayObject*>(result));
  strides[ufunc->nin] = PyArray_ITEMSIZE(reinterpret_cast<PyArrayObject*>(result));
  ufunc->functions[loop](data, &size, strides, ufunc->data ? ufunc->data[loop] : nullptr);
  return result;
}
