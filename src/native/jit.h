// What jit.cpp and entry.cpp share: how a call of one signature is served.
#pragma once

#include "signature.h"
#include "template.h"

struct JitEntryObject {
  PyObject_HEAD
  PyObject* executable;      // a Program, Steps, or a callable: list -> sequence of Arrays
  PyObject* unflatten;       // callable: list of Arrays -> result; NULL with `output`
  PyObject* placement;       // of the outputs; NULL for none
  PyObject* in_avals;        // tuple, one per kept leaf; NULL for a Program
  Py_ssize_t* kept;          // leaf number of each input; NULL: all leaves in order
  Py_ssize_t input_count;
  OutputTemplate* output;    // NULL with `unflatten`
};

// How a fast call ended.
enum class Served { Done, Failed, NotServable };

// Calls the executable with the leaves of a call and builds the result. `NotServable`: a leaf does
// not fit after all (an int out of range): no exception is set, the slow path decides.
Served serve(JitEntryObject* entry, Signature* signature, PyObject** result);
// Whether the leaves that the entry reads exist in calls of this signature; else a ValueError.
bool entry_fits(JitEntryObject* entry, Signature* signature);
