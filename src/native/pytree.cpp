// Pytrees: the inner loops of core.treedef. A structure is None (a leaf) or a tuple
// (type, data, (structure, ...)); the registry maps types to core.tree_registry.NodeType.
#include "native.h"

namespace {

PyObject* registry = nullptr;        // dict: type -> NodeType
PyObject* sorted_keys = nullptr;     // dict -> tuple of keys; raises for keys that do not compare
PyObject* find_node_type = nullptr;  // value -> NodeType or None; registers namedtuples
PyObject* flatten_name = nullptr;
PyObject* unflatten_name = nullptr;

bool ready() {
  if (!registry) PyErr_SetString(PyExc_RuntimeError, "set_pytree_registry comes first");
  return registry != nullptr;
}

PyObject* as_object(PyTypeObject* type) { return reinterpret_cast<PyObject*>(type); }

// The entry of a value's type (borrowed); NULL for leaves, with an exception on failure.
PyObject* node_type(PyObject* value) {
  PyObject* type = as_object(Py_TYPE(value));
  PyObject* entry = PyDict_GetItemWithError(registry, type);
  if (entry || !PyTuple_Check(value) || PyErr_Occurred()) return entry;
  PyObject* found = PyObject_CallOneArg(find_node_type, value);
  if (!found) return nullptr;
  Py_DECREF(found);  // the registry holds it, unless it is None
  return found == Py_None ? nullptr : PyDict_GetItemWithError(registry, type);
}

// The keys of a dict in order, as a tuple.
PyObject* dict_keys(PyObject* dict) {
  PyObject* list = PyDict_Keys(dict);
  if (!list) return nullptr;
  if (PyList_GET_SIZE(list) > 1 && PyList_Sort(list) < 0) {
    Py_DECREF(list);
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) return nullptr;
    PyErr_Clear();
    return PyObject_CallOneArg(sorted_keys, dict);
  }
  PyObject* keys = PyList_AsTuple(list);
  Py_DECREF(list);
  return keys;
}

// The values of `dict` at `keys`, as a tuple; NULL without an exception if a key is missing.
PyObject* dict_values(PyObject* dict, PyObject* keys) {
  Py_ssize_t count = PyTuple_GET_SIZE(keys);
  PyObject* values = PyTuple_New(count);
  for (Py_ssize_t i = 0; values && i < count; i++) {
    PyObject* value = PyDict_GetItemWithError(dict, PyTuple_GET_ITEM(keys, i));
    if (!value) {
      Py_CLEAR(values);
      break;
    }
    PyTuple_SET_ITEM(values, i, Py_NewRef(value));
  }
  return values;
}

struct Opened {
  PyObject* data = nullptr;
  PyObject* children = nullptr;  // a tuple
  ~Opened() {
    Py_XDECREF(data);
    Py_XDECREF(children);
  }
};

// Takes a node apart.
bool open_node(PyObject* tree, PyObject* entry, Opened* opened) {
  PyTypeObject* type = Py_TYPE(tree);
  if (type == &PyTuple_Type || type == &PyList_Type) {
    opened->data = Py_NewRef(Py_None);
    opened->children = PySequence_Tuple(tree);
  } else if (type == &PyDict_Type) {
    opened->data = dict_keys(tree);
    opened->children = opened->data ? dict_values(tree, opened->data) : nullptr;
    if (opened->data && !opened->children && !PyErr_Occurred())
      PyErr_SetString(PyExc_RuntimeError, "a dict changed while it was flattened");
  } else {
    PyObject* flatten = PyObject_GetAttr(entry, flatten_name);
    PyObject* pair = flatten ? PyObject_CallOneArg(flatten, tree) : nullptr;
    Py_XDECREF(flatten);
    if (pair && !(PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2))
      PyErr_SetString(PyExc_ValueError, "a flatten function must return (children, aux_data)");
    else if (pair) {
      opened->data = Py_NewRef(PyTuple_GET_ITEM(pair, 1));
      opened->children = PySequence_Tuple(PyTuple_GET_ITEM(pair, 0));
    }
    Py_XDECREF(pair);
  }
  return opened->children != nullptr;
}

// Appends the leaves of `tree` to the list `leaves`; returns its structure.
PyObject* flatten(PyObject* tree, PyObject* leaves) {
  PyObject* entry = is_array(tree) ? nullptr : node_type(tree);
  if (!entry) {
    if (PyErr_Occurred() || PyList_Append(leaves, tree) < 0) return nullptr;
    Py_RETURN_NONE;
  }
  if (Py_EnterRecursiveCall(" while flattening a pytree")) return nullptr;
  PyObject* structure = nullptr;
  PyObject* structures = nullptr;
  Opened opened;
  Py_INCREF(tree);  // a flatten function may take it out of its parent
  if (open_node(tree, entry, &opened)) {
    Py_ssize_t count = PyTuple_GET_SIZE(opened.children);
    structures = PyTuple_New(count);
    for (Py_ssize_t i = 0; structures && i < count; i++) {
      PyObject* child = flatten(PyTuple_GET_ITEM(opened.children, i), leaves);
      if (child) PyTuple_SET_ITEM(structures, i, child);
      else Py_CLEAR(structures);
    }
  }
  if (structures)
    structure = PyTuple_Pack(3, as_object(Py_TYPE(tree)), opened.data, structures);
  Py_XDECREF(structures);
  Py_DECREF(tree);
  Py_LeaveRecursiveCall();
  return structure;
}

PyObject* tree_flatten(PyObject*, PyObject* tree) {
  PyObject* leaves = ready() ? PyList_New(0) : nullptr;
  PyObject* structure = leaves ? flatten(tree, leaves) : nullptr;
  PyObject* result = structure ? PyTuple_Pack(2, leaves, structure) : nullptr;
  Py_XDECREF(leaves);
  Py_XDECREF(structure);
  return result;
}

// Whether `structure` is a node: (type, data, children). Sets TypeError for anything malformed.
bool is_node(PyObject* structure) {
  if (PyTuple_CheckExact(structure) && PyTuple_GET_SIZE(structure) == 3 &&
      PyTuple_CheckExact(PyTuple_GET_ITEM(structure, 2)))
    return true;
  PyErr_Format(PyExc_TypeError, "not a pytree structure: %R", structure);
  return false;
}

struct Leaves {
  PyObject** next;
  PyObject** end;
};

// Puts a container of type `kind` together. Steals `values`, a tuple.
PyObject* close_node(PyObject* kind, PyObject* data, PyObject* values) {
  PyObject* result = nullptr;
  if (kind == as_object(&PyTuple_Type)) return values;
  if (kind == as_object(&PyList_Type)) {
    result = PySequence_List(values);
  } else if (kind == as_object(Py_TYPE(Py_None))) {
    result = Py_NewRef(Py_None);
  } else if (kind == as_object(&PyDict_Type) && PyTuple_CheckExact(data) &&
             PyTuple_GET_SIZE(data) == PyTuple_GET_SIZE(values)) {
    result = PyDict_New();
    for (Py_ssize_t i = 0; result && i < PyTuple_GET_SIZE(values); i++)
      if (PyDict_SetItem(result, PyTuple_GET_ITEM(data, i), PyTuple_GET_ITEM(values, i)) < 0)
        Py_CLEAR(result);
  } else {
    PyObject* entry = PyDict_GetItemWithError(registry, kind);
    if (!entry && !PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, kind);
    PyObject* unflatten = entry ? PyObject_GetAttr(entry, unflatten_name) : nullptr;
    PyObject* arguments[] = {data, values};
    result = unflatten ? PyObject_Vectorcall(unflatten, arguments, 2, nullptr) : nullptr;
    Py_XDECREF(unflatten);
  }
  Py_DECREF(values);
  return result;
}

PyObject* build(PyObject* structure, Leaves* leaves) {
  if (structure == Py_None) {
    if (leaves->next < leaves->end) return Py_NewRef(*leaves->next++);
    PyErr_SetString(PyExc_ValueError, "too few leaves for a pytree structure");
    return nullptr;
  }
  if (!is_node(structure) || Py_EnterRecursiveCall(" while building a pytree")) return nullptr;
  PyObject* children = PyTuple_GET_ITEM(structure, 2);
  Py_ssize_t count = PyTuple_GET_SIZE(children);
  PyObject* values = PyTuple_New(count);
  for (Py_ssize_t i = 0; values && i < count; i++) {
    PyObject* child = build(PyTuple_GET_ITEM(children, i), leaves);
    if (child) PyTuple_SET_ITEM(values, i, child);
    else Py_CLEAR(values);
  }
  PyObject* result = values ? close_node(PyTuple_GET_ITEM(structure, 0),
                                         PyTuple_GET_ITEM(structure, 1), values)
                            : nullptr;
  Py_LeaveRecursiveCall();
  return result;
}

PyObject* tree_unflatten(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "tree_unflatten takes a structure and leaves");
    return nullptr;
  }
  PyObject* items = ready() ? PySequence_Tuple(arguments[1]) : nullptr;  // unflatten functions cannot change it
  if (!items) return nullptr;
  PyObject** first = reinterpret_cast<PyTupleObject*>(items)->ob_item;
  Leaves leaves = {first, first + PyTuple_GET_SIZE(items)};
  PyObject* result = build(arguments[0], &leaves);
  Py_DECREF(items);
  return result;
}

// Appends the subtrees of `tree` at the leaves of `structure`. 1: done, 0: they differ, -1: error.
int flatten_up_to(PyObject* structure, PyObject* tree, PyObject* found) {
  if (structure == Py_None) return PyList_Append(found, tree) < 0 ? -1 : 1;
  if (!is_node(structure)) return -1;
  if (PyTuple_GET_ITEM(structure, 0) != as_object(Py_TYPE(tree))) return 0;
  PyObject* entry = node_type(tree);
  if (!entry) return PyErr_Occurred() ? -1 : 0;
  if (Py_EnterRecursiveCall(" while flattening a pytree")) return -1;
  PyObject* children = PyTuple_GET_ITEM(structure, 2);
  Opened opened;
  int status = -1;
  if (open_node(tree, entry, &opened)) {
    status = PyTuple_GET_SIZE(opened.children) == PyTuple_GET_SIZE(children);
    if (status == 1)
      status = PyObject_RichCompareBool(PyTuple_GET_ITEM(structure, 1), opened.data, Py_EQ);
    for (Py_ssize_t i = 0; status == 1 && i < PyTuple_GET_SIZE(children); i++)
      status = flatten_up_to(PyTuple_GET_ITEM(children, i),
                             PyTuple_GET_ITEM(opened.children, i), found);
  }
  Py_LeaveRecursiveCall();
  return status;
}

PyObject* tree_flatten_up_to(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2) {
    PyErr_SetString(PyExc_TypeError, "tree_flatten_up_to takes a structure and a tree");
    return nullptr;
  }
  PyObject* found = ready() ? PyList_New(0) : nullptr;
  int status = found ? flatten_up_to(arguments[0], arguments[1], found) : -1;
  if (status == 1) return found;
  Py_XDECREF(found);
  if (status < 0) return nullptr;
  Py_RETURN_NONE;
}

PyObject* set_pytree_registry(PyObject*, PyObject* arguments) {
  PyObject *types, *keys, *find;
  if (!PyArg_ParseTuple(arguments, "O!OO:set_pytree_registry", &PyDict_Type, &types, &keys, &find))
    return nullptr;
  if (!flatten_name) flatten_name = PyUnicode_InternFromString("flatten");
  if (!unflatten_name) unflatten_name = PyUnicode_InternFromString("unflatten");
  if (!flatten_name || !unflatten_name) return nullptr;
  Py_XSETREF(registry, Py_NewRef(types));
  Py_XSETREF(sorted_keys, Py_NewRef(keys));
  Py_XSETREF(find_node_type, Py_NewRef(find));
  Py_RETURN_NONE;
}

}  // namespace

PyMethodDef pytree_functions[] = {
    {"set_pytree_registry", guarded<set_pytree_registry>, METH_VARARGS,
     "Say which types are nodes: a dict, the sorter of dict keys, the finder of namedtuples."},
    {"tree_flatten", guarded<tree_flatten>, METH_O, "(leaves, structure) of a pytree."},
    {"tree_unflatten", method<tree_unflatten>(), METH_FASTCALL,
     "The pytree of a structure with a sequence of leaves."},
    {"tree_flatten_up_to", method<tree_flatten_up_to>(), METH_FASTCALL,
     "The subtrees at the leaves of a structure; None when the tree differs."},
    {nullptr}};
