// Program: one compiled executable. Allocates outputs, runs the machine code, wraps the results.
#include "program.h"

#include <structmember.h>

#include <cstring>

#include "small_vector.h"

PyTypeObject ProgramType = {PyVarObject_HEAD_INIT(nullptr, 0)};

Py_ssize_t program_input_count(ProgramObject* program) { return program->body->inputs.size(); }
Py_ssize_t program_output_count(ProgramObject* program) { return program->body->outputs.size(); }
PyObject* program_input_aval(ProgramObject* program, Py_ssize_t index) {
  return program->body->inputs[index].aval;
}
PyArray_Descr* program_input_dtype(ProgramObject* program, Py_ssize_t index) {
  return program->body->inputs[index].dtype;
}
bool program_forwards(ProgramObject* program) { return program->body->forwards; }

// ---- running ----

static bool raise_deleted(PyObject* array) {
  PyObject* text = PyObject_CallMethod(reinterpret_cast<ArrayObject*>(array)->aval, "str_short",
                                       nullptr);
  if (text) PyErr_Format(PyExc_RuntimeError, "Array has been deleted with shape=%U.", text);
  Py_XDECREF(text);
  return false;
}

Operands::Operands(size_t count)
    : count_(count), data_(count > kInline ? new Operand[count] : inline_) {}

Operands::~Operands() {
  for (size_t i = 0; i < count_; i++) {
    Py_XDECREF(data_[i].owner);
    Py_XDECREF(data_[i].array);
  }
  if (data_ != inline_) delete[] data_;
}

bool operand_from_array(Operand* operand, PyObject* object) {
  auto* array = reinterpret_cast<ArrayObject*>(object);
  if (!array->data || array->data == Py_None) return raise_deleted(object);
  auto* data = reinterpret_cast<PyArrayObject*>(Py_NewRef(array->data));
  if (!PyArray_IS_C_CONTIGUOUS(data) || !PyArray_ISALIGNED(data)) {
    PyObject* copy = PyArray_NewCopy(data, NPY_CORDER);  // lets other threads in
    Py_DECREF(data);
    if (!copy) return false;
    data = reinterpret_cast<PyArrayObject*>(copy);
    PyArray_CLEARFLAGS(data, NPY_ARRAY_WRITEABLE);
    // Arrays are immutable, so the contiguous copy may replace the view for good.
    if (array->data && array->data != Py_None) Py_SETREF(array->data, Py_NewRef(copy));
  }
  operand->address = PyArray_DATA(data);
  operand->array = Py_NewRef(object);
  operand->owner = reinterpret_cast<PyObject*>(data);
  return true;
}

// Whether an output may take the memory of its donated input: beside the Array and its operand
// nobody knows of it.
static bool may_take(const Program* program, Operand* operands, const OutputSpec& output) {
  if (output.alias < 0 || !program->donated[output.alias]) return false;
  Operand& operand = operands[output.alias];
  if (!operand.array || !operand.owner) return false;
  auto* data = reinterpret_cast<PyArrayObject*>(operand.owner);
  return Py_REFCNT(data) == 2 &&
         reinterpret_cast<ArrayObject*>(operand.array)->data == operand.owner &&
         PyArray_CHKFLAGS(data, NPY_ARRAY_OWNDATA) && !PyArray_BASE(data) &&
         PyArray_CheckExact(data) &&
         reinterpret_cast<PyArrayObject_fields*>(data)->mem_handler &&
         PyArray_NBYTES(data) == output.spec.bytes && output.spec.bytes > 0;
}

// Memory for each computed output, and the arena. Fills `data` with new references (NULL for forwarded outputs, and
// for those that take a donated input's memory).
static bool allocate_outputs(const Program* program, Operand* operands, PyObject** data,
                             bool* takes, void** arena) {
  size_t count = program->outputs.size();
  std::memset(data, 0, count * sizeof(PyObject*));
  for (size_t i = 0; i < count; i++) {
    const OutputSpec& output = program->outputs[i];
    takes[i] = output.forward < 0 && may_take(program, operands, output);
    if (takes[i] || output.forward >= 0) continue;
    data[i] = pool_empty(output.spec.dtype, output.spec.ndim(), output.spec.dims());
    if (!data[i]) return false;
  }
  if (!program->arena_bytes || (*arena = pool_allocate(program->arena_bytes))) return true;
  PyErr_NoMemory();
  return false;
}

// Moves the memory of donated inputs into the outputs that take it.
static bool take_donated(const Program* program, Operand* operands, PyObject** data,
                         const bool* takes) {
  for (size_t i = 0; i < program->outputs.size(); i++) {
    if (!takes[i]) continue;
    const OutputSpec& output = program->outputs[i];
    auto* owner = reinterpret_cast<PyArrayObject*>(operands[output.alias].owner);
    // Another output of this run may have taken it already.
    data[i] = PyArray_CHKFLAGS(owner, NPY_ARRAY_OWNDATA)
                  ? pool_rehome(owner, output.spec.dtype, output.spec.ndim(), output.spec.dims())
                  : pool_empty(output.spec.dtype, output.spec.ndim(), output.spec.dims());
    if (!data[i]) return false;
  }
  return true;
}

// The Array of output `i`: over the data of a forwarded input, or over data[i], which it takes.
static PyObject* wrap_output(const Program* program, size_t i, Operand* operands,
                             PyObject* placement, PyObject** data) {
  const OutputSpec& output = program->outputs[i];
  if (output.forward < 0) {
    PyObject* result = data[i];
    data[i] = nullptr;
    return array_new(result, output.spec.aval, placement);
  }
  size_t inputs = program->inputs.size(), index = size_t(output.forward);
  if (index >= inputs)
    return array_new(Py_NewRef(program->constant_data[index - inputs]), output.spec.aval,
                     placement);
  Operand& operand = operands[index];
  auto* array = reinterpret_cast<ArrayObject*>(operand.array);
  return array_new(Py_NewRef(operand.owner), output.spec.aval,
                   !placement && array && array->placement != Py_None ? array->placement
                                                                      : placement);
}

static void delete_donated(const Program* program, Operand* operands) {
  if (!program->donates) return;
  for (size_t i = 0; i < program->inputs.size(); i++)
    if (program->donated[i] && operands[i].array)
      Py_CLEAR(reinterpret_cast<ArrayObject*>(operands[i].array)->data);
}

static bool raise_failure(RunContext* context, int32_t status) {
  if (context->error_type) {
    PyErr_Restore(context->error_type, context->error_value, context->error_traceback);
  } else if (status == kNoMemory) {
    PyErr_NoMemory();
  } else {
    PyErr_Format(PyExc_RuntimeError, "internal error: compiled program %R failed with status %d",
                 context->program->name, int(status));
  }
  return false;
}

// Calls the machine code with everything prepared.
static bool execute(const Program* program, Operand* operands, PyObject** data, void* arena) {
  size_t inputs = program->inputs.size(), outputs = program->outputs.size();
  SmallVector<void*, 64> addresses;
  addresses.resize(inputs + program->constant_addresses.size() + outputs);
  void** at = addresses.data();
  for (size_t i = 0; i < inputs; i++) *at++ = operands[i].address;
  for (void* address : program->constant_addresses) *at++ = address;
  void** results = at;
  for (size_t i = 0; i < outputs; i++)
    *at++ = data[i] ? PyArray_DATA(reinterpret_cast<PyArrayObject*>(data[i])) : nullptr;
  RunContext context = {program, nullptr, 0, nullptr, nullptr, nullptr};
  if (program->releases_gil) context.released = PyEval_SaveThread();
  int32_t status = program->entry(&context, addresses.data(), results, arena);
  if (program->releases_gil) PyEval_RestoreThread(context.released);
  return status == 0 ? true : raise_failure(&context, status);
}

bool program_run(ProgramObject* self, Operand* operands, PyObject* placement, PyObject** outputs) {
  const Program* program = self->body;
  size_t count = program->outputs.size(), wrapped = 0;
  SmallVector<PyObject*, 32> data;
  SmallVector<bool, 32> takes;
  data.resize(count);
  takes.resize(count);
  Py_INCREF(self);  // host calls, and other threads while the GIL is released, may drop it
  void* arena = nullptr;
  bool good = allocate_outputs(program, operands, data.data(), takes.data(), &arena);
  if (good) {
    delete_donated(program, operands);
    good = take_donated(program, operands, data.data(), takes.data()) &&
           execute(program, operands, data.data(), arena);
    pool_free(arena);
    for (; good && wrapped < count; wrapped++) {
      outputs[wrapped] = wrap_output(program, wrapped, operands, placement, data.data());
      if (!outputs[wrapped]) good = false;
    }
  }
  if (!good) {
    for (size_t i = 0; i < wrapped; i++) Py_CLEAR(outputs[i]);
    for (size_t i = 0; i < count; i++) Py_XDECREF(data[i]);
  }
  Py_DECREF(self);
  return good;
}

// ---- Program.run ----

// Whether an Array fits an input: the aval itself, or another of that dtype and shape.
static bool check_input(const Program* program, size_t index, PyObject* value) {
  const ArraySpec& spec = program->inputs[index];
  if (!is_array(value)) {
    PyErr_Format(PyExc_TypeError, "Program.run: argument %zu must be a concrete Array, got %s",
                 index, Py_TYPE(value)->tp_name);
    return false;
  }
  auto* array = reinterpret_cast<ArrayObject*>(value);
  if (array->aval == spec.aval) return true;
  if (!array->data || array->data == Py_None) return raise_deleted(value);
  auto* data = reinterpret_cast<PyArrayObject*>(array->data);
  if (PyArray_EquivTypes(PyArray_DESCR(data), spec.dtype) && PyArray_NDIM(data) == spec.ndim() &&
      PyArray_CompareLists(PyArray_DIMS(data), spec.dims(), spec.ndim()))
    return true;
  PyErr_Format(PyExc_TypeError, "Program.run: argument %zu must be %R, got %R", index, spec.aval,
               array->aval);
  return false;
}

static PyObject* run(PyObject* object, PyObject* const* arguments, Py_ssize_t argument_count) {
  auto* self = reinterpret_cast<ProgramObject*>(object);
  const Program* program = self->body;
  if (argument_count < 1 || argument_count > 2) {
    PyErr_SetString(PyExc_TypeError, "Program.run takes a sequence of arrays and a placement");
    return nullptr;
  }
  PyObject* arrays = PySequence_Fast(arguments[0], "Program.run needs a sequence of arrays");
  if (!arrays) return nullptr;
  PyObject* placement = argument_count > 1 && arguments[1] != Py_None ? arguments[1] : nullptr;
  size_t inputs = program->inputs.size(), count = program->outputs.size();
  PyObject* result = nullptr;
  Operands operands(inputs);
  bool good = size_t(PySequence_Fast_GET_SIZE(arrays)) == inputs;
  if (!good)
    PyErr_Format(PyExc_TypeError, "Program.run: program %R takes %zu arrays, got %zd",
                 program->name, inputs, PySequence_Fast_GET_SIZE(arrays));
  for (size_t i = 0; good && i < inputs; i++) {
    PyObject* value = PySequence_Fast_GET_ITEM(arrays, i);
    good = check_input(program, i, value) && operand_from_array(&operands[i], value);
  }
  if (good && (result = PyList_New(count)))
    if (!program_run(self, operands.data(), placement, PySequence_Fast_ITEMS(result)))
      Py_CLEAR(result);
  Py_DECREF(arrays);
  return result;
}

// ---- construction ----

bool ArraySpec::read_dtype_and_shape(PyObject* dtype_object, PyObject* shape_object) {
  PyArray_Descr* converted = nullptr;
  if (!PyArray_DescrConverter(dtype_object, &converted)) return false;
  dtype = converted;
  PyArray_Dims dims = {nullptr, 0};
  if (!PyArray_IntpConverter(shape_object, &dims)) return false;
  shape.assign(dims.ptr, dims.ptr + dims.len);
  PyDimMem_FREE(dims.ptr);
  bytes = PyDataType_ELSIZE(dtype);
  for (npy_intp size : shape)
    if (__builtin_mul_overflow(bytes, size, &bytes)) {
      PyErr_NoMemory();  // more than there are addresses
      return false;
    }
  return true;
}

// Reads an aval: its shape and its storage dtype (`dtype`, or `dtype.storage` for extended ones).
bool ArraySpec::read_aval(PyObject* object) {
  PyObject* shape_object = PyObject_GetAttrString(object, "shape");
  PyObject* dtype_object = shape_object ? PyObject_GetAttrString(object, "dtype") : nullptr;
  if (dtype_object && !PyArray_DescrCheck(dtype_object)) {
    PyObject* storage = PyObject_GetAttrString(dtype_object, "storage");
    Py_SETREF(dtype_object, storage);
  }
  bool good = dtype_object && read_dtype_and_shape(dtype_object, shape_object);
  if (good) aval = Py_NewRef(object);
  Py_XDECREF(shape_object);
  Py_XDECREF(dtype_object);
  return good;
}

// Calls `read(item, index)` for each item of a sequence; None is an empty one.
template <typename Read>
static bool each(PyObject* sequence, const char* what, Read read) {
  if (!sequence || sequence == Py_None) return true;
  PyObject* fast = PySequence_Fast(sequence, what);
  if (!fast) return false;
  bool good = true;
  for (Py_ssize_t i = 0; good && i < PySequence_Fast_GET_SIZE(fast); i++)
    good = read(PySequence_Fast_GET_ITEM(fast, i), size_t(i));
  Py_DECREF(fast);
  return good;
}

static bool read_index(PyObject* item, size_t limit, const char* what, int* index) {
  long value = PyLong_AsLong(item);
  if (value == -1 && PyErr_Occurred()) return false;
  if (value < -1 || value >= long(limit)) {
    PyErr_Format(PyExc_ValueError, "Program: %s %ld is out of range for %zu inputs and constants",
                 what, value, limit);
    return false;
  }
  *index = int(value);
  return true;
}

static bool read_constant(Program* program, PyObject* item) {
  Operand operand;
  if (!is_array(item)) {
    PyErr_Format(PyExc_TypeError, "Program: constants must be concrete Arrays, got %s",
                 Py_TYPE(item)->tp_name);
    return false;
  }
  if (!operand_from_array(&operand, item)) return false;
  program->constants.push_back(Py_NewRef(item));
  program->constant_data.push_back(operand.owner);  // takes the reference over
  program->constant_addresses.push_back(operand.address);
  Py_DECREF(operand.array);
  return true;
}

static bool fill(Program* program, PyObject* in_avals, PyObject* out_avals, PyObject* constants,
                 PyObject* host_calls, PyObject* forwards, PyObject* aliases, PyObject* donated) {
  bool good =
      each(in_avals, "Program: in_avals must be a sequence", [&](PyObject* item, size_t) {
        program->inputs.emplace_back();
        return program->inputs.back().read_aval(item);
      }) &&
      each(out_avals, "Program: out_avals must be a sequence", [&](PyObject* item, size_t) {
        program->outputs.emplace_back();
        return program->outputs.back().spec.read_aval(item);
      }) &&
      each(constants, "Program: consts must be a sequence",
           [&](PyObject* item, size_t) { return read_constant(program, item); }) &&
      each(host_calls, "Program: host_calls must be a sequence", [&](PyObject* item, size_t) {
        program->host_calls.emplace_back();
        return program->host_calls.back().read(item);
      });
  if (!good) return false;
  size_t inputs = program->inputs.size(), outputs = program->outputs.size();
  auto too_long = [&](const char* what) {
    PyErr_Format(PyExc_ValueError, "Program: more %s than outputs", what);
    return false;
  };
  program->donated.assign(inputs, false);
  return each(forwards, "Program: forwards must be a sequence",
              [&](PyObject* item, size_t i) {
                if (i >= outputs) return too_long("forwards");
                int& forward = program->outputs[i].forward;
                if (!read_index(item, inputs + program->constants.size(), "forward", &forward))
                  return false;
                program->forwards |= forward >= 0;
                return true;
              }) &&
         each(aliases, "Program: aliases must be a sequence",
              [&](PyObject* item, size_t i) {
                if (i >= outputs) return too_long("aliases");
                return read_index(item, inputs, "alias", &program->outputs[i].alias);
              }) &&
         each(donated, "Program: donated must be a sequence", [&](PyObject* item, size_t) {
           int index = -1;
           if (!read_index(item, inputs, "donated input", &index)) return false;
           if (index >= 0) program->donated[index] = program->donates = true;
           return true;
         });
}

static PyObject* program_tp_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"entry",    "in_avals", "out_avals", "consts",
                                "arena_bytes", "host_calls", "forwards", "aliases",
                                "donated",  "releases_gil", "keepalive", "name", nullptr};
  PyObject *entry, *in_avals, *out_avals, *constants = nullptr, *host_calls = nullptr;
  PyObject *forwards = nullptr, *aliases = nullptr, *donated = nullptr, *keepalive = Py_None;
  PyObject* name = nullptr;
  Py_ssize_t arena_bytes = 0;
  int releases_gil = 0;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO|$OnOOOOpOU:Program",
                                   const_cast<char**>(names), &entry, &in_avals, &out_avals,
                                   &constants, &arena_bytes, &host_calls, &forwards, &aliases,
                                   &donated, &releases_gil, &keepalive, &name))
    return nullptr;
  void* address = PyLong_AsVoidPtr(entry);
  if (!address || arena_bytes < 0) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_ValueError, "Program needs a nonzero entry and arena_bytes >= 0");
    return nullptr;
  }
  auto* self = reinterpret_cast<ProgramObject*>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  self->body = new Program;
  self->body->entry = reinterpret_cast<ProgramEntry>(address);
  self->body->arena_bytes = size_t(arena_bytes);
  self->body->releases_gil = releases_gil;
  self->body->keepalive = Py_NewRef(keepalive);
  self->body->name = name ? Py_NewRef(name) : PyUnicode_FromString("program");
  if (!fill(self->body, in_avals, out_avals, constants, host_calls, forwards, aliases, donated))
    Py_CLEAR(self);
  return reinterpret_cast<PyObject*>(self);
}

static int program_traverse(PyObject* object, visitproc visit, void* arg) {
  Program* program = reinterpret_cast<ProgramObject*>(object)->body;
  if (!program) return 0;
  for (HostCall& call : program->host_calls) Py_VISIT(call.function);
  Py_VISIT(program->keepalive);
  return 0;
}

static int program_clear(PyObject* object) {
  Program* program = reinterpret_cast<ProgramObject*>(object)->body;
  if (!program) return 0;
  // None instead of NULL: whoever still runs it gets an exception.
  for (HostCall& call : program->host_calls)
    if (call.function) Py_SETREF(call.function, Py_NewRef(Py_None));
  Py_CLEAR(program->keepalive);
  return 0;
}

static void program_dealloc(PyObject* object) {
  auto* self = reinterpret_cast<ProgramObject*>(object);
  PyObject_GC_UnTrack(object);
  if (self->weak_references) PyObject_ClearWeakRefs(object);
  if (Program* program = self->body) {
    program_clear(object);
    for (PyObject* constant : program->constants) Py_DECREF(constant);
    for (PyObject* data : program->constant_data) Py_DECREF(data);
    Py_XDECREF(program->name);
    delete program;
  }
  Py_TYPE(object)->tp_free(object);
}

static PyObject* program_repr(PyObject* object) {
  Program* program = reinterpret_cast<ProgramObject*>(object)->body;
  return PyUnicode_FromFormat("<Program %U: %zu inputs, %zu constants, %zu outputs>",
                              program->name, program->inputs.size(), program->constants.size(),
                              program->outputs.size());
}

static PyObject* avals_of(size_t count, PyObject* (*aval)(Program*, size_t), PyObject* self) {
  PyObject* result = PyTuple_New(count);
  for (size_t i = 0; result && i < count; i++)
    PyTuple_SET_ITEM(result, i, Py_NewRef(aval(reinterpret_cast<ProgramObject*>(self)->body, i)));
  return result;
}

static PyObject* get_in_avals(PyObject* self, void*) {
  return avals_of(reinterpret_cast<ProgramObject*>(self)->body->inputs.size(),
                  [](Program* program, size_t i) { return program->inputs[i].aval; }, self);
}

static PyObject* get_out_avals(PyObject* self, void*) {
  return avals_of(reinterpret_cast<ProgramObject*>(self)->body->outputs.size(),
                  [](Program* program, size_t i) { return program->outputs[i].spec.aval; }, self);
}

static PyObject* get_name(PyObject* self, void*) {
  return Py_NewRef(reinterpret_cast<ProgramObject*>(self)->body->name);
}

static PyMethodDef program_methods[] = {
    {"run", method<run>(), METH_FASTCALL,
     "run(arrays, placement=None): the list of output arrays."},
    {nullptr}};

static PyGetSetDef program_getset[] = {
    {"in_avals", get_in_avals, nullptr, "The avals of the inputs."},
    {"out_avals", get_out_avals, nullptr, "The avals of the outputs."},
    {"name", get_name, nullptr, "A name for error messages."},
    {nullptr}};

int program_type_ready() {
  PyTypeObject* type = &ProgramType;
  type->tp_name = "arrax._native.Program";
  type->tp_basicsize = sizeof(ProgramObject);
  type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type->tp_doc =
      "Program(entry, in_avals, out_avals, *, consts=(), arena_bytes=0, host_calls=(),\n"
      "        forwards=(), aliases=(), donated=(), releases_gil=False, keepalive=None, name='')\n\n"
      "One compiled executable. `entry` is the address of\n"
      "  int32 entry(void* context, void** inputs, void** outputs, void* arena)\n"
      "where `inputs` are the inputs, then the constants. forwards[j] = i >= 0 says that output j is\n"
      "input (or constant) i; aliases[j] = i that it may take the memory of donated input i.";
  type->tp_new = guarded<program_tp_new>;
  type->tp_dealloc = program_dealloc;
  type->tp_traverse = program_traverse;
  type->tp_clear = program_clear;
  type->tp_repr = program_repr;
  type->tp_methods = program_methods;
  type->tp_getset = program_getset;
  type->tp_weaklistoffset = offsetof(ProgramObject, weak_references);
  return PyType_Ready(type);
}
