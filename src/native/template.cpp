// See template.h.
#include "template.h"

OutputTemplate::~OutputTemplate() {
  for (Node& node : nodes_) Py_XDECREF(node.detail);
}

bool OutputTemplate::read_children(PyObject* const* items, Py_ssize_t count,
                                   Py_ssize_t output_count) {
  for (Py_ssize_t i = 0; i < count; i++)
    if (!read(items[i], output_count)) return false;
  return true;
}

bool OutputTemplate::read(PyObject* tree, Py_ssize_t output_count) {
  if (tree == Py_None) {
    nodes_.push_back({Kind::None, 0, nullptr});
    return true;
  }
  if (PyLong_CheckExact(tree)) {
    Py_ssize_t index = PyLong_AsSsize_t(tree);
    if (index == -1 && PyErr_Occurred()) return false;
    if (index < 0 || index >= output_count) {
      PyErr_Format(PyExc_ValueError, "output template: leaf %zd is not one of %zd outputs", index,
                   output_count);
      return false;
    }
    nodes_.push_back({Kind::Leaf, index, nullptr});
    return true;
  }
  bool plain = PyTuple_CheckExact(tree) || PyList_CheckExact(tree);
  if (plain || (PyTuple_Check(tree) && PyObject_HasAttrString(tree, "_fields"))) {
    Kind kind = PyList_CheckExact(tree) ? Kind::List : plain ? Kind::Tuple : Kind::NamedTuple;
    PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(tree));
    nodes_.push_back({kind, PySequence_Fast_GET_SIZE(tree), plain ? nullptr : Py_NewRef(type)});
    return read_children(PySequence_Fast_ITEMS(tree), PySequence_Fast_GET_SIZE(tree),
                         output_count);
  }
  if (PyDict_CheckExact(tree)) {
    PyObject* keys = PySequence_Tuple(tree);
    if (!keys) return false;
    Py_ssize_t count = PyTuple_GET_SIZE(keys);
    nodes_.push_back({Kind::Dict, count, keys});
    for (Py_ssize_t i = 0; i < count; i++) {
      PyObject* child = PyDict_GetItemWithError(tree, PyTuple_GET_ITEM(keys, i));
      if (!child || !read(child, output_count)) return false;
    }
    return true;
  }
  PyErr_Format(PyExc_TypeError, "output template: %s is neither an output number nor a builtin "
               "container", Py_TYPE(tree)->tp_name);
  return false;
}

PyObject* OutputTemplate::build(PyObject** outputs) const {
  size_t at = 0;
  return build_at(&at, outputs);
}

PyObject* OutputTemplate::build_at(size_t* at, PyObject** outputs) const {
  const Node& node = nodes_[(*at)++];
  switch (node.kind) {
    case Kind::Leaf: return Py_NewRef(outputs[node.count]);
    case Kind::None: return Py_NewRef(Py_None);
    case Kind::Dict: {
      PyObject* dict = PyDict_New();
      for (Py_ssize_t i = 0; dict && i < node.count; i++) {
        PyObject* child = build_at(at, outputs);
        if (!child || PyDict_SetItem(dict, PyTuple_GET_ITEM(node.detail, i), child) < 0)
          Py_CLEAR(dict);
        Py_XDECREF(child);
      }
      return dict;
    }
    case Kind::List: {
      PyObject* list = PyList_New(node.count);
      for (Py_ssize_t i = 0; list && i < node.count; i++) {
        PyObject* child = build_at(at, outputs);
        if (child) PyList_SET_ITEM(list, i, child);
        else Py_CLEAR(list);
      }
      return list;
    }
    case Kind::Tuple:
    case Kind::NamedTuple: {
      PyObject* tuple = PyTuple_New(node.count);
      for (Py_ssize_t i = 0; tuple && i < node.count; i++) {
        PyObject* child = build_at(at, outputs);
        if (child) PyTuple_SET_ITEM(tuple, i, child);
        else Py_CLEAR(tuple);
      }
      if (!tuple || node.kind == Kind::Tuple) return tuple;
      // As `tuple.__new__(cls, values)`: a namedtuple's own __new__ takes them one by one.
      PyObject* arguments = PyTuple_Pack(1, tuple);
      Py_DECREF(tuple);
      PyObject* result = arguments ? PyTuple_Type.tp_new(
          reinterpret_cast<PyTypeObject*>(node.detail), arguments, nullptr) : nullptr;
      Py_XDECREF(arguments);
      return result;
    }
  }
  return nullptr;
}
