// The cache of Fourier transforms' plans.
#include "fft_plans.h"

#include <pthread.h>

#include <list>
#include <mutex>
#include <typeindex>

namespace {

constexpr size_t kMostBytes = size_t{64} << 20, kMostPlans = 256;

struct Entry {
  std::type_index kind;
  int64_t length;
  std::shared_ptr<const void> plan;
  size_t bytes;
};

std::mutex mutex;
std::list<Entry>& entries = *new std::list<Entry>;  // used last first; outlives static destructors
size_t total_bytes = 0;

// A forked child gets the list as it is while nobody changes it.
const int fork_handlers =
    pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); }, [] { mutex.unlock(); });

std::list<Entry>::iterator position_of(std::type_index kind, int64_t length) {
  auto at = entries.begin();
  while (at != entries.end() && (at->length != length || at->kind != kind)) ++at;
  return at;
}

}  // namespace

std::shared_ptr<const void> find_plan(const std::type_info& kind, int64_t length) {
  std::lock_guard<std::mutex> hold(mutex);
  auto at = position_of(kind, length);
  if (at == entries.end()) return nullptr;
  entries.splice(entries.begin(), entries, at);
  return at->plan;
}

void keep_plan(const std::type_info& kind, int64_t length, std::shared_ptr<const void> plan,
               size_t bytes) {
  if (bytes > kMostBytes) return;
  std::list<Entry> dropped;  // freed after the lock is
  std::lock_guard<std::mutex> hold(mutex);
  if (position_of(kind, length) != entries.end()) return;  // another thread made it meanwhile
  entries.push_front({kind, length, std::move(plan), bytes});
  for (total_bytes += bytes; total_bytes > kMostBytes || entries.size() > kMostPlans;
       total_bytes -= dropped.back().bytes)
    dropped.splice(dropped.end(), entries, std::prev(entries.end()));
}

static PyObject* plan_memory(PyObject*, PyObject*) {
  std::lock_guard<std::mutex> hold(mutex);
  return Py_BuildValue("nn", Py_ssize_t(entries.size()), Py_ssize_t(total_bytes));
}

PyMethodDef plan_functions[] = {
    {"plan_memory", guarded<plan_memory>, METH_NOARGS,
     "(number, bytes) of the plans of Fourier transforms that are kept."},
    {nullptr}};
