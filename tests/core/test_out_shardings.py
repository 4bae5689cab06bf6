"""Functions that take `out_sharding` give results that are split like that, or raise."""
from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys

import arrax.numpy as jnp
from arrax import random

PROGRAM = """
import arrax as jax, arrax.numpy as jnp
from arrax import random
from arrax.sharding import NamedSharding, PartitionSpec as P
assert jax.device_count() == 8
mesh = jax.make_mesh((4, 2), ("a", "b"))
x, key = jnp.arange(16.0).reshape(8, 2), random.key(0)
with jax.set_mesh(mesh):
    calls = [lambda s: jnp.zeros((8, 2), out_sharding=s),
             lambda s: jnp.ones((8, 2), out_sharding=s),
             lambda s: jnp.full((8, 2), 3, out_sharding=s), lambda s: jnp.arange(8, out_sharding=s),
             lambda s: jnp.array(x, out_sharding=s), lambda s: jnp.zeros_like(x, out_sharding=s),
             lambda s: jnp.broadcast_to(x, (8, 2), out_sharding=s),
             lambda s: random.normal(key, (8, 2), out_sharding=s),
             lambda s: random.randint(key, (8,), 0, 9, out_sharding=s),
             lambda s: jnp.reshape(x, (16,), out_sharding=s)]
    for call in calls:
        for form in (call, lambda s: jax.jit(lambda: call(s))()):
            for _ in range(4):  # remembered calls too
                got = form(P("a"))
                assert str(jax.typeof(got)).split("[")[1].startswith(f"{got.shape[0]}@a"), got.aval
                assert {s.data.shape[0] for s in got.addressable_shards} == {got.shape[0] // 4}
            assert (got == call(None)).all()
    try:
        jnp.zeros((7, 2), out_sharding=P("a"))
    except ValueError as error:
        print("ValueError", error)
"""


def test_results_are_split_as_asked() -> None:
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True,
                          env=environment, timeout=110)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "ValueError" in done.stdout


def test_no_function_accepts_the_argument_and_drops_it() -> None:
    """It stands in the code of each function that has it, or in a decorator's."""
    checked = 0
    for module in (jnp, random):
        for name in module.__all__:
            function = getattr(module, name)
            if not inspect.isfunction(inspect.unwrap(function)):
                continue
            code = inspect.unwrap(function).__code__
            named = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
            if "out_sharding" in named:
                tree = ast.parse(inspect.getsource(inspect.unwrap(function)))
                used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
                assert used & {"sharded", "out_sharding"}, name
                checked += 1
    assert checked > 40
