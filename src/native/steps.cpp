// See steps.h. Values live in numbered slots: inputs first, then constants, then results.
#include "steps.h"

#include <vector>

#include "small_vector.h"

struct Step {
  PyObject* function;           // takes the operands' data and the named values
  std::vector<int> operands;    // slots
  PyObject* names;              // tuple of the names of `values`; NULL for none
  PyObject* values;             // tuple
  std::vector<int> results;     // slots; -1: not wanted
  bool multiple;                // whether the function returns a sequence
};

struct Output {
  int slot;
  PyObject* aval;
};

struct StepsBody {
  int input_count = 0, slot_count = 0;
  std::vector<PyObject*> constants;
  std::vector<Step> steps;
  std::vector<Output> outputs;
};

struct StepsObject {
  PyObject_HEAD
  StepsBody* body;
};

PyTypeObject StepsType = {PyVarObject_HEAD_INIT(nullptr, 0)};

namespace {

// The slots of one run, with references.
struct Slots {
  SmallVector<PyObject*, 32> values;
  explicit Slots(size_t count) {
    values.resize(count);
    for (PyObject*& value : values) value = nullptr;
  }
  ~Slots() {
    for (PyObject* value : values) Py_XDECREF(value);
  }
};

// What a function returned as an ndarray (new reference): rules may return NumPy scalars.
PyObject* data_of(PyObject* value) {
  if (PyArray_CheckExact(value)) return Py_NewRef(value);
  if (PyArray_IsScalar(value, Generic)) return PyArray_FromScalar(value, nullptr);
  PyErr_Format(PyExc_TypeError, "a step must return arrays, got %s", Py_TYPE(value)->tp_name);
  return nullptr;
}

bool store(Slots* slots, int slot, PyObject* value) {
  if (slot < 0) return true;
  PyObject* data = data_of(value);
  slots->values[size_t(slot)] = data;
  return data != nullptr;
}

bool store_all(const Step& step, Slots* slots, PyObject* returned) {
  if (!step.multiple) return store(slots, step.results[0], returned);
  PyObject* sequence = PySequence_Fast(returned, "a step with several results returns a sequence");
  bool good = sequence && PySequence_Fast_GET_SIZE(sequence) == Py_ssize_t(step.results.size());
  if (sequence && !good) PyErr_SetString(PyExc_ValueError, "a step returned too many results");
  for (size_t i = 0; good && i < step.results.size(); i++)
    good = store(slots, step.results[i], PySequence_Fast_GET_ITEM(sequence, Py_ssize_t(i)));
  Py_XDECREF(sequence);
  return good;
}

bool run_step(const Step& step, Slots* slots) {
  size_t count = step.operands.size();
  size_t named = step.values ? size_t(PyTuple_GET_SIZE(step.values)) : 0;
  SmallVector<PyObject*, 16> stack;
  stack.resize(count + named + 1);
  PyObject** arguments = stack.data() + 1;  // the spare place is the callee's, by the flag below
  for (size_t i = 0; i < count; i++) arguments[i] = slots->values[size_t(step.operands[i])];
  for (size_t i = 0; i < named; i++)
    arguments[count + i] = PyTuple_GET_ITEM(step.values, Py_ssize_t(i));
  PyObject* returned = PyObject_Vectorcall(
      step.function, arguments, count | PY_VECTORCALL_ARGUMENTS_OFFSET, step.names);
  bool good = returned && store_all(step, slots, returned);
  Py_XDECREF(returned);
  return good;
}

}  // namespace

Py_ssize_t steps_input_count(StepsObject* self) { return self->body->input_count; }
Py_ssize_t steps_output_count(StepsObject* self) { return Py_ssize_t(self->body->outputs.size()); }

bool steps_run(StepsObject* self, PyObject* const* inputs, PyObject** outputs) {
  StepsBody* body = self->body;
  Slots slots(size_t(body->slot_count));
  size_t at = 0;
  for (; at < size_t(body->input_count); at++) {
    PyObject* data = reinterpret_cast<ArrayObject*>(inputs[at])->data;
    if (!data || !PyArray_Check(data)) {
      PyErr_SetString(PyExc_RuntimeError, "an operand has been deleted");
      return false;
    }
    slots.values[at] = Py_NewRef(data);
  }
  for (PyObject* constant : body->constants) slots.values[at++] = Py_NewRef(constant);
  for (const Step& step : body->steps)
    if (!run_step(step, &slots)) return false;
  size_t made = 0;
  for (const Output& output : body->outputs) {
    PyObject* same = output.slot < body->input_count ? inputs[output.slot] : nullptr;
    if (same && reinterpret_cast<ArrayObject*>(same)->aval == output.aval)
      outputs[made] = Py_NewRef(same);  // an operand returned as it is
    else
      outputs[made] = array_new(Py_NewRef(slots.values[size_t(output.slot)]), output.aval, nullptr);
    if (!outputs[made]) break;
    made++;
  }
  if (made == body->outputs.size()) return true;
  while (made) Py_DECREF(outputs[--made]);
  return false;
}

// ---- the type ----

namespace {

bool read_slots(PyObject* tuple, int slot_count, std::vector<int>* slots) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
    long slot = PyLong_AsLong(PyTuple_GET_ITEM(tuple, i));
    if (slot < -1 || slot >= slot_count) {
      PyErr_Format(PyExc_ValueError, "Steps: there is no slot %ld", slot);
      return false;
    }
    slots->push_back(int(slot));
  }
  return !PyErr_Occurred();
}

bool read_step(StepsBody* body, PyObject* item) {
  PyObject *function, *operands, *params, *results;
  int multiple;
  if (!PyArg_ParseTuple(item, "OO!O!O!p", &function, &PyTuple_Type, &operands, &PyDict_Type,
                        &params, &PyTuple_Type, &results, &multiple))
    return false;
  Step step{Py_NewRef(function), {}, nullptr, nullptr, {}, multiple != 0};
  bool good = read_slots(operands, body->slot_count, &step.operands) &&
              read_slots(results, body->slot_count, &step.results) &&
              (multiple || step.results.size() == 1);
  for (int slot : step.operands) good &= slot >= 0;
  if (good && PyDict_GET_SIZE(params)) {
    PyObject *keys = PyDict_Keys(params), *values = PyDict_Values(params);
    step.names = keys ? PyList_AsTuple(keys) : nullptr;
    step.values = values ? PyList_AsTuple(values) : nullptr;
    good = step.names && step.values;
    Py_XDECREF(keys);
    Py_XDECREF(values);
  }
  body->steps.push_back(step);
  if (!good && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "Steps: a step is malformed");
  return good;
}

bool read_output(StepsBody* body, PyObject* item) {
  PyObject* aval;
  int slot;
  if (!PyArg_ParseTuple(item, "iO", &slot, &aval)) return false;
  if (slot < 0 || slot >= body->slot_count) {
    PyErr_Format(PyExc_ValueError, "Steps: there is no slot %d", slot);
    return false;
  }
  body->outputs.push_back({slot, Py_NewRef(aval)});
  return true;
}

bool read_constant(StepsBody* body, PyObject* item) {
  if (!PyArray_CheckExact(item)) {
    PyErr_SetString(PyExc_TypeError, "Steps: constants are ndarrays");
    return false;
  }
  body->constants.push_back(Py_NewRef(item));
  return true;
}

bool each(StepsBody* body, PyObject* list, bool (*read)(StepsBody*, PyObject*)) {
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++)
    if (!read(body, PyList_GET_ITEM(list, i))) return false;
  return true;
}

PyObject* steps_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject *constants, *steps, *outputs;
  int inputs, slots;
  if (!PyArg_ParseTuple(arguments, "iiO!O!O!:Steps", &inputs, &slots, &PyList_Type, &constants,
                        &PyList_Type, &steps, &PyList_Type, &outputs))
    return nullptr;
  if (inputs < 0 || inputs + PyList_GET_SIZE(constants) > slots) {
    PyErr_SetString(PyExc_ValueError, "Steps: fewer slots than inputs and constants");
    return nullptr;
  }
  auto* self = reinterpret_cast<StepsObject*>(type->tp_alloc(type, 0));
  if (!self) return nullptr;
  self->body = new StepsBody;
  self->body->input_count = inputs;
  self->body->slot_count = slots;
  if (!each(self->body, constants, read_constant) || !each(self->body, steps, read_step) ||
      !each(self->body, outputs, read_output))
    Py_CLEAR(self);
  return reinterpret_cast<PyObject*>(self);
}

PyObject* steps_call(PyObject* object, PyObject* arguments, PyObject*) {
  auto* self = reinterpret_cast<StepsObject*>(object);
  PyObject* inputs;
  if (!PyArg_ParseTuple(arguments, "O!:Steps", &PyList_Type, &inputs)) return nullptr;
  bool good = PyList_GET_SIZE(inputs) == self->body->input_count;
  for (Py_ssize_t i = 0; good && i < PyList_GET_SIZE(inputs); i++)
    good = is_array(PyList_GET_ITEM(inputs, i));
  if (!good) {
    PyErr_Format(PyExc_TypeError, "Steps: %d Arrays are wanted", self->body->input_count);
    return nullptr;
  }
  SmallVector<PyObject*, 32> outputs;
  outputs.resize(self->body->outputs.size());
  if (!steps_run(self, PySequence_Fast_ITEMS(inputs), outputs.data())) return nullptr;
  PyObject* list = PyList_New(Py_ssize_t(outputs.size()));
  for (size_t i = 0; i < outputs.size(); i++) {
    if (list) PyList_SET_ITEM(list, Py_ssize_t(i), outputs[i]);
    else Py_DECREF(outputs[i]);
  }
  return list;
}

PyObject* steps_length(PyObject* object, PyObject*) {
  return PyLong_FromSize_t(reinterpret_cast<StepsObject*>(object)->body->steps.size());
}

int steps_traverse(PyObject* object, visitproc visit, void* arg) {
  StepsBody* body = reinterpret_cast<StepsObject*>(object)->body;
  if (!body) return 0;
  for (Step& step : body->steps) {
    Py_VISIT(step.function);
    Py_VISIT(step.values);
  }
  for (Output& output : body->outputs) Py_VISIT(output.aval);
  return 0;
}

void steps_dealloc(PyObject* object) {
  PyObject_GC_UnTrack(object);
  StepsBody* body = reinterpret_cast<StepsObject*>(object)->body;
  if (body) {
    for (PyObject* constant : body->constants) Py_DECREF(constant);
    for (Step& step : body->steps) {
      Py_DECREF(step.function);
      Py_XDECREF(step.names);
      Py_XDECREF(step.values);
    }
    for (Output& output : body->outputs) Py_DECREF(output.aval);
    delete body;
  }
  Py_TYPE(object)->tp_free(object);
}

PyMethodDef steps_methods[] = {
    {"count", guarded<steps_length>, METH_NOARGS, "How many calls a run makes."}, {nullptr}};

}  // namespace

int steps_type_ready() {
  PyTypeObject* type = &StepsType;
  type->tp_name = "arrax._native.Steps";
  type->tp_basicsize = sizeof(StepsObject);
  type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
  type->tp_doc =
      "Steps(input_count, slot_count, constants, steps, outputs)\n\n"
      "A straight line of NumPy calls on numbered slots: inputs, then constants (ndarrays), then\n"
      "results. A step is (function, operand slots, params, result slots, multiple); an output is\n"
      "(slot, aval). Called with a list of Arrays it returns the list of output Arrays.";
  type->tp_new = guarded<steps_new>;
  type->tp_call = steps_call;
  type->tp_dealloc = steps_dealloc;
  type->tp_traverse = steps_traverse;
  type->tp_methods = steps_methods;
  return PyType_Ready(type);
}
