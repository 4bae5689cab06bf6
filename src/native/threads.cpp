// The thread pool behind parallel loops: persistent workers that spin briefly, then sleep.
#include "native.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace {

#if defined(__x86_64__) || defined(__i386__)
inline void pause_briefly() { __builtin_ia32_pause(); }
#else
inline void pause_briefly() { std::this_thread::yield(); }
#endif

constexpr int kWorkerSpins = 500;   // some 10 to 20 microseconds before a worker sleeps
constexpr int kCallerSpins = 2000;  // before the caller yields while the last chunks finish
constexpr int kMaximumThreads = 1024;
constexpr size_t kWorkerStack = size_t{16} << 20;  // address space; what is used takes memory
constexpr uint64_t kOpen = 1, kJoined = 2, kJoinedMask = 0xFFFE, kGeneration = 0x10000;

// One loop at a time. `ticket` = generation | number of joined workers | open bit: workers join
// while it is open; the caller closes it when no chunks are left, then waits for the joined ones.
// So a worker that wakes late never delays a caller, nor sees a finished job's fields.
struct Pool {
  std::atomic<uint64_t> ticket{0};
  std::atomic<int64_t> next_chunk{0};
  ParallelBody body = nullptr;
  void* argument = nullptr;
  int64_t count = 0, chunk = 0;
  std::atomic<uint64_t> worker_limit{0};

  std::atomic<bool> busy{false};
  std::atomic<int> sleepers{0};
  std::mutex mutex;
  std::condition_variable wake;
  int workers = 0;  // changed by the busy caller only
};

Pool* pool = nullptr;  // never freed: workers may outlive static destructors
std::atomic<int> thread_count{0};
ARRAX_THREAD_LOCAL bool inside_loop = false;

// CPUs that this process may use: its affinity mask and the container's CPU quota.
int allowed_cpus() {
  int cpus = 1;
  cpu_set_t set;
  if (!sched_getaffinity(0, sizeof(set), &set)) cpus = CPU_COUNT(&set);
  else cpus = int(std::max(1l, sysconf(_SC_NPROCESSORS_ONLN)));
  if (FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    long quota, period;
    if (std::fscanf(file, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0)
      cpus = std::min(cpus, int(std::max(1l, (quota + period - 1) / period)));
    std::fclose(file);
  }
  return cpus;
}

int threads_wanted() {
  int count = thread_count.load(std::memory_order_relaxed);
  if (count) return count;
  const char* text = std::getenv("ARRAX_NUM_THREADS");
  count = text ? std::atoi(text) : 0;
  if (count <= 0) count = allowed_cpus();
  count = std::min(count, kMaximumThreads);
  thread_count.store(count);
  return count;
}

void run_chunks(Pool* p) {
  for (;;) {
    int64_t begin = p->next_chunk.fetch_add(1, std::memory_order_relaxed) * p->chunk;
    if (begin >= p->count) return;
    p->body(p->argument, begin, std::min(begin + p->chunk, p->count));
  }
}

inline bool is_new(uint64_t ticket, uint64_t seen) {
  return (ticket & kOpen) && ticket / kGeneration != seen;
}

void* work(void* argument) {
  Pool* p = static_cast<Pool*>(argument);
  inside_loop = true;
  uint64_t seen = 0;
  for (;;) {
    uint64_t ticket = p->ticket.load(std::memory_order_acquire);
    for (int i = 0; i < kWorkerSpins && !is_new(ticket, seen); i++) {
      pause_briefly();
      ticket = p->ticket.load(std::memory_order_acquire);
    }
    if (!is_new(ticket, seen)) {
      std::unique_lock<std::mutex> hold(p->mutex);
      p->sleepers.fetch_add(1);
      p->wake.wait(hold, [&] { return is_new(ticket = p->ticket.load(), seen); });
      p->sleepers.fetch_sub(1);
    }
    while (is_new(ticket, seen)) {
      if ((ticket & kJoinedMask) / kJoined >= p->worker_limit.load(std::memory_order_relaxed)) {
        seen = ticket / kGeneration;
        break;
      }
      if (p->ticket.compare_exchange_weak(ticket, ticket + kJoined)) {
        seen = ticket / kGeneration;
        run_chunks(p);
        p->ticket.fetch_sub(kJoined, std::memory_order_release);
      }
    }
  }
}

void start_workers(Pool* p, int wanted) {
  if (p->workers >= wanted) return;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kWorkerStack);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  // Where no more threads are to be had, fewer take part.
  while (p->workers < wanted && !pthread_create(&thread, &attributes, work, p)) p->workers++;
  pthread_attr_destroy(&attributes);
}

// A forked child has none of the workers: it starts with a fresh pool.
void after_fork() { pool = new Pool; }

bool set_up() {
  pool = new Pool;
  pthread_atfork(nullptr, nullptr, after_fork);
  return true;
}

}  // namespace

extern "C" void arrax_parallel_for(ParallelBody body, void* argument, int64_t count,
                                   int64_t grain) {
  static bool ready = set_up();
  (void)ready;
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  int threads = threads_wanted();
  Pool* p = pool;
  if (count <= grain || threads == 1 || inside_loop || p->busy.exchange(true)) {
    body(argument, 0, count);
    return;
  }
  start_workers(p, threads - 1);
  int64_t grains = (count + grain - 1) / grain;
  int64_t chunks = std::min<int64_t>(grains, int64_t{4} * threads);
  p->body = body;
  p->argument = argument;
  p->count = count;
  p->chunk = (grains + chunks - 1) / chunks * grain;
  // Seen by a late worker of the former loop at most as a wrong limit: it joins an open loop only.
  p->worker_limit.store(uint64_t(std::min<int64_t>(threads, chunks) - 1));
  p->next_chunk.store(0, std::memory_order_relaxed);
  uint64_t generation = p->ticket.load(std::memory_order_relaxed) / kGeneration + 1;
  p->ticket.store(generation * kGeneration | kOpen);
  if (p->sleepers.load()) {
    { std::lock_guard<std::mutex> hold(p->mutex); }
    p->wake.notify_all();
  }
  inside_loop = true;
  run_chunks(p);
  inside_loop = false;
  p->ticket.fetch_and(~kOpen);
  for (int spins = 0; p->ticket.load(std::memory_order_acquire) & kJoinedMask; spins++) {
    if (spins < kCallerSpins) pause_briefly();
    else sched_yield();
  }
  p->busy.store(false, std::memory_order_release);
}

extern "C" int64_t arrax_num_threads(void) { return threads_wanted(); }

// ---- functions ----

static PyObject* num_threads(PyObject*, PyObject*) { return PyLong_FromLong(threads_wanted()); }

static PyObject* set_num_threads(PyObject*, PyObject* value) {
  long count = PyLong_AsLong(value);
  if (count == -1 && PyErr_Occurred()) return nullptr;
  if (count < 1 || count > kMaximumThreads) {
    PyErr_Format(PyExc_ValueError, "set_num_threads needs a number from 1 to %d, got %ld",
                 kMaximumThreads, count);
    return nullptr;
  }
  thread_count.store(int(count));
  Py_RETURN_NONE;
}

PyMethodDef thread_functions[] = {
    {"num_threads", guarded<num_threads>, METH_NOARGS, "How many threads share a parallel loop."},
    {"set_num_threads", guarded<set_num_threads>, METH_O,
     "Set how many threads share a parallel loop. The start value is ARRAX_NUM_THREADS, else the\n"
     "number of CPUs that the process may use."},
    {nullptr}};

ARRAX_SYMBOLS({"arrax_parallel_for", (void*)arrax_parallel_for},
              {"arrax_num_threads", (void*)arrax_num_threads});
