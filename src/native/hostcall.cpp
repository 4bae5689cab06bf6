// Host calls: compiled programs run Python functions on views of their buffers, and signal handlers.
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "program.h"
#include "small_vector.h"

// An ndarray over memory of a running program.
static PyObject* view_of(const ArraySpec& spec, void* memory, bool writeable) {
  Py_INCREF(spec.dtype);
  return PyArray_NewFromDescr(
      &PyArray_Type, spec.dtype, spec.ndim(), spec.dims(), nullptr, memory,
      writeable ? NPY_ARRAY_CARRAY : NPY_ARRAY_CARRAY & ~NPY_ARRAY_WRITEABLE, nullptr);
}

static PyObject* operand_of(const HostCall& call, const ArraySpec& spec, void* memory) {
  PyObject* view = view_of(spec, memory, false);
  if (!view || !call.copies_operands) return view;
  PyObject* copy = PyArray_NewCopy(reinterpret_cast<PyArrayObject*>(view), NPY_CORDER);
  Py_DECREF(view);
  if (copy) PyArray_CLEARFLAGS(reinterpret_cast<PyArrayObject*>(copy), NPY_ARRAY_WRITEABLE);
  return copy;
}

// Copies a returned value into the program's memory, cast to the declared dtype.
static bool store(const HostCall& call, size_t index, PyObject* value, void* memory) {
  const ArraySpec& spec = call.results[index];
  PyObject* array = PyArray_FromAny(value, nullptr, 0, 0, 0, nullptr);
  if (!array) return false;
  auto* source = reinterpret_cast<PyArrayObject*>(array);
  bool good = PyArray_NDIM(source) == spec.ndim() &&
              PyArray_CompareLists(PyArray_DIMS(source), spec.dims(), spec.ndim());
  if (!good) {
    PyObject* shape = PyObject_GetAttrString(array, "shape");
    PyErr_Format(PyExc_ValueError,
                 "Python function %R called by a compiled program returned shape %S for result "
                 "%zu; %d dimensions and %zd bytes of %R were declared",
                 call.function, shape, index, spec.ndim(), spec.bytes, spec.dtype);
    Py_XDECREF(shape);
  } else if (PyArray_DESCR(source) == spec.dtype && PyArray_IS_C_CONTIGUOUS(source)) {
    std::memcpy(memory, PyArray_DATA(source), size_t(spec.bytes));
  } else {
    PyObject* target = view_of(spec, memory, true);
    good = target && PyArray_CopyInto(reinterpret_cast<PyArrayObject*>(target), source) == 0;
    Py_XDECREF(target);
  }
  Py_DECREF(array);
  return good;
}

// A function of one result may return it bare; a tuple or list holds one value per result.
static bool store_results(const HostCall& call, PyObject* value, void** results) {
  size_t count = call.results.size();
  if (PyTuple_Check(value) || PyList_Check(value)) {
    if (size_t(PySequence_Fast_GET_SIZE(value)) != count) {
      PyErr_Format(PyExc_ValueError, "Python function %R called by a compiled program returned "
                   "%zd results; %zu were declared", call.function,
                   PySequence_Fast_GET_SIZE(value), count);
      return false;
    }
    for (size_t i = 0; i < count; i++)
      if (!store(call, i, PySequence_Fast_GET_ITEM(value, i), results[i])) return false;
    return true;
  }
  if (count == 1) return store(call, 0, value, results[0]);
  if (count == 0 && value == Py_None) return true;
  PyErr_Format(PyExc_TypeError, "Python function %R called by a compiled program must return a "
               "sequence of %zu results, got %s", call.function, count, Py_TYPE(value)->tp_name);
  return false;
}

static bool call_function(const HostCall& call, void** operands, void** results) {
  size_t count = call.operands.size();
  SmallVector<PyObject*, 16> arguments;
  bool good = true;
  for (size_t i = 0; good && i < count; i++) {
    PyObject* operand = operand_of(call, call.operands[i], operands[i]);
    if (operand) arguments.push(operand);
    good = operand != nullptr;
  }
  PyObject* value = good ? PyObject_Vectorcall(call.function, arguments.data(), count, nullptr)
                         : nullptr;
  // A result may be a view of an operand: store before the operands go.
  good = value && store_results(call, value, results);
  Py_XDECREF(value);
  for (PyObject* operand : arguments) Py_DECREF(operand);
  return good;
}

// Keeps the exception that is set for the end of the run.
static void keep_error(RunContext* run) {
  if (run->error_type) PyErr_Clear();
  else PyErr_Fetch(&run->error_type, &run->error_value, &run->error_traceback);
}

extern "C" int arrax_host_call(void* context, int64_t id, void** operands, void** results) {
  auto* run = static_cast<RunContext*>(context);
  bool released = run->program->releases_gil;
  if (released) PyEval_RestoreThread(run->released);
  bool good = false;
  try {
    good = call_function(run->program->host_calls[size_t(id)], operands, results);
  } catch (...) {
    raise_current_exception();
  }
  if (!good) keep_error(run);
  if (released) run->released = PyEval_SaveThread();
  return good ? kDone : kFailed;
}

// ---- signals ----

namespace {

constexpr int64_t kPollInterval = 50'000'000;  // nanoseconds

int64_t coarse_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

// Python runs signal handlers in the main thread only, so others need not ask.
extern "C" int arrax_poll(void* context) {
  auto* run = static_cast<RunContext*>(context);
  const int64_t now = coarse_now();
  if (now < run->next_poll) return kDone;
  const bool first = run->next_poll == 0;
  run->next_poll = now + kPollInterval;
  if (first || syscall(SYS_gettid) != getpid()) return kDone;
  bool released = run->program->releases_gil;
  if (released) PyEval_RestoreThread(run->released);
  bool good = PyErr_CheckSignals() == 0;
  if (!good) keep_error(run);
  if (released) run->released = PyEval_SaveThread();
  return good ? kDone : kFailed;
}

static bool read_specs(PyObject* sequence, std::vector<ArraySpec>* specs) {
  PyObject* fast = PySequence_Fast(sequence, "Program: a host call's specs must be sequences");
  if (!fast) return false;
  bool good = true;
  for (Py_ssize_t i = 0; good && i < PySequence_Fast_GET_SIZE(fast); i++) {
    PyObject* pair = PySequence_Fast_GET_ITEM(fast, i);
    specs->emplace_back();
    good = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2;
    if (!good) PyErr_SetString(PyExc_TypeError, "Program: a host call's spec is (dtype, shape)");
    good = good && specs->back().read_dtype_and_shape(PyTuple_GET_ITEM(pair, 0),
                                                      PyTuple_GET_ITEM(pair, 1));
  }
  Py_DECREF(fast);
  return good;
}

bool HostCall::read(PyObject* site) {
  PyObject *callable, *operand_specs, *result_specs;
  int copies = 0;
  if (!PyTuple_Check(site)) {
    PyErr_SetString(PyExc_TypeError, "Program: a host call is a tuple (function, operand_specs, "
                    "result_specs[, copies_operands])");
    return false;
  }
  if (!PyArg_ParseTuple(site, "OOO|p", &callable, &operand_specs, &result_specs, &copies))
    return false;
  function = Py_NewRef(callable);
  copies_operands = copies;
  return read_specs(operand_specs, &operands) && read_specs(result_specs, &results);
}

ARRAX_SYMBOLS({"arrax_host_call", (void*)arrax_host_call}, {"arrax_poll", (void*)arrax_poll});
