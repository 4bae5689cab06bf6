// The signature of a jit call: what decides which compiled entry serves it.
#pragma once

#include "native.h"
#include "small_vector.h"

enum class LeafKind : uint8_t { Array, Bool, Int, Float, Complex, NumPy };

struct Leaf {
  PyObject* value;  // strong reference
  LeafKind kind;
};

// A call's arguments as leaves and tokens. `words` compare bit by bit; `compared` by `==` (their
// hashes are among the words); `pinned` are the objects whose addresses are among the words: a
// cached signature keeps them alive, so that the addresses stay theirs.
struct Signature {
  SmallVector<uint64_t, 96> words;
  SmallVector<PyObject*, 32> compared;  // strong references
  SmallVector<PyObject*, 48> pinned;    // borrowed: from leaves, types and the context
  SmallVector<Leaf, 48> leaves;

  Signature() = default;
  ~Signature();
  uint64_t hash();
};

struct StaticArguments {
  uint64_t positions = 0;      // bit i: positional argument i is static
  uint64_t from_end = 0;       // bit i: the (i+1)-th last positional argument is
  PyObject* names = nullptr;   // tuple of names of static keyword arguments
};

// Reads the arguments of a call. False: not for the fast path (no exception is set).
bool read_signature(Signature* signature, const StaticArguments& statics, PyObject* const* arguments,
                    size_t count, PyObject* keyword_names);

// Reads the arguments of a call in which only Arrays and NumPy's arrays and scalars, also in tuples
// and lists, are leaves: Python's scalars, strings, slices, dtypes and the like count by value. False: something else, or too many of them.
bool read_values(Signature* signature, PyObject* const* arguments, size_t count,
                 PyObject* keyword_names);
// Registers the types whose instances `read_values` tells apart by address.
PyObject* set_address_types(PyObject*, PyObject* types);

// Registers flatten(object) -> (children, data), or None for a leaf: opens containers that are not
// builtin ones by one level. `data` is hashed and compared by `==`.
PyObject* set_flatten(PyObject*, PyObject* function);
