// Programs of blocks: elementwise functions compiled once for a block of elements, and run block by
// block on arrays of any length. So an eager function of many elements needs no code for its shape.
#include "library.h"
#include "program.h"
#include "small_vector.h"

namespace {

constexpr int64_t kGrain = 4;  // blocks that are worth a thread's while

// One operand or result: where it starts, and the bytes from one block to the next (0: one block
// that holds the same element all over).
struct Stream {
  char* data;
  int64_t item, step;
};

struct Run {
  const Program* program;
  const Stream *inputs, *outputs;

  // Runs the machine code on the block that starts at element `first`.
  int32_t block(int64_t first) const {
    SmallVector<void*, 8> addresses, results;
    for (size_t i = 0; i < program->inputs.size(); i++)
      addresses.push(inputs[i].data + (inputs[i].step ? first * inputs[i].item : 0));
    for (void* constant : program->constant_addresses) addresses.push(constant);
    for (size_t i = 0; i < program->outputs.size(); i++)
      results.push(outputs[i].data + first * outputs[i].item);
    RunContext context = {program, nullptr, 0, nullptr, nullptr, nullptr};
    return program->entry(&context, addresses.data(), results.data(), nullptr);
  }
};

// Whether a program is one of blocks: all values are vectors of one length, nothing but code runs.
int64_t block_size(const Program* program) {
  if (program->arena_bytes || program->forwards || !program->host_calls.empty() ||
      program->inputs.empty() || program->outputs.empty())
    return 0;
  const std::vector<npy_intp>& shape = program->inputs[0].shape;
  if (shape.size() != 1) return 0;
  for (const ArraySpec& input : program->inputs)
    if (input.shape != shape) return 0;
  for (const OutputSpec& output : program->outputs)
    if (output.spec.shape != shape) return 0;
  return shape[0];
}

// Fills a block with copies of one element.
char* repeat(const char* element, int64_t item, int64_t size) {
  char* block = static_cast<char*>(pool_allocate(size_t(item * size)));
  if (!block) throw std::bad_alloc();
  for (int64_t i = 0; i < size; i++) std::memcpy(block + i * item, element, size_t(item));
  return block;
}

struct Repeated {
  SmallVector<char*, 8> blocks;
  ~Repeated() {
    for (char* block : blocks) pool_free(block);
  }
};

bool read_operand(const ArraySpec& spec, PyObject* value, int64_t count, int64_t size,
                  Repeated& repeated, Stream* stream) {
  auto* array = reinterpret_cast<PyArrayObject*>(value);
  const int64_t elements = PyArray_Check(value) ? PyArray_SIZE(array) : -1;
  if ((elements != count && elements != 1) || !PyArray_IS_C_CONTIGUOUS(array) ||
      !PyArray_ISALIGNED(array) || !PyArray_EquivTypes(PyArray_DESCR(array), spec.dtype)) {
    PyErr_SetString(PyExc_TypeError, "run_blocks: operands must be contiguous ndarrays of the "
                                     "program's dtypes, of one length or of one element");
    return false;
  }
  const int64_t item = PyDataType_ELSIZE(spec.dtype);
  *stream = {PyArray_BYTES(array), item, size * item};
  if (elements == count) return true;
  repeated.blocks.push(repeat(PyArray_BYTES(array), item, size));
  *stream = {repeated.blocks.data()[repeated.blocks.size() - 1], item, 0};
  return true;
}

// run_blocks(program, operands, shape): the blocks one after the other, on all threads; the last one
// ends with the last element, so it may compute some elements again (to the same bits).
PyObject* run_blocks(PyObject*, PyObject* const* arguments, Py_ssize_t argument_count) {
  if (argument_count != 3 || Py_TYPE(arguments[0]) != &ProgramType ||
      !PyTuple_Check(arguments[1]) || !PyTuple_Check(arguments[2])) {
    PyErr_SetString(PyExc_TypeError, "run_blocks takes a Program, a tuple of ndarrays and a shape");
    return nullptr;
  }
  const Program* program = reinterpret_cast<ProgramObject*>(arguments[0])->body;
  const int64_t size = block_size(program);
  PyArray_Dims dims = {nullptr, 0};
  if (!PyArray_IntpConverter(arguments[2], &dims)) return nullptr;
  std::vector<npy_intp> shape(dims.ptr, dims.ptr + dims.len);
  PyDimMem_FREE(dims.ptr);
  int64_t count = 1;
  for (npy_intp n : shape) count *= n;
  if (!size || count < size ||
      size_t(PyTuple_GET_SIZE(arguments[1])) != program->inputs.size()) {
    PyErr_SetString(PyExc_ValueError, "run_blocks: not a program of blocks, too few elements for "
                                      "one, or another number of operands than it has");
    return nullptr;
  }
  Repeated repeated;
  std::vector<Stream> inputs(program->inputs.size()), outputs(program->outputs.size());
  for (size_t i = 0; i < inputs.size(); i++)
    if (!read_operand(program->inputs[i], PyTuple_GET_ITEM(arguments[1], i), count, size, repeated,
                      &inputs[i]))
      return nullptr;
  PyObject* result = PyTuple_New(Py_ssize_t(outputs.size()));
  for (size_t i = 0; result && i < outputs.size(); i++) {
    const ArraySpec& spec = program->outputs[i].spec;
    PyObject* array = pool_empty(spec.dtype, int(shape.size()), shape.data());
    if (!array) {
      Py_CLEAR(result);
      break;
    }
    PyTuple_SET_ITEM(result, i, array);
    outputs[i] = {PyArray_BYTES(reinterpret_cast<PyArrayObject*>(array)),
                  PyDataType_ELSIZE(spec.dtype), 1};
  }
  if (!result) return nullptr;
  std::atomic<int32_t> status{kDone};
  Py_INCREF(arguments[0]);
  {
    WithoutGil free;
    const Run run = {program, inputs.data(), outputs.data()};
    auto one = [&](int64_t first) {
      if (const int32_t failed = run.block(first)) status = failed;
    };
    parallel(count / size, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) one(i * size);
    });
    if (count % size) one(count - size);
  }
  Py_DECREF(arguments[0]);
  if (status == kDone) return result;
  Py_DECREF(result);
  PyErr_Format(PyExc_RuntimeError, "internal error: compiled program %R failed with status %d",
               program->name, int(status.load()));
  return nullptr;
}

}  // namespace

PyMethodDef block_functions[] = {
    {"run_blocks", method<run_blocks>(), METH_FASTCALL,
     "run_blocks(program, operands, shape): the results (a tuple of ndarrays of that shape) of a\n"
     "program whose inputs and outputs are vectors of one length, applied block by block. Operands\n"
     "are contiguous ndarrays of as many elements, or of one, which stands for all."},
    {nullptr}};
