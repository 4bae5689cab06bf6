// JitFunction: the object that `jit` returns. A call whose signature is known runs without Python.
#include "records.h"

#include <structmember.h>

PyTypeObject JitFunctionType = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

struct JitFunctionObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* slow;
  PyObject* dictionary;
  PyObject* weak_references;
  StaticArguments statics;
  RecordCache* cache;
};

PyObject* tuple_of(PyObject* const* arguments, size_t count) {
  PyObject* tuple = PyTuple_New(Py_ssize_t(count));
  for (size_t i = 0; tuple && i < count; i++)
    PyTuple_SET_ITEM(tuple, Py_ssize_t(i), Py_NewRef(arguments[i]));
  return tuple;
}

PyObject* keyword_dict(PyObject* const* values, PyObject* names) {
  PyObject* dict = PyDict_New();
  for (Py_ssize_t i = 0; dict && names && i < PyTuple_GET_SIZE(names); i++)
    if (PyDict_SetItem(dict, PyTuple_GET_ITEM(names, i), values[i]) < 0) Py_CLEAR(dict);
  return dict;
}

// slow(args, kwargs) -> (result, entry or None), taken apart. `entry` may be NULL: not wanted.
PyObject* call_slow(JitFunctionObject* self, PyObject* const* arguments, size_t count,
                    PyObject* names, JitEntryObject** entry) {
  PyObject* tuple = tuple_of(arguments, count);
  PyObject* dict = tuple ? keyword_dict(arguments + count, names) : nullptr;
  PyObject* pair = nullptr;
  if (dict) {
    PyObject* both[] = {tuple, dict};
    pair = PyObject_Vectorcall(self->slow, both, 2, nullptr);
  }
  Py_XDECREF(tuple);
  Py_XDECREF(dict);
  if (!pair) return nullptr;
  PyObject* result = nullptr;
  if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2 ||
      (PyTuple_GET_ITEM(pair, 1) != Py_None &&
       Py_TYPE(PyTuple_GET_ITEM(pair, 1)) != &JitEntryType)) {
    PyErr_SetString(PyExc_TypeError, "slow must return (result, JitEntry or None)");
  } else {
    result = Py_NewRef(PyTuple_GET_ITEM(pair, 0));
    PyObject* given = PyTuple_GET_ITEM(pair, 1);
    if (entry && given != Py_None)
      *entry = reinterpret_cast<JitEntryObject*>(Py_NewRef(given));
  }
  Py_DECREF(pair);
  return result;
}

// Calls `slow`, and keeps the entry that it returns for the next call of this signature.
PyObject* call_and_record(JitFunctionObject* self, PyObject* const* arguments, size_t count,
                          PyObject* names, Signature* signature) {
  auto* record = new Record(signature);  // owns the pinned objects while Python code runs
  PyObject* result = call_slow(self, arguments, count, names, &record->entry);
  if (!result || !record->entry) {
    delete record;
    return result;
  }
  if (!entry_fits(record->entry, signature)) {
    delete record;
    Py_DECREF(result);
    return nullptr;
  }
  self->cache->add(record);
  return result;
}

PyObject* call(PyObject* object, PyObject* const* arguments, size_t flagged_count,
               PyObject* names) {
  auto* self = reinterpret_cast<JitFunctionObject*>(object);
  size_t count = size_t(PyVectorcall_NARGS(flagged_count));
  Signature signature;
  if (thread_trace || !read_signature(&signature, self->statics, arguments, count, names))
    return call_slow(self, arguments, count, names, nullptr);
  Record* record = self->cache->find(&signature, signature.hash());
  if (!record) return call_and_record(self, arguments, count, names, &signature);
  auto* entry = reinterpret_cast<JitEntryObject*>(Py_NewRef(record->entry));
  PyObject* result = nullptr;
  Served served = serve(entry, &signature, &result);
  Py_DECREF(entry);
  return served == Served::NotServable ? call_slow(self, arguments, count, names, nullptr) : result;
}

// Negative positions count from the end of each call's positional arguments.
bool read_positions(PyObject* numbers, StaticArguments* statics) {
  PyObject* fast = PySequence_Fast(numbers, "static_argnums must be a sequence of ints");
  if (!fast) return false;
  bool good = true;
  for (Py_ssize_t i = 0; good && i < PySequence_Fast_GET_SIZE(fast); i++) {
    long position = PyLong_AsLong(PySequence_Fast_GET_ITEM(fast, i));
    good = position >= -64 && position < 64 && !(position == -1 && PyErr_Occurred());
    if (good && position >= 0) statics->positions |= uint64_t{1} << position;
    else if (good) statics->from_end |= uint64_t{1} << (-1 - position);
    else if (!PyErr_Occurred())
      PyErr_Format(PyExc_ValueError, "static_argnums must be from -64 to 63, got %ld", position);
  }
  Py_DECREF(fast);
  return good;
}

int jit_init(PyObject* object, PyObject* arguments, PyObject* keywords) {
  auto* self = reinterpret_cast<JitFunctionObject*>(object);
  static const char* keyword_names[] = {"slow", "static_argnums", "static_argnames", nullptr};
  PyObject *slow, *numbers = nullptr, *names = nullptr;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|OO:JitFunction",
                                   const_cast<char**>(keyword_names), &slow, &numbers, &names))
    return -1;
  StaticArguments statics;
  if (numbers && !read_positions(numbers, &statics)) return -1;
  PyObject* name_tuple = names ? PySequence_Tuple(names) : nullptr;
  if (names && !name_tuple) return -1;
  for (Py_ssize_t i = 0; name_tuple && i < PyTuple_GET_SIZE(name_tuple); i++) {
    if (PyUnicode_Check(PyTuple_GET_ITEM(name_tuple, i))) continue;
    PyErr_SetString(PyExc_TypeError, "static_argnames must be strings");
    Py_DECREF(name_tuple);
    return -1;
  }
  Py_XDECREF(self->statics.names);
  self->statics = statics;
  self->statics.names = name_tuple;
  Py_XSETREF(self->slow, Py_NewRef(slow));
  return 0;
}

PyObject* jit_new(PyTypeObject* type, PyObject*, PyObject*) {
  auto* self = reinterpret_cast<JitFunctionObject*>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  self->vectorcall = guarded<call>;
  self->slow = Py_NewRef(Py_None);
  self->cache = new RecordCache;
  // Python classes below 3.12 do not inherit this flag from their base.
  if (type->tp_call == PyVectorcall_Call) type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
  return reinterpret_cast<PyObject*>(self);
}

int jit_traverse(PyObject* object, visitproc visit, void* arg) {
  auto* self = reinterpret_cast<JitFunctionObject*>(object);
  Py_VISIT(self->slow);
  Py_VISIT(self->dictionary);
  return self->cache->traverse(visit, arg);
}

int jit_clear(PyObject* object) {
  auto* self = reinterpret_cast<JitFunctionObject*>(object);
  self->cache->clear();
  Py_SETREF(self->slow, Py_NewRef(Py_None));
  Py_CLEAR(self->dictionary);
  return 0;
}

void jit_dealloc(PyObject* object) {
  auto* self = reinterpret_cast<JitFunctionObject*>(object);
  PyObject_GC_UnTrack(object);
  if (self->weak_references) PyObject_ClearWeakRefs(object);
  self->cache->clear();
  delete self->cache;
  Py_XDECREF(self->slow);
  Py_XDECREF(self->dictionary);
  Py_XDECREF(self->statics.names);
  Py_TYPE(object)->tp_free(object);
}

PyObject* jit_get(PyObject* self, PyObject* instance, PyObject*) {
  return !instance || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

PyObject* cache_size(PyObject* object, PyObject*) {
  return PyLong_FromSize_t(reinterpret_cast<JitFunctionObject*>(object)->cache->size());
}

PyObject* clear_cache(PyObject* object, PyObject*) {
  reinterpret_cast<JitFunctionObject*>(object)->cache->clear();
  Py_RETURN_NONE;
}

PyMethodDef jit_methods[] = {
    {"cache_size", guarded<cache_size>, METH_NOARGS, "How many signatures run without Python."},
    {"clear_cache", guarded<clear_cache>, METH_NOARGS, "Forget all signatures."},
    {nullptr}};

PyMemberDef jit_members[] = {
    {"slow", T_OBJECT, offsetof(JitFunctionObject, slow), READONLY, "The Python side of a call."},
    {nullptr}};

PyGetSetDef jit_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {nullptr}};

}  // namespace

PyMethodDef jit_functions[] = {
    {"set_flatten", guarded<set_flatten>, METH_O,
     "Register flatten(object) -> (children, data), which opens containers that are not builtin\n"
     "ones by one level; it returns None for a leaf. `data` is hashed and compared by `==`."},
    {nullptr}};

int jit_type_ready() {
  PyTypeObject* type = &JitFunctionType;
  type->tp_name = "arrax._native.JitFunction";
  type->tp_basicsize = sizeof(JitFunctionObject);
  type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                   Py_TPFLAGS_HAVE_VECTORCALL;
  type->tp_doc =
      "JitFunction(slow, static_argnums=(), static_argnames=())\n\n"
      "A callable that serves known signatures natively. slow(args, kwargs) returns\n"
      "(result, JitEntry or None); the entry serves later calls of the same signature: the same\n"
      "structure, avals, placements, static values and context key.";
  type->tp_new = guarded<jit_new>;
  type->tp_init = guarded<jit_init>;
  type->tp_dealloc = jit_dealloc;
  type->tp_traverse = jit_traverse;
  type->tp_clear = jit_clear;
  type->tp_call = PyVectorcall_Call;
  type->tp_vectorcall_offset = offsetof(JitFunctionObject, vectorcall);
  type->tp_dictoffset = offsetof(JitFunctionObject, dictionary);
  type->tp_weaklistoffset = offsetof(JitFunctionObject, weak_references);
  type->tp_descr_get = jit_get;
  type->tp_methods = jit_methods;
  type->tp_members = jit_members;
  type->tp_getset = jit_getset;
  return PyType_Ready(type);
}
