"""Exported functions: programs that need nothing of the process that traced them.

`export` traces a jitted function, drops what only Python could use (derivative rules, names of
files) and writes the program down (`encoding`). A call reads it (once), finds the values of its
dimension variables from the shapes at hand (`solving`), puts them into the program (`specialize`)
and binds the result as a `jit` equation, under whatever trace is current. So programs with symbolic
shapes compile once for each combination of shapes, as `jit` does. Reverse derivatives are exported
programs too; `serialize(vjp_order=n)` takes along as many as asked for.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from arrax.core import config, pytree
from arrax.core.aval import aval_of
from arrax.core.engine import writer
from arrax.core.jaxpr import ClosedJaxpr, eval_jaxpr
from arrax.core.tree_registry import keystr
from arrax.export import encoding, structures
from arrax.export.expressions import Expression
from arrax.export.scopes import SymbolicScope
from arrax.export.solving import Argument, check_solvable, dimension_values
from arrax.export.specialize import specialize, without_rules
from arrax.transforms import calls
from arrax.transforms.api_ad import vjp
from arrax.transforms.custom_vjp import custom_vjp
from arrax.transforms.jit import jit, jit_p
from arrax.transforms.stages import ShapeDtypeStruct

minimum_supported_calling_convention_version = 9
maximum_supported_calling_convention_version = 10
_HERE = "cpu"


def default_export_platform() -> str:
    """The platform that `export` exports for unless told otherwise: that of this process.

    Example:
      >>> export.default_export_platform()
      'cpu'
    """
    return _HERE


@dataclass(frozen=True)
class DisabledSafetyCheck:
    """A check that an export, and calls of it, go without; for `export(disabled_checks=…)`.

    Make one with `DisabledSafetyCheck.platform()`, by which calls on other platforms than exported
    for are let through, or `DisabledSafetyCheck.custom_call(target)`.
    """

    _impl: str

    @classmethod
    def platform(cls) -> DisabledSafetyCheck:
        """Let the function run on platforms that it was not exported for."""
        return cls("platform")

    @classmethod
    def custom_call(cls, target_name: str) -> DisabledSafetyCheck:
        """Accept custom calls of the target `target_name`.

        Programs here have no custom calls; Python callbacks cannot be exported in any case.
        """
        return cls(f"custom_call:{target_name}")

    def is_custom_call(self) -> str | None:
        """The target, if this is about custom calls."""
        name, _, target = self._impl.partition(":")
        return target if name == "custom_call" else None

    def __str__(self) -> str:
        return self._impl


@dataclass(frozen=True, repr=False)
class Exported:
    """A function lowered to a program of its own; made by `export` and `deserialize`.

    Attributes:
      fun_name: the function's name.
      in_tree, out_tree: pytree structures of ((*args), {**kwargs}) and of the result.
      in_avals, out_avals: types of the flat arguments and results, shapes perhaps symbolic.
      in_shardings_hlo, out_shardings_hlo: None for each argument and result: placement does not
        change what programs compute here.
      nr_devices: the number of devices that the program is for.
      platforms: names of the platforms that it may run on.
      ordered_effects, unordered_effects: what it does beside returning results.
      disabled_safety_checks: as `export` was given.
      mlir_module_serialized: the program as bytes, in arrax's encoding; `mlir_module()` is the text
        that compilers for accelerators read.
      calling_convention_version: always `maximum_supported_calling_convention_version`, or the flag
        `jax_export_calling_convention_version` where it was set.
      module_kept_var_idx: the numbers of the arguments that the program takes: all of them.
      uses_global_constants: whether the program depends on dimension variables, or on the platform.
    """

    fun_name: str
    in_tree: Any
    in_avals: tuple[Any, ...]
    out_tree: Any
    out_avals: tuple[Any, ...]
    _has_named_shardings: bool
    _in_named_shardings: tuple[Any, ...]
    _out_named_shardings: tuple[Any, ...]
    in_shardings_hlo: tuple[Any, ...]
    out_shardings_hlo: tuple[Any, ...]
    nr_devices: int
    platforms: tuple[str, ...]
    ordered_effects: tuple[Any, ...]
    unordered_effects: tuple[Any, ...]
    disabled_safety_checks: Sequence[DisabledSafetyCheck]
    mlir_module_serialized: bytes
    calling_convention_version: int
    module_kept_var_idx: tuple[int, ...]
    uses_global_constants: bool
    _get_vjp: Callable[[Exported], Exported] | None
    _programs: dict[Any, ClosedJaxpr] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        return f"Exported(fun_name={self.fun_name}, ...)"

    # ---- calls ----

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function.

        Args:
          args, kwargs: pytrees of arrays, of the structure and types that it was exported for; for
            symbolic dimensions any sizes that fit the specifications.

        Returns:
          What the function returned when it was exported, with the arrays computed anew. Calls can
          be traced, batched, exported again, and differentiated in reverse where a derivative was
          exported.

        Raises:
          ValueError: structure, rank, shape or dtype of an argument differs; the program is for
            another platform.
        """
        leaves, tree = pytree.tree_flatten((args, kwargs))
        if tree != self.in_tree:
            raise ValueError(
                "The invocation args and kwargs must have the same pytree structure as when the "
                f"function '{self.fun_name}' was exported, but they have the following "
                f"structural differences: exported for {self.in_tree}, called with {tree}")
        return self.out_tree.unflatten(self._differentiable(*leaves))

    @functools.cached_property
    def _differentiable(self) -> Callable[..., Any]:
        flat = custom_vjp(self._call_flat)
        flat.defvjp(lambda *args: (self._call_flat(*args), args),
                    lambda args, cotangents: tuple(self.vjp().call(*args, *cotangents)))
        return flat

    def _call_flat(self, *args: Any) -> list[Any]:
        self._check_platform()
        closed = self._specialized([aval_of(a) for a in args])
        outs: list[Any] = jit_p.bind(*args, jaxpr=closed, name=f"call_exported_{self.fun_name}",
                                     donated=(), keep_unused=False, inline=False)
        return outs

    def _check_platform(self) -> None:
        if _HERE not in self.platforms and \
                DisabledSafetyCheck.platform() not in self.disabled_safety_checks:
            raise ValueError(f"Function '{self.fun_name}' was exported for platforms "
                             f"'{self.platforms}' but it is used on '{(_HERE,)}'.")

    def _specialized(self, avals: Sequence[Any]) -> ClosedJaxpr:
        """The program at the shapes of `avals`."""
        for argument, expected, aval in zip(self._arguments, self.in_avals, avals, strict=True):
            if expected.dtype != aval.dtype:
                raise ValueError(f"Dtype mismatch for {argument.name}: expected {expected.dtype}, "
                                 f"called with {aval.dtype}")
        key = tuple(aval.shape for aval in avals)
        known = self._programs.get(key)
        if known is None:
            values = dimension_values(self._arguments, key)
            known = specialize(self._program, values) if values else self._program
            self._programs[key] = known
        return known

    @functools.cached_property
    def _arguments(self) -> list[Argument]:
        return _arguments(self.in_tree, self.in_avals)

    @functools.cached_property
    def _program(self) -> ClosedJaxpr:
        return encoding.decode_program(self.mlir_module_serialized,
                                       _scope_of(self.in_avals) or SymbolicScope())

    # ---- derivatives ----

    def has_vjp(self) -> bool:
        """Whether a reverse derivative was exported."""
        return self._get_vjp is not None

    def vjp(self) -> Exported:
        """The reverse derivative, exported: a function of the flat arguments and the cotangents of
        the flat results to the cotangents of the arguments.

        Raises:
          ValueError: there is none: the bytes held too few orders of derivatives.
        """
        if self._get_vjp is None:
            raise ValueError(f"No VJP is available for the exported function '{self.fun_name}': "
                             "serialize with a greater vjp_order")
        return self._get_vjp(self)

    # ---- forms ----

    def serialize(self, vjp_order: int = 0) -> bytearray:
        """The function as bytes, for `deserialize` in this process or another.

        Args:
          vjp_order: how many orders of reverse derivatives to take along.

        Raises:
          ValueError: the arguments or results contain a type that is not registered (see
            `register_pytree_node_serialization`). TypeError: dictionaries with keys that are no
            strings.
        """
        blobs: list[bytes] = []
        document = _encode(self, vjp_order, blobs)
        return bytearray(encoding.pack(document, b"".join(blobs)))

    def mlir_module(self) -> str:
        """The program as StableHLO text.

        Raises:
          NotImplementedError: shapes are symbolic (call the function at concrete shapes under
            `jit` and lower that), or an operation has no StableHLO form.
        """
        scope = _scope_of(self.in_avals)
        if scope is not None:
            raise NotImplementedError(
                f"mlir_module: '{self.fun_name}' has symbolic shapes "
                f"{tuple(a.shape for a in self.in_avals)}, which StableHLO programs here have not; "
                "use jit(exported.call).lower(arrays).as_text() for concrete ones")
        names = [a.name for a in self._arguments]
        results, _ = pytree.tree_flatten_with_path(self.out_tree.unflatten(self.out_avals))
        return writer("stablehlo")(
            self._program, f"jit_{self.fun_name}", ["result" + keystr(p) for p, _ in results],
            (), names, self.platforms[0])

    def in_shardings_jax(self, mesh: Any) -> tuple[Any, ...]:
        """A sharding for each argument on `mesh`, or None where the program does not ask for one:
        None for each."""
        return (None,) * len(self.in_avals)

    def out_shardings_jax(self, mesh: Any) -> tuple[Any, ...]:
        """As `in_shardings_jax`, for the results."""
        return (None,) * len(self.out_avals)


def _arguments(in_tree: Any, in_avals: Sequence[Any]) -> list[Argument]:
    paths, _ = pytree.tree_flatten_with_path(in_tree.unflatten(range(len(in_avals))))
    return [Argument(("args", "kwargs")[path[0].idx] + keystr(path[1:]), aval.shape)
            for (path, _), aval in zip(paths, in_avals, strict=True)]


def _scope_of(avals: Sequence[Any]) -> SymbolicScope | None:
    for aval in avals:
        for size in aval.shape:
            if isinstance(size, Expression):
                return size.scope
    return None


def _scope_checked(arguments: Sequence[Argument], fun_name: str) -> None:
    """ValueError unless all symbolic dimensions are of one scope."""
    first: tuple[Argument, Expression] | None = None
    for argument in arguments:
        for size in argument.shape:
            if not isinstance(size, Expression):
                continue
            first = first or (argument, size)
            size.scope.check_same(first[1], size, f" when exporting {fun_name}",
                                  f"current (from {first[0].name}) ", f" ({argument.name})")


# ---- export ------------------------------------------------------------------------------------

def export(fun_jit: Any, *, platforms: Sequence[str] | None = None,
           disabled_checks: Sequence[DisabledSafetyCheck] = (),
           _override_lowering_rules: Sequence[tuple[Any, Any]] | None = None,
           ) -> Callable[..., Exported]:
    """Export a jitted function: a program that can be stored and called without its Python code.

    Args:
      fun_jit: a function made by `jit`, or one of arrax's own.
      platforms: names of the platforms that the program is for, "cpu", "cuda", "rocm" or "tpu";
        this process's without it.
      disabled_checks: checks to go without.

    Returns:
      A function of the same arguments, arrays or `ShapeDtypeStruct`s, that gives an `Exported`.
      Shapes may have symbolic dimensions (`symbolic_shape`): then the program serves all that fit.

    Raises:
      ValueError: the function is not jitted; the program calls Python (`pure_callback`,
        `debug.print`); symbolic dimensions of several scopes, or such as cannot be computed from
        the shapes of arguments.
      InconclusiveDimensionOperation: the function asks for what depends on the values of symbolic
        dimensions.

    Example:
      >>> f = jit(lambda x: 2 * x.sum(axis=0))
      >>> spec = ShapeDtypeStruct(export.symbolic_shape("b, 3"), jnp.float32)
      >>> exported = export.deserialize(export.export(f)(spec).serialize())
      >>> exported.out_avals
      (ShapedArray(float32[3]),)
      >>> exported.call(jnp.ones((5, 3)))
      Array([10., 10., 10.], dtype=float32)
    """
    if _override_lowering_rules is not None:
        raise NotImplementedError("export: _override_lowering_rules replaces StableHLO forms, "
                                  "which exported programs here are not made of")
    if not (hasattr(fun_jit, "trace") and hasattr(fun_jit, "lower")):
        if not str(getattr(fun_jit, "__module__", "")).startswith("arrax."):
            raise ValueError("Function to be exported must be the result of `jit`, got "
                             f"{fun_jit!r}")
        fun_jit = jit(fun_jit)
    if isinstance(platforms, str):
        raise ValueError(f"export: platforms must be a sequence of names, got {platforms!r}")
    chosen = tuple(_canonical(p) for p in platforms) if platforms else (_HERE,)
    version = config.export_calling_convention_version.value
    lowest, highest = (minimum_supported_calling_convention_version,
                       maximum_supported_calling_convention_version)

    def export_at(*args: Any, **kwargs: Any) -> Exported:
        if not lowest <= version <= highest:
            raise ValueError(f"The requested export calling convention version {version} is "
                             f"outside the range of supported versions [{lowest}..{highest}]")
        return _export(fun_jit, args, kwargs, chosen, tuple(disabled_checks), version)
    return export_at


def _canonical(platform: str) -> str:
    return {"gpu": "cuda"}.get(platform, platform)


def _export(fun_jit: Any, args: Any, kwargs: Any, platforms: tuple[str, ...],
            checks: tuple[DisabledSafetyCheck, ...], version: int) -> Exported:
    name = calls.function_name(fun_jit)
    leaves, tree = pytree.tree_flatten((args, kwargs))
    _scope_checked([Argument(("args", "kwargs")[path[0].idx] + keystr(path[1:]),
                             getattr(leaf, "shape", ()))
                    for path, leaf in pytree.tree_flatten_with_path((args, kwargs))[0]], name)
    traced = fun_jit.trace(*args, **kwargs)
    if traced.outer_values:
        raise ValueError(f"export: the function '{name}' uses traced values of a function around "
                         "it")
    in_avals = tuple(traced.jaxpr.in_avals)
    dimensions = check_solvable(_arguments(traced.in_tree, in_avals))
    program = without_rules(traced.jaxpr)
    effects = sorted(program.effects, key=str)
    ins, outs = (None,) * len(in_avals), (None,) * len(program.out_avals)
    return Exported(
        fun_name=name, in_tree=traced.in_tree, in_avals=in_avals, out_tree=traced.out_tree,
        out_avals=tuple(program.out_avals), _has_named_shardings=True, _in_named_shardings=ins,
        _out_named_shardings=outs, in_shardings_hlo=ins, out_shardings_hlo=outs, nr_devices=1,
        platforms=platforms, ordered_effects=tuple(e for e in effects if e.ordered),
        unordered_effects=tuple(e for e in effects if not e.ordered),
        disabled_safety_checks=checks, mlir_module_serialized=encoding.encode_program(program),
        calling_convention_version=version, module_kept_var_idx=tuple(range(len(in_avals))),
        uses_global_constants=bool(dimensions) or len(platforms) > 1,
        _get_vjp=functools.partial(_export_vjp, traced.jaxpr))


def _export_vjp(closed: ClosedJaxpr, primal: Exported) -> Exported:
    """The reverse derivative of `closed`, the program of `primal` with its derivative rules."""
    count = len(primal.in_avals)

    def fun_vjp(*args: Any) -> tuple[Any, ...]:
        _, backward = vjp(lambda *xs: eval_jaxpr(closed.jaxpr, closed.consts, *xs), *args[:count])
        return backward(list(args[count:]))  # type: ignore[no-any-return]
    avals = [*primal.in_avals, *(a.to_tangent_aval() for a in primal.out_avals)]
    return _export(jit(fun_vjp), [ShapeDtypeStruct(a.shape, a.dtype) for a in avals], {},
                   primal.platforms, tuple(primal.disabled_safety_checks),
                   primal.calling_convention_version)


# ---- bytes -------------------------------------------------------------------------------------

_PLAIN = ("fun_name", "nr_devices", "calling_convention_version", "uses_global_constants")


def _encode(exported: Exported, vjp_order: int, blobs: list[bytes]) -> dict[str, Any]:
    scope = _scope_of(exported.in_avals)
    start = sum(map(len, blobs))
    blobs.append(exported.mlir_module_serialized)
    document = {
        **{name: getattr(exported, name) for name in _PLAIN},
        "platforms": list(exported.platforms),
        "checks": [str(check) for check in exported.disabled_safety_checks],
        "constraints": [text for text, _, _ in scope.constraints] if scope else [],
        "in_tree": structures.encode_structure(exported.in_tree),
        "out_tree": structures.encode_structure(exported.out_tree),
        "in_avals": [encoding.encode_aval(a) for a in exported.in_avals],
        "out_avals": [encoding.encode_aval(a) for a in exported.out_avals],
        "program": [start, len(exported.mlir_module_serialized)], "vjp": None}
    if vjp_order > 0:
        document["vjp"] = _encode(exported.vjp(), vjp_order - 1, blobs)
    return document


def deserialize(blob: bytearray) -> Exported:
    """The function that `Exported.serialize` wrote.

    Args:
      blob: the bytes.

    Raises:
      ValueError: other bytes, damaged ones or those of a newer format; a type of pytrees that is
        not registered in this process.
    """
    return _decode(*encoding.unpack(blob))


def _decode(document: dict[str, Any], blobs: memoryview) -> Exported:
    scope = SymbolicScope(document["constraints"])
    in_avals, out_avals = (tuple(encoding.decode_aval(a, scope) for a in document[group])
                           for group in ("in_avals", "out_avals"))
    start, length = document["program"]
    derivative = document["vjp"]
    program = bytes(blobs[start:start + length])
    ins, outs = (None,) * len(in_avals), (None,) * len(out_avals)
    found = encoding.decode_program(program, _scope_of(in_avals) or scope)
    effects = sorted(found.effects, key=str)
    return Exported(
        **{name: document[name] for name in _PLAIN},
        in_tree=structures.decode_structure(document["in_tree"]),
        out_tree=structures.decode_structure(document["out_tree"]), in_avals=in_avals,
        out_avals=out_avals, _has_named_shardings=True, _in_named_shardings=ins,
        _out_named_shardings=outs, in_shardings_hlo=ins, out_shardings_hlo=outs,
        platforms=tuple(document["platforms"]),
        ordered_effects=tuple(e for e in effects if e.ordered),
        unordered_effects=tuple(e for e in effects if not e.ordered),
        disabled_safety_checks=tuple(map(DisabledSafetyCheck, document["checks"])),
        mlir_module_serialized=program, module_kept_var_idx=tuple(range(len(in_avals))),
        _get_vjp=None if derivative is None else lambda _: _decode(derivative, blobs))
