"""The stages of a compiled call, one object each: `Traced` → `Lowered` → `Compiled`."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from arrax.core import pytree, user_types
from arrax.core.array import array_of
from arrax.core.aval import ShapedArray, aval_mappings
from arrax.core.engine import writer
from arrax.core.jaxpr import ClosedJaxpr
from arrax.transforms import calls
from arrax.transforms.partial_eval import dce_closed
from arrax.transforms.traced_programs import TracedProgram, check_compiler_options, compiled


class ShapeDtypeStruct:
    """Shape and dtype of an array that need not exist; what `eval_shape` returns.

    Example:
      >>> arrax.ShapeDtypeStruct((3, 4), jnp.float32)
      ShapeDtypeStruct(shape=(3, 4), dtype=float32)
    """

    __slots__ = ("shape", "dtype", "weak_type", "sharding")

    def __init__(self, shape: Any, dtype: Any, *, sharding: Any = None, weak_type: bool = False,
                 **_: Any):
        if dtype is None:
            raise ValueError("ShapeDtypeStruct: dtype must be specified.")
        aval = ShapedArray(tuple(shape), dtype, weak_type)
        self.shape = aval.shape
        self.dtype = aval.dtype
        self.weak_type = aval.weak_type
        self.sharding = sharding

    @staticmethod
    def like(value: Any) -> ShapeDtypeStruct:
        """The struct of an array, or of anything with shape and dtype."""
        sharding = getattr(value, "sharding", None)
        return ShapeDtypeStruct(value.shape, value.dtype, sharding=sharding,
                                weak_type=getattr(value, "weak_type", False))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return ShapedArray(self.shape, self.dtype).size

    def update(self, **fields: Any) -> ShapeDtypeStruct:
        """A copy with some fields replaced."""
        known = {"shape": self.shape, "dtype": self.dtype, "weak_type": self.weak_type,
                 "sharding": self.sharding, **fields}
        return ShapeDtypeStruct(known.pop("shape"), known.pop("dtype"), **known)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def _key(self) -> tuple[Any, ...]:
        return self.shape, self.dtype, self.weak_type, self.sharding

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtypeStruct) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        sharding = f", sharding={self.sharding}" if self.sharding is not None else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name}{weak}{sharding})"


user_types.abstract_types.add(ShapeDtypeStruct)
aval_mappings[ShapeDtypeStruct] = lambda s: ShapedArray(s.shape, s.dtype, s.weak_type)


def struct_of(aval: Any) -> ShapeDtypeStruct:
    return ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


CompilerOptions = dict[str, str | bool]


@dataclass(frozen=True)
class ArgInfo:
    """What is known of an argument: its type, and whether its buffer is donated.

    Example:
      >>> jit(lambda x: x).lower(jnp.ones(3)).args_info
      ((ArgInfo(_aval=ShapedArray(float32[3]), donated=False),), {})
    """

    _aval: Any
    donated: bool

    @property
    def shape(self) -> Any:
        return self._aval.shape

    @property
    def dtype(self) -> Any:
        return self._aval.dtype


_HERE = "cpu"  # the platform of the engine that compiles


class _Stage:
    """What every stage tells."""

    def __init__(self, program: TracedProgram):
        self._program = program

    @property
    def in_tree(self) -> Any:
        return self._program.in_tree

    @property
    def out_tree(self) -> Any:
        return self._program.out_tree

    @property
    def in_avals(self) -> Any:
        count = len(self._program.outer_values)
        return self._program.in_tree.unflatten(self._program.closed.in_avals[count:])

    @property
    def args_info(self) -> Any:
        program, count = self._program, len(self._program.outer_values)
        avals = program.closed.in_avals
        donated = program.donated or (False,) * len(avals)
        return program.in_tree.unflatten(
            [ArgInfo(aval, flag) for aval, flag in zip(avals[count:], donated[count:],
                                                       strict=True)])

    @property
    def out_info(self) -> Any:
        return self._program.out_tree.unflatten(map(struct_of, self._program.closed.out_avals))


class Traced(_Stage):
    """A function traced to a jaxpr."""

    @property
    def outer_values(self) -> list[Any]:
        """Traced values of functions around this one: its jaxpr's first inputs."""
        return self._program.outer_values

    @property
    def jaxpr(self) -> ClosedJaxpr:
        return self._program.closed

    @property
    def fun_name(self) -> str:
        return self._program.name

    @property
    def effects(self) -> Any:
        return self._program.closed.effects

    def lower(self, *, lowering_platforms: Sequence[str] | None = None, **_: Any) -> Lowered:
        """Lower for the current engine; with `lowering_platforms`, a sequence of one name such as
        "cuda" or "tpu", for another place (its text can be read, but not compiled here)."""
        platforms = tuple(lowering_platforms or (_HERE,))
        if len(platforms) > 1:
            raise NotImplementedError("lower: one program for several platforms is not supported, "
                                      f"got lowering_platforms={platforms}; lower for each")
        return Lowered(self._program, platforms[0])

    def __repr__(self) -> str:
        return f"Traced({self._program.closed})"


class Lowered(_Stage):
    """A program ready to be compiled."""

    def __init__(self, program: TracedProgram, platform: str = _HERE):
        super().__init__(program)
        self._platform = platform

    def as_text(self, dialect: str | None = None, *, debug_info: bool = False) -> str:
        """The program as text.

        Args:
          dialect: "stablehlo" (the default), what accelerators compile; or "jaxpr".
          debug_info: end each operation with the user's file, line and column, and each argument
            with its name.

        Raises:
          ValueError: unknown dialect.
          NotImplementedError: "hlo", which XLA alone writes; or an operation that has no StableHLO
            form, such as a callback into Python.

        Example:
          >>> jit(lambda x, y: x + y).lower(1.0, 2.0).as_text().splitlines()[2].strip()
          '%0 = stablehlo.add %arg0, %arg1 : tensor<f32>'
        """
        if dialect == "jaxpr":
            return str(self._program.closed)
        if dialect == "hlo":
            raise NotImplementedError("as_text: 'hlo' is written by XLA alone; use 'stablehlo'")
        if dialect not in (None, "stablehlo"):
            raise ValueError(f"unknown dialect: {dialect}; known are 'stablehlo' and 'jaxpr'")
        return self._stablehlo(debug_info)

    def compiler_ir(self, dialect: str | None = None) -> str:
        """The program as compilers for accelerators take it: the text that `as_text` gives."""
        return self.as_text(dialect)

    def _stablehlo(self, debug_info: bool) -> str:
        """Without dead equations and, unless `keep_unused`, the arguments that these alone need."""
        program = self._program
        closed = program.closed
        kept = [True] * len(closed.in_avals)
        if not program.keep_unused:
            closed, kept = dce_closed(closed, [True] * len(closed.out_avals))
        donated = program.donated or (False,) * len(kept)
        info = program.closed.jaxpr.debug_info
        paths, _ = pytree.tree_flatten_with_path(program.out_tree.unflatten(closed.out_avals))
        names = [info.arg_name(i) for i, is_kept in enumerate(kept) if is_kept]
        return writer("stablehlo")(
            closed, _module_name(program.name), ["result" + pytree.keystr(p) for p, _ in paths],
            [flag for flag, is_kept in zip(donated, kept, strict=True) if is_kept],
            names if debug_info else None, self._platform)

    def compile(self, compiler_options: dict[str, Any] | None = None) -> Compiled:
        """Make native code; `compiler_options` as for `jit`."""
        check_compiler_options(compiler_options)
        if self._platform != _HERE:
            raise ValueError(f"compile: the program is lowered for {self._platform!r}; there is no "
                             f"such engine here, only {_HERE!r}")
        return Compiled(self._program)

    def cost_analysis(self) -> Any:
        """Estimates of work: `flops` and `bytes accessed`."""
        return Compiled(self._program).cost_analysis()


def _module_name(function: str) -> str:
    """`jit_f`; what is no letter or digit becomes an underscore."""
    return re.sub(r"[^\w.-]", "_", f"jit({function})").rstrip("_")


class Compiled(_Stage):
    """A compiled program; call it with arguments of the shapes it was made for."""

    def __init__(self, program: TracedProgram):
        super().__init__(program)
        self._executable = compiled(program.closed, program.name, program.donated)

    def as_text(self, stage: str | None = None) -> str:
        """The program at a stage of the compiler (see the compiler's pipeline)."""
        return self._executable.as_text(*([] if stage is None else [stage]))  # type: ignore

    def cost_analysis(self) -> Any:
        """Estimates of work: `flops` and `bytes accessed`."""
        return self._executable.cost_analysis()

    def memory_analysis(self) -> Any:
        """Bytes of arguments, results and temporaries."""
        return self._executable.memory_analysis()

    def runtime_executable(self) -> Any:
        return self._executable

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        program = self._program
        leaves, tree = pytree.tree_flatten((args, kwargs))
        if tree != program.in_tree:
            raise TypeError(
                "Function compiled with input pytree does not match the input pytree it was called "
                f"with. Compiled for {program.in_tree}, called with {tree}.")
        self._check(leaves, args, kwargs)
        outs = self._executable([array_of(leaf) for leaf in [*program.outer_values, *leaves]])
        return program.out_tree.unflatten(outs)

    def _check(self, leaves: Sequence[Any], args: Any, kwargs: Any) -> None:
        avals = self._program.closed.in_avals[len(self._program.outer_values):]
        names = self._program.closed.jaxpr.debug_info
        wrong = []
        for i, (leaf, want) in enumerate(zip(leaves, avals, strict=True)):
            got = calls.shaped(leaf)
            if (got.shape, got.dtype) != (want.shape, want.dtype):
                wrong.append(f"Argument '{names.arg_name(i)}' compiled with {want.str_short()} and "
                             f"called with {got.str_short()}")
        if wrong:
            raise TypeError("Argument types differ from the types for which this computation was "
                            "compiled. The mismatches are:\n" + "\n".join(wrong))
