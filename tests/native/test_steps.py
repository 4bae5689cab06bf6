"""Steps, Remembered and library calls refuse what they cannot do."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import arrax.numpy as jnp
from arrax import _native

X = jnp.asarray(np.arange(3, dtype=np.float32))


def steps(calls, outputs=None, slots=2, constants=()):
    return _native.Steps(1, slots, list(constants), calls, outputs or [(slots - 1, X.aval)])


def test_steps_run_in_order_on_slots():
    two = np.asarray(np.float32(2))
    run = steps([(np.multiply, (0, 1), {}, (2,), False), (np.sum, (2,), {"axis": 0}, (3,), False),
                 (np.add, (2, 3), {}, (4,), False)], slots=5, constants=[two])
    assert run.count() == 3
    np.testing.assert_array_equal(run([X])[0], [6, 8, 10])


def test_an_operand_is_returned_as_it_is():
    assert steps([], [(0, X.aval)], slots=1)([X])[0] is X


def test_several_results_may_be_dropped():
    run = steps([(lambda x: (x, x + 1), (0,), {}, (-1, 1), True)])
    np.testing.assert_array_equal(run([X])[0], [1, 2, 3])


@pytest.mark.parametrize("calls, outputs, error", [
    ([(np.add, (0, 7), {}, (1,), False)], None, ValueError),
    ([(np.add, (0, -1), {}, (1,), False)], None, ValueError),
    ([(np.add, (0,), {}, (0, 1), False)], None, ValueError),
    ([(np.add, (0,), {})], None, TypeError),
    ([], [(5, X.aval)], ValueError)])
def test_malformed_steps_are_refused(calls, outputs, error):
    with pytest.raises(error):
        steps(calls, outputs)


def test_failing_steps_raise():
    def fail(x):
        raise KeyError("no")
    with pytest.raises(KeyError):
        steps([(fail, (0,), {}, (1,), False)])([X])
    with pytest.raises(TypeError, match="must return arrays"):
        steps([(lambda x: "text", (0,), {}, (1,), False)])([X])
    with pytest.raises(ValueError, match="results"):
        steps([(lambda x: (x, x), (0,), {}, (1,), True)])([X])
    with pytest.raises(TypeError, match="1 Arrays"):
        steps([], [(0, X.aval)], slots=1)([np.ones(3)])


def test_a_remembered_function_may_call_itself_and_forget():
    @_native.Remembered
    def function(x, depth):
        if depth:
            function(x, depth - 1)
        else:
            function.forget()
        return x * 2
    for _ in range(8):
        np.testing.assert_array_equal(function(X, 3), X * 2)


def test_remembered_functions_are_collected():
    class Held:
        pass
    held = Held()
    function = _native.Remembered(lambda x, held=held: x + 1)
    function.itself = function
    for _ in range(5):
        function(X)
    import weakref
    gone = weakref.ref(held)
    del function, held
    gc.collect()
    assert gone() is None


def test_library_calls_check_their_arrays():
    address = _native.symbols()["arrax_threefry_words"]
    with pytest.raises(TypeError, match="contiguous"):
        _native.call_library(address, (2,), np.ones((2, 2), np.uint32).T)
    with pytest.raises(TypeError):
        _native.call_library(address, [2], np.ones(2, np.uint32))
