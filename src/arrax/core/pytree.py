"""Functions on pytrees. Structures are `core.treedef`, node types `core.tree_registry`."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from arrax.core.tree_errors import equality_errors, equality_errors_pytreedef, prefix_errors
from arrax.core.tree_registry import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    Partial,
    SequenceKey,
    keystr,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    register_pytree_with_keys_class,
    register_static,
    static,
)
from arrax.core.treedef import (
    IsLeaf,
    KeyPath,
    PyTreeDef,
    all_leaves,
    checked,
    flatten_one_level,
    flatten_one_level_with_keys,
    is_tree_node,
    leaf_treedef,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_leaves_with_path,
    tree_structure,
    tree_unflatten,
    treedef_children,
    treedef_is_leaf,
    treedef_tuple,
)

__all__ = [
    "DictKey", "FlattenedIndexKey", "GetAttrKey", "KeyPath", "Partial", "PyTreeDef", "SequenceKey",
    "all_leaves", "broadcast_prefix", "build_tree", "default_registry", "equality_errors",
    "equality_errors_pytreedef", "flatten_one_level", "flatten_one_level_with_keys",
    "is_tree_node", "keystr", "leaf_treedef", "prefix_errors", "register_dataclass",
    "register_pytree_node", "register_pytree_node_class", "register_pytree_with_keys",
    "register_pytree_with_keys_class", "register_static", "static", "tree_all", "tree_broadcast",
    "tree_flatten", "tree_flatten_with_path", "tree_leaves", "tree_leaves_with_path", "tree_map",
    "tree_map_with_path", "tree_reduce", "tree_reduce_associative", "tree_structure",
    "tree_transpose", "tree_unflatten", "treedef_children", "treedef_is_leaf", "treedef_tuple"]

_UNSPECIFIED: Any = object()


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf | None = None) -> Any:
    """The pytree of `f(leaf, *subtrees)` for each leaf of `tree`.

    Args:
      f: called with a leaf of `tree` and what stands at its place in each of `rest`.
      tree: a pytree; the result has its structure.
      *rest: pytrees that have `tree`'s structure, or have it as a prefix.
      is_leaf: True makes a node of `tree` a leaf.

    Raises:
      ValueError: a pytree of `rest` has another structure.

    Example:
      >>> tree_map(lambda x, y: x + y, {'a': 1, 'b': [2]}, {'a': 10, 'b': [20]})
      {'a': 11, 'b': [22]}
    """
    leaves, treedef = tree_flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten([f(x) for x in leaves])
    columns = [_flatten_like(treedef, tree, other, is_leaf) for other in rest]
    return treedef.unflatten([f(*xs) for xs in zip(leaves, *columns, strict=True)])


def _flatten_like(treedef: PyTreeDef, tree: Any, other: Any, is_leaf: IsLeaf | None,
                  name: str = "tree_map tree") -> list[Any]:
    try:
        return treedef.flatten_up_to(other)
    except ValueError as error:
        for found in prefix_errors(tree, other, is_leaf):
            raise found(name) from error
        raise


def tree_map_with_path(f: Callable[..., Any], tree: Any, *rest: Any,
                       is_leaf: IsLeaf | None = None, is_leaf_takes_path: bool = False) -> Any:
    """As `tree_map`; `f` takes the leaf's key path first.

    Example:
      >>> tree_map_with_path(lambda path, x: keystr(path), {'a': [5]})
      {'a': ["['a'][0]"]}
    """
    found, treedef = tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    columns = [_flatten_like(treedef, tree, other, None) for other in rest]
    return treedef.unflatten([f(path, leaf, *xs) for (path, leaf), *xs
                              in zip(found, *columns, strict=True)])


def tree_reduce(function: Callable[[Any, Any], Any], tree: Any, initializer: Any = _UNSPECIFIED,
                is_leaf: IsLeaf | None = None) -> Any:
    """Fold the leaves from left to right: `function(function(x0, x1), x2)`…

    Args:
      function: (accumulated, leaf) → accumulated.
      tree: a pytree.
      initializer: the first accumulated value; the first leaf by default.
      is_leaf: True makes a node a leaf.

    Raises:
      TypeError: there are no leaves and no initializer.
    """
    leaves = tree_leaves(tree, is_leaf)
    if initializer is _UNSPECIFIED:
        if not leaves:
            raise TypeError("reduce() of empty iterable with no initial value")
        return functools.reduce(function, leaves)
    return functools.reduce(function, leaves, initializer)


def tree_reduce_associative(operation: Callable[[Any, Any], Any], tree: Any, *,
                            identity: Any = _UNSPECIFIED, is_leaf: IsLeaf | None = None) -> Any:
    """Combine the leaves pairwise, as a balanced tree: for an associative `operation`.

    Args:
      operation: combines two leaves.
      tree: a pytree.
      identity: the result when there are no leaves.
      is_leaf: True makes a node a leaf.

    Raises:
      TypeError: there are no leaves and no identity.
    """
    leaves = tree_leaves(tree, is_leaf)
    if not leaves:
        if identity is _UNSPECIFIED:
            raise TypeError("Must specify identity for parallel reduction of empty sequence.")
        return identity
    while len(leaves) > 1:
        odd = leaves[len(leaves) & ~1:]
        leaves = [operation(a, b) for a, b in zip(leaves[::2], leaves[1::2], strict=False)] + odd
    return leaves[0]


def tree_all(tree: Any, *, is_leaf: IsLeaf | None = None) -> bool:
    """Whether all leaves are true."""
    return all(tree_leaves(tree, is_leaf))


def tree_transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef | None,
                   pytree_to_transpose: Any) -> Any:
    """Turn an outer tree of inner trees inside out.

    Args:
      outer_treedef: structure of the outer tree.
      inner_treedef: structure at each of its leaves; None: that of the first one.
      pytree_to_transpose: a pytree of structure outer ∘ inner.

    Raises:
      TypeError: the pytree has another structure.
      ValueError: one of the structures has no leaves.

    Example:
      >>> tree_transpose(tree_structure([0, 0]), None, [{'a': 1}, {'a': 2}])
      {'a': [1, 2]}
    """
    flat, treedef = tree_flatten(pytree_to_transpose)
    checked(outer_treedef, "outer_treedef")
    if inner_treedef is not None:
        checked(inner_treedef, "inner_treedef")
    else:
        first = outer_treedef.flatten_up_to(pytree_to_transpose)[:1]
        inner_treedef = tree_structure(first[0]) if first else leaf_treedef
    inner_size, outer_size = inner_treedef.num_leaves, outer_treedef.num_leaves
    if inner_size == 0 or outer_size == 0:
        raise ValueError("tree_transpose: cannot transpose an empty pytree")
    expected = outer_treedef.compose(inner_treedef)
    if treedef != expected:
        raise TypeError(f"Mismatch\n{treedef}\n != \n{expected}")
    return inner_treedef.unflatten(
        [outer_treedef.unflatten(flat[i::inner_size]) for i in range(inner_size)])


def broadcast_prefix(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf | None = None) -> list[Any]:
    """The leaf of `prefix_tree` over each leaf of `full_tree`, as a list.

    `is_leaf` is asked about the nodes of `prefix_tree` only. Raises ValueError when `prefix_tree`
    is no prefix.
    """
    leaves, treedef = tree_flatten(prefix_tree, is_leaf)
    parts = _flatten_like(treedef, prefix_tree, full_tree, is_leaf,
                          "broadcast_prefix prefix_tree")
    return [leaf for leaf, part in zip(leaves, parts, strict=True)
            for _ in range(tree_structure(part).num_leaves)]


def tree_broadcast(prefix_tree: Any, full_tree: Any, is_leaf: IsLeaf | None = None) -> Any:
    """`prefix_tree` with each leaf repeated over the leaves of `full_tree` under it.

    Raises ValueError when `prefix_tree` is no prefix of `full_tree`.

    Example:
      >>> tree_broadcast((1, 2), ((3, 4), [5]))
      ((1, 1), [2])
    """
    return tree_structure(full_tree).unflatten(
        broadcast_prefix(prefix_tree, full_tree, is_leaf))


def build_tree(treedef: PyTreeDef, xs: Any) -> Any:
    """The pytree of structure `treedef` from nested iterables of children."""
    return checked(treedef).from_iterable_tree(xs)


class _Registry:
    """The one registry of node types, as an object."""

    flatten = staticmethod(tree_flatten)
    flatten_with_path = staticmethod(tree_flatten_with_path)
    register_node = staticmethod(register_pytree_node)
    register_dataclass_node = staticmethod(register_dataclass)

    @staticmethod
    def flatten_one_level(tree: Any) -> tuple[Any, Any] | None:
        """(children, data) of the root; None for a leaf."""
        return flatten_one_level(tree) if is_tree_node(type(tree)) else None

    @staticmethod
    def flatten_one_level_with_keys(tree: Any) -> tuple[Any, Any] | None:
        """((key, child) pairs, data) of the root; None for a leaf."""
        return flatten_one_level_with_keys(tree) if is_tree_node(type(tree)) else None


default_registry = _Registry()
