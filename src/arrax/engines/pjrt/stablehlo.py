"""jaxpr → the text of a StableHLO module."""
from __future__ import annotations

from collections.abc import Sequence

from arrax.core.jaxpr import ClosedJaxpr
from arrax.engines.pjrt.builder import Builder
from arrax.engines.pjrt.mlir_text import location, string, symbol, tensor_type


def module_text(closed: ClosedJaxpr, name: str = "jit", result_names: Sequence[str] = (),
                donated: Sequence[bool] = (), argument_names: Sequence[str] | None = None,
                platform: str = "cpu") -> str:
    """The module whose public function `main` computes `closed`; consts are constants in it.

    `result_names` become the `jax.result_info` of the results. `donated` arguments are marked with
    the result that takes over their memory. With `argument_names`, arguments end with these, and
    operations with the user's file, line and column. `platform` is where it will run. Raises
    NotImplementedError that names the primitive and the reason if one has no StableHLO form.
    """
    builder = Builder(platform, located=argument_names is not None)
    arguments = _aliases(closed, donated)
    if argument_names is not None:
        arguments = [alias + location((argument, None))
                     for alias, argument in zip(arguments, argument_names, strict=True)]
    builder.define("main", closed, arguments, [
        f" {{jax.result_info = {string(label)}}}" for label in result_names])
    main, private = builder.finished[-1], builder.finished[:-1]
    body = "\n".join("  " + line for function in (main, *private) for line in function.split("\n"))
    return (f"module {symbol(name)} attributes {{mhlo.num_partitions = 1 : i32, "
            f"mhlo.num_replicas = 1 : i32}} {{\n{body}\n}}\n")


def _aliases(closed: ClosedJaxpr, donated: Sequence[bool]) -> list[str]:
    """For each argument the mark of donation: of those of a shape and dtype, the first goes to the
    first result of these, and so on; what finds no result is not marked."""
    marks = [""] * len(closed.in_avals)
    waiting = [i for i, is_donated in enumerate(donated) if is_donated]
    for position, out in enumerate(closed.out_avals):
        fits = [i for i in waiting if tensor_type(closed.in_avals[i]) == tensor_type(out)]
        if fits:
            marks[fits[0]] = f" {{tf.aliasing_output = {position} : i32}}"
            waiting.remove(fits[0])
    return marks
