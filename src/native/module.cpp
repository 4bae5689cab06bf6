// The module arrax._native: puts the tables of the other files together.
#define ARRAX_IMPORTS_NUMPY
#include "native.h"

int array_type_ready();
int program_type_ready();
int entry_type_ready();
int jit_type_ready();
int eager_types_ready();
int steps_type_ready();
int remembered_type_ready();

static SymbolTable* first_symbol_table = nullptr;

SymbolTable::SymbolTable(const Symbol* symbols, size_t count)
    : symbols(symbols), count(count), next(first_symbol_table) {
  first_symbol_table = this;
}

static PyObject* symbols(PyObject*, PyObject*) {
  PyObject* result = PyDict_New();
  if (!result) return nullptr;
  for (SymbolTable* table = first_symbol_table; table; table = table->next) {
    for (size_t i = 0; i < table->count; i++) {
      PyObject* address = PyLong_FromVoidPtr(table->symbols[i].address);
      if (!address || PyDict_SetItemString(result, table->symbols[i].name, address) < 0) {
        Py_XDECREF(address);
        Py_DECREF(result);
        return nullptr;
      }
      Py_DECREF(address);
    }
  }
  return result;
}

static PyMethodDef module_functions[] = {
    {"symbols", guarded<symbols>, METH_NOARGS,
     "The addresses of the runtime's functions that generated code calls, by name."},
    {nullptr}};

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "arrax._native",
    "The small runtime: arrays, buffers, threads, programs, the jit call path.", -1, nullptr};

PyMODINIT_FUNC PyInit__native() {
  import_array();
  PyObject* module = PyModule_Create(&module_definition);
  if (!module) return nullptr;
  PyMethodDef* tables[] = {module_functions, array_functions, state_functions,
                           buffer_functions, thread_functions, jit_functions,
                           eager_functions, pytree_functions, remembered_functions,
                           getitem_functions, library_functions, plan_functions,
                           select_functions, fold_functions, check_functions, block_functions};
  PyTypeObject* types[] = {&ArrayBaseType, &ProgramType, &JitEntryType, &JitFunctionType,
                           &PrimitiveBaseType, &QuietType, &StepsType, &RememberedType};
  for (PyMethodDef* table : tables)
    if (PyModule_AddFunctions(module, table) < 0) goto failed;
  if (array_type_ready() < 0 || program_type_ready() < 0 || entry_type_ready() < 0 ||
      jit_type_ready() < 0 || eager_types_ready() < 0 || steps_type_ready() < 0 ||
      remembered_type_ready() < 0)
    goto failed;
  for (PyTypeObject* type : types)
    if (PyModule_AddType(module, type) < 0) goto failed;
  return module;
failed:
  Py_DECREF(module);
  return nullptr;
}
