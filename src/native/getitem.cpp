// Indices of eager reads and updates, in the forms that NumPy understands as JAX does: integers and
// slices of them, None, ..., and arrays of integers or bools that are in bounds.
#include "native.h"

#include "small_vector.h"

namespace {

// What becomes of an integer out of bounds: reads clamp it, updates go the general way.
enum class Bounds { Clamp, Refuse };

inline bool is_index(PyObject* value) { return value == Py_None || PyLong_CheckExact(value); }

// The ndarray (borrowed) of an Array or ndarray of integers or bools; NULL for others, and for
// Arrays whose data is no number (keys).
PyArrayObject* index_array(PyObject* item) {
  if (is_array(item)) item = plain_data(item);
  if (!item || !PyArray_CheckExact(item)) return nullptr;
  auto* array = reinterpret_cast<PyArrayObject*>(item);
  if (PyArray_ISINTEGER(array)) return array;
  return PyArray_ISBOOL(array) && PyArray_NDIM(array) ? array : nullptr;
}

// How many axes an item indexes; -1 for items that are not for the fast path.
int consumed(PyObject* item) {
  if (PyLong_CheckExact(item)) return 1;
  if (PySlice_Check(item)) {
    auto* slice = reinterpret_cast<PySliceObject*>(item);
    return is_index(slice->start) && is_index(slice->stop) && is_index(slice->step) ? 1 : -1;
  }
  if (item == Py_None || item == Py_Ellipsis) return 0;
  PyArrayObject* array = index_array(item);
  return !array ? -1 : PyArray_ISBOOL(array) ? PyArray_NDIM(array) : 1;
}

// An integer index (new reference) within the bounds; NULL where it must be refused.
PyObject* bounded(PyObject* item, npy_intp size, Bounds bounds) {
  int overflow;
  long long value = PyLong_AsLongLongAndOverflow(item, &overflow);
  if (!overflow && -size <= value && value < size) return Py_NewRef(item);
  if (bounds == Bounds::Refuse || !size) return nullptr;
  return PyLong_FromSsize_t(value < 0 || overflow < 0 ? 0 : size - 1);
}

// An index array (new reference); NULL for one of so many updates that compiled code is faster.
PyObject* array_item(PyObject* item, Bounds bounds) {
  PyArrayObject* array = index_array(item);
  bool refused = bounds == Bounds::Refuse && PyArray_SIZE(array) >= kLarge;
  return refused ? nullptr : Py_NewRef(reinterpret_cast<PyObject*>(array));
}

// The tuple (new reference) that indexes the ndarray `data` as `index` indexes the Array. NULL,
// without an exception, where the general way is to be gone.
PyObject* numpy_index(PyArrayObject* data, PyObject* index, Bounds bounds) {
  bool many = PyTuple_CheckExact(index);
  PyObject** items = many ? PySequence_Fast_ITEMS(index) : &index;
  Py_ssize_t count = many ? PyTuple_GET_SIZE(index) : 1;
  int total = 0, ellipses = 0;
  for (Py_ssize_t i = 0; i < count; i++) {
    int axes = consumed(items[i]);
    if (axes < 0) return nullptr;
    total += axes;
    ellipses += items[i] == Py_Ellipsis;
  }
  if (total > PyArray_NDIM(data) || ellipses > 1) return nullptr;
  PyObject* result = PyTuple_New(count);
  int axis = 0;
  for (Py_ssize_t i = 0; result && i < count; i++) {
    PyObject* item = items[i];
    PyObject* normal = nullptr;
    if (PyLong_CheckExact(item)) normal = bounded(item, PyArray_DIM(data, axis), bounds);
    else if (PySlice_Check(item) || item == Py_None || item == Py_Ellipsis) normal = Py_NewRef(item);
    else normal = array_item(item, bounds);
    axis += item == Py_Ellipsis ? PyArray_NDIM(data) - total : consumed(item);
    if (normal) PyTuple_SET_ITEM(result, i, normal);
    else Py_CLEAR(result);
  }
  if (!result) PyErr_Clear();
  return result;
}

// The data (borrowed) of an Array of numbers under the evaluating trace; NULL otherwise.
PyArrayObject* numbers(PyObject* value) {
  PyObject* data = thread_trace ? nullptr : plain_data(value);
  return reinterpret_cast<PyArrayObject*>(data);
}

PyObject* read_item(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "read_item takes an array and an index");
    return nullptr;
  }
  PyArrayObject* data = numbers(arguments[0]);
  PyObject* index = data ? numpy_index(data, arguments[1], Bounds::Clamp) : nullptr;
  if (!index) Py_RETURN_NONE;
  PyObject* item = PyObject_GetItem(reinterpret_cast<PyObject*>(data), index);
  Py_DECREF(index);
  if (!item) {  // out of bounds, or shapes that do not go together: the general way knows
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  PyObject* result = array_of_numpy(item, is_weak(arguments[0]));
  Py_DECREF(item);
  return result;
}

PyObject* update_index(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "update_index takes an array and an index");
    return nullptr;
  }
  PyArrayObject* data = numbers(arguments[0]);
  PyObject* index = data ? numpy_index(data, arguments[1], Bounds::Refuse) : nullptr;
  return index ? index : Py_NewRef(Py_None);
}

}  // namespace

PyMethodDef getitem_functions[] = {
    {"read_item", method<read_item>(), METH_FASTCALL,
     "read_item(array, index): the elements at an index of a common form, or None where the index,\n"
     "the array or the current trace is of another kind, or an index array is out of bounds."},
    {"update_index", method<update_index>(),
     METH_FASTCALL,
     "update_index(array, index): the tuple that indexes the array's data likewise, or None where\n"
     "the index, the array or the current trace is of another kind, or an integer is out of\n"
     "bounds. Index arrays are not checked."},
    {nullptr}};
