"""Programs: running, forwarding, donation, host calls."""
from __future__ import annotations

import contextlib
import gc
import sys
import threading
import tracemalloc
import weakref

import ml_dtypes
import numpy as np
import pytest

from arrax import _native
from arrax.core import dtypes
from arrax.core.aval import ShapedArray
from tests.native import machine_code
from tests.native.machine_code import f32

make = _native.make_array


def floats(*values):
    return make(np.array(values, np.float32))


def test_a_program_adds():
    program = machine_code.add_program()
    out, = program.run([floats(1, 2, 3, 4), floats(10, 20, 30, 40)])
    assert out.aval is f32(4) and out.placement is None
    assert out.data.tolist() == [11, 22, 33, 44]
    assert program.run([out, out], "there")[0].placement == "there"


def test_strided_inputs_become_contiguous():
    data = np.arange(8, dtype=np.float32)
    strided, backwards = make(data[::2]), make(data[3::-1])
    out, = machine_code.add_program().run([strided, backwards])
    assert np.array_equal(out.data, data[::2] + data[3::-1])
    assert strided.data.flags.c_contiguous and np.array_equal(strided.data, data[::2])


def test_misaligned_inputs_become_aligned():
    raw = np.zeros(17, np.uint8)
    raw[1:] = np.arange(4, dtype=np.float32).view(np.uint8)
    out, = machine_code.add_program().run([make(raw[1:].view(np.float32)), floats(0, 0, 0, 0)])
    assert out.data.tolist() == [0, 1, 2, 3]


def test_constants_follow_the_inputs():
    program = machine_code.add_program(in_avals=[f32(4)], consts=[floats(1, 1, 1, 1)])
    assert program.run([floats(1, 2, 3, 4)])[0].data.tolist() == [2, 3, 4, 5]


def test_weakly_typed_and_keyed_inputs_pass():
    weak = make(np.ones(4, np.float32), True)
    assert machine_code.add_program().run([weak, weak])[0].data.tolist() == [2] * 4
    keys = _native.make_array_aval(np.array(5, np.uint64), ShapedArray((), dtypes.key_fry))
    program = machine_code.add_program(1, "i64", "add", dtypes.key_fry, ())
    out, = program.run([keys, keys])
    assert out.aval is keys.aval and out.data == 10


@pytest.mark.parametrize("arguments, error, text", [
    ([floats(1, 2, 3, 4)], TypeError, "takes 2 arrays, got 1"),
    ([floats(1, 2, 3, 4), floats(1, 2)], TypeError, r"argument 1 must be .*4.*, got .*2"),
    ([floats(1, 2, 3, 4), np.ones(4)], TypeError, "argument 1 must be a concrete Array, got"),
    (5, TypeError, "sequence of arrays")])
def test_wrong_inputs_are_refused(arguments, error, text):
    with pytest.raises(error, match=text):
        machine_code.add_program().run(arguments)


def test_deleted_inputs_are_refused():
    x = floats(1, 2, 3, 4)
    x.delete()
    with pytest.raises(RuntimeError, match=r"Array has been deleted with shape=float32\[4\]\."):
        machine_code.add_program().run([x, x])


def test_forwarded_outputs_share_data():
    x, constant = floats(1, 2, 3, 4), floats(5)
    program = machine_code.program(machine_code.ADD.replace("TYPE", "float")
                                   .replace("OPERATION", "fadd").replace("COUNT", "4"),
                                   [f32(4), f32(4)], [f32(4), f32(4), f32(1)],
                                   consts=[constant], forwards=[-1, 1, 2])
    total, same, const = program.run([floats(1, 1, 1, 1), x])
    assert total.data.tolist() == [2, 3, 4, 5]
    assert same is not x and same.data is x.data and const.data is constant.data


class TestDonation:
    def program(self, **options):
        return machine_code.add_program(1000, donated=[0], aliases=[0], **options)

    def test_the_output_takes_the_memory(self):
        data = _native.empty((1000,), np.float32)
        data[:] = 1
        x, y = make(data), make(np.ones(1000, np.float32))
        del data
        address = x.data.ctypes.data
        out, = self.program().run([x, y])
        assert x.data is None and out.data.ctypes.data == address and np.all(out.data == 2)
        again, = self.program().run([out, y])
        assert again.data.ctypes.data == address and np.all(again.data == 3)

    def test_numpy_memory_is_taken_too(self):
        x, y = make(np.ones(1000, np.float32)), make(np.ones(1000, np.float32))
        address = x.data.ctypes.data
        out, = self.program().run([x, y])
        assert out.data.ctypes.data == address and out.data.flags.owndata
        del out

    @pytest.mark.parametrize("keep", ["data", "view", "twice", "base"])
    def test_shared_memory_is_left_alone(self, keep):
        data = np.ones(1000, np.float32)
        if keep == "base":
            data = np.ones(2000, np.float32)[:1000]
        x, y = make(data), make(np.ones(1000, np.float32))
        kept = {"data": data, "view": data[1:]}.get(keep)
        del data
        if keep == "twice":
            y = x
        out, = self.program().run([x, y])
        assert x.data is None and np.all(out.data == 2)
        assert kept is None or np.all(kept == 1)

    def test_two_outputs_take_one_input_once(self):
        program = machine_code.program(
            machine_code.ADD.replace("TYPE", "float").replace("OPERATION", "fadd")
            .replace("COUNT", "4"), [f32(4), f32(4)], [f32(4), f32(4)], donated=[0],
            aliases=[0, 0])
        out, other = program.run([floats(1, 2, 3, 4), floats(0, 0, 0, 0)])
        assert out.data.tolist() == [1, 2, 3, 4]
        assert other.data.ctypes.data != out.data.ctypes.data

    def test_a_donated_forward_moves(self):
        x = floats(1, 2, 3, 4)
        program = machine_code.program(machine_code.STATUS_7.replace("7", "0"), [f32(4)], [f32(4)],
                                       forwards=[0], donated=[0])
        out, = program.run([x])
        assert x.data is None and out.data.tolist() == [1, 2, 3, 4]


    @pytest.mark.parametrize("releases_gil", [False, True])
    def test_arrays_are_deleted_before_the_machine_code_starts(self, releases_gil):
        """Nobody may read memory that a result takes over, from the first instruction on."""
        seen = []

        def look(operand):
            seen.append((x.data, y.data is None))
            with pytest.raises(RuntimeError, match="deleted"):
                machine_code.add_program().run([x, x])
            return operand
        program = machine_code.program(
            machine_code.HOST_CALL, [f32(4), f32(4)], [f32(4)], donated=[0], aliases=[0],
            host_calls=[(look, [("float32", (4,))], [("float32", (4,))])],
            releases_gil=releases_gil)
        x, y = floats(1, 2, 3, 4), floats(0, 0, 0, 0)
        out, = program.run([x, y])
        assert seen == [(None, False)] and out.data.tolist() == [1, 2, 3, 4]

    def test_a_reader_keeps_its_memory(self):
        x = floats(*[1] * 1000)
        view, buffer = np.asarray(x.data)[3:5], memoryview(x)
        self.program().run([x, floats(*[1] * 1000)])
        assert view.tolist() == [1, 1] and buffer[7] == 1

    def test_a_failed_run_deletes_too(self):
        def fail(operand):
            raise KeyError("no")
        program = machine_code.program(
            machine_code.HOST_CALL, [f32(4)], [f32(4)], donated=[0], aliases=[0],
            host_calls=[(fail, [("float32", (4,))], [("float32", (4,))])])
        x = floats(1, 2, 3, 4)
        with pytest.raises(KeyError):
            program.run([x])
        assert x.data is None

    def test_a_run_that_cannot_start_deletes_nothing(self):
        x = floats(*[1] * 1000)
        with pytest.raises(MemoryError):
            self.program(arena_bytes=1 << 60).run([x, x])
        assert x.data.tolist() == [1] * 1000


def host_program(function, in_dtype="float32", out_dtypes=("float32",), shape=(4,), **options):
    copies = options.pop("copies", False)
    return machine_code.program(
        machine_code.HOST_CALL, [ShapedArray(shape, in_dtype)],
        [ShapedArray(shape, dtype) for dtype in out_dtypes],
        host_calls=[(function, [(in_dtype, shape)], [(d, shape) for d in out_dtypes], copies)],
        **options)


@pytest.mark.parametrize("releases_gil", [False, True])
class TestHostCalls:
    def test_results_are_stored(self, releases_gil):
        program = host_program(np.sin, releases_gil=releases_gil)
        x = floats(1, 2, 3, 4)
        assert np.array_equal(program.run([x])[0].data, np.sin(x.data))

    def test_results_are_cast(self, releases_gil):
        program = host_program(lambda x: (x.astype(np.float64), list(x > 2), x[::-1]),
                               out_dtypes=(ml_dtypes.bfloat16, "bool", "float32"),
                               releases_gil=releases_gil)
        a, b, c = program.run([floats(1, 2, 3, 4)])
        assert a.dtype == ml_dtypes.bfloat16 and a.data.astype(int).tolist() == [1, 2, 3, 4]
        assert b.data.tolist() == [False, False, True, True] and c.data.tolist() == [4, 3, 2, 1]

    @pytest.mark.parametrize("function, error", [
        (lambda x: 1 / 0, ZeroDivisionError), (lambda x: x[:2], ValueError),
        (lambda x: (x, x), ValueError), (lambda x: None, (TypeError, ValueError)),
        (lambda x: "text", ValueError)])
    def test_exceptions_come_out(self, releases_gil, function, error):
        program = host_program(function, releases_gil=releases_gil)
        x = floats(1, 2, 3, 4)
        with pytest.raises(error):
            program.run([x])
        assert x.data.tolist() == [1, 2, 3, 4]

    def test_operands_are_read_only(self, releases_gil):
        def write(x):
            x[0] = 1
        with pytest.raises(ValueError, match="read-only"):
            host_program(write, releases_gil=releases_gil).run([floats(1, 2, 3, 4)])

    def test_copied_operands_may_be_kept(self, releases_gil):
        kept = []
        program = host_program(lambda x: kept.append(x) or x, copies=True,
                               releases_gil=releases_gil)
        program.run([floats(1, 2, 3, 4)])
        assert kept[0].flags.owndata and kept[0].tolist() == [1, 2, 3, 4]

    def test_programs_nest_and_run_in_threads(self, releases_gil):
        inner = machine_code.add_program(releases_gil=releases_gil)

        def call(x):
            array = make(x.copy())
            return inner.run([array, array])[0].data
        program, results = host_program(call, releases_gil=releases_gil), []

        def work():
            for _ in range(50):
                results.append(program.run([floats(1, 2, 3, 4)])[0].data.tolist())
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [[2, 4, 6, 8]] * 200

    def test_the_callee_may_delete_the_input(self, releases_gil):
        x = floats(1, 2, 3, 4)

        def delete(operand):
            x.delete()
            gc.collect()
            return operand * 2
        out, = host_program(delete, releases_gil=releases_gil).run([x])
        assert out.data.tolist() == [2, 4, 6, 8]


def test_a_failing_program_says_so():
    program = machine_code.program(machine_code.STATUS_7, [], [], name="doomed")
    with pytest.raises(RuntimeError, match="'doomed' failed with status 7"):
        program.run([])


@pytest.mark.parametrize("options", [
    {"consts": [1]}, {"forwards": [5]}, {"aliases": [2]}, {"donated": [9]},
    {"forwards": [-1, -1]}, {"host_calls": [1]}, {"host_calls": [(1, [5], [])]},
    {"arena_bytes": -1}, {"forwards": 3}, {"unknown": 1}])
def test_wrong_options_are_refused(options):
    with pytest.raises((TypeError, ValueError)):
        machine_code.add_program(**options)
    with pytest.raises((TypeError, ValueError)):
        _native.Program(0, [], [])


def test_programs_are_collected_with_their_cycles():
    class Holder:
        pass
    holder = Holder()
    holder.program = host_program(lambda x, h=holder: x)
    reference = weakref.ref(holder.program)
    del holder
    gc.collect()
    assert reference() is None


def test_runs_leak_nothing():
    program = host_program(lambda x: x + 1, releases_gil=True)
    failing = host_program(lambda x: 1 / 0)
    x = floats(1, 2, 3, 4)

    def work():
        for _ in range(200):
            program.run([x])
            with contextlib.suppress(ZeroDivisionError):
                failing.run([x])
    work()
    references = sys.getrefcount(x.data), sys.getrefcount(x.aval), sys.getrefcount(program)
    tracemalloc.start()
    work()
    first = tracemalloc.get_traced_memory()[0]
    work()
    second = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert second - first < 2000
    assert references == (sys.getrefcount(x.data), sys.getrefcount(x.aval),
                          sys.getrefcount(program))
