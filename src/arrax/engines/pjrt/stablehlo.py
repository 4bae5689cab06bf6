"""jaxpr → the text of a StableHLO module."""
from __future__ import annotations

from collections.abc import Sequence

from arrax.core.jaxpr import ClosedJaxpr
from arrax.engines.pjrt.builder import Builder


def module_text(closed: ClosedJaxpr, name: str = "jit", result_names: Sequence[str] = ()) -> str:
    """The module whose public function `main` computes `closed`; consts are constants in it.

    `result_names` become the `jax.result_info` of the results. Raises NotImplementedError that
    names the primitive and the reason if one has no StableHLO form.
    """
    builder = Builder()
    builder.define("main", closed, result_names)
    main, private = builder.finished[-1], builder.finished[:-1]
    body = "\n".join("  " + line for function in (main, *private) for line in function.split("\n"))
    label = "".join(c if c.isalnum() or c in "_." else "_" for c in name)
    return (f"module @{label} attributes {{mhlo.num_partitions = 1 : i32, "
            f"mhlo.num_replicas = 1 : i32}} {{\n{body}\n}}\n")
