// Choices between two arrays by a mask: `select_n` on small operands.
#include "native.h"

#include <cstring>

namespace {

constexpr npy_intp kMostElements = 1024;

template <class T>
void choose(const npy_bool* which, const void* off, npy_intp off_step, const void* on,
            npy_intp on_step, void* out, npy_intp count) {
  const T *a = static_cast<const T*>(off), *b = static_cast<const T*>(on);
  T* result = static_cast<T*>(out);
  for (npy_intp i = 0; i < count; i++) result[i] = which[i] ? b[i * on_step] : a[i * off_step];
}

inline PyArrayObject* plain_operand(PyObject* object) {
  auto* array = reinterpret_cast<PyArrayObject*>(object);
  return PyArray_CheckExact(object) && PyArray_ISCARRAY_RO(array) ? array : nullptr;
}

// Whether a case has the mask's shape or is one element of no higher rank.
inline bool fits(PyArrayObject* value, PyArrayObject* which) {
  return PyArray_SAMESHAPE(value, which) ||
         (PyArray_SIZE(value) == 1 && PyArray_NDIM(value) <= PyArray_NDIM(which));
}

// select_small(which, off, on): np.where(which, on, off) for small contiguous ndarrays of the mask's
// shape, or of one element; None for others.
PyObject* select_small(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  PyArrayObject *which = nullptr, *off = nullptr, *on = nullptr;
  if (count == 3) {
    which = plain_operand(arguments[0]);
    off = plain_operand(arguments[1]);
    on = plain_operand(arguments[2]);
  }
  if (!which || !off || !on || PyArray_TYPE(which) != NPY_BOOL) Py_RETURN_NONE;
  const npy_intp size = PyArray_SIZE(which);
  const int type = PyArray_TYPE(off);
  if (size < 1 || size > kMostElements || type != PyArray_TYPE(on) || !fits(off, which) ||
      !fits(on, which) || !(PyTypeNum_ISNUMBER(type) || PyTypeNum_ISBOOL(type)))
    Py_RETURN_NONE;
  void (*loop)(const npy_bool*, const void*, npy_intp, const void*, npy_intp, void*, npy_intp);
  switch (PyArray_ITEMSIZE(off)) {
    case 1: loop = choose<uint8_t>; break;
    case 2: loop = choose<uint16_t>; break;
    case 4: loop = choose<uint32_t>; break;
    case 8: loop = choose<uint64_t>; break;
    default: Py_RETURN_NONE;
  }
  PyObject* out = PyArray_SimpleNew(PyArray_NDIM(which), PyArray_DIMS(which), type);
  if (!out) return nullptr;
  loop(static_cast<const npy_bool*>(PyArray_DATA(which)), PyArray_DATA(off),
       PyArray_SIZE(off) == size, PyArray_DATA(on), PyArray_SIZE(on) == size,
       PyArray_DATA(reinterpret_cast<PyArrayObject*>(out)), size);
  return out;
}

}  // namespace

PyMethodDef select_functions[] = {
    {"select_small", method<select_small>(),
     METH_FASTCALL,
     "select_small(which, off, on): where(which, on, off) for small contiguous ndarrays of one dtype\n"
     "and the mask's shape, or of one element; None for others."},
    {nullptr}};
