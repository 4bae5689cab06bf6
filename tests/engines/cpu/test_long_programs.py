"""Programs of hundreds of equations: they compile, in about linear time, to the right results."""
from __future__ import annotations

import numpy as np
import pytest

import arrax
import arrax.numpy as jnp
from arrax import lax
from arrax.engines.cpu import loop_ir, machine
from arrax.engines.cpu.kernels import long_blocks
from arrax.engines.cpu.passes import verify_aliases
from tests.engines.cpu.compiling import check, llvm_of

START = np.linspace(0, 1, 40, dtype=np.float32)


def chain(x, length=300):
    for _ in range(length):
        x = jnp.sin(x) + 0.5 * x
    return x


def every_result(x, length=300):
    results = []
    for _ in range(length):
        x = jnp.sin(x) + 0.5 * x
        results.append(x)
    return results


def layers(x):
    for _ in range(30):
        x = jnp.tanh(jnp.sin(x) * x + jnp.mean(x))
    return jnp.sum(x)


@pytest.mark.parametrize("function", [chain, every_result, layers, arrax.grad(layers)])
def test_long_programs_equal_their_evaluation(function):
    got = arrax.tree.leaves(arrax.jit(function)(START))
    want = arrax.tree.leaves(function(jnp.asarray(START)))
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("function", [every_result, lambda x, n: arrax.grad(
    lambda y: jnp.sum(chain(y, n)))(x)])
def test_passes_look_at_expressions_a_linear_number_of_times(function, monkeypatch):
    def visits(length):
        count = 0
        walk = loop_ir.walk

        def counted(*args):
            nonlocal count
            found = walk(*args)
            count += len(found)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(loop_ir, "walk", counted)
            arrax.jit(lambda x: function(x, length)).lower(START).compile()
        return count

    assert visits(160) < 2.8 * visits(80)


def total(*xs):
    return sum(xs)


def each(*xs):
    return [jnp.sin(x) for x in xs]


def packed(*xs):
    return jnp.stack(xs) * 2


@pytest.mark.parametrize("function, shape", [(total, ()), (each, (4,)), (packed, (4,)),
                                             (each, (100,))])
def test_code_of_many_arguments_grows_linearly(function, shape):
    """Instructions at n, 2n, 4n; addresses do not wait in the prologue for their use."""
    def lines(count):
        args = [np.full(shape, k, np.float32) for k in range(count)]
        text = arrax.jit(function).lower(*args).compile().as_text("llvm")
        prologue = text[text.index("prologue:"):text.index("start:")]
        assert prologue.count("load ptr") <= 32
        return text.count("\n")

    first, second, third = lines(100), lines(200), lines(400)
    assert third - second < 1.1 * 2 * (second - first) + 10


def test_addresses_of_many_buffers_in_and_before_loops():
    """Kernels of all lengths (whose code nobody shares), a loop over many carries, and outputs that
    are read again."""
    xs = [np.linspace(0, 1, 3 + 2 * k, dtype=np.float32) for k in range(45)]

    def program(*xs):
        ys = [jnp.sin(x) * jnp.mean(x) for x in xs]
        zs = arrax.lax.fori_loop(0, 3, lambda i, zs: [jnp.cos(z) + y[0] for y, z in zip(ys, zs)],
                                 [y * 2 for y in ys])
        return ys, zs, [jnp.roll(z, 1) - y for y, z in zip(ys, zs)]

    got = arrax.tree.leaves(arrax.jit(program)(*xs))
    want = arrax.tree.leaves(program(*[jnp.asarray(x) for x in xs]))
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_equal_kernels_become_one_function():
    def network(x, weights):
        for weight in weights:
            x = jnp.tanh(x @ weight)
        return jnp.sum(x)

    weights = [np.full((16, 16), 0.01 * k, np.float32) for k in range(1, 9)]
    rows = np.ones((8, 16), np.float32)
    gradient = arrax.jit(arrax.grad(network, argnums=1))
    text = gradient.lower(rows, weights).compile().as_text("llvm")
    shared = text.count("define internal")
    assert 0 < shared < 8
    assert text.count("call void @\"kernel_") > 2 * shared
    want = arrax.grad(network, argnums=1)(jnp.asarray(rows), weights)
    for one, other in zip(gradient(rows, weights), want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_blocks_are_of_bounded_length():
    """LLVM takes quadratic time for a block: that of 10,000 arguments is cut."""
    args = [np.float32(k) for k in range(3000)]
    blocks = [block for function in llvm_of(lambda *a: [sum(a)], *args).functions
              for block in function.blocks]
    assert max(len(block.instructions) for block in blocks) <= long_blocks.LONGEST + 1
    assert float(arrax.jit(lambda *a: sum(a))(*args)) == sum(range(3000))


def test_memory_is_checked_in_linear_time(monkeypatch):
    """Of all results of one kernel, each is compared with what shares its memory only."""
    def comparisons(length):
        count = 0
        clash = verify_aliases._Checker._clash

        def counted(self, step, target, nearby):
            nonlocal count
            count += len(nearby)
            return clash(self, step, target, nearby)
        with monkeypatch.context() as patch:
            patch.setattr(verify_aliases._Checker, "_clash", counted)
            llvm_of(lambda x: every_result(x, length), START)
        return count
    assert comparisons(200) <= 2 * comparisons(100) + 10


CUT = {
    "a fold with an epilogue": lambda x: [jnp.exp(x - x.max()) / jnp.exp(x - x.max()).sum()],
    "loops in loops": lambda x: [lax.fori_loop(0, 3, lambda i, y: lax.scan(
        lambda c, z: (c * 0.5 + z, jnp.sin(c)), y.sum(), y)[1], x)],
    "branches": lambda x: [lax.cond(x[0] > 0, jnp.sin, jnp.cos, x)],
    "the library": lambda x: [jnp.sort(x) + jnp.cumsum(x)],
    "a host call": lambda x: [arrax.pure_callback(lambda y: y * 2, x, x + 1) * x],
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("longest", [3, 20])
def test_cut_blocks_compute_the_same(name, longest, monkeypatch):
    monkeypatch.setattr(long_blocks, "LONGEST", longest)
    monkeypatch.setattr(machine, "code_of", lambda source, module, entry="entry":
                        machine.compile_module(module(), entry))  # known code is not cut
    check(CUT[name], START)
