// JitFunction: the object that `jit` returns. A call whose signature is known runs without Python.
#include "jit.h"

#include <structmember.h>

#include <cstring>
#include <new>
#include <unordered_map>
#include <vector>

PyTypeObject JitFunctionType = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

constexpr size_t kMaximumRecords = 4096;  // then the cache starts anew

// A signature with its entry. Owns what the signature's words point to.
struct Record {
  std::vector<uint64_t> words;
  std::vector<PyObject*> compared, pinned;
  uint64_t hash;
  JitEntryObject* entry = nullptr;
  int holders = 1;  // the cache, and searches in progress

  explicit Record(Signature* signature)
      : words(signature->words.begin(), signature->words.end()),
        compared(signature->compared.begin(), signature->compared.end()),
        pinned(signature->pinned.begin(), signature->pinned.end()),
        hash(signature->hash()) {
    for (PyObject* object : compared) Py_INCREF(object);
    for (PyObject* object : pinned) Py_INCREF(object);
  }
  Record(const Record&) = delete;
  ~Record() {
    for (PyObject* object : compared) Py_DECREF(object);
    for (PyObject* object : pinned) Py_DECREF(object);
    Py_XDECREF(entry);
  }
};

void release(Record* record) {
  if (--record->holders == 0) delete record;
}

struct Cache {
  std::unordered_multimap<uint64_t, Record*> records;
  Record* last = nullptr;  // the one that served last
  uint64_t version = 0;    // counts changes
};

struct JitFunctionObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* slow;
  PyObject* dictionary;
  PyObject* weak_references;
  StaticArguments statics;
  Cache* cache;
};

// 1: equal, 0: not, -1: a comparison failed (exception cleared: the slow path decides).
int matches(Record* record, Signature* signature) {
  if (record->words.size() != signature->words.size() ||
      record->compared.size() != signature->compared.size() ||
      std::memcmp(record->words.data(), signature->words.data(),
                  record->words.size() * sizeof(uint64_t)))
    return 0;
  for (size_t i = 0; i < record->compared.size(); i++) {
    PyObject *a = record->compared[i], *b = signature->compared[i];
    if (a == b) continue;
    int equal = PyUnicode_CheckExact(a) && PyUnicode_CheckExact(b)
                    ? PyUnicode_Compare(a, b) == 0
                    : PyObject_RichCompareBool(a, b, Py_EQ);
    if (equal < 0) PyErr_Clear();
    if (equal <= 0) return equal;
  }
  return 1;
}

// `matches` for a record of a cache that the comparison's Python code may change.
int matches_held(Record* record, Signature* signature) {
  record->holders++;
  int equal = matches(record, signature);
  release(record);
  return equal;
}

// The entry (new reference) of a known signature, or NULL.
JitEntryObject* find(Cache* cache, Signature* signature, uint64_t hash) {
  uint64_t version = cache->version;
  Record* found = nullptr;
  if (cache->last && cache->last->hash == hash && matches_held(cache->last, signature) == 1) {
    found = cache->last;
  } else if (version == cache->version) {
    auto range = cache->records.equal_range(hash);
    for (auto at = range.first; at != range.second; ++at) {
      int equal = matches_held(at->second, signature);
      if (equal < 0 || version != cache->version) break;
      if (equal) {
        found = cache->last = at->second;
        break;
      }
    }
  }
  if (!found || version != cache->version) return nullptr;
  Py_INCREF(found->entry);
  return found->entry;
}

void clear(Cache* cache) {
  cache->last = nullptr;
  cache->version++;
  std::unordered_multimap<uint64_t, Record*> records;
  records.swap(cache->records);  // deleting runs Python code, which may call again
  for (auto& pair : records) release(pair.second);
}

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
  if (self->cache->records.size() >= kMaximumRecords) clear(self->cache);
  // A recursive call may have added the signature meanwhile: the newer entry replaces it.
  auto range = self->cache->records.equal_range(record->hash);
  for (auto at = range.first; at != range.second; ++at) {
    Record* other = at->second;
    if (other->words == record->words && other->compared == record->compared) {
      std::swap(other->entry, record->entry);
      delete record;
      return result;
    }
  }
  self->cache->version++;
  self->cache->records.emplace(record->hash, record);
  return result;
}

PyObject* call(PyObject* object, PyObject* const* arguments, size_t flagged_count,
               PyObject* names) {
  auto* self = reinterpret_cast<JitFunctionObject*>(object);
  size_t count = size_t(PyVectorcall_NARGS(flagged_count));
  Signature signature;
  if (thread_trace || !read_signature(&signature, self->statics, arguments, count, names))
    return call_slow(self, arguments, count, names, nullptr);
  JitEntryObject* entry = find(self->cache, &signature, signature.hash());
  if (!entry) return call_and_record(self, arguments, count, names, &signature);
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
  self->vectorcall = call;
  self->slow = Py_NewRef(Py_None);
  self->cache = new Cache;
  // Python classes below 3.12 do not inherit this flag from their base.
  if (type->tp_call == PyVectorcall_Call) type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
  return reinterpret_cast<PyObject*>(self);
}

int jit_traverse(PyObject* object, visitproc visit, void* arg) {
  auto* self = reinterpret_cast<JitFunctionObject*>(object);
  Py_VISIT(self->slow);
  Py_VISIT(self->dictionary);
  for (auto& pair : self->cache->records) {
    Py_VISIT(pair.second->entry);
    for (PyObject* value : pair.second->compared) Py_VISIT(value);
    for (PyObject* value : pair.second->pinned) Py_VISIT(value);
  }
  return 0;
}

int jit_clear(PyObject* object) {
  auto* self = reinterpret_cast<JitFunctionObject*>(object);
  clear(self->cache);
  Py_SETREF(self->slow, Py_NewRef(Py_None));
  Py_CLEAR(self->dictionary);
  return 0;
}

void jit_dealloc(PyObject* object) {
  auto* self = reinterpret_cast<JitFunctionObject*>(object);
  PyObject_GC_UnTrack(object);
  if (self->weak_references) PyObject_ClearWeakRefs(object);
  clear(self->cache);
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
  return PyLong_FromSize_t(reinterpret_cast<JitFunctionObject*>(object)->cache->records.size());
}

PyObject* clear_cache(PyObject* object, PyObject*) {
  clear(reinterpret_cast<JitFunctionObject*>(object)->cache);
  Py_RETURN_NONE;
}

PyMethodDef jit_methods[] = {
    {"cache_size", cache_size, METH_NOARGS, "How many signatures run without Python."},
    {"clear_cache", clear_cache, METH_NOARGS, "Forget all signatures."},
    {nullptr}};

PyMemberDef jit_members[] = {
    {"slow", T_OBJECT, offsetof(JitFunctionObject, slow), READONLY, "The Python side of a call."},
    {nullptr}};

PyGetSetDef jit_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr}, {nullptr}};

}  // namespace

PyMethodDef jit_functions[] = {
    {"set_flatten", set_flatten, METH_O,
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
  type->tp_new = jit_new;
  type->tp_init = jit_init;
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
