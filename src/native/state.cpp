// Thread-local state: the current trace and the context key. Faster than threading.local.
#include "native.h"

PyObject* default_trace = nullptr;
ARRAX_THREAD_LOCAL PyObject* thread_trace = nullptr;

// A thread owns a reference to what it set; setting the default clears, so that threads end clean.
static PyObject* default_context_key = nullptr;
static ARRAX_THREAD_LOCAL PyObject* thread_context_key = nullptr;

PyObject* context_key() { return thread_context_key ? thread_context_key : default_context_key; }

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

static PyObject* get_context_key(PyObject*, PyObject*) {
  PyObject* key = context_key();
  return Py_NewRef(key ? key : Py_None);
}

static PyObject* set_context_key(PyObject*, PyObject* key) {
  PyObject* before = thread_context_key;
  thread_context_key = key == Py_None ? nullptr : Py_NewRef(key);
  Py_XDECREF(before);
  Py_RETURN_NONE;
}

static PyObject* set_default_context_key(PyObject*, PyObject* key) {
  Py_XSETREF(default_context_key, key == Py_None ? nullptr : Py_NewRef(key));
  Py_RETURN_NONE;
}

PyMethodDef state_functions[] = {
    {"get_trace", get_trace, METH_NOARGS, "The thread's current trace."},
    {"set_trace", set_trace, METH_O, "Make a trace the thread's current one (None: the default)."},
    {"set_default_trace", set_default_trace, METH_O, "The trace of threads that set none."},
    {"get_context_key", get_context_key, METH_NOARGS, "The thread's context key, else the default."},
    {"set_context_key", set_context_key, METH_O,
     "Set the thread's context key: part of every jit signature, compared by identity.\n"
     "None returns to the default key."},
    {"set_default_context_key", set_default_context_key, METH_O,
     "The context key of threads that set none."},
    {nullptr}};
