"""Ctrl-C ends compiled loops of any kind; looking after signals costs their steps nothing."""
from __future__ import annotations

import os
import signal
import threading
import time

import pytest

import arrax as jax
import arrax.numpy as jnp
from arrax import lax
from arrax.engines.cpu.kernels import emit_program
from tests.engines.cpu.compiling import compiled as compile_closed, traced

LONG = 2_000_000_000

LOOPS = {
    "fori of scalars": lambda x: lax.fori_loop(0, 2**31 - 1, lambda i, c: c * 3 + i, x[0]),
    "while of scalars": lambda x: lax.while_loop(lambda c: c[0] < LONG, lambda c: (
        c[0] + 1.0 * (c[1] > -1), c[1] * 0.5), (x[0] * 0.0, x[0] * 1.0)),
    "arrays": lambda x: lax.fori_loop(0, 2**31 - 1, lambda i, c: c + 1, x),
    "short inner loops": lambda x: lax.fori_loop(
        0, 2**31 - 1, lambda i, c: lax.fori_loop(0, 3, lambda j, d: d * 3 + j, c), x[0]),
    "short inner while loops": lambda x: lax.fori_loop(
        0, 2**31 - 1, lambda i, c: lax.while_loop(lambda d: d % 5 != 0, lambda d: d + 1, c) + 1,
        x[0]),
    "long inner loops": lambda x: lax.fori_loop(
        0, 1000, lambda i, c: lax.fori_loop(0, 2**31 - 1, lambda j, d: d * 3 + j, c), x[0]),
    "branches": lambda x: lax.fori_loop(0, 2**31 - 1, lambda i, c: lax.cond(
        i % 2 == 0, lambda d: d + 1, lambda d: d * 3, c), x[0]),
    "scan": lambda x: lax.scan(lambda c, _: (c * 3 + 1, None), x[0], None, length=2**40)[0],
    "library calls": lambda x: lax.fori_loop(
        0, 2**31 - 1, lambda i, c: jnp.sort(c) * 3 + i, jnp.tile(x, 50)),
    "products": lambda x: lax.fori_loop(0, 2**31 - 1, lambda i, c: c @ c,
                                        jnp.ones((90, 90)) * x[0]),
}


def compiled(function, *args):
    return compile_closed(traced(lambda *xs: [function(*xs)], *args)[0])


class Stop(Exception):
    """What the handler of this test raises."""


@pytest.mark.parametrize("name, wrap", [
    *[(name, jax.jit) for name in LOOPS], ("arrays", lambda f: f), ("scan", lambda f: f)])
def test_a_signal_ends_a_compiled_loop(name, wrap):
    """Within a second of the process's own time, so that a busy machine does not count."""
    when = []

    def handler(*_):
        when.append(time.thread_time())
        raise Stop

    def fire():
        time.sleep(0.15)
        signal.pthread_kill(main, signal.SIGUSR1)
        when.append(None)
    main = threading.main_thread().ident
    before = signal.signal(signal.SIGUSR1, handler)
    run, x = wrap(LOOPS[name]), jnp.arange(8, dtype=jnp.int32)
    sender = threading.Thread(target=fire)
    try:
        if wrap is jax.jit:
            run.lower(x).compile()
        start = time.thread_time()
        sender.start()
        with pytest.raises(Stop):
            run(x)
        assert time.thread_time() - start < 3 and len(when) == 2
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)
    assert jax.jit(lambda v: v + 1)(x).tolist() == list(range(1, 9))  # nothing is left half done


def test_other_threads_do_not_ask():
    """Python runs handlers in the main thread; a loop in another one goes on meanwhile."""
    handled, results = [], []
    before = signal.signal(signal.SIGUSR1, lambda *_: handled.append(1))
    run = jax.jit(lambda x: lax.fori_loop(0, 100_000_000, lambda i, c: c * 3 + i, x))
    try:
        worker = threading.Thread(target=lambda: results.append(int(run(jnp.int32(1)))))
        worker.start()
        os.kill(os.getpid(), signal.SIGUSR1)
        worker.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert handled == [1] and len(results) == 1


def loop_blocks(function, *args):
    """The basic blocks of the LLVM function, by name, that belong to its first loop's steps."""
    text = compiled(function, *args).as_text("llvm")
    blocks = text[text.index("\nscan"):].split("\n\n")[0].split("\npause")[0]
    return blocks.splitlines()


def test_steps_of_a_counted_loop_do_not_look():
    """A step has one comparison and no call; the look is where the loop pauses."""
    lines = loop_blocks(LOOPS["fori of scalars"], jnp.arange(8, dtype=jnp.int32))
    assert sum(" icmp " in line for line in lines) == 1 and "call" not in "".join(lines)


def test_the_interval_follows_the_work():
    def interval(body_size):
        executable = compiled(lambda x: lax.fori_loop(0, 10**6, lambda i, c: c * 1.5, x),
                              jnp.ones(body_size))
        (loop,) = [step for step in executable.compilation.region.steps if hasattr(step, "body")]
        steps = emit_program.poll_interval(loop.body)
        return steps, steps * emit_program.region_work(loop.body)
    for size in (1, 10, 1000, 10**4):
        steps, work = interval(size)
        assert steps & (steps - 1) == 0 and work <= emit_program.POLL_WORK * 2
    assert interval(10**6)[0] == 1
