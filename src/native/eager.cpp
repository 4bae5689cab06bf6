// Eager calls: `Primitive.bind` on plain arrays without Python frames in between, and NumPy calls
// without floating-point warnings.
#include "native.h"

#include <structmember.h>

#include <vector>

#include "small_vector.h"

namespace {

bool mesh_in_scope = false;
PyObject* eager_hook = nullptr;  // not NULL: every bind goes through the trace's `process`

PyObject *name_evaluate, *name_process, *name_execute, *name_typed_results, *name_weak_type,
    *name_multiple_results, *name_dtype, *name_elementwise, *name_large;

// ---- what is known of an operand ----

// Offsets of the slots of the aval class, so that they are read without a lookup.
PyTypeObject* aval_type = nullptr;
Py_ssize_t dtype_offset, weak_type_offset;

Py_ssize_t slot_offset(PyObject* type, PyObject* name) {
  PyObject* descriptor = PyObject_GetAttr(type, name);
  Py_ssize_t offset = -1;
  if (descriptor && Py_TYPE(descriptor) == &PyMemberDescr_Type)
    offset = reinterpret_cast<PyMemberDescrObject*>(descriptor)->d_member->offset;
  PyErr_Clear();
  Py_XDECREF(descriptor);
  return offset;
}

inline PyObject* slot(PyObject* object, Py_ssize_t offset) {
  return *reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + offset);
}

}  // namespace

bool in_mesh() { return mesh_in_scope; }

PyObject* plain_data(PyObject* value) {
  if (!is_array(value)) return nullptr;
  auto* array = reinterpret_cast<ArrayObject*>(value);
  if (!array->data || Py_TYPE(array->aval) != aval_type || !PyArray_Check(array->data) ||
      is_placed(array))
    return nullptr;
  PyArray_Descr* dtype = PyArray_DESCR(reinterpret_cast<PyArrayObject*>(array->data));
  return slot(array->aval, dtype_offset) == reinterpret_cast<PyObject*>(dtype) ? array->data
                                                                              : nullptr;
}

bool is_weak(PyObject* array) {
  return slot(reinterpret_cast<ArrayObject*>(array)->aval, weak_type_offset) == Py_True;
}

namespace {

// ---- PrimitiveBase ----

enum Kind : int { kUnknown, kGeneral, kWeakIfAll, kWeakIfFirst, kNeverWeak };

struct PrimitiveObject {
  PyObject_HEAD
  int kind;       // how results become weak, where `bind` may evaluate here
  bool multiple;  // whether `evaluate` returns a list
  npy_intp large;  // elements from which an operand is not for `evaluate`, before the trace saw it
  // Of elementwise primitives: combinations of operand dtypes that the type rule has accepted.
  bool checked;
  uint64_t accepted[8];
  unsigned newest;
};

// The dtypes of plain operands in one number, not 0; 0 where there are too many operands.
uint64_t dtype_key(PyObject* const* data, Py_ssize_t count) {
  if (count > 5) return 0;
  uint64_t key = 1;
  for (Py_ssize_t i = 0; i < count; i++)
    key = key << 12 | uint64_t(PyArray_TYPE(reinterpret_cast<PyArrayObject*>(data[i])) & 0xfff);
  return key;
}

bool is_accepted(const PrimitiveObject* self, uint64_t key) {
  for (uint64_t known : self->accepted)
    if (known == key) return key != 0;
  return false;
}

void accept(PrimitiveObject* self, uint64_t key) {
  if (key && !is_accepted(self, key)) self->accepted[self->newest++ % 8] = key;
}

// Reads the declaration once: primitives do not change.
int read_kind(PrimitiveObject* self) {
  PyObject* object = reinterpret_cast<PyObject*>(self);
  PyObject* execute = PyObject_GetAttr(object, name_execute);
  PyObject* typed = PyObject_GetAttr(object, name_typed_results);
  PyObject* weak = PyObject_GetAttr(object, name_weak_type);
  PyObject* multiple = PyObject_GetAttr(object, name_multiple_results);
  PyObject* elementwise = PyObject_GetAttr(object, name_elementwise);
  PyObject* large = PyObject_GetAttr(object, name_large);
  if (large) self->large = PyLong_AsSsize_t(large);
  if (execute && typed && weak && multiple && elementwise && large && !PyErr_Occurred()) {
    self->checked = PyObject_IsTrue(elementwise) == 1;
    self->kind = kGeneral;
    self->multiple = multiple == Py_True;
    if (execute == Py_None && typed == Py_False && PyUnicode_Check(weak)) {
      if (PyUnicode_CompareWithASCIIString(weak, "all") == 0) self->kind = kWeakIfAll;
      if (PyUnicode_CompareWithASCIIString(weak, "first") == 0) self->kind = kWeakIfFirst;
      if (PyUnicode_CompareWithASCIIString(weak, "none") == 0) self->kind = kNeverWeak;
    }
  }
  Py_XDECREF(execute);
  Py_XDECREF(typed);
  Py_XDECREF(weak);
  Py_XDECREF(multiple);
  Py_XDECREF(elementwise);
  Py_XDECREF(large);
  return self->kind;
}

PyObject* wrap(PyObject* out, bool weak, bool multiple) {
  if (!multiple) return array_of_numpy(out, weak);
  PyObject* sequence = PySequence_Fast(out, "evaluate must return a list");
  if (!sequence) return nullptr;
  Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence);
  PyObject* result = PyList_New(count);
  for (Py_ssize_t i = 0; result && i < count; i++) {
    PyObject* array = array_of_numpy(PySequence_Fast_GET_ITEM(sequence, i), weak);
    if (array) PyList_SET_ITEM(result, i, array);
    else Py_CLEAR(result);
  }
  Py_DECREF(sequence);
  return result;
}

// Evaluates on plain arrays. Returns NULL without an exception where the general way is to be gone;
// `unchecked` is then the key of dtypes that were not seen before.
PyObject* evaluate(PrimitiveObject* self, PyObject* const* arguments, Py_ssize_t count,
                   PyObject* names, uint64_t* unchecked) {
  Py_ssize_t total = count + (names ? PyTuple_GET_SIZE(names) : 0);
  SmallVector<PyObject*, 16> values;
  values.resize(size_t(total) + 1);
  PyObject** stack = values.data() + 1;  // the spare place is the callee's, by the flag below
  bool weak = count > 0 && self->kind != kNeverWeak;
  for (Py_ssize_t i = 0; i < count; i++) {
    stack[i] = plain_data(arguments[i]);
    if (!stack[i]) return nullptr;
    if (PyArray_SIZE(reinterpret_cast<PyArrayObject*>(stack[i])) >= self->large) return nullptr;
    if (self->kind == kWeakIfAll || i == 0) weak = weak && is_weak(arguments[i]);
  }
  if (self->checked) {
    uint64_t key = dtype_key(stack, count);
    if (!is_accepted(self, key)) {
      *unchecked = key;
      return nullptr;
    }
  }
  PyObject* rule = PyObject_GetAttr(reinterpret_cast<PyObject*>(self), name_evaluate);
  if (!rule) return nullptr;
  if (!PyCallable_Check(rule)) {
    Py_DECREF(rule);
    return nullptr;
  }
  for (Py_ssize_t i = 0; i < count; i++) Py_INCREF(stack[i]);
  for (Py_ssize_t i = count; i < total; i++) stack[i] = arguments[i];
  PyObject* out = PyObject_Vectorcall(rule, stack, size_t(count) | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                      names);
  for (Py_ssize_t i = 0; i < count; i++) Py_DECREF(stack[i]);
  Py_DECREF(rule);
  if (!out) return nullptr;
  PyObject* result = wrap(out, weak, self->multiple);
  Py_DECREF(out);
  return result;
}

// current trace.process(self, args, params)
PyObject* process(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  PyObject* args = PyTuple_New(count);
  PyObject* params = args ? PyDict_New() : nullptr;
  for (Py_ssize_t i = 0; params && i < count; i++)
    PyTuple_SET_ITEM(args, i, Py_NewRef(arguments[i]));
  for (Py_ssize_t i = 0; params && names && i < PyTuple_GET_SIZE(names); i++)
    if (PyDict_SetItem(params, PyTuple_GET_ITEM(names, i), arguments[count + i]) < 0)
      Py_CLEAR(params);
  PyObject* result = nullptr;
  PyObject* trace = thread_trace ? thread_trace : default_trace;
  if (params && !trace) {
    PyErr_SetString(PyExc_RuntimeError, "set_default_trace was not called");
  } else if (params) {
    PyObject* stack[] = {Py_NewRef(trace), self, args, params};
    result = PyObject_VectorcallMethod(name_process, stack, 4, nullptr);
    Py_DECREF(trace);
  }
  Py_XDECREF(args);
  Py_XDECREF(params);
  return result;
}

PyObject* bind(PyObject* object, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  auto* self = reinterpret_cast<PrimitiveObject*>(object);
  uint64_t unchecked = 0;
  if (!thread_trace && !eager_hook && !mesh_in_scope) {
    int kind = self->kind == kUnknown ? read_kind(self) : self->kind;
    if (kind > kGeneral) {
      PyObject* result = evaluate(self, arguments, count, names, &unchecked);
      if (result) return result;
      if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(PyExc_ValueError))
          return nullptr;
        PyErr_Clear();  // the trace does it again, and says what is wrong
      }
    } else if (PyErr_Occurred()) {
      return nullptr;
    }
  }
  PyObject* result = process(object, arguments, count, names);
  if (result) accept(self, unchecked);
  return result;
}

void primitive_dealloc(PyObject* object) { Py_TYPE(object)->tp_free(object); }

PyMethodDef primitive_methods[] = {
    {"bind", method<bind>(),
     METH_FASTCALL | METH_KEYWORDS, "bind(*args, **params): apply the primitive under the current trace."},
    {nullptr}};

// ---- quiet functions ----

struct QuietObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* function;
  PyObject* careful;  // takes arrays of dtypes that NumPy's own code does not know; NULL: nobody
  bool has_loops;     // whether `function` is a ufunc whose inner loops can be called
};

PyObject *error_state_variable = nullptr, *silent_state = nullptr;
// Contexts in which the error state is silent and NumPy's memory comes from the pool.
std::vector<PyObject*> free_contexts;

PyObject* silent_context() {
  if (!free_contexts.empty()) {
    PyObject* context = free_contexts.back();
    free_contexts.pop_back();
    return context;
  }
  PyObject* context = PyContext_New();
  if (!context || PyContext_Enter(context) < 0) {
    Py_XDECREF(context);
    return nullptr;
  }
  PyObject* token = PyContextVar_Set(error_state_variable, silent_state);
  PyObject* before = token && pool_handler() ? PyDataMem_SetHandler(pool_handler()) : nullptr;
  if (PyContext_Exit(context) < 0 || !before) Py_CLEAR(context);
  Py_XDECREF(token);
  Py_XDECREF(before);
  return context;
}

// Entering a ready-made context costs much less than setting a context variable and resetting it.
PyObject* quiet_call(PyObject* self, PyObject* const* arguments, size_t count, PyObject* names) {
  auto* quiet = reinterpret_cast<QuietObject*>(self);
  if (quiet->has_loops && !names) {
    PyObject* result = call_ufunc_loop(quiet->function, arguments,
                                       size_t(PyVectorcall_NARGS(count)));
    if (result) return result;
  }
  PyObject* context = silent_context();
  if (!context) return nullptr;
  if (PyContext_Enter(context) < 0) {
    Py_DECREF(context);
    return nullptr;
  }
  bool foreign = quiet->careful && PyVectorcall_NARGS(count) && PyArray_Check(arguments[0]) &&
                 PyTypeNum_ISUSERDEF(PyArray_TYPE(reinterpret_cast<PyArrayObject*>(arguments[0])));
  PyObject* result = PyObject_Vectorcall(foreign ? quiet->careful : quiet->function, arguments,
                                         count, names);
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  if (PyContext_Exit(context) < 0) {
    Py_CLEAR(result);
    Py_DECREF(context);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return nullptr;
  }
  PyErr_Restore(type, value, traceback);
  free_contexts.push_back(context);
  return result;
}

PyObject* quiet_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject *function, *careful = nullptr;
  if (!PyArg_ParseTuple(arguments, "O|O:Quiet", &function, &careful)) return nullptr;
  if (!error_state_variable) {
    PyErr_SetString(PyExc_RuntimeError, "set_error_state was not called");
    return nullptr;
  }
  auto* self = reinterpret_cast<QuietObject*>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  self->vectorcall = guarded<quiet_call>;
  self->function = Py_NewRef(function);
  self->careful = Py_XNewRef(careful);
  self->has_loops = is_loop_ufunc(function);
  return reinterpret_cast<PyObject*>(self);
}

int quiet_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(reinterpret_cast<QuietObject*>(self)->function);
  Py_VISIT(reinterpret_cast<QuietObject*>(self)->careful);
  return 0;
}

void quiet_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Py_XDECREF(reinterpret_cast<QuietObject*>(self)->function);
  Py_XDECREF(reinterpret_cast<QuietObject*>(self)->careful);
  Py_TYPE(self)->tp_free(self);
}

PyMemberDef quiet_members[] = {
    {"__wrapped__", T_OBJECT, offsetof(QuietObject, function), READONLY, "The function itself."},
    {nullptr}};

// ---- functions ----

PyObject* set_error_state(PyObject*, PyObject* arguments) {
  PyObject *variable, *state;
  if (!PyArg_ParseTuple(arguments, "O!O:set_error_state", &PyContextVar_Type, &variable, &state))
    return nullptr;
  Py_XSETREF(error_state_variable, Py_NewRef(variable));
  Py_XSETREF(silent_state, Py_NewRef(state));
  Py_RETURN_NONE;
}

PyObject* set_in_mesh(PyObject*, PyObject* flag) {
  mesh_in_scope = PyObject_IsTrue(flag) == 1;
  Py_RETURN_NONE;
}

PyObject* set_eager_hook(PyObject*, PyObject* hook) {
  Py_XSETREF(eager_hook, hook == Py_None ? nullptr : Py_NewRef(hook));
  Py_RETURN_NONE;
}

}  // namespace

void learn_aval_type(PyObject* factory) {
  if (!PyType_Check(factory)) return;
  dtype_offset = slot_offset(factory, name_dtype);
  weak_type_offset = slot_offset(factory, name_weak_type);
  bool known = dtype_offset > 0 && weak_type_offset > 0;
  aval_type = known ? reinterpret_cast<PyTypeObject*>(Py_NewRef(factory)) : nullptr;
}

PyMethodDef eager_functions[] = {
    {"set_error_state", guarded<set_error_state>, METH_VARARGS,
     "set_error_state(variable, state): the context variable of NumPy's floating-point error state,\n"
     "and its value that reports nothing. `Quiet` functions run with it."},
    {"set_in_mesh", guarded<set_in_mesh>, METH_O,
     "set_in_mesh(flag): whether some thread has a mesh in scope; then eager calls all go through\n"
     "the trace's `process`, and none is recorded."},
    {"set_eager_hook", guarded<set_eager_hook>, METH_O,
     "While the hook is not None, `bind` calls the trace's `process` for plain arrays too."},
    {nullptr}};

PyTypeObject PrimitiveBaseType = {PyVarObject_HEAD_INIT(nullptr, 0)};
PyTypeObject QuietType = {PyVarObject_HEAD_INIT(nullptr, 0)};

int eager_types_ready() {
  struct { PyObject** slot; const char* text; } names[] = {
      {&name_evaluate, "evaluate"}, {&name_process, "process"}, {&name_execute, "execute"},
      {&name_typed_results, "typed_results"}, {&name_weak_type, "weak_type"},
      {&name_multiple_results, "multiple_results"}, {&name_dtype, "dtype"},
      {&name_elementwise, "elementwise"},
      {&name_large, "large"}};
  for (auto& name : names)
    if (!(*name.slot = PyUnicode_InternFromString(name.text))) return -1;
  PyTypeObject* type = &PrimitiveBaseType;
  type->tp_name = "arrax._native.PrimitiveBase";
  type->tp_basicsize = sizeof(PrimitiveObject);
  type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  type->tp_doc = "Base of primitives: `bind`, which evaluates plain arrays without a detour.";
  type->tp_new = PyType_GenericNew;
  type->tp_dealloc = primitive_dealloc;
  type->tp_methods = primitive_methods;
  if (PyType_Ready(type) < 0) return -1;
  type = &QuietType;
  type->tp_name = "arrax._native.Quiet";
  type->tp_basicsize = sizeof(QuietObject);
  type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL;
  type->tp_doc =
      "Quiet(function, careful=None): calls a NumPy function without floating-point warnings.\n"
      "Where the first argument is an array of a dtype registered from outside NumPy (ml_dtypes),\n"
      "`careful` is called instead.";
  type->tp_new = guarded<quiet_new>;
  type->tp_dealloc = quiet_dealloc;
  type->tp_traverse = quiet_traverse;
  type->tp_call = PyVectorcall_Call;
  type->tp_vectorcall_offset = offsetof(QuietObject, vectorcall);
  type->tp_members = quiet_members;
  return PyType_Ready(type);
}
