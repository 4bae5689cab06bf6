// Thread-local state: the current trace and the context key. Faster than threading.local.
#include "native.h"

PyObject* default_trace = nullptr;
ARRAX_THREAD_LOCAL PyObject* thread_trace = nullptr;

// Each thread keeps the key that the provider gave, until the thread or everybody is told to ask
// anew. Keys are interned by their provider and live on.
static PyObject* context_provider = nullptr;
static uint64_t context_version = 1;
static ARRAX_THREAD_LOCAL PyObject* thread_context_key = nullptr;
static ARRAX_THREAD_LOCAL uint64_t thread_context_version = 0;

PyObject* context_key() {
  if (thread_context_version == context_version) return thread_context_key;
  uint64_t version = context_version;
  PyObject* key = context_provider ? PyObject_CallNoArgs(context_provider) : Py_NewRef(Py_None);
  if (!key) return nullptr;
  Py_XSETREF(thread_context_key, key);
  thread_context_version = version;
  return key;
}

static PyObject* get_trace(PyObject*, PyObject*) {
  PyObject* trace = thread_trace ? thread_trace : default_trace;
  return Py_NewRef(trace ? trace : Py_None);
}

static PyObject* set_trace(PyObject*, PyObject* trace) {
  PyObject* before = thread_trace;
  thread_trace = trace == default_trace || trace == Py_None ? nullptr : Py_NewRef(trace);
  Py_XDECREF(before);
  Py_RETURN_NONE;
}

static PyObject* set_default_trace(PyObject*, PyObject* trace) {
  Py_XSETREF(default_trace, Py_NewRef(trace));
  Py_RETURN_NONE;
}

static PyObject* get_context_key(PyObject*, PyObject*) { return Py_XNewRef(context_key()); }

static PyObject* invalidate_context_key(PyObject*, PyObject* everywhere) {
  if (PyObject_IsTrue(everywhere)) context_version++;
  else thread_context_version = 0;
  Py_RETURN_NONE;
}

static PyObject* set_context_provider(PyObject*, PyObject* provider) {
  Py_XSETREF(context_provider, Py_NewRef(provider));
  context_version++;
  Py_RETURN_NONE;
}

PyMethodDef state_functions[] = {
    {"get_trace", guarded<get_trace>, METH_NOARGS, "The thread's current trace."},
    {"set_trace", guarded<set_trace>, METH_O, "Make a trace the thread's current one (None: the default)."},
    {"set_default_trace", guarded<set_default_trace>, METH_O, "The trace of threads that set none."},
    {"get_context_key", guarded<get_context_key>, METH_NOARGS,
     "The thread's context key: part of every jit signature, compared by identity."},
    {"set_context_provider", guarded<set_context_provider>, METH_O,
     "Register provider(): the (interned) key of the current thread's settings."},
    {"invalidate_context_key", guarded<invalidate_context_key>, METH_O,
     "invalidate_context_key(everywhere): this thread, or every thread, asks its provider again."},
    {nullptr}};
