// What a Program holds: shared by program.cpp and hostcall.cpp.
#pragma once

#include <vector>

#include "native.h"

// Storage dtype and shape of an array, and its aval where it is known.
struct ArraySpec {
  PyObject* aval = nullptr;
  PyArray_Descr* dtype = nullptr;
  std::vector<npy_intp> shape;
  npy_intp bytes = 0;

  ArraySpec() = default;
  ArraySpec(const ArraySpec&) = delete;
  ArraySpec(ArraySpec&& other) noexcept
      : aval(other.aval), dtype(other.dtype), shape(std::move(other.shape)), bytes(other.bytes) {
    other.aval = nullptr;
    other.dtype = nullptr;
  }
  ~ArraySpec() {
    Py_XDECREF(aval);
    Py_XDECREF(dtype);
  }
  int ndim() const { return int(shape.size()); }
  const npy_intp* dims() const { return shape.data(); }
  bool read_aval(PyObject* aval);
  bool read_dtype_and_shape(PyObject* dtype, PyObject* shape);
};

struct OutputSpec {
  ArraySpec spec;
  int forward = -1;  // the input or constant that this output is
  int alias = -1;    // the donated input whose memory it may take
};

// A Python function that machine code calls with arrays.
struct HostCall {
  PyObject* function = nullptr;
  bool copies_operands = false;
  std::vector<ArraySpec> operands, results;

  HostCall() = default;
  HostCall(const HostCall&) = delete;
  HostCall(HostCall&& other) noexcept
      : function(other.function), copies_operands(other.copies_operands),
        operands(std::move(other.operands)), results(std::move(other.results)) {
    other.function = nullptr;
  }
  ~HostCall() { Py_XDECREF(function); }
  // Reads (function, operand_specs, result_specs[, copies_operands]); a spec is (dtype, shape).
  bool read(PyObject* site);
};

struct Program {
  ProgramEntry entry;
  std::vector<ArraySpec> inputs;
  std::vector<OutputSpec> outputs;
  std::vector<PyObject*> constants, constant_data;  // Arrays, and their contiguous ndarrays
  std::vector<void*> constant_addresses;
  std::vector<HostCall> host_calls;
  std::vector<char> donated;
  bool donates = false, forwards = false, releases_gil = false;
  size_t arena_bytes = 0;
  PyObject *keepalive = nullptr, *name = nullptr;
};

struct ProgramObject {
  PyObject_HEAD
  Program* body;
  PyObject* weak_references;
};

// The state of one run; machine code gets its address as `context`.
struct RunContext {
  const Program* program;
  PyThreadState* released;  // the thread's state while the run does without the GIL
  int64_t next_poll;        // when signals are looked at next; 0: not known yet
  PyObject *error_type, *error_value, *error_traceback;  // what a host call raised
};
