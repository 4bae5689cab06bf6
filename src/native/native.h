// The runtime's one header: what its files share. Plain C++17 over the CPython and NumPy C APIs.
//
// Conventions
//   * The GIL protects all state except the thread pool and the machine code of running programs.
//   * A function that can fail returns NULL, false or -1 with a Python exception set, and leaves
//     everything as it was before the call.
//   * "storage dtype": the dtype of the ndarray behind an array; differs from the aval's for keys.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL arrax_numpy_api
#ifndef ARRAX_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Thread-locals are read on every call; initial-exec spares the lookup function.
#define ARRAX_THREAD_LOCAL thread_local __attribute__((tls_model("initial-exec")))

// ---- array.cpp: the base type of core.array.ArrayImpl, and the table of avals ----

struct ArrayObject {
  PyObject_HEAD
  PyObject* aval;       // interned core.aval.ShapedArray
  PyObject* data;       // numpy.ndarray, or NULL once deleted or donated
  PyObject* placement;  // a device or a sharding; NULL: uncommitted
  PyObject* weak_references;
};

// Whether somebody said where the array is: then traces look after it.
inline bool is_placed(const ArrayObject* array) {
  return array->placement && array->placement != Py_None;
}

extern PyTypeObject ArrayBaseType;
extern PyTypeObject* array_type;  // the registered concrete class (never NULL after import)

inline bool is_array(PyObject* value) { return Py_TYPE(value) == array_type; }

// A new array. Steals `data`; borrows `aval` and `placement` (NULL for none).
PyObject* array_new(PyObject* data, PyObject* aval, PyObject* placement);
// A new array over an ndarray or a NumPy scalar (borrowed), with the aval that its data shows.
PyObject* array_of_numpy(PyObject* value, bool weak_type);
// The interned aval (a new reference) of ndarrays of this dtype and shape.
PyObject* aval_lookup(PyArray_Descr* dtype, int ndim, const npy_intp* shape, bool weak_type);

// ---- state.cpp: thread-local state that Python code reads on every operation ----

extern PyObject* default_trace;  // the evaluating trace; NULL before set_default_trace
extern ARRAX_THREAD_LOCAL PyObject* thread_trace;  // NULL stands for default_trace
// Identifies the settings that change tracing or compilation (borrowed; NULL: an exception).
PyObject* context_key();

// ---- eager.cpp: bind and NumPy calls ----

// Operands of so many elements are not for shortcuts: compiled loops may be faster than NumPy.
constexpr npy_intp kLarge = 1 << 16;

extern PyTypeObject PrimitiveBaseType;
extern PyTypeObject QuietType;
// The data (borrowed) of an Array whose dtype is that of its data; NULL for everything else.
PyObject* plain_data(PyObject* value);

// Whether some thread has a mesh in scope: then traces see every eager call (`set_in_mesh`).
bool in_mesh();
bool is_weak(PyObject* array);
// Told the class of avals, to read its slots directly.
void learn_aval_type(PyObject* factory);

// ---- ufunc_loop.cpp: inner loops of ufuncs, called directly ----

// Whether `call_ufunc_loop` may be asked about this function.
bool is_loop_ufunc(PyObject* function);
// The result (new reference) for small contiguous ndarrays whose dtypes the ufunc has a loop for;
// NULL without an exception for others, which NumPy's own call must serve.
PyObject* call_ufunc_loop(PyObject* ufunc, PyObject* const* arguments, size_t count);

// ---- buffers.cpp: pooled memory ----

// 64-byte aligned memory of at least `bytes` bytes; NULL when there is none (no exception set), even
// after the pool gave back all that it keeps.
void* pool_allocate(size_t bytes);
// Gives the freed blocks that the pool keeps back to the system. Whether there were any.
bool pool_release();
// Whether so many bytes could be had now, from the system or from what the pool keeps. For calls of
// libraries that cannot tell that they got no memory.
bool pool_room(size_t bytes);
void pool_free(void* block);
// NumPy's capsule of this pool (borrowed): ndarrays made while it is set own pooled memory.
PyObject* pool_handler();
// An uninitialised C-contiguous ndarray that owns pooled memory. Borrows `dtype`.
PyObject* pool_empty(PyArray_Descr* dtype, int ndim, const npy_intp* shape);
// Moves the memory of `source` (owner of its memory, about to die) into a new ndarray.
PyObject* pool_rehome(PyArrayObject* source, PyArray_Descr* dtype, int ndim,
                      const npy_intp* shape);

// ---- threads.cpp: the thread pool ----

typedef void (*ParallelBody)(void* argument, int64_t begin, int64_t end);
// Calls `body` on disjoint ranges that cover [0, count), each of at least `grain` items (the last
// may be smaller), from several threads, and returns when all are done. Nested calls, and calls
// while another thread uses the pool, run inline. The body must not touch Python.
extern "C" void arrax_parallel_for(ParallelBody body, void* argument, int64_t count,
                                   int64_t grain);
extern "C" int64_t arrax_num_threads(void);

// ---- program.cpp, hostcall.cpp: compiled programs and the Python functions that they call ----

// What machine code, and the library functions that it calls, return.
enum Status : int32_t { kDone = 0, kFailed = 1, kNoMemory = 2 };
// Machine code: inputs then constants as pointers to contiguous data; outputs preallocated (NULL
// for forwarded ones); `arena` is 64-byte aligned scratch memory. Returns a Status.
typedef int32_t (*ProgramEntry)(void* context, void** inputs, void** outputs, void* arena);
// Called by machine code, with its `context`, to run host call number `id` of its program.
extern "C" int arrax_host_call(void* context, int64_t id, void** operands, void** results);

// Called by machine code in its loops, with its `context`: runs the signal handlers of Python that
// wait, every now and then. Nonzero: one raised, and the program must end.
extern "C" int arrax_poll(void* context);

struct ProgramObject;
extern PyTypeObject ProgramType;

// An input of a run: the address of contiguous data, and where it came from. Owns its references
// from the moment it is read: reading the next one may let other threads in.
struct Operand {
  void* address = nullptr;
  PyObject* array = nullptr;  // Array, or NULL for a converted scalar or ndarray
  PyObject* owner = nullptr;  // ndarray that holds `address`, or NULL
};

// The operands of one run; releases what they own.
class Operands {
 public:
  explicit Operands(size_t count);
  Operands(const Operands&) = delete;
  ~Operands();
  Operand& operator[](size_t index) { return data_[index]; }
  Operand* data() { return data_; }

 private:
  static constexpr size_t kInline = 32;
  size_t count_;
  Operand inline_[kInline];
  Operand* data_;
};

// Facts about a program that the jit call path needs.
Py_ssize_t program_input_count(ProgramObject* program);
Py_ssize_t program_output_count(ProgramObject* program);
PyObject* program_input_aval(ProgramObject* program, Py_ssize_t index);           // borrowed
PyArray_Descr* program_input_dtype(ProgramObject* program, Py_ssize_t index);     // borrowed
bool program_forwards(ProgramObject* program);  // whether some output is an input
// Fills an empty `operand` from an Array. Fails for deleted arrays.
bool operand_from_array(Operand* operand, PyObject* array);
// Runs; stores new references to the output Arrays. Donated inputs are deleted before the machine
// code starts, so that no other thread reads memory that a result takes over; where the run fails
// they stay deleted, unless it failed before the start.
bool program_run(ProgramObject* program, Operand* operands, PyObject* placement,
                 PyObject** outputs);

// ---- signature.cpp, records.cpp, template.cpp, entry.cpp, jit.cpp: the jit call path ----

extern PyTypeObject JitFunctionType;
extern PyTypeObject JitEntryType;

// ---- steps.cpp, remembered.cpp: eager calls that come again ----

extern PyTypeObject StepsType;
extern PyTypeObject RememberedType;

// ---- module functions by file; each table ends with a NULL row ----

extern PyMethodDef array_functions[];
extern PyMethodDef state_functions[];
extern PyMethodDef buffer_functions[];
extern PyMethodDef thread_functions[];
extern PyMethodDef jit_functions[];
extern PyMethodDef eager_functions[];
extern PyMethodDef pytree_functions[];
extern PyMethodDef remembered_functions[];
extern PyMethodDef getitem_functions[];
extern PyMethodDef library_functions[];
extern PyMethodDef plan_functions[];
extern PyMethodDef select_functions[];
extern PyMethodDef fold_functions[];
extern PyMethodDef check_functions[];
extern PyMethodDef block_functions[];

// ---- no C++ exception crosses a frame of C ----

// Lets other threads run Python in a scope, however it is left.
struct WithoutGil {
  PyThreadState* state = PyEval_SaveThread();
  WithoutGil() = default;
  WithoutGil(const WithoutGil&) = delete;
  ~WithoutGil() { PyEval_RestoreThread(state); }
};

// Sets the Python exception for the C++ exception that is being handled.
void raise_current_exception();

template <auto function> struct Guarded;
template <class R, class... A, R (*function)(A...)> struct Guarded<function> {
  static R call(A... arguments) {
    try {
      return function(arguments...);
    } catch (...) {
      raise_current_exception();
    }
    if constexpr (std::is_pointer<R>::value) return nullptr;
    else return R(-1);
  }
};
// A function for tables and slots of Python types, which fails with an exception of Python's.
template <auto function> constexpr auto guarded = &Guarded<function>::call;
template <auto function> PyCFunction method() {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(guarded<function>));
}

// ---- symbols: addresses that generated code calls ----

struct Symbol {
  const char* name;
  void* address;
};
// Files add theirs with ARRAX_SYMBOLS({"name", (void*)function}, ...) at namespace scope.
struct SymbolTable {
  const Symbol* symbols;
  size_t count;
  SymbolTable* next;
  SymbolTable(const Symbol* symbols, size_t count);
};
#define ARRAX_SYMBOLS(...)                             \
  static const Symbol arrax_symbols_[] = {__VA_ARGS__}; \
  static SymbolTable arrax_symbol_table_(arrax_symbols_, sizeof(arrax_symbols_) / sizeof(Symbol))
