// ArrayBase, the C++ base of concrete arrays, and the table that finds interned avals.
#include "native.h"

#include <structmember.h>

#include <algorithm>
#include <vector>

PyTypeObject* array_type = &ArrayBaseType;
static PyObject* aval_factory = nullptr;

// ---- the table of avals: open addressing; it forgets all when the factory's dict is swept ----

namespace {

struct AvalEntry {
  uint64_t hash;
  PyArray_Descr* dtype;  // a builtin or registered singleton
  PyObject* aval;        // NULL: free slot
  bool weak_type;
  int ndim;
  npy_intp shape[6];     // arrays of more dimensions ask the factory every time
};

constexpr int kTableDims = 6;
std::vector<AvalEntry> aval_table(256);
size_t aval_count = 0;

inline uint64_t hash_aval(PyArray_Descr* dtype, int ndim, const npy_intp* shape, bool weak_type) {
  uint64_t hash = (reinterpret_cast<uint64_t>(dtype) >> 4) * 2 + weak_type;
  for (int i = 0; i < ndim; i++)
    hash = (hash ^ static_cast<uint64_t>(shape[i])) * 0x9E3779B97F4A7C15ull + (hash >> 29) + 1;
  return hash ^ (hash >> 32);
}

AvalEntry* find_slot(std::vector<AvalEntry>& table, uint64_t hash, PyArray_Descr* dtype, int ndim,
                     const npy_intp* shape, bool weak_type) {
  size_t mask = table.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    AvalEntry* entry = &table[at];
    if (!entry->aval) return entry;
    if (entry->hash == hash && entry->dtype == dtype && entry->ndim == ndim &&
        entry->weak_type == weak_type && std::equal(shape, shape + ndim, entry->shape))
      return entry;
  }
}

void grow_table() {
  std::vector<AvalEntry> bigger(aval_table.size() * 2);
  for (AvalEntry& entry : aval_table)
    if (entry.aval)
      *find_slot(bigger, entry.hash, entry.dtype, entry.ndim, entry.shape, entry.weak_type) = entry;
  aval_table.swap(bigger);
}

PyObject* call_factory(PyArray_Descr* dtype, int ndim, const npy_intp* shape, bool weak_type) {
  if (!aval_factory) {
    PyErr_SetString(PyExc_RuntimeError, "set_aval_factory was not called");
    return nullptr;
  }
  PyObject* dims = PyTuple_New(ndim);
  if (!dims) return nullptr;
  for (int i = 0; i < ndim; i++) {
    PyObject* size = PyLong_FromSsize_t(shape[i]);
    if (!size) { Py_DECREF(dims); return nullptr; }
    PyTuple_SET_ITEM(dims, i, size);
  }
  PyObject* arguments[] = {dims, reinterpret_cast<PyObject*>(dtype), weak_type ? Py_True : Py_False};
  PyObject* aval = PyObject_Vectorcall(aval_factory, arguments, 3, nullptr);
  Py_DECREF(dims);
  return aval;
}

// Whether `dtype` is the one object of its type number: the only ones kept in the table, so that
// a dtype made on the fly (with metadata, say) does not stay there for ever.
bool is_singleton(PyArray_Descr* dtype) {
  if (dtype->type_num < 0) return false;
  PyArray_Descr* canonical = PyArray_DescrFromType(dtype->type_num);
  if (!canonical) { PyErr_Clear(); return false; }
  Py_DECREF(canonical);
  return canonical == dtype;
}

}  // namespace

PyObject* aval_lookup(PyArray_Descr* dtype, int ndim, const npy_intp* shape, bool weak_type) {
  if (ndim > kTableDims) return call_factory(dtype, ndim, shape, weak_type);
  uint64_t hash = hash_aval(dtype, ndim, shape, weak_type);
  AvalEntry* entry = find_slot(aval_table, hash, dtype, ndim, shape, weak_type);
  if (entry->aval) return Py_NewRef(entry->aval);
  PyObject* aval = call_factory(dtype, ndim, shape, weak_type);
  if (!aval || !is_singleton(dtype)) return aval;
  if (2 * ++aval_count > aval_table.size()) grow_table();
  // The factory may have run Python code that filled or grew the table: find the slot anew.
  entry = find_slot(aval_table, hash, dtype, ndim, shape, weak_type);
  if (entry->aval) return aval;
  entry->hash = hash;
  entry->dtype = dtype;
  Py_INCREF(dtype);
  entry->aval = Py_NewRef(aval);
  entry->weak_type = weak_type;
  entry->ndim = ndim;
  std::copy_n(shape, ndim, entry->shape);
  return aval;
}

// What the table holds is in the factory's dict too, so it may start anew at any time.
static void forget_aval_table() {
  std::vector<AvalEntry> old(256);
  old.swap(aval_table);
  aval_count = 0;
  for (AvalEntry& entry : old) {
    Py_XDECREF(entry.aval);
    Py_XDECREF(entry.dtype);
  }
}

// Whether `value` is the only reference to an aval whose key (shape, dtype, weak_type) hashes and
// compares without running Python code, which might hand the aval out meanwhile.
static bool is_unused(PyObject* key, PyObject* value) {
  return Py_REFCNT(value) == 1 && PyTuple_CheckExact(key) && PyTuple_GET_SIZE(key) == 3 &&
         PyArray_DescrCheck(PyTuple_GET_ITEM(key, 1));
}

// forget_unused_avals(dict): drops the avals that only the factory's dict, and our table, hold. In
// one go under the GIL: an aval that anybody else could see stays the only one of its kind.
static PyObject* forget_unused_avals(PyObject*, PyObject* interned) {
  if (!PyDict_CheckExact(interned)) {
    PyErr_SetString(PyExc_TypeError, "forget_unused_avals takes the factory's dict");
    return nullptr;
  }
  forget_aval_table();
  PyObject* keys = PyList_New(0);
  if (!keys) return nullptr;
  PyObject *key, *value;
  Py_ssize_t at = 0;
  bool good = true;
  while (good && PyDict_Next(interned, &at, &key, &value))
    if (is_unused(key, value)) good = PyList_Append(keys, key) == 0;
  for (Py_ssize_t i = 0; good && i < PyList_GET_SIZE(keys); i++)
    good = PyDict_DelItem(interned, PyList_GET_ITEM(keys, i)) == 0;
  Py_DECREF(keys);
  return good ? Py_NewRef(Py_None) : nullptr;
}

// ---- the type ----

// A view of a small part of a large array would keep all of it alive.
constexpr npy_intp kLargeRoot = 64 << 10, kSmallPart = 16;

// `data` (taken over), or a copy where it is a small part of what it is a view of. NULL: no memory.
static PyObject* without_large_root(PyObject* data) {
  auto* view = reinterpret_cast<PyArrayObject*>(data);
  PyObject* base = PyArray_BASE(view);
  PyArrayObject* root = nullptr;
  for (; base && PyArray_Check(base); base = PyArray_BASE(root))
    root = reinterpret_cast<PyArrayObject*>(base);
  if (!root) return data;
  const npy_intp bytes = PyArray_NBYTES(root);
  if (bytes < kLargeRoot || PyArray_NBYTES(view) > bytes / kSmallPart) return data;
  PyObject* copy = pool_empty(PyArray_DESCR(view), PyArray_NDIM(view), PyArray_DIMS(view));
  if (copy && PyArray_CopyInto(reinterpret_cast<PyArrayObject*>(copy), view) < 0) Py_CLEAR(copy);
  Py_DECREF(data);
  return copy;
}

// Clears the flag of the ndarray: nobody writes to an array's memory through its attributes.
PyObject* array_new(PyObject* data, PyObject* aval, PyObject* placement) {
  PyTypeObject* type = array_type;
  if (PyArray_Check(data) && PyArray_BASE(reinterpret_cast<PyArrayObject*>(data)) &&
      !(data = without_large_root(data)))
    return nullptr;
  auto* self = reinterpret_cast<ArrayObject*>(PyObject_Malloc(type->tp_basicsize));
  if (!self) {
    Py_DECREF(data);
    return PyErr_NoMemory();
  }
  PyObject_Init(reinterpret_cast<PyObject*>(self), type);
  if (PyArray_Check(data))
    PyArray_CLEARFLAGS(reinterpret_cast<PyArrayObject*>(data), NPY_ARRAY_WRITEABLE);
  self->aval = Py_NewRef(aval);
  self->data = data;
  self->placement = Py_XNewRef(placement);
  self->weak_references = nullptr;
  return reinterpret_cast<PyObject*>(self);
}

// Serves ArrayBase and the registered class alike: neither has more fields nor a __del__.
static void array_dealloc(PyObject* object) {
  auto* self = reinterpret_cast<ArrayObject*>(object);
  PyTypeObject* type = Py_TYPE(object);
  if (self->weak_references) PyObject_ClearWeakRefs(object);
  Py_XDECREF(self->aval);
  Py_XDECREF(self->data);
  Py_XDECREF(self->placement);
  PyObject_Free(object);
  if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) Py_DECREF(type);
}

static PyObject* array_tp_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyErr_Format(PyExc_TypeError, "%s cannot be instantiated directly; use make_array",
               type->tp_name);
  return nullptr;
}

static PyMemberDef array_members[] = {
    {"aval", T_OBJECT, offsetof(ArrayObject, aval), READONLY, "shape, dtype and weak type"},
    {"data", T_OBJECT, offsetof(ArrayObject, data), READONLY,
     "the ndarray, which nobody writes to; None once deleted"},
    {"placement", T_OBJECT, offsetof(ArrayObject, placement), READONLY,
     "a device or a sharding; None: uncommitted"},
    {nullptr}};

// Attributes of the aval, without a Python property in between.
static PyObject* array_get_from_aval(PyObject* self, void* name) {
  return PyObject_GetAttr(reinterpret_cast<ArrayObject*>(self)->aval,
                          *static_cast<PyObject**>(name));
}

static PyObject* array_delete(PyObject* self, PyObject*) {
  Py_CLEAR(reinterpret_cast<ArrayObject*>(self)->data);
  Py_RETURN_NONE;
}

static PyMethodDef array_methods[] = {
    {"delete", guarded<array_delete>, METH_NOARGS, "Release the buffer; later use raises RuntimeError."},
    {nullptr}};

static PyObject *name_shape, *name_dtype, *name_ndim, *name_size, *name_weak_type;

static PyGetSetDef array_getset[] = {
    {"shape", array_get_from_aval, nullptr, "The lengths of the axes.", &name_shape},
    {"dtype", array_get_from_aval, nullptr, "The type of the elements.", &name_dtype},
    {"ndim", array_get_from_aval, nullptr, "The number of axes.", &name_ndim},
    {"size", array_get_from_aval, nullptr, "The number of elements.", &name_size},
    {"weak_type", array_get_from_aval, nullptr,
     "Whether the dtype gives way in promotion, as that of Python scalars does.", &name_weak_type},
    {nullptr}};

// The buffer protocol: a read-only view of the data. Refuses dtypes that the data does not show.
static int array_get_buffer(PyObject* self, Py_buffer* view, int flags) {
  auto* array = reinterpret_cast<ArrayObject*>(self);
  view->obj = nullptr;
  if (!array->data || !PyArray_Check(array->data)) {
    PyErr_SetString(PyExc_BufferError, "the array has been deleted");
    return -1;
  }
  if (flags & PyBUF_WRITABLE) {
    PyErr_SetString(PyExc_BufferError, "arrays are immutable; np.array(x) makes a writeable copy");
    return -1;
  }
  PyObject* dtype = PyObject_GetAttr(array->aval, name_dtype);
  if (!dtype) return -1;
  bool plain = dtype == reinterpret_cast<PyObject*>(
      PyArray_DESCR(reinterpret_cast<PyArrayObject*>(array->data)));
  Py_DECREF(dtype);
  if (!plain) {
    PyErr_SetString(PyExc_BufferError, "arrays of this dtype have no buffer format");
    return -1;
  }
  if (PyObject_GetBuffer(array->data, view, flags) < 0) return -1;
  view->readonly = 1;
  return 0;
}

static PyBufferProcs array_buffer = {array_get_buffer, nullptr};

PyTypeObject ArrayBaseType = {PyVarObject_HEAD_INIT(nullptr, 0)};

int array_type_ready() {
  PyTypeObject* type = &ArrayBaseType;
  type->tp_name = "arrax._native.ArrayBase";
  type->tp_basicsize = sizeof(ArrayObject);
  type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  type->tp_doc = "Base of concrete arrays: fields aval, data, placement.";
  type->tp_new = guarded<array_tp_new>;
  type->tp_dealloc = array_dealloc;
  type->tp_weaklistoffset = offsetof(ArrayObject, weak_references);
  type->tp_members = array_members;
  type->tp_methods = array_methods;
  type->tp_getset = array_getset;
  type->tp_as_buffer = &array_buffer;
  struct { PyObject** slot; const char* text; } names[] = {
      {&name_shape, "shape"}, {&name_dtype, "dtype"}, {&name_ndim, "ndim"},
      {&name_size, "size"}, {&name_weak_type, "weak_type"}};
  for (auto& name : names)
    if (!(*name.slot = PyUnicode_InternFromString(name.text))) return -1;
  return PyType_Ready(type);
}

// ---- functions ----

static PyObject* set_array_type(PyObject*, PyObject* value) {
  if (!PyType_Check(value) ||
      !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(value), &ArrayBaseType)) {
    PyErr_Format(PyExc_TypeError, "set_array_type needs a subclass of ArrayBase, got %R", value);
    return nullptr;
  }
  auto* type = reinterpret_cast<PyTypeObject*>(value);
  if (type->tp_basicsize != sizeof(ArrayObject) || type->tp_finalize) {
    PyErr_Format(PyExc_TypeError, "%s needs `__slots__ = ()` and no __del__", type->tp_name);
    return nullptr;
  }
  // Python marks every class as garbage-collected. Arrays take part in no cycles, so leave the
  // collector out; and deallocate without subtype_dealloc's walk over the bases.
  type->tp_flags &= ~Py_TPFLAGS_HAVE_GC;
  type->tp_free = PyObject_Free;
  type->tp_dealloc = array_dealloc;
  Py_INCREF(type);
  array_type = type;
  Py_RETURN_NONE;
}

static PyObject* set_aval_factory(PyObject*, PyObject* factory) {
  Py_XSETREF(aval_factory, Py_NewRef(factory));
  learn_aval_type(factory);
  Py_RETURN_NONE;
}

// `value` as an ndarray (a new reference): itself, or a 0-d array for a NumPy scalar.
static PyObject* as_ndarray(PyObject* value) {
  if (PyArray_CheckExact(value)) return Py_NewRef(value);
  if (PyArray_IsScalar(value, Generic)) return PyArray_FromScalar(value, nullptr);
  if (PyArray_Check(value))
    return PyArray_View(reinterpret_cast<PyArrayObject*>(value), nullptr, &PyArray_Type);
  PyErr_Format(PyExc_TypeError, "make_array needs a numpy.ndarray or a NumPy scalar, got %s",
               Py_TYPE(value)->tp_name);
  return nullptr;
}

// A new array over `data`, which it takes over, with the aval that the data shows.
static PyObject* array_over(PyObject* data, bool weak_type, PyObject* placement) {
  auto* ndarray = reinterpret_cast<PyArrayObject*>(data);
  PyObject* aval = aval_lookup(PyArray_DESCR(ndarray), PyArray_NDIM(ndarray), PyArray_DIMS(ndarray),
                               weak_type);
  if (!aval) {
    Py_DECREF(data);
    return nullptr;
  }
  PyObject* array = array_new(data, aval, placement);
  Py_DECREF(aval);
  return array;
}

PyObject* array_of_numpy(PyObject* value, bool weak_type) {
  PyObject* data = as_ndarray(value);
  return data ? array_over(data, weak_type, nullptr) : nullptr;
}

static inline PyObject* optional(PyObject* const* arguments, Py_ssize_t count, Py_ssize_t index) {
  return count > index && arguments[index] != Py_None ? arguments[index] : nullptr;
}

static PyObject* make_array(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 1 || count > 3) {
    PyErr_Format(PyExc_TypeError, "make_array takes 1 to 3 arguments, got %zd", count);
    return nullptr;
  }
  int weak_type = count > 1 ? PyObject_IsTrue(arguments[1]) : 0;
  if (weak_type < 0) return nullptr;
  PyObject* data = as_ndarray(arguments[0]);
  return data ? array_over(data, weak_type, optional(arguments, count, 2)) : nullptr;
}

static PyObject* make_array_aval(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 2 || count > 3) {
    PyErr_Format(PyExc_TypeError, "make_array_aval takes 2 or 3 arguments, got %zd", count);
    return nullptr;
  }
  PyObject* data = as_ndarray(arguments[0]);
  return data ? array_new(data, arguments[1], optional(arguments, count, 2)) : nullptr;
}

// operands(args): (list of their data, whether all are weakly typed), or None when some operand
// needs a closer look: not an Array, deleted, or of a dtype that its data does not show.
static PyObject* operands(PyObject*, PyObject* args) {
  Py_ssize_t count = PyTuple_GET_SIZE(args);
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject* value = PyTuple_GET_ITEM(args, i);
    if (!is_array(value) || !reinterpret_cast<ArrayObject*>(value)->data) Py_RETURN_NONE;
    if (!PyArray_Check(reinterpret_cast<ArrayObject*>(value)->data)) Py_RETURN_NONE;
  }
  PyObject* data = PyList_New(count);
  if (!data) return nullptr;
  bool weak = count > 0;
  for (Py_ssize_t i = 0; i < count; i++) {
    auto* array = reinterpret_cast<ArrayObject*>(PyTuple_GET_ITEM(args, i));
    PyList_SET_ITEM(data, i, Py_NewRef(array->data));
    PyObject* dtype = PyObject_GetAttr(array->aval, name_dtype);
    PyObject* marked = dtype ? PyObject_GetAttr(array->aval, name_weak_type) : nullptr;
    bool plain = marked && dtype == reinterpret_cast<PyObject*>(
        PyArray_DESCR(reinterpret_cast<PyArrayObject*>(array->data)));
    weak = weak && marked == Py_True;
    Py_XDECREF(dtype);
    Py_XDECREF(marked);
    if (!plain) {
      Py_DECREF(data);
      if (PyErr_Occurred()) return nullptr;
      Py_RETURN_NONE;
    }
  }
  PyObject* result = PyTuple_Pack(2, data, weak ? Py_True : Py_False);
  Py_DECREF(data);
  return result;
}

PyMethodDef array_functions[] = {
    {"operands", guarded<operands>, METH_O,
     "operands(args): (their data, all weak?), or None when one needs a closer look."},
    {"set_array_type", guarded<set_array_type>, METH_O,
     "Register the class of concrete arrays: a subclass of ArrayBase with `__slots__ = ()`."},
    {"set_aval_factory", guarded<set_aval_factory>, METH_O,
     "Register factory(shape, dtype, weak_type), which makes interned avals."},
    {"forget_unused_avals", guarded<forget_unused_avals>, METH_O,
     "forget_unused_avals(dict): drop the interned avals of a dict that nobody else holds."},
    {"make_array", method<make_array>(), METH_FASTCALL,
     "make_array(data, weak_type=False, placement=None): wrap an ndarray or a NumPy scalar,\n"
     "without a copy. The caller guarantees that nobody writes to `data` later."},
    {"make_array_aval", method<make_array_aval>(), METH_FASTCALL,
     "make_array_aval(data, aval, placement=None): wrap when the aval is known."},
    {nullptr}};
