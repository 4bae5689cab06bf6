"""The verifier refuses kernels whose dtypes do not agree."""
from __future__ import annotations

import pytest

from arrax.core.errors import InternalError
from arrax.engines.cpu.loop_parser import parse_region
from arrax.engines.cpu.passes.verify import verify

HEADER = "in0 = input f32[8]\nin1 = input i32[8]\nout0 = output f32[8]\nout1 = output bool[]\n"


@pytest.mark.parametrize("body, message", [
    ("map i0<8:\n out0[i0] = add(in0[i0], 1.0:f32)", ""),
    ("map i0<8:\n out0[i0] = convert_element_type:f32[new_dtype=float32 weak_type=False](in1[i0])",
     ""),
    ("map i0<8:\n out0[i0] = in0[clamp_index:i64[high=7](in1[i0])]", ""),
    ("reduce i0<8 for :\n r0 = fold or(lt:bool(in0[i0], 0.0:f32)) from False\n then out1[0] = r0",
     ""),
    ("map i0<8:\n out0[i0] = in1[i0]", "a store of i32 into f32"),
    ("map i0<8:\n out0[i0] = add(in1[i0], in0[i0])", "have the same dtypes"),
    ("map i0<8:\n out0[i0] = lt:f32(in0[i0], in0[i0])", "lt of dtype f32, which gives bool"),
    ("map i0<8:\n out0[i0] = (in0[i0] if 0 <= i0 < 4 else in1[i0])",
     "a choice between f32 and i32"),
    ("map i0<8:\n out0[i0] = convert_element_type:f32[new_dtype=int32 weak_type=False](in1[i0])",
     "convert_element_type of dtype f32, which gives i32"),
    ("map i0<8:\n out0[i0] = in0[clamp_index:i32[high=7](in1[i0])]", "clamp_index of dtype i32"),
    ("reduce i0<8 for :\n r0 = fold add(in1[i0]) from 0\n then out0[0] = r0",
     "a store of i32 into f32"),
    ("reduce i0<8 for :\n r0 = fold lt(in0[i0]) from 0.0\n then out0[0] = r0",
     "a fold of f32 by lt, which gives another dtype"),
])
def test_dtypes(body: str, message: str) -> None:
    result = "out1" if "out1" in body else "out0"
    region = parse_region(f"{HEADER}kernel k :\n {body}\n-> {result}")
    if not message:
        verify(region)
        return
    with pytest.raises(InternalError, match=message):
        verify(region)
