"""A failing program as a Python file of its own, which fails where the fault is."""
from __future__ import annotations

import base64
import zlib

import numpy as np

from tools.fuzz.arguments import value_of
from tools.fuzz.program import Argument, Program, text_of
from tools.fuzz.ways import Fault

HEADER = '''"""{title}

{detail}
"""
import base64
import zlib

import numpy as np

import arrax
import arrax.numpy as jnp
from arrax import checkpoint, grad, jit, jvp, lax, nn, random, vmap
'''


def argument_text(argument: Argument) -> str:
    """An argument's value as text: its elements where they are few, else its packed bytes."""
    value = value_of(argument)
    dtype = argument.aval.dtype
    if value.size <= 40:
        kind = value.dtype.kind
        plain = value.astype("float64").tolist() if kind == "V" or dtype == "bfloat16" \
            else value.tolist()
        text = repr(plain).replace("nan", "np.nan").replace("inf", "np.inf")
        return f"jnp.array({text}, '{dtype}').reshape({value.shape})"
    packed = base64.b85encode(zlib.compress(np.ascontiguousarray(value).tobytes(), 9)).decode()
    return (f"jnp.asarray(np.frombuffer(zlib.decompress(base64.b85decode({packed!r})), "
            f"jnp.dtype('{dtype}')).reshape({value.shape}))")


def file_text(program: Program, fault: Fault) -> str:
    """The file."""
    lines = [HEADER.format(title=f"{fault.way} {fault.kind} (seed {program.seed})",
                           detail=fault.detail.replace('"""', "'''"))]
    if program.x64:
        lines.append('arrax.config.update("jax_enable_x64", True)')
    text = text_of(program)
    if "row(" in text:  # in the root of the repository
        lines.append("from tools.fuzz.rows import operand, row")
    lines.append("\n\n" + text)
    lines.append("\narguments = (")
    lines += [f"    {argument_text(a)}," for a in program.arguments]
    lines.append(")")
    lines.append("with arrax.disable_jit():\n    expected = program(*arguments)")
    call = "program" if fault.way == "eager" else "jit(program)"
    lines.append(f"found = {call}(*arguments)")
    lines.append("for e, f in zip(arrax.tree.leaves(expected), arrax.tree.leaves(found)):")
    lines.append("    assert e.shape == f.shape and e.dtype == f.dtype, (e.aval, f.aval)")
    lines.append("    np.testing.assert_allclose(np.asarray(f), np.asarray(e), 1e-3, 1e-3)")
    return "\n".join(lines) + "\n"
