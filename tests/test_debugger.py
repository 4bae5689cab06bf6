"""`debug.breakpoint`: frames show the values of the run, whatever the program went through."""
from __future__ import annotations

import functools
import io

import arrax
import arrax.numpy as jnp
import pytest

from arrax import debug

LEVEL = "of the module"


def session(function, *commands):
    """What the debugger says while `function(stop)` runs; `stop` is a breakpoint."""
    stdin = io.StringIO("".join(c + "\n" for c in commands))
    out = io.StringIO()
    function(functools.partial(debug.breakpoint, stdin=stdin, stdout=out))
    assert not stdin.read(), "commands are left"
    return out.getvalue().split("(jdb) ")


@pytest.mark.parametrize("transform", [lambda f: f, arrax.jit, lambda f: arrax.jit(arrax.grad(f))],
                         ids=["eager", "jit", "grad"])
def test_frames_show_values_of_the_run(transform):
    def program(stop):
        def f(x):
            y = x + 1
            stop(ordered=True)
            return y
        transform(f)(jnp.array(2.0, jnp.float32))
    said = session(program, "p x, y", "p y * 10", "pp LEVEL", "p absent", "c")
    assert said[0] == "Entering jdb:\n"
    assert said[1:] == ["(Array(2., dtype=float32), Array(3., dtype=float32))\n",
                        "Array(30., dtype=float32)\n", "'of the module'\n",
                        "*** NameError: name 'absent' is not defined\n", ""]


def test_each_instance_of_a_batch_stops():
    def program(stop):
        def f(x):
            stop()
            return x
        arrax.jit(arrax.vmap(f))(jnp.arange(2))
    said = session(program, "p x", "c", "p x", "c")
    assert said == ["Entering jdb:\n", "Array(0, dtype=int32)\n", "Entering jdb:\n",
                    "Array(1, dtype=int32)\n", ""]


def test_frames_can_be_walked():
    def program(stop):
        def inner(x):
            stop(num_frames=2)
            return x

        def outer(z):
            return inner(z * 2)
        outer(jnp.array(3))
    said = session(program, "l", "u", "p z", "u", "d", "d", "bt", "nonsense", "c")
    assert "->          stop(num_frames=2)\n" in said[1]
    assert "->          return inner(z * 2)\n" in said[2] and "def outer(z):" in said[2]
    assert said[3] == "Array(3, dtype=int32, weak_type=True)\n"
    assert said[4] == "At topmost frame.\n" and said[6] == "At bottommost frame.\n"
    assert said[7].startswith("Traceback:\n  File ") and "unknown command: nonsense" in said[8]


def test_the_end_of_the_input_ends_the_process():
    with pytest.raises(SystemExit):
        session(lambda stop: stop())


@pytest.mark.parametrize("options, error", [
    ({"backend": "web"}, ValueError), ({"token": 3}, ValueError), ({"file": 3}, TypeError)])
def test_other_options_are_refused(options, error):
    with pytest.raises(error):
        debug.breakpoint(**options)


def test_options_may_come_first(capsys):
    debug.print(ordered=True)("x is {x}", x=3)
    seen = []
    debug.callback(ordered=True)(seen.append, jnp.array(4))
    assert capsys.readouterr().out == "x is 3\n" and seen == [4]
    with pytest.raises(TypeError, match="debug_print received unexpected arguments"):
        debug.print(None, 3)
    with pytest.raises(ValueError, match="Unused keyword arguments"):
        debug.print(ordered=True)("x", partitioned=True)
    debug.print("x", 3, skip_format_check=True)
