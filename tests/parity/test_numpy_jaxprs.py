"""Programs that print as JAX's do. Others differ where JAX nests functions of its own as `jit`
equations (`where`, `clip`, `split`, `sort`, …) or writes index arithmetic in other steps."""
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jax", reason="compares with JAX; `make parity` runs it")

import jax

import arrax
from tests.numpy.calls import evaluate

EQUAL = {"numpy": """
abs(x); sqrt(x); exp(x); log(x); sin(x); tanh(x); square(x); sign(x); x+y; x*2; x-r; x/y; x**2
x**0.5; maximum(x,y); minimum(x,0); sum(x); sum(x,axis=0); mean(x); mean(x,axis=1)
max(x,axis=0); any(x>0); all(x>0); argmax(x,axis=1); concatenate([x,y]); stack([x,y])
expand_dims(x,0); squeeze(x[:1]); reshape(x,(-1,)); transpose(x); moveaxis(x,0,1)
swapaxes(x,0,1); broadcast_to(r,(3,4)); tile(x,2); repeat(x,2,axis=0); dot(x,x.T); x@x.T
matmul(x,r); einsum('ij,kj->ik',x,y); tensordot(x,y); outer(r,r); eye(3); zeros(3)
ones((2,2)); full(3,2.); arange(4); zeros_like(x); ones_like(x); full_like(x,2.); x[0]; x[1:]
x[:,None]; x[::-1]; x[0,1]; isfinite(x); isnan(x); logical_and(x>0,y>0); logical_not(x)
floor(x); arctan2(x,y); logaddexp(x,y); log1p(x); expm1(x); power(x,y); prod(x); meshgrid(r,r)
average(x); ravel(x); conj(x); real(x); reciprocal(x); x.astype('int32'); x>y; -x; x.sum()
x.T; vdot(x,y); array_equal(x,y)
""", "nn": """
relu(x); softmax(x); log_softmax(x); sigmoid(x); gelu(x); silu(x); logsumexp(x)
"""}
ROWS = [(module, row) for module, rows in EQUAL.items()
        for row in rows.strip().replace("\n", "; ").split("; ")]
OPERANDS = {"x": np.ones((3, 4), np.float32), "y": np.ones((3, 4), np.float32),
            "r": np.ones(4, np.float32), "i": np.arange(3, dtype=np.int32)}


@pytest.mark.parametrize(("module", "row"), ROWS, ids=[row for _, row in ROWS])
def test_text(module: str, row: str) -> None:
    texts = [str(library.make_jaxpr(
        lambda given, library=library: evaluate(row, getattr(library, module), given))(OPERANDS))
        for library in (arrax, jax)]
    assert texts[0] == texts[1]
