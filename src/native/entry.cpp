// JitEntry: runs a compiled function on the leaves of a call.
#include "jit.h"

#include <cstring>
#include <new>

#include "steps.h"

PyTypeObject JitEntryType = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

struct alignas(16) Scalar {
  char bytes[16];
};

// What the operands of one call need beside the leaves.
struct Conversions {
  SmallVector<Scalar, 16> scalars;
  SmallVector<PyObject*, 16> owned;
  ~Conversions() {
    for (PyObject* object : owned) Py_DECREF(object);
  }
};

template <typename T, typename V>
Served put(Scalar* scalar, V value) {
  T converted = static_cast<T>(value);
  std::memcpy(scalar->bytes, &converted, sizeof(T));
  return Served::Done;
}

Served put_integer(Scalar* scalar, int type_number, PyObject* value) {
  int overflow = 0;
  long long integer = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow) return Served::NotServable;
  if (type_number == NPY_INT64 || type_number == NPY_LONGLONG)
    return put<int64_t>(scalar, integer);
  if (type_number == NPY_INT32 && integer == int32_t(integer))
    return put<int32_t>(scalar, integer);
  return Served::NotServable;
}

// Writes a Python scalar as the program's dtype; NotServable for pairs that Python code handles.
Served put_scalar(Scalar* scalar, int type_number, const Leaf& leaf) {
  switch (leaf.kind) {
    case LeafKind::Bool:
      if (type_number == NPY_BOOL) return put<npy_bool>(scalar, leaf.value == Py_True);
      return Served::NotServable;
    case LeafKind::Int:
      return put_integer(scalar, type_number, leaf.value);
    case LeafKind::Float: {
      double real = PyFloat_AS_DOUBLE(leaf.value);
      if (type_number == NPY_FLOAT32) return put<float>(scalar, real);
      if (type_number == NPY_FLOAT64) return put<double>(scalar, real);
      return Served::NotServable;
    }
    case LeafKind::Complex: {
      Py_complex value = PyComplex_AsCComplex(leaf.value);
      double both[2] = {value.real, value.imag};
      float single[2] = {float(value.real), float(value.imag)};
      if (type_number == NPY_COMPLEX64) std::memcpy(scalar->bytes, single, sizeof(single));
      else if (type_number == NPY_COMPLEX128) std::memcpy(scalar->bytes, both, sizeof(both));
      else return Served::NotServable;
      return Served::Done;
    }
    default:
      return Served::NotServable;
  }
}

// The ndarray (new reference) of a leaf that is no Array, contiguous and of `dtype`. Shares memory
// with a NumPy leaf only where `may_share`.
PyObject* leaf_ndarray(const Leaf& leaf, PyArray_Descr* dtype, bool may_share) {
  int flags = NPY_ARRAY_CARRAY_RO | NPY_ARRAY_FORCECAST | (may_share ? 0 : NPY_ARRAY_ENSURECOPY);
  Py_INCREF(dtype);  // PyArray_FromAny steals one
  return PyArray_FromAny(leaf.value, dtype, 0, 0, flags, nullptr);
}

Served fill_operand(JitEntryObject* entry, Py_ssize_t index, const Leaf& leaf, Operand* operand,
                    Conversions* conversions) {
  if (leaf.kind == LeafKind::Array)
    return operand_from_array(operand, leaf.value) ? Served::Done : Served::Failed;
  auto* program = reinterpret_cast<ProgramObject*>(entry->executable);
  PyArray_Descr* dtype = program_input_dtype(program, index);
  if (leaf.kind == LeafKind::NumPy || program_forwards(program)) {
    if (leaf.kind == LeafKind::Int) {  // NumPy's own conversion would raise another error
      Scalar scalar;
      Served served = put_scalar(&scalar, dtype->type_num, leaf);
      if (served != Served::Done) return served;
    }
    PyObject* data = leaf_ndarray(leaf, dtype, !program_forwards(program));
    if (!data) return Served::Failed;
    operand->address = PyArray_DATA(reinterpret_cast<PyArrayObject*>(data));
    operand->owner = data;
    return Served::Done;
  }
  // The vector does not move any more: it has room for all leaves.
  size_t at = conversions->scalars.size();
  conversions->scalars.resize(at + 1);
  operand->address = conversions->scalars[at].bytes;
  return put_scalar(&conversions->scalars[at], dtype->type_num, leaf);
}

inline const Leaf& input_leaf(JitEntryObject* entry, Signature* signature, Py_ssize_t index) {
  return signature->leaves[size_t(entry->kept ? entry->kept[index] : index)];
}

PyObject* list_of(PyObject** items, Py_ssize_t count) {
  PyObject* list = PyList_New(count);
  for (Py_ssize_t i = 0; list && i < count; i++) PyList_SET_ITEM(list, i, Py_NewRef(items[i]));
  return list;
}

PyObject* build_result(JitEntryObject* entry, PyObject** outputs, Py_ssize_t count) {
  if (entry->output) return entry->output->build(outputs);
  PyObject* list = list_of(outputs, count);
  if (!list) return nullptr;
  PyObject* result = PyObject_CallOneArg(entry->unflatten, list);
  Py_DECREF(list);
  return result;
}

Served serve_program(JitEntryObject* entry, Signature* signature, PyObject** result) {
  auto* program = reinterpret_cast<ProgramObject*>(entry->executable);
  Conversions conversions;
  Operands operands(size_t(entry->input_count));
  conversions.scalars.resize(size_t(entry->input_count));
  conversions.scalars.resize(0);
  for (Py_ssize_t i = 0; i < entry->input_count; i++) {
    Served served = fill_operand(entry, i, input_leaf(entry, signature, i), &operands[size_t(i)],
                                 &conversions);
    if (served != Served::Done) return served;
  }
  Py_ssize_t count = program_output_count(program);
  SmallVector<PyObject*, 32> outputs;
  outputs.resize(size_t(count));
  if (!program_run(program, operands.data(), entry->placement, outputs.data()))
    return Served::Failed;
  if (entry->output && entry->output->is_single() && count == 1) {
    *result = outputs[0];
    return Served::Done;
  }
  *result = build_result(entry, outputs.data(), count);
  for (PyObject* output : outputs) Py_DECREF(output);
  return *result ? Served::Done : Served::Failed;
}

// An Array (new reference) of a leaf, as the aval wants it.
PyObject* leaf_array(const Leaf& leaf, PyObject* aval) {
  if (leaf.kind == LeafKind::Array) return Py_NewRef(leaf.value);
  PyObject* dtype = PyObject_GetAttrString(aval, "dtype");
  if (!dtype) return nullptr;
  PyObject* data = nullptr;
  if (PyArray_DescrCheck(dtype))
    data = leaf_ndarray(leaf, reinterpret_cast<PyArray_Descr*>(dtype), false);
  else
    PyErr_Format(PyExc_TypeError, "cannot convert %s to %R", Py_TYPE(leaf.value)->tp_name, dtype);
  Py_DECREF(dtype);
  return data ? array_new(data, aval, nullptr) : nullptr;
}

Served serve_steps(JitEntryObject* entry, Signature* signature, PyObject** result) {
  auto* steps = reinterpret_cast<StepsObject*>(entry->executable);
  SmallVector<PyObject*, 32> inputs, outputs;
  Conversions conversions;
  for (Py_ssize_t i = 0; i < entry->input_count; i++) {
    const Leaf& leaf = input_leaf(entry, signature, i);
    PyObject* array = leaf.value;
    if (leaf.kind != LeafKind::Array) {
      if (!entry->in_avals) return Served::NotServable;
      array = leaf_array(leaf, PyTuple_GET_ITEM(entry->in_avals, i));
      if (!array) return Served::Failed;
      conversions.owned.push(array);
    }
    inputs.push(array);
  }
  outputs.resize(size_t(steps_output_count(steps)));
  if (!steps_run(steps, inputs.data(), outputs.data())) return Served::Failed;
  *result = build_result(entry, outputs.data(), Py_ssize_t(outputs.size()));
  for (PyObject* output : outputs) Py_DECREF(output);
  return *result ? Served::Done : Served::Failed;
}

Served serve_callable(JitEntryObject* entry, Signature* signature, PyObject** result) {
  PyObject* inputs = PyList_New(entry->input_count);
  for (Py_ssize_t i = 0; inputs && i < entry->input_count; i++) {
    PyObject* array = leaf_array(input_leaf(entry, signature, i),
                                 PyTuple_GET_ITEM(entry->in_avals, i));
    if (array) PyList_SET_ITEM(inputs, i, array);
    else Py_CLEAR(inputs);
  }
  if (!inputs) {
    bool overflow = PyErr_ExceptionMatches(PyExc_OverflowError);
    if (overflow) PyErr_Clear();
    return overflow ? Served::NotServable : Served::Failed;
  }
  PyObject* returned = PyObject_CallOneArg(entry->executable, inputs);
  Py_DECREF(inputs);
  PyObject* outputs = returned ? PySequence_Fast(returned, "an executable must return a sequence")
                               : nullptr;
  Py_XDECREF(returned);
  if (!outputs) return Served::Failed;
  *result = build_result(entry, PySequence_Fast_ITEMS(outputs), PySequence_Fast_GET_SIZE(outputs));
  Py_DECREF(outputs);
  return *result ? Served::Done : Served::Failed;
}

}  // namespace

Served serve(JitEntryObject* entry, Signature* signature, PyObject** result) {
  PyTypeObject* type = Py_TYPE(entry->executable);
  if (type == &ProgramType) return serve_program(entry, signature, result);
  if (type == &StepsType) return serve_steps(entry, signature, result);
  return serve_callable(entry, signature, result);
}

bool entry_fits(JitEntryObject* entry, Signature* signature) {
  Py_ssize_t leaves = Py_ssize_t(signature->leaves.size());
  bool fits = entry->kept || entry->input_count == leaves;
  for (Py_ssize_t i = 0; entry->kept && i < entry->input_count; i++)
    fits &= entry->kept[i] < leaves;
  if (!fits)
    PyErr_Format(PyExc_ValueError, "JitEntry of %zd inputs does not fit a call with %zd leaves",
                 entry->input_count, leaves);
  return fits;
}

// ---- the type ----

static bool read_kept(JitEntryObject* self, PyObject* kept) {
  PyObject* fast = PySequence_Fast(kept, "JitEntry: kept must be a sequence of leaf numbers");
  if (!fast) return false;
  bool good = PySequence_Fast_GET_SIZE(fast) == self->input_count;
  if (!good)
    PyErr_Format(PyExc_ValueError, "JitEntry: kept names %zd leaves for %zd inputs",
                 PySequence_Fast_GET_SIZE(fast), self->input_count);
  self->kept = static_cast<Py_ssize_t*>(PyMem_Calloc(size_t(self->input_count) + 1,
                                                     sizeof(Py_ssize_t)));
  for (Py_ssize_t i = 0; good && i < self->input_count; i++) {
    self->kept[i] = PyLong_AsSsize_t(PySequence_Fast_GET_ITEM(fast, i));
    good = self->kept[i] >= 0;
    if (!good && !PyErr_Occurred())
      PyErr_Format(PyExc_ValueError, "JitEntry: kept leaf %zd is negative", self->kept[i]);
  }
  Py_DECREF(fast);
  return good;
}

static bool fill_entry(JitEntryObject* self, PyObject* executable, PyObject* output,
                       PyObject* in_avals, PyObject* kept, PyObject* unflatten) {
  Py_ssize_t output_count = PY_SSIZE_T_MAX;
  if (Py_TYPE(executable) == &ProgramType) {
    auto* program = reinterpret_cast<ProgramObject*>(executable);
    self->input_count = program_input_count(program);
    output_count = program_output_count(program);
  } else if (Py_TYPE(executable) == &StepsType) {
    auto* steps = reinterpret_cast<StepsObject*>(executable);
    self->input_count = steps_input_count(steps);
    output_count = steps_output_count(steps);
    if (in_avals != Py_None) {
      self->in_avals = PySequence_Tuple(in_avals);
      if (!self->in_avals) return false;
      if (PyTuple_GET_SIZE(self->in_avals) != self->input_count) {
        PyErr_Format(PyExc_ValueError, "JitEntry: %zd avals for %zd inputs",
                     PyTuple_GET_SIZE(self->in_avals), self->input_count);
        return false;
      }
    }
  } else {
    self->in_avals = PySequence_Tuple(in_avals);
    if (!self->in_avals) return false;
    self->input_count = PyTuple_GET_SIZE(self->in_avals);
  }
  if (kept != Py_None && !read_kept(self, kept)) return false;
  if (output != Py_None || unflatten == Py_None) {
    self->output = new OutputTemplate;
    if (self->output->read(output, output_count)) return true;
    if (unflatten == Py_None || !PyErr_ExceptionMatches(PyExc_TypeError)) return false;
    PyErr_Clear();
    delete self->output;
    self->output = nullptr;
  }
  self->unflatten = Py_NewRef(unflatten);
  return true;
}

static PyObject* entry_tp_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"executable", "output", "in_avals", "kept", "unflatten",
                                "placement", nullptr};
  PyObject *executable, *output = Py_None, *in_avals = Py_None, *kept = Py_None;
  PyObject *unflatten = Py_None, *placement = Py_None;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O$OOOO:JitEntry",
                                   const_cast<char**>(names), &executable, &output, &in_avals,
                                   &kept, &unflatten, &placement))
    return nullptr;
  auto* self = reinterpret_cast<JitEntryObject*>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  self->executable = Py_NewRef(executable);
  self->placement = placement == Py_None ? nullptr : Py_NewRef(placement);
  if (!fill_entry(self, executable, output, in_avals, kept, unflatten)) Py_CLEAR(self);
  return reinterpret_cast<PyObject*>(self);
}

static int entry_traverse(PyObject* object, visitproc visit, void* arg) {
  auto* self = reinterpret_cast<JitEntryObject*>(object);
  Py_VISIT(self->executable);
  Py_VISIT(self->unflatten);
  Py_VISIT(self->placement);
  Py_VISIT(self->in_avals);
  return 0;
}

// None instead of NULL: whoever still calls gets an exception.
static int entry_clear(PyObject* object) {
  auto* self = reinterpret_cast<JitEntryObject*>(object);
  if (self->executable) Py_SETREF(self->executable, Py_NewRef(Py_None));
  if (self->unflatten) Py_SETREF(self->unflatten, Py_NewRef(Py_None));
  Py_CLEAR(self->placement);
  return 0;
}

static void entry_dealloc(PyObject* object) {
  auto* self = reinterpret_cast<JitEntryObject*>(object);
  PyObject_GC_UnTrack(object);
  Py_XDECREF(self->executable);
  Py_XDECREF(self->unflatten);
  Py_XDECREF(self->placement);
  Py_XDECREF(self->in_avals);
  PyMem_Free(self->kept);
  delete self->output;
  Py_TYPE(object)->tp_free(object);
}

static PyObject* get_executable(PyObject* self, void*) {
  return Py_NewRef(reinterpret_cast<JitEntryObject*>(self)->executable);
}

static PyGetSetDef entry_getset[] = {
    {"executable", get_executable, nullptr, "The program or callable that computes the outputs."},
    {nullptr}};

int entry_type_ready() {
  PyTypeObject* type = &JitEntryType;
  type->tp_name = "arrax._native.JitEntry";
  type->tp_basicsize = sizeof(JitEntryObject);
  type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type->tp_doc =
      "JitEntry(executable, output=None, *, in_avals=None, kept=None, unflatten=None,\n"
      "         placement=None)\n\n"
      "How calls of one signature are served. `executable` is a Program, Steps or a callable from a\n"
      "list of Arrays to a sequence of Arrays; a callable needs `in_avals`, one per input, and Steps do\n"
      "where leaves may be no Arrays. `output` is\n"
      "the result's pytree of builtin containers and namedtuples, with output numbers as leaves;\n"
      "where other nodes are in it, `unflatten` makes the result from the list of outputs. `kept`\n"
      "numbers, for each input, its leaf among the leaves of the dynamic arguments (None: all, in\n"
      "order).";
  type->tp_new = guarded<entry_tp_new>;
  type->tp_dealloc = entry_dealloc;
  type->tp_traverse = entry_traverse;
  type->tp_clear = entry_clear;
  type->tp_getset = entry_getset;
  return PyType_Ready(type);
}
