"""Small programs in LLVM IR, for the tests of the runtime."""
from __future__ import annotations

import functools
from typing import Any

from llvmlite import binding

from arrax import _native
from arrax.core.aval import ShapedArray

_DECLARATIONS = """
declare i32 @arrax_host_call(i8*, i64, i8**, i8**)
declare void @arrax_parallel_for(void (i8*, i64, i64)*, i8*, i64, i64)
"""

# outputs[0] = inputs[0] + inputs[1], elementwise over COUNT floats.
ADD = """
define i32 @entry(i8* %context, i8** %inputs, i8** %outputs, i8* %arena) {
start:
  %at1 = getelementptr i8*, i8** %inputs, i64 1
  %raw0 = load i8*, i8** %inputs
  %raw1 = load i8*, i8** %at1
  %raw2 = load i8*, i8** %outputs
  %a = bitcast i8* %raw0 to TYPE*
  %b = bitcast i8* %raw1 to TYPE*
  %c = bitcast i8* %raw2 to TYPE*
  br label %loop
loop:
  %i = phi i64 [0, %start], [%next, %loop]
  %pa = getelementptr TYPE, TYPE* %a, i64 %i
  %pb = getelementptr TYPE, TYPE* %b, i64 %i
  %pc = getelementptr TYPE, TYPE* %c, i64 %i
  %x = load TYPE, TYPE* %pa
  %y = load TYPE, TYPE* %pb
  %z = OPERATION TYPE %x, %y
  store TYPE %z, TYPE* %pc
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, COUNT
  br i1 %more, label %loop, label %end
end:
  ret i32 0
}
"""

# Host call 0 on inputs[0]'s and outputs' addresses.
HOST_CALL = """
define i32 @entry(i8* %context, i8** %inputs, i8** %outputs, i8* %arena) {
  %status = call i32 @arrax_host_call(i8* %context, i64 0, i8** %inputs, i8** %outputs)
  ret i32 %status
}
"""

# inputs[0] (COUNT floats) doubled into outputs[0] by the thread pool.
PARALLEL = """
define void @body(i8* %argument, i64 %begin, i64 %end) {
start:
  %pair = bitcast i8* %argument to float**
  %at1 = getelementptr float*, float** %pair, i64 1
  %a = load float*, float** %pair
  %c = load float*, float** %at1
  br label %loop
loop:
  %i = phi i64 [%begin, %start], [%next, %loop]
  %pa = getelementptr float, float* %a, i64 %i
  %pc = getelementptr float, float* %c, i64 %i
  %x = load float, float* %pa
  %z = fadd float %x, %x
  store float %z, float* %pc
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %end_label
end_label:
  ret void
}
define i32 @entry(i8* %context, i8** %inputs, i8** %outputs, i8* %arena) {
  %pair = bitcast i8* %arena to i8**
  %at1 = getelementptr i8*, i8** %pair, i64 1
  %raw0 = load i8*, i8** %inputs
  %raw2 = load i8*, i8** %outputs
  store i8* %raw0, i8** %pair
  store i8* %raw2, i8** %at1
  call void @arrax_parallel_for(void (i8*, i64, i64)* @body, i8* %arena, i64 COUNT, i64 1000)
  ret i32 0
}
"""

STATUS_7 = """
define i32 @entry(i8* %context, i8** %inputs, i8** %outputs, i8* %arena) {
  ret i32 7
}
"""


@functools.cache
def compile_text(text: str) -> tuple[int, Any]:
    """The address of `entry`, and the engine that owns the code."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    for name, address in _native.symbols().items():
        binding.add_symbol(name, address)
    module = binding.parse_assembly(_DECLARATIONS + text)
    machine = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine.get_function_address("entry"), engine


def f32(*shape: int, weak_type: bool = False) -> ShapedArray:
    return ShapedArray(shape, "float32", weak_type)


def program(text: str, in_avals: Any, out_avals: Any, **options: Any) -> _native.Program:
    """The program of an IR text."""
    address, engine = compile_text(text)
    return _native.Program(address, in_avals, out_avals, keepalive=engine, **options)


def add_program(count: int = 4, kind: str = "float", operation: str = "fadd",
                dtype: Any = "float32", shape: Any = None, **options: Any) -> _native.Program:
    """The sum of two arrays of `count` elements."""
    text = (ADD.replace("TYPE", kind).replace("COUNT", str(count))
            .replace("OPERATION", operation))
    aval = ShapedArray((count,) if shape is None else shape, dtype)
    return program(text, options.pop("in_avals", [aval, aval]), [aval], **options)
