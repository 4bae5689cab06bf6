// Remembered: a function whose repeated eager calls run recorded steps instead of its Python code.
#include "records.h"

PyTypeObject RememberedType = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

// Calls of a signature before it is recorded: one that comes just once is not worth it.
constexpr int kPatience = 2;
PyObject *recorder = nullptr, *program_maker = nullptr;

struct RememberedObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* function;
  PyObject* dictionary;
  RecordCache* cache;
};

inline PyObject* call_function(RememberedObject* self, PyObject* const* arguments,
                               size_t flagged_count, PyObject* names) {
  return PyObject_Vectorcall(self->function, arguments, flagged_count, names);
}

// asked(function, args, kwargs); the caller holds the record.
PyObject* ask(PyObject* asked, RememberedObject* self, PyObject* const* arguments,
              size_t flagged_count, PyObject* names) {
  Py_ssize_t count = PyVectorcall_NARGS(flagged_count);
  PyObject* args = PyTuple_New(count);
  for (Py_ssize_t i = 0; args && i < count; i++)
    PyTuple_SET_ITEM(args, i, Py_NewRef(arguments[i]));
  PyObject* kwargs = args ? PyDict_New() : nullptr;
  for (Py_ssize_t i = 0; kwargs && names && i < PyTuple_GET_SIZE(names); i++)
    if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(names, i), arguments[count + i]) < 0)
      Py_CLEAR(kwargs);
  PyObject* answer = nullptr;
  if (kwargs) {
    PyObject* stack[] = {self->function, args, kwargs};
    answer = PyObject_Vectorcall(asked, stack, 3, nullptr);
  }
  Py_XDECREF(args);
  Py_XDECREF(kwargs);
  return answer;
}

inline void keep_entry(Record* record, PyObject* entry) {
  if (Py_TYPE(entry) == &JitEntryType)
    Py_XSETREF(record->entry, reinterpret_cast<JitEntryObject*>(Py_NewRef(entry)));
}

// recorder(function, args, kwargs) -> (result, JitEntry or None). None: never to be asked again.
PyObject* record_call(RememberedObject* self, Record* record, PyObject* const* arguments,
                      size_t flagged_count, PyObject* names) {
  record->holders++;
  PyObject* pair = ask(recorder, self, arguments, flagged_count, names);
  if (pair && PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2)
    keep_entry(record, PyTuple_GET_ITEM(pair, 1));
  record->release();
  if (!pair) return nullptr;
  PyObject* result = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2
                         ? Py_NewRef(PyTuple_GET_ITEM(pair, 0)) : nullptr;
  if (!result) PyErr_SetString(PyExc_TypeError, "a recorder returns (result, JitEntry or None)");
  Py_DECREF(pair);
  return result;
}

bool is_large_array(PyObject* value) {
  if (is_array(value)) value = reinterpret_cast<ArrayObject*>(value)->data;
  return value && PyArray_Check(value) &&
         PyArray_SIZE(reinterpret_cast<PyArrayObject*>(value)) >= kLarge;
}

bool has_large_leaf(Signature& signature) {
  for (Leaf& leaf : signature.leaves)
    if (is_large_array(leaf.value)) return true;
  return false;
}

// Whether a result is, or holds, an array that is large.
bool is_large_result(PyObject* value) {
  if (!PyTuple_Check(value) && !PyList_Check(value)) return is_large_array(value);
  PyObject** items = PySequence_Fast_ITEMS(value);
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value); i++)
    if (is_large_array(items[i])) return true;
  return false;
}

// The result by the program that program_maker(function, args, kwargs) -> JitEntry or None makes of
// the call; NULL, without an exception but for interrupts, where there is none.
PyObject* call_program(RememberedObject* self, Record* record, Signature* signature,
                       PyObject* const* arguments, size_t flagged_count, PyObject* names) {
  PyObject* entry = ask(program_maker, self, arguments, flagged_count, names);
  if (!entry) return nullptr;
  PyObject* result = nullptr;
  if (Py_TYPE(entry) == &JitEntryType) {
    if (serve(reinterpret_cast<JitEntryObject*>(entry), signature, &result) == Served::Done) {
      keep_entry(record, entry);
    } else {
      PyErr_Clear();
      result = nullptr;
    }
  }
  Py_DECREF(entry);
  return result;
}

// The first call of a signature. What serves calls on large operands, or with large results, is
// chosen now and for good, because programs and single operations round differently.
PyObject* first_call(RememberedObject* self, Record* record, Signature* signature,
                     PyObject* const* arguments, size_t flagged_count, PyObject* names) {
  record->calls++;
  if (has_large_leaf(*signature)) {
    PyObject* result = call_program(self, record, signature, arguments, flagged_count, names);
    if (result || PyErr_Occurred()) return result;
    return call_function(self, arguments, flagged_count, names);
  }
  PyObject* result = call_function(self, arguments, flagged_count, names);
  if (!result || !is_large_result(result)) return result;
  PyObject* better = call_program(self, record, signature, arguments, flagged_count, names);
  if (!better && !PyErr_Occurred()) return result;
  Py_DECREF(result);
  return better;
}

PyObject* call(PyObject* object, PyObject* const* arguments, size_t flagged_count,
               PyObject* names) {
  auto* self = reinterpret_cast<RememberedObject*>(object);
  size_t count = size_t(PyVectorcall_NARGS(flagged_count));
  if (thread_trace || !recorder || !program_maker || in_mesh())
    return call_function(self, arguments, flagged_count, names);
  Signature signature;
  if (!read_values(&signature, arguments, count, names))
    return call_function(self, arguments, flagged_count, names);
  Record* record = self->cache->find(&signature, signature.hash());
  if (!record) {
    record = new Record(&signature);
    record->holders++;
    self->cache->add(record);
    PyObject* result = first_call(self, record, &signature, arguments, flagged_count, names);
    record->release();
    return result;
  }
  if (record->entry) {
    auto* entry = reinterpret_cast<JitEntryObject*>(Py_NewRef(record->entry));
    PyObject* result = nullptr;
    Served served = serve(entry, &signature, &result);
    Py_DECREF(entry);
    if (served == Served::Done) return result;
    PyErr_Clear();  // the function does it again, and says what is wrong
    return call_function(self, arguments, flagged_count, names);
  }
  if (record->calls <= kPatience && record->calls++ == kPatience)
    return record_call(self, record, arguments, flagged_count, names);
  return call_function(self, arguments, flagged_count, names);
}

PyObject* remembered_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject* function;
  if (!PyArg_ParseTuple(arguments, "O:Remembered", &function)) return nullptr;
  auto* self = reinterpret_cast<RememberedObject*>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  self->vectorcall = guarded<call>;
  self->function = Py_NewRef(function);
  self->cache = new RecordCache;
  return reinterpret_cast<PyObject*>(self);
}

int remembered_traverse(PyObject* object, visitproc visit, void* arg) {
  auto* self = reinterpret_cast<RememberedObject*>(object);
  Py_VISIT(self->function);
  Py_VISIT(self->dictionary);
  return self->cache ? self->cache->traverse(visit, arg) : 0;
}

int remembered_clear(PyObject* object) {
  auto* self = reinterpret_cast<RememberedObject*>(object);
  self->cache->clear();
  Py_SETREF(self->function, Py_NewRef(Py_None));
  Py_CLEAR(self->dictionary);
  return 0;
}

void remembered_dealloc(PyObject* object) {
  auto* self = reinterpret_cast<RememberedObject*>(object);
  PyObject_GC_UnTrack(object);
  if (self->cache) self->cache->clear();
  delete self->cache;
  Py_XDECREF(self->function);
  Py_XDECREF(self->dictionary);
  Py_TYPE(object)->tp_free(object);
}

PyObject* remembered_get(PyObject* self, PyObject* instance, PyObject*) {
  return !instance || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

PyObject* remembered_repr(PyObject* object) {
  return PyObject_Repr(reinterpret_cast<RememberedObject*>(object)->function);
}

// Pickled by name, as functions are.
PyObject* remembered_reduce(PyObject* object, PyObject*) {
  return PyObject_GetAttrString(reinterpret_cast<RememberedObject*>(object)->function,
                                "__qualname__");
}

PyObject* forget(PyObject* object, PyObject*) {
  reinterpret_cast<RememberedObject*>(object)->cache->clear();
  Py_RETURN_NONE;
}

// The entry that serves calls like this one, or None.
PyObject* entry_of(PyObject* object, PyObject* const* arguments, Py_ssize_t count,
                   PyObject* names) {
  auto* self = reinterpret_cast<RememberedObject*>(object);
  Signature signature;
  Record* record = read_values(&signature, arguments, size_t(count), names)
                       ? self->cache->find(&signature, signature.hash()) : nullptr;
  if (!record || !record->entry) Py_RETURN_NONE;
  return Py_NewRef(reinterpret_cast<PyObject*>(record->entry));
}

PyObject* set_recorder(PyObject*, PyObject* arguments) {
  PyObject *record, *program;
  if (!PyArg_ParseTuple(arguments, "OO:set_recorder", &record, &program)) return nullptr;
  Py_XSETREF(recorder, record == Py_None ? nullptr : Py_NewRef(record));
  Py_XSETREF(program_maker, program == Py_None ? nullptr : Py_NewRef(program));
  Py_RETURN_NONE;
}

PyMethodDef remembered_methods[] = {
    {"forget", guarded<forget>, METH_NOARGS, "Forget all signatures."},
    {"entry_of", method<entry_of>(),
     METH_FASTCALL | METH_KEYWORDS,
     "entry_of(*args, **kwargs): the JitEntry that serves such calls, or None."},
    {"__reduce__", guarded<remembered_reduce>, METH_NOARGS, "Pickle by name."},
    {nullptr}};

PyGetSetDef remembered_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {nullptr}};

}  // namespace

PyMethodDef remembered_functions[] = {
    {"set_recorder", guarded<set_recorder>, METH_VARARGS,
     "set_recorder(record, program): record(function, args, kwargs) -> (result, JitEntry or None) is\n"
     "asked when a signature of a Remembered function comes again; program(function, args, kwargs)\n"
     "-> JitEntry or None at the first call on large operands, or with a large result."},
    {"set_address_types", guarded<set_address_types>, METH_O,
     "Register the types whose instances are told apart by address in calls of Remembered\n"
     "functions."},
    {nullptr}};

int remembered_type_ready() {
  PyTypeObject* type = &RememberedType;
  type->tp_name = "arrax._native.Remembered";
  type->tp_basicsize = sizeof(RememberedObject);
  type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                   Py_TPFLAGS_METHOD_DESCRIPTOR;
  type->tp_doc =
      "Remembered(function)\n\n"
      "Calls the function; under the evaluating trace, calls whose signature (avals of Arrays, all\n"
      "else by value, and the context key) has come before are served by what was recorded.";
  type->tp_new = guarded<remembered_new>;
  type->tp_dealloc = remembered_dealloc;
  type->tp_traverse = remembered_traverse;
  type->tp_clear = remembered_clear;
  type->tp_call = PyVectorcall_Call;
  type->tp_vectorcall_offset = offsetof(RememberedObject, vectorcall);
  type->tp_dictoffset = offsetof(RememberedObject, dictionary);
  type->tp_descr_get = remembered_get;
  type->tp_repr = remembered_repr;
  type->tp_methods = remembered_methods;
  type->tp_getset = remembered_getset;
  return PyType_Ready(type);
}
