// The buffer pool: freed blocks wait in lists by size class, so that a program's outputs and its
// arena cost no page faults after the first run. Also ndarrays that own pooled memory.
#include "native.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

// Stands in front of each block; one cache line, so that blocks stay aligned.
struct alignas(kAlignment) Header {
  Header* next;        // in a free list
  uint32_t size_class;
};

// Eight classes per octave, from 128 bytes on: at most 12.5 % of a block is unused.
constexpr int kClasses = 8 * 45;

inline uint32_t class_of(size_t bytes) {
  if (bytes <= 128) return 0;
  int octave = 63 - __builtin_clzll(bytes - 1);
  return (octave - 7) * 8 + (((bytes - 1) >> (octave - 3)) & 7) + 1;
}

inline size_t class_bytes(uint32_t size_class) {
  if (size_class == 0) return 128;
  uint32_t octave = (size_class - 1) / 8 + 7, step = (size_class - 1) % 8;
  return size_t{9 + step} << (octave - 3);
}

Header* free_lists[kClasses];
size_t cached_bytes = 0;
std::atomic_flag lock = ATOMIC_FLAG_INIT;  // machine code allocates without the GIL

void acquire() { while (lock.test_and_set(std::memory_order_acquire)) {} }
void release() { lock.clear(std::memory_order_release); }

struct Guard {
  Guard() { acquire(); }
  ~Guard() { release(); }
};

// A forked child gets the lists as they are while nobody changes them.
const int fork_handlers = pthread_atfork(acquire, release, release);

void* aligned_memory(size_t size) {
  void* memory = nullptr;
  size_t alignment = size >= 2 * kHugePage ? kHugePage : kAlignment;
  if (!posix_memalign(&memory, alignment, size)) return memory;
  // What is kept for later may be what is missing now.
  return pool_release() && !posix_memalign(&memory, alignment, size) ? memory : nullptr;
}

size_t cache_limit() {
  static const size_t limit = std::min<size_t>(
      size_t{1} << 30, size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGESIZE)) / 8);
  return limit;
}

}  // namespace

void* pool_allocate(size_t bytes) {
  if (bytes > (size_t{1} << 48)) return nullptr;
  uint32_t size_class = class_of(bytes + sizeof(Header));
  {
    Guard guard;
    if (Header* header = free_lists[size_class]) {
      free_lists[size_class] = header->next;
      cached_bytes -= class_bytes(size_class);
      return header + 1;
    }
  }
  size_t size = class_bytes(size_class);
  void* memory = aligned_memory(size);
  if (!memory) return nullptr;
#ifdef MADV_HUGEPAGE
  if (size >= 2 * kHugePage) madvise(memory, size, MADV_HUGEPAGE);
#endif
  auto* header = static_cast<Header*>(memory);
  header->size_class = size_class;
  return header + 1;
}

void pool_free(void* block) {
  if (!block) return;
  Header* header = static_cast<Header*>(block) - 1;
  size_t size = class_bytes(header->size_class);
  {
    Guard guard;
    if (cached_bytes + size <= cache_limit()) {
      cached_bytes += size;
      header->next = free_lists[header->size_class];
      free_lists[header->size_class] = header;
      return;
    }
  }
  std::free(header);
}

// ---- ndarrays: NumPy frees their memory through this handler ----

static void* handler_malloc(void*, size_t bytes) { return pool_allocate(bytes); }

static void* handler_calloc(void*, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
  void* block = pool_allocate(bytes);
  if (block) std::memset(block, 0, bytes);
  return block;
}

static void* handler_realloc(void*, void* block, size_t bytes) {
  if (!block) return pool_allocate(bytes);
  size_t room = class_bytes((static_cast<Header*>(block) - 1)->size_class) - sizeof(Header);
  if (bytes <= room) return block;
  void* bigger = pool_allocate(bytes);
  if (!bigger) return nullptr;
  std::memcpy(bigger, block, room);
  pool_free(block);
  return bigger;
}

static void handler_free(void*, void* block, size_t) { pool_free(block); }

static PyDataMem_Handler handler = {
    "arrax_pool", 1,
    {nullptr, handler_malloc, handler_calloc, handler_realloc, handler_free}};

PyObject* pool_handler() {
  static PyObject* capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
  return capsule;
}

// Takes `block` over, on failure too. `capsule` is its memory handler.
static PyObject* array_over(void* block, PyArray_Descr* dtype, int ndim, const npy_intp* shape,
                            PyObject* capsule) {
  Py_INCREF(dtype);  // PyArray_NewFromDescr steals one
  PyObject* array = PyArray_NewFromDescr(&PyArray_Type, dtype, ndim, shape, nullptr, block,
                                         NPY_ARRAY_CARRAY, nullptr);
  if (!array) return nullptr;
  auto* fields = reinterpret_cast<PyArrayObject_fields*>(array);
  fields->mem_handler = Py_NewRef(capsule);
  fields->flags |= NPY_ARRAY_OWNDATA;
  return array;
}

static size_t byte_count(PyArray_Descr* dtype, int ndim, const npy_intp* shape) {
  size_t bytes = PyDataType_ELSIZE(dtype);
  for (int i = 0; i < ndim; i++)
    if (shape[i] < 0 || __builtin_mul_overflow(bytes, size_t(shape[i]), &bytes)) return SIZE_MAX;
  return bytes;
}

PyObject* pool_empty(PyArray_Descr* dtype, int ndim, const npy_intp* shape) {
  void* block = pool_allocate(byte_count(dtype, ndim, shape));
  if (!block || !pool_handler()) return PyErr_NoMemory();
  PyObject* array = array_over(block, dtype, ndim, shape, pool_handler());
  if (!array) pool_free(block);
  return array;
}

PyObject* pool_rehome(PyArrayObject* source, PyArray_Descr* dtype, int ndim,
                      const npy_intp* shape) {
  auto* fields = reinterpret_cast<PyArrayObject_fields*>(source);
  PyObject* array = array_over(fields->data, dtype, ndim, shape, fields->mem_handler);
  if (array) fields->flags &= ~NPY_ARRAY_OWNDATA;
  return array;
}

// ---- functions ----

static PyObject* empty(PyObject*, PyObject* arguments) {
  PyObject* shape_argument;
  PyArray_Descr* dtype = nullptr;
  if (!PyArg_ParseTuple(arguments, "OO&:empty", &shape_argument, PyArray_DescrConverter, &dtype))
    return nullptr;
  PyObject* array = nullptr;
  PyArray_Dims shape = {nullptr, 0};
  if (PyDataType_REFCHK(dtype)) {
    PyErr_SetString(PyExc_TypeError, "empty makes no arrays of Python objects");
  } else if (PyArray_IntpConverter(shape_argument, &shape)) {
    array = pool_empty(dtype, shape.len, shape.ptr);
    PyDimMem_FREE(shape.ptr);
  }
  Py_DECREF(dtype);
  return array;
}

static PyObject* cached_memory(PyObject*, PyObject*) { return PyLong_FromSize_t(cached_bytes); }

bool pool_release() {
  bool some = false;
  for (Header*& list : free_lists) {
    Header* header;
    {
      Guard guard;
      header = list;
      list = nullptr;
      for (Header* at = header; at; at = at->next) cached_bytes -= class_bytes(at->size_class);
    }
    some |= header != nullptr;
    while (header) {
      Header* next = header->next;
      std::free(header);
      header = next;
    }
  }
#ifdef __GLIBC__
  if (some) malloc_trim(0);
#endif
  return some;
}

static bool system_room(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  munmap(memory, bytes);
  return true;
}

bool pool_room(size_t bytes) {
  return system_room(bytes) || (pool_release() && system_room(bytes));
}

static PyObject* require_room(PyObject*, PyObject* bytes) {
  size_t count = PyLong_AsSize_t(bytes);
  if (PyErr_Occurred()) return nullptr;
  if (!pool_room(count)) return PyErr_NoMemory();
  Py_RETURN_NONE;
}

static PyObject* release_cached_memory(PyObject*, PyObject*) {
  pool_release();
  Py_RETURN_NONE;
}

PyMethodDef buffer_functions[] = {
    {"empty", guarded<empty>, METH_VARARGS,
     "empty(shape, dtype): an uninitialised C-contiguous ndarray in pooled, 64-byte aligned memory."},
    {"cached_memory", guarded<cached_memory>, METH_NOARGS, "Bytes of freed blocks that the pool keeps."},
    {"require_room", guarded<require_room>, METH_O,
     "require_room(bytes): raise MemoryError unless so much memory could be had now."},
    {"release_cached_memory", guarded<release_cached_memory>, METH_NOARGS,
     "Give the freed blocks that the pool keeps back to the system."},
    {nullptr}};

// Scratch memory for library functions that machine code calls.
extern "C" void* arrax_allocate(int64_t bytes) { return pool_allocate(size_t(bytes)); }
extern "C" void arrax_free(void* block) { pool_free(block); }

ARRAX_SYMBOLS({"arrax_allocate", (void*)arrax_allocate}, {"arrax_free", (void*)arrax_free},
              {"memcpy", (void*)memcpy}, {"memmove", (void*)memmove}, {"memset", (void*)memset},
              {"memcmp", (void*)memcmp});
