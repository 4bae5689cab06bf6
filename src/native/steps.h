// Steps: a straight line of NumPy calls, the recorded form of a remembered function.
#pragma once

#include "native.h"

struct StepsObject;
extern PyTypeObject StepsType;

Py_ssize_t steps_input_count(StepsObject* steps);
Py_ssize_t steps_output_count(StepsObject* steps);
// Runs on Arrays; stores new references to the output Arrays. False: an exception is set.
bool steps_run(StepsObject* steps, PyObject* const* inputs, PyObject** outputs);
