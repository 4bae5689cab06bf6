"""`reshard`: a value, split over mesh axes in another way that its type tells."""
from __future__ import annotations

from typing import Any

from arrax.core.mesh import Mesh
from arrax.core.primitive import BY_EXECUTION, Primitive
from arrax.core.printer import ALWAYS
from arrax.core.lowering import Elementwise
from arrax.core.shardings import NamedSharding, spec_names, spec_of
from arrax.ops.device_put import placed
from arrax.ops.rules import linear_jvp


def _execute(x: Any, *, dst_sharding: Any, concrete_mesh: Any) -> Any:
    mesh = dst_sharding.mesh if isinstance(dst_sharding.mesh, Mesh) else concrete_mesh
    if not isinstance(mesh, Mesh):
        return x
    return placed(x, NamedSharding(mesh, dst_sharding.spec))


def _type(x: Any, *, dst_sharding: Any, concrete_mesh: Any) -> Any:
    return x.update(sharding=dst_sharding)


def _transpose(cotangent: Any, x: Any, *, dst_sharding: Any, concrete_mesh: Any) -> Any:
    aval = x.aval
    if not hasattr(cotangent, "dtype") or aval.located is None:
        return [cotangent]
    return [reshard_p.bind(cotangent, dst_sharding=aval.located, concrete_mesh=concrete_mesh)]


def _batch(axis: Any, operands: Any, dims: Any, *, dst_sharding: Any, concrete_mesh: Any) -> Any:
    (x,), (dim,) = operands, dims
    names = list(spec_names(dst_sharding.spec, x.aval.ndim - 1))
    names.insert(dim, ())
    sharding = dst_sharding.update(spec=spec_of(names))
    return reshard_p.bind(x, dst_sharding=sharding, concrete_mesh=concrete_mesh), dim


reshard_p: Primitive = Primitive(
    "reshard", type_rule=_type, evaluate=lambda x, **_: x, execute=_execute, jvp=linear_jvp(),
    transpose=_transpose, batch=_batch, sharding=BY_EXECUTION,
    hidden={"dst_sharding": ALWAYS, "concrete_mesh": ALWAYS},
    lower=Elementwise(lambda b, x: x, 0), stablehlo=lambda b, x, **_: x)
