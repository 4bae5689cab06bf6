// Flattens the arguments of a jit call natively: builtin containers, arrays and scalars.
//
// Grammar of the words (tags in the low four bits; pointers are 16-byte aligned):
//   call      = context, positional count, argument*, (Keywords n, (name hash, argument)*n)?
//   argument  = Static, type, hash | tree
//   tree      = Tuple n, tree*n | List n, tree*n | Dict n, (key hash)*n, tree*n | None
//             | Custom n, type, data hash, tree*n | leaf
//   leaf      = Array aval | PlacedArray aval, placement | Scalar kind | NumPy dtype ndim, size*ndim
// Dict entries and keyword arguments come in the order of their names, as pytrees have them.
//
// In calls of remembered functions (`read_values`):
//   call      = context, positional count, value*, (Keywords n, (name hash, value)*n)?
//   value     = Array aval | Scalar? NumPy dtype ndim, size*ndim | Tuple n, value*n | List n, value*n
//             | Slice value*3 | None | Static, type, hash | Bits, bits of a float | Address, object
// where Scalar tells NumPy's scalars from its arrays without axes.
#include "signature.h"

#include <algorithm>
#include <cstring>

namespace {

enum Tag : uint64_t {
  kArray = 1, kPlacedArray, kTuple, kList, kDict, kNone, kScalar, kNumPy, kStatic, kKeywords, kCustom,
  kSlice, kBits, kAddress
};

PyObject* flatten_function = nullptr;

inline uint64_t address_word(const void* pointer, Tag tag) {
  return reinterpret_cast<uint64_t>(pointer) | tag;
}
inline uint64_t count_word(uint64_t count, Tag tag) { return count << 4 | tag; }

inline void push_leaf(Signature* s, PyObject* value, LeafKind kind) {
  s->leaves.push({Py_NewRef(value), kind});
}

bool read_array(Signature* s, PyObject* value) {
  auto* array = reinterpret_cast<ArrayObject*>(value);
  if (!array->data || array->data == Py_None) return false;  // deleted: the slow path raises
  bool placed = is_placed(array);
  s->words.push(address_word(array->aval, placed ? kPlacedArray : kArray));
  s->pinned.push(array->aval);
  if (placed) {
    s->words.push(reinterpret_cast<uint64_t>(array->placement));
    s->pinned.push(array->placement);
  }
  push_leaf(s, value, LeafKind::Array);
  return true;
}

bool read_scalar(Signature* s, PyObject* value, LeafKind kind) {
  s->words.push(count_word(uint64_t(kind), kScalar));
  push_leaf(s, value, kind);
  return true;
}

bool numeric(PyArray_Descr* dtype) {
  return (PyTypeNum_ISNUMBER(dtype->type_num) || PyTypeNum_ISBOOL(dtype->type_num) ||
          PyTypeNum_ISUSERDEF(dtype->type_num)) &&
         PyArray_ISNBO(dtype->byteorder) && dtype->type_num != NPY_LONGDOUBLE &&
         dtype->type_num != NPY_CLONGDOUBLE;
}

bool read_numpy(Signature* s, PyObject* value) {
  PyArray_Descr* dtype;
  int ndim = 0;
  if (PyArray_CheckExact(value)) {
    auto* array = reinterpret_cast<PyArrayObject*>(value);
    dtype = PyArray_DESCR(array);
    ndim = PyArray_NDIM(array);
    Py_INCREF(dtype);
  } else {
    dtype = PyArray_DescrFromScalar(value);
    if (!dtype) {
      PyErr_Clear();
      return false;
    }
  }
  bool good = numeric(dtype);
  if (good) {
    s->words.push(count_word(uint64_t(dtype->type_num) << 8 | unsigned(ndim), kNumPy));
    for (int i = 0; i < ndim; i++)
      s->words.push(uint64_t(PyArray_DIM(reinterpret_cast<PyArrayObject*>(value), i)));
    push_leaf(s, value, LeafKind::NumPy);
  }
  Py_DECREF(dtype);
  return good;
}

// A leaf of one of the known types. False (and nothing added) for others.
bool read_leaf(Signature* s, PyObject* value) {
  PyTypeObject* type = Py_TYPE(value);
  if (type == array_type) return read_array(s, value);
  if (type == &PyLong_Type) return read_scalar(s, value, LeafKind::Int);
  if (type == &PyFloat_Type) return read_scalar(s, value, LeafKind::Float);
  if (type == &PyBool_Type) return read_scalar(s, value, LeafKind::Bool);
  if (type == &PyArray_Type || PyArray_IsScalar(value, Generic)) return read_numpy(s, value);
  if (type == &PyComplex_Type) return read_scalar(s, value, LeafKind::Complex);
  return false;
}

// Adds an object that is compared by `==` and the word of its hash.
bool push_compared(Signature* s, PyObject* value) {
  Py_hash_t hash = PyObject_Hash(value);
  if (hash == -1) {
    PyErr_Clear();
    return false;
  }
  s->words.push(uint64_t(hash));
  s->compared.push(Py_NewRef(value));
  return true;
}

bool read_tree(Signature* s, PyObject* value);

// Keys and values of a dict or of keyword arguments; holds references, since opening a custom node
// may run Python code.
struct Item {
  PyObject *key, *value;
};

struct Items {
  SmallVector<Item, 24> list;

  ~Items() {
    for (Item& item : list) {
      Py_DECREF(item.key);
      Py_DECREF(item.value);
    }
  }
  void push(PyObject* key, PyObject* value) { list.push({Py_NewRef(key), Py_NewRef(value)}); }
  // Sorts by key and adds the words of the keys.
  bool read_keys(Signature* s, Tag tag) {
    auto before = [](const Item& a, const Item& b) { return PyUnicode_Compare(a.key, b.key) < 0; };
    if (!std::is_sorted(list.begin(), list.end(), before))
      std::sort(list.begin(), list.end(), before);
    s->words.push(count_word(list.size(), tag));
    for (Item& item : list)
      if (!push_compared(s, item.key)) return false;
    return true;
  }
};

bool read_dict(Signature* s, PyObject* dict) {
  Items items;
  Py_ssize_t position = 0;
  PyObject *key, *value;
  while (PyDict_Next(dict, &position, &key, &value)) {
    if (!PyUnicode_CheckExact(key)) return false;
    items.push(key, value);
  }
  if (!items.read_keys(s, kDict)) return false;
  for (Item& item : items.list)
    if (!read_tree(s, item.value)) return false;
  return true;
}

// A container that Python code opens: namedtuples, registered classes, dicts with other keys.
bool read_custom(Signature* s, PyObject* value) {
  if (!flatten_function) return false;
  PyObject* pair = PyObject_CallOneArg(flatten_function, value);
  PyObject* children = pair && PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2
                           ? PySequence_Tuple(PyTuple_GET_ITEM(pair, 0)) : nullptr;
  bool good = children != nullptr;
  if (good) {
    PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(value));
    s->words.push(count_word(uint64_t(PyTuple_GET_SIZE(children)), kCustom));
    s->words.push(reinterpret_cast<uint64_t>(type));
    s->pinned.push(type);
    good = push_compared(s, PyTuple_GET_ITEM(pair, 1));
    for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(children); i++)
      good = read_tree(s, PyTuple_GET_ITEM(children, i));
  }
  Py_XDECREF(children);
  Py_XDECREF(pair);
  if (!good) PyErr_Clear();  // whatever is wrong, the slow path finds it again and raises
  return good;
}

bool read_sequence(Signature* s, PyObject* value, Tag tag) {
  s->words.push(count_word(uint64_t(PySequence_Fast_GET_SIZE(value)), tag));
  // Opening a custom node runs Python code, which may change a list: ask for the size each time.
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value); i++)
    if (!read_tree(s, PySequence_Fast_GET_ITEM(value, i))) return false;
  return true;
}

// Opens a container. Holds it meanwhile: Python code may take it out of its parent.
bool read_container(Signature* s, PyObject* value) {
  PyTypeObject* type = Py_TYPE(value);
  size_t words = s->words.size();
  bool good;
  if (Py_EnterRecursiveCall(" while flattening the arguments of a jit function")) {
    PyErr_Clear();
    return false;
  }
  Py_INCREF(value);
  if (type == &PyTuple_Type) good = read_sequence(s, value, kTuple);
  else if (type == &PyList_Type) good = read_sequence(s, value, kList);
  else good = (type == &PyDict_Type && read_dict(s, value)) ||
              (s->words.size() == words && read_custom(s, value));
  Py_DECREF(value);
  Py_LeaveRecursiveCall();
  return good;
}

bool read_tree(Signature* s, PyObject* value) {
  if (Py_TYPE(value) == array_type) return read_array(s, value);
  if (value == Py_None) {
    s->words.push(kNone);
    return true;
  }
  return read_leaf(s, value) || read_container(s, value);
}

bool read_static(Signature* s, PyObject* value) {
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(value));
  s->words.push(kStatic);
  s->words.push(reinterpret_cast<uint64_t>(type));  // static types need not be 16-byte aligned
  s->pinned.push(type);
  return push_compared(s, value);
}

bool is_static_name(const StaticArguments& statics, PyObject* name) {
  if (!statics.names) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(statics.names); i++) {
    PyObject* other = PyTuple_GET_ITEM(statics.names, i);
    if (other == name || PyUnicode_Compare(other, name) == 0) return true;
  }
  return false;
}

bool read_keywords(Signature* s, const StaticArguments& statics, PyObject* const* values,
                   PyObject* names) {
  Items items;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++)
    items.push(PyTuple_GET_ITEM(names, i), values[i]);
  if (!items.read_keys(s, kKeywords)) return false;
  for (Item& item : items.list)
    if (!(is_static_name(statics, item.key) ? read_static(s, item.value)
                                            : read_tree(s, item.value)))
      return false;
  return true;
}

}  // namespace

Signature::~Signature() {
  for (Leaf& leaf : leaves) Py_DECREF(leaf.value);
  for (PyObject* value : compared) Py_DECREF(value);
}

uint64_t Signature::hash() {
  uint64_t hash = words.size();
  for (uint64_t word : words) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ull;
    hash ^= hash >> 32;
  }
  return hash;
}

bool read_signature(Signature* s, const StaticArguments& statics, PyObject* const* arguments,
                    size_t count, PyObject* keyword_names) {
  PyObject* context = context_key();
  if (!context) {
    PyErr_Clear();
    return false;
  }
  s->words.push(reinterpret_cast<uint64_t>(context));
  s->pinned.push(context);
  s->words.push(count);
  uint64_t static_bits = statics.positions;
  if (static_bits | statics.from_end) {
    if (count > 64) return false;
    for (size_t i = 0; i < count; i++)
      static_bits |= (statics.from_end >> i & 1) << (count - 1 - i);
  }
  for (size_t i = 0; i < count; i++) {
    bool is_static = static_bits && (static_bits >> i & 1);
    if (!(is_static ? read_static(s, arguments[i]) : read_tree(s, arguments[i]))) return false;
  }
  if (!keyword_names || !PyTuple_GET_SIZE(keyword_names)) return true;
  return read_keywords(s, statics, arguments + count, keyword_names);
}

// ---- arguments by value ----

namespace {

constexpr size_t kMostWords = 128;  // longer lists of numbers are data rather than options
PyObject* address_types = nullptr;  // a tuple

bool known_by_address(PyObject* value) {
  if (value == Py_Ellipsis || PyType_Check(value) || PyArray_DescrCheck(value)) return true;
  for (Py_ssize_t i = 0; address_types && i < PyTuple_GET_SIZE(address_types); i++) {
    auto* type = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(address_types, i));
    if (PyType_Check(reinterpret_cast<PyObject*>(type)) && PyObject_TypeCheck(value, type))
      return true;
  }
  return false;
}

void push_bits(Signature* s, double number) {
  uint64_t bits;  // not compared by `==`: zeros have signs, and NaN is like itself
  std::memcpy(&bits, &number, sizeof(bits));
  s->words.push(kBits);
  s->words.push(bits);
}

bool read_value(Signature* s, PyObject* value);

bool read_items(Signature* s, PyObject* sequence, Tag tag) {
  Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence);
  s->words.push(count_word(uint64_t(count), tag));
  if (s->words.size() + size_t(count) > kMostWords) return false;
  for (Py_ssize_t i = 0; i < count; i++)
    if (!read_value(s, PySequence_Fast_GET_ITEM(sequence, i))) return false;
  return true;
}

bool read_slice(Signature* s, PyObject* value) {
  auto* slice = reinterpret_cast<PySliceObject*>(value);
  s->words.push(kSlice);
  return read_value(s, slice->start) && read_value(s, slice->stop) && read_value(s, slice->step);
}

bool read_value(Signature* s, PyObject* value) {
  PyTypeObject* type = Py_TYPE(value);
  if (type == array_type) {
    auto* array = reinterpret_cast<ArrayObject*>(value);
    if (!array->data || !PyArray_Check(array->data) || is_placed(array)) return false;
    s->words.push(address_word(array->aval, kArray));
    s->pinned.push(array->aval);
    push_leaf(s, value, LeafKind::Array);
    return true;
  }
  if (value == Py_None) {
    s->words.push(kNone);
    return true;
  }
  if (type == &PyLong_Type || type == &PyBool_Type || type == &PyUnicode_Type)
    return read_static(s, value);
  if (type == &PyFloat_Type) {
    push_bits(s, PyFloat_AS_DOUBLE(value));
    return true;
  }
  if (type == &PyTuple_Type) return read_items(s, value, kTuple);
  if (type == &PyList_Type) return read_items(s, value, kList);
  if (type == &PySlice_Type) return read_slice(s, value);
  if (type == &PyArray_Type) return read_numpy(s, value);
  if (PyArray_IsScalar(value, Generic)) {
    s->words.push(kScalar);
    return read_numpy(s, value);
  }
  if (!known_by_address(value)) return false;
  s->words.push(kAddress);
  s->words.push(reinterpret_cast<uint64_t>(value));
  s->pinned.push(value);
  return true;
}

}  // namespace

bool read_values(Signature* s, PyObject* const* arguments, size_t count, PyObject* keyword_names) {
  PyObject* context = context_key();
  if (!context) {
    PyErr_Clear();
    return false;
  }
  s->words.push(reinterpret_cast<uint64_t>(context));
  s->pinned.push(context);
  s->words.push(count);
  for (size_t i = 0; i < count; i++)
    if (!read_value(s, arguments[i])) return false;
  Py_ssize_t named = keyword_names ? PyTuple_GET_SIZE(keyword_names) : 0;
  if (named) s->words.push(count_word(uint64_t(named), kKeywords));
  for (Py_ssize_t i = 0; i < named; i++)
    if (!push_compared(s, PyTuple_GET_ITEM(keyword_names, i)) ||
        !read_value(s, arguments[count + size_t(i)]))
      return false;
  return true;
}

PyObject* set_address_types(PyObject*, PyObject* types) {
  PyObject* tuple = PySequence_Tuple(types);
  if (!tuple) return nullptr;
  Py_XSETREF(address_types, tuple);
  Py_RETURN_NONE;
}

PyObject* set_flatten(PyObject*, PyObject* function) {
  Py_XSETREF(flatten_function, function == Py_None ? nullptr : Py_NewRef(function));
  Py_RETURN_NONE;
}
