"""The notebook "JAX Basics": every cell, in order, with its text."""
from __future__ import annotations

from typing import Any

import pytest
from tests.seeds.cells import Cell, run

CELLS = [
    Cell("""
        import arrax.numpy as jnp
        import numpy as np
        import arrax as jax
        from arrax import grad, jit, pmap, vmap
        from arrax import lax
    """),
    Cell("""
        seed = 0
        key = jax.random.PRNGKey(seed)
    """),
    Cell("""
        print(jnp.add(1,1.0))
        # Implicitly promotes mixed types
    """, prints="2.0"),
    Cell("""
        print(lax.add(1,1.0))
        # Needs explicit conversion
    """, raises="TypeError: lax.add requires arguments to have the same dtypes, got int32, float32. "
                "(Tip: jnp.add is a similar function that does automatic type promotion on inputs)."),
    Cell("""
        x = jnp.array([1, 2, 1])
        y = jnp.ones(10)

        # NumPy API
        result1 = jnp.convolve(x, y)

        # lax API
        result2 = lax.conv_general_dilated(
            x.reshape(1,1,3).astype(float), # Explicit Promotion
            y.reshape(1,1,10),
            window_strides=(1,),
            padding=[(len(y)-1, len(y)-1)]    # Equivalent to padding="full" in NumPy
        )

        print(result1)
        print(result2[0][0])

        assert(np.allclose(result1,result2[0][0], atol=1e-6))
    """, prints="""
        [1. 3. 4. 4. 4. 4. 4. 4. 4. 4. 3. 1.]
        [1. 3. 4. 4. 4. 4. 4. 4. 4. 4. 3. 1.]
    """),
    Cell("""
        def norm(x):
            x = x - x.mean(0)
            return x/x.std(0)

        norm_compiled = jit(norm)

        x = jax.random.normal(key, (10000, 100), dtype=jnp.float32)

        assert np.allclose(norm(x), norm_compiled(x), atol=1e-6)
    """),
    Cell("""
        print("Normal Function")
        norm(x).block_until_ready()

        print("JIT Compiled Function")
        assert norm_compiled(x).block_until_ready() is not None
    """, prints="""
        Normal Function
        JIT Compiled Function
    """),
    Cell("""
        def get_negatives(x):
            return x[x<0]

        x = jax.random.normal(key, (10,), dtype=jnp.float32)
        print(get_negatives(x))
    """, prints="[-0.43359444 -0.07861735 -0.97208923 -0.49529874 -0.9501635 ]"),
    Cell("print(jit(get_negatives)(x))",
         raises="""
        NonConcreteBooleanIndexError: Array boolean indices must be concrete; got bool[10]

        See https://docs.jax.dev/en/latest/errors.html#jax.errors.NonConcreteBooleanIndexError"""),
    Cell("""
        @jit
        def f(x,y):
            print("Running f():")
            print(f"x = {x}")
            print(f"y = {y}")
            result = jnp.dot(x+1, y+1)
            print(f"Result: x.y = {result}")
            return result

        x = np.random.randn(3,4)
        y = np.random.randn(4)
        print(f(x,y))
    """, prints="""
        Running f():
        x = JitTracer<float32[3,4]>
        y = JitTracer<float32[4]>
        Result: x.y = JitTracer<float32[3]>
        [...]
    """),
    Cell("""
        x2 = np.random.randn(3,4)
        y2 = np.random.randn(4)
        print("Second Time (But actually the Third Call)")
        r = f(x2, y2)
        assert np.allclose(r, (x2 + 1) @ (y2 + 1), atol=1e-4)
    """, prints="Second Time (But actually the Third Call)"),
    Cell("""
        x3 = np.random.randn(4,5)
        y3 = np.random.randn(5)
        print(f(x3, y3))
    """, prints="""
        Running f():
        x = JitTracer<float32[4,5]>
        y = JitTracer<float32[5]>
        Result: x.y = JitTracer<float32[4]>
        [...]
    """),
    Cell("""
        def f(x, y):
            return jnp.dot(x+1, y+1)

        print(jax.make_jaxpr(f)(x, y))
        # make_jaxpr: Make Jax Expression
    """, prints="""
        { lambda ; a:f32[3,4] b:f32[4]. let
            c:f32[3,4] = add a 1.0:f32[]
            d:f32[4] = add b 1.0:f32[]
            e:f32[3] = dot_general[
              dimension_numbers=(([1], [0]), ([], []))
              preferred_element_type=float32
            ] c d
          in (e,) }
    """),
    Cell("""
        @jit
        def f(x, neg):
            return -x if neg else x

        f(1, True)
    """, raises="""
        TracerBoolConversionError: Attempted boolean conversion of traced array with shape bool[].
        The error occurred while tracing the function f at cell_14.py:1 for jit. This concrete value was not available in Python because it depends on the value of the argument neg.
        See https://docs.jax.dev/en/latest/errors.html#jax.errors.TracerBoolConversionError"""),
    Cell("from functools import partial"),
    Cell("""
        @partial(jit, static_argnums=(1,))
        def f(x, neg):
            print(x)
            return -x if neg else x

        print(f(1, True))
    """, prints="""
        JitTracer<~int32[]>
        -1
    """),
    Cell("print(f(2, True))", prints="-2"),
    Cell("print(f(2, False))", prints="""
        JitTracer<~int32[]>
        2
    """),
    Cell("print(f(3, False))", prints="3"),
    Cell("""
        @jit
        def f(x):
            print(x)
            print(x.shape)
            print(jnp.array(x.shape).prod())
            return x.reshape(jnp.array(x.shape).prod())

        x = jnp.ones((2,3))
        try:
            f(x)
        except TypeError as error:
            print("TypeError:", error)
    """, prints="""
        JitTracer<float32[2,3]>
        (2, 3)
        JitTracer<int32[]>
        TypeError: Shapes must be 1D sequences of concrete values of integer type, got [JitTracer<int32[]>].
        If using `jit`, try using `static_argnums` or applying `jit` to smaller subfunctions.
        The error occurred while tracing the function f at cell_20.py:1 for jit. This value became a tracer due to JAX operations on these lines:

          operation a:i32[] = reduce_prod[axes=(0,)] b
            from line cell_20.py:6:21 (f)
    """),
    Cell("""
        @jit
        def f(x):
            return x.reshape((np.prod(x.shape),))

        f(x)
    """, prints="Array([1., 1., 1., 1., 1., 1.], dtype=float32)"),
    Cell("""
        def impure_print_side_effect(x):
            # Violating #1
            print("Executing Function")

            return x
    """),
    Cell("""
        # Side Effects will appear during the first run
        print("First Call: ", jit(impure_print_side_effect)(4.))
    """, prints="""
        Executing Function
        First Call:  4.0
    """),
    Cell("""
        print("Second Call: ", jit(impure_print_side_effect)(6.))
    """, prints="Second Call:  6.0"),
    Cell("""
        print("Third Call: ", jit(impure_print_side_effect)(jnp.array([5.])))
    """, prints="""
        Executing Function
        Third Call:  [5.]
    """),
    Cell("""
        g = 0
        def impure_uses_global(x):
            # Violates #1 and #2
            return x+g
    """),
    Cell("""print("First Call: ", jit(impure_uses_global)(4.))""", prints="First Call:  4.0"),
    Cell("""
        g = 10
        print("Second Call: ", jit(impure_uses_global)(4.))
    """, prints="Second Call:  4.0"),
    Cell("""print("Third Call: ", jit(impure_uses_global)(jnp.array([5.])))""",
         prints="Third Call:  [15.]"),
    Cell("""
        def pure_uses_internal_state(x):
            state = dict(even=0, odd=0)
            for i in range(10):
                state["even" if i%2==0 else "odd"] += x
            return state['even']+state['odd']
    """),
    Cell("print(jit(pure_uses_internal_state)(5.))", prints="50.0"),
    Cell("print(jit(pure_uses_internal_state)(2.))", prints="20.0"),
    Cell("""
        array = jnp.arange(10)
        print(lax.fori_loop(0, 10, lambda i,x: x+array[i], 0))
        # Expected value 45

        # Wrong usage
        iterator = iter(range(10))
        print(lax.fori_loop(0, 10, lambda i,x: x+next(iterator), 0))
        # Unexpected value 0
    """, prints="""
        45
        0
    """),
]


@pytest.fixture(scope="module")
def namespace() -> dict[str, Any]:
    return {"__name__": "notebook"}


@pytest.mark.xdist_group("notebook")
@pytest.mark.parametrize("number", range(1, len(CELLS) + 1))
def test_cell(number: int, namespace: dict[str, Any]) -> None:
    for before in range(len(namespace.setdefault("_done", [])) + 1, number):
        run(CELLS[before - 1], before, namespace)  # a test that runs alone needs the cells before
        namespace["_done"].append(before)
    run(CELLS[number - 1], number, namespace)
    namespace["_done"].append(number)
