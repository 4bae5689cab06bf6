// Output structure of a compiled function: builds the returned pytree from the output Arrays.
#pragma once

#include <vector>

#include "native.h"

class OutputTemplate {
 public:
  OutputTemplate() = default;
  OutputTemplate(const OutputTemplate&) = delete;
  ~OutputTemplate();
  // Reads a pytree of tuples, lists, dicts and None with output numbers (ints) as leaves, which
  // must be below `output_count`. Namedtuples are allowed too.
  bool read(PyObject* tree, Py_ssize_t output_count);
  // A new reference to the pytree of `outputs` (borrowed).
  PyObject* build(PyObject** outputs) const;
  // Whether the result is the one output itself.
  bool is_single() const { return nodes_.size() == 1 && nodes_[0].kind == Kind::Leaf; }

 private:
  enum class Kind { Leaf, None, Tuple, List, Dict, NamedTuple };
  struct Node {
    Kind kind;
    Py_ssize_t count;      // children; for a leaf its output number
    PyObject* detail;      // dict: tuple of keys; namedtuple: its type; strong
  };
  std::vector<Node> nodes_;  // in preorder

  bool read_children(PyObject* const* items, Py_ssize_t count, Py_ssize_t output_count);
  PyObject* build_at(size_t* at, PyObject** outputs) const;
};
