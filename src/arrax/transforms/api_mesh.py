"""The mesh in scope, for users: `set_mesh` and its kin, and axes that change their type."""
from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any

from arrax.core import pytree
from arrax.core.evaluate import EVAL
from arrax.core.mesh import AbstractMesh, AxisType, Mesh, current_mesh, enter_mesh, mesh_in_scope
from arrax.core.mesh import EMPTY_MESH
from arrax.core.shardings import PartitionSpec, spec_names
from arrax.core.trace import current
from arrax.core.tracebacks import transforming
from arrax.transforms.api_placement import reshard


def get_mesh() -> Mesh:
    """The mesh that `set_mesh` brought into scope; one without axes if there is none.

    Raises ValueError while a program is traced, which knows no devices: `get_abstract_mesh`.
    """
    mesh = current_mesh()
    if current() is not EVAL:
        raise ValueError("`get_mesh` can only be used outside of `jax.jit`. Maybe you want "
                         "`jax.sharding.get_abstract_mesh()`?")
    if isinstance(mesh, AbstractMesh):
        raise ValueError("get_mesh: the mesh in scope is abstract; use get_abstract_mesh")
    return mesh  # type: ignore[no-any-return]


def get_abstract_mesh() -> AbstractMesh:
    """The shape of the mesh in scope; one without axes if there is none."""
    return current_mesh().abstract_mesh  # type: ignore[no-any-return]


class _Scope:
    """A mesh in scope from now on, and as a context manager until its end."""

    def __init__(self, mesh: Any):
        mesh_in_scope.push(mesh)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        mesh_in_scope.pop()


class set_mesh(_Scope):
    """Bring a mesh into scope, from now on or, as `with set_mesh(mesh):`, for a block.

    Arrays that nobody places elsewhere are then on its devices, `PartitionSpec`s refer to it, and
    types say how arrays are split over its explicit axes.

    Args:
      mesh: a Mesh, or None for none.

    Raises TypeError for anything else, ValueError while a program is traced.

    Example:
      >>> with arrax.set_mesh(arrax.make_mesh((1,), ("x",))):
      ...     arrax.sharding.get_mesh().axis_names
      ('x',)
    """

    def __init__(self, mesh: Mesh | None):
        if mesh is not None and not isinstance(mesh, Mesh):
            raise TypeError("Expected mesh of type `jax.sharding.Mesh`. Got type "
                            f"{type(mesh)}: {mesh!r}")
        if current() is not EVAL:
            raise ValueError("`set_mesh` can only be used outside of `jax.jit`")
        super().__init__(EMPTY_MESH if mesh is None else mesh)


class use_abstract_mesh(_Scope):
    """Bring the shape of a mesh into scope for a block, to trace programs for it.

    Raises TypeError for anything but an AbstractMesh, ValueError for one of other sizes than the
    mesh in scope.
    """

    def __init__(self, mesh: AbstractMesh):
        if not isinstance(mesh, AbstractMesh):
            raise TypeError("Expected mesh of type `jax.sharding.AbstractMesh`. Got type "
                            f"{type(mesh)}: {mesh!r}")
        now = current_mesh()
        if not now.empty and not mesh.empty and now.abstract_mesh.shape_tuple != mesh.shape_tuple:
            raise ValueError("use_abstract_mesh cannot change the size of the mesh: the mesh in "
                             f"scope is {now.abstract_mesh}, got {mesh}")
        super().__init__(mesh)


# ---- axes that change their type -----------------------------------------------------------------

def _names(axes: Any, mesh: Any) -> tuple[Any, ...]:
    return mesh.axis_names if axes is None else axes if isinstance(axes, tuple) else (axes,)


def _without(aval: Any, names: tuple[Any, ...]) -> PartitionSpec:
    """The spec of a type, without the axes that are not explicit any more."""
    return PartitionSpec(*(tuple(n for n in part if n not in names) for part in spec_names(
        aval.sharding.spec, aval.ndim)))


def auto_axes(f: Any = None, /, *, axes: str | tuple[str, ...] | None = None,
              out_sharding: Any = None) -> Any:
    """Let the compiler split arrays over some mesh axes inside of a function.

    Args:
      f: the function; without it, a decorator is returned.
      axes: the explicit axes that are automatic inside; all if None.
      out_sharding: how results are split over them: a PartitionSpec or a pytree prefix.

    Raises TypeError without `out_sharding`.
    """
    if f is None:
        return functools.partial(auto_axes, axes=axes, out_sharding=out_sharding)

    @transforming(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        wanted = kwargs.pop("out_sharding", out_sharding)
        if wanted is None:
            raise TypeError("Missing required keyword argument: 'out_sharding'")
        mesh = current_mesh()
        names = _names(axes, mesh)
        return reshard(_inside(f, mesh, names, AxisType.Auto, args, kwargs), wanted)
    return call


def explicit_axes(f: Any = None, /, *, axes: str | tuple[str, ...] | None = None,
                  in_sharding: Any = None) -> Any:
    """Let types tell how arrays are split over some mesh axes inside of a function.

    Args:
      f: the function; without it, a decorator is returned.
      axes: the automatic axes that are explicit inside; all if None.
      in_sharding: how arguments are split over them: a PartitionSpec or a pytree prefix.

    Raises TypeError without `in_sharding`.
    """
    if f is None:
        return functools.partial(explicit_axes, axes=axes, in_sharding=in_sharding)

    @transforming(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        wanted = kwargs.pop("in_sharding", in_sharding)
        if wanted is None:
            raise TypeError("Missing required keyword argument: 'in_sharding'")
        mesh = current_mesh().abstract_mesh
        names = _names(axes, mesh)
        with enter_mesh(mesh.update_axis_types(dict.fromkeys(names, AxisType.Explicit))):
            out = f(*reshard(args, wanted), **kwargs)
        return _retyped(out, mesh, names)
    return call


def _inside(f: Callable[..., Any], mesh: Any, names: tuple[Any, ...], kind: AxisType, args: Any,
            kwargs: Any) -> Any:
    inner = mesh.abstract_mesh.update_axis_types(dict.fromkeys(names, kind))
    args = _retyped(args, inner, names)
    with enter_mesh(inner):
        return f(*args, **kwargs)


def _retyped(tree: Any, mesh: Any, names: tuple[Any, ...]) -> Any:
    """Arrays whose types tell nothing of the axes `names`."""
    def one(x: Any) -> Any:
        aval = getattr(x, "aval", None)
        if aval is None or aval.located is None:
            return x
        return reshard(x, PartitionSpec(*_without(aval, names)), _mesh=mesh)
    return pytree.tree_map(one, tree)
