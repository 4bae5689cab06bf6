"""What differs between two pytrees, in words that name the place and the way out."""
from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any

from arrax.core.tree_registry import NodeType, keystr, node_type
from arrax.core.treedef import IsLeaf, KeyPath, PyTreeDef

PrefixError = Callable[[str], ValueError]


def prefix_errors(prefix: Any, full: Any, is_leaf: IsLeaf | None = None) -> list[PrefixError]:
    """Why `prefix` is not a tree prefix of `full`: functions from the argument's name to an error.

    Example:
      >>> raise prefix_errors((1, 2), [1, 2])[0]("in_axes")
      ValueError: pytree structure error: different types at key path
          in_axes
      …
    """
    return list(_prefix_errors((), prefix, full, is_leaf))


def _prefix_errors(path: KeyPath, prefix: Any, full: Any,
                   is_leaf: IsLeaf | None) -> Iterator[PrefixError]:
    entry = node_type(prefix)
    if entry is None or (is_leaf is not None and is_leaf(prefix)):
        return
    if type(prefix) is not type(full):
        yield lambda name: ValueError(
            f"pytree structure error: different types at key path\n    {name}{keystr(path)}\n"
            f"At that key path, the prefix pytree {name} has a subtree of type\n"
            f"    {type(prefix)}\nbut at the same key path the full pytree has a subtree of "
            f"different type\n    {type(full)}.")
        return
    children, data = entry.flatten(prefix)
    full_children, full_data = entry.flatten(full)
    if len(children) != len(full_children):
        yield _count_error(path, entry, prefix, full, children, full_children)
        return
    if data != full_data:
        yield _metadata_error(path, type(prefix), data, full_data)
        return
    keys = entry.keys(prefix, len(children))
    for key, child, other in zip(keys, children, full_children, strict=True):
        yield from _prefix_errors((*path, key), child, other, is_leaf)


def _count_error(path: KeyPath, entry: NodeType, prefix: Any, full: Any, children: Any,
                 full_children: Any) -> PrefixError:
    """Another number of children; keys are shown where there are some."""
    kind = type(prefix).__name__
    if entry.style in ("tuple", "list"):
        return lambda name: ValueError(
            f"pytree structure error: different lengths of {kind} at key path\n"
            f"    {name}{keystr(path)}\nAt that key path, the prefix pytree {name} has a subtree "
            f"of type {kind} of length {len(children)}, but the full pytree has a subtree of the "
            f"same type but of length {len(full_children)}.")
    keys = [_bare(k) for k in entry.keys(prefix, len(children))]
    full_keys = [_bare(k) for k in entry.keys(full, len(full_children))]
    different = sorted(set(keys) ^ set(full_keys))
    return lambda name: ValueError(
        "pytree structure error: different numbers of pytree children at key path\n"
        f"    {name}{keystr(path)}\nAt that key path, the prefix pytree {name} has a subtree of "
        f"type\n    {type(prefix)}\nwith {len(keys)} child keys\n    {' '.join(keys)}\nbut at the "
        f"same key path the full pytree has a subtree of the same type but with {len(full_keys)} "
        f"child keys\n    {' '.join(full_keys)}\nso the symmetric difference on key sets is\n"
        f"    {' '.join(different)}")


def _bare(key: Any) -> str:
    return keystr((key,), simple=True)


def _metadata_error(path: KeyPath, kind: type, data: Any, full_data: Any) -> PrefixError:
    lines = difflib.ndiff(str(data).splitlines(), str(full_data).splitlines())
    difference = "\n".join(f"    {line}" for line in lines)
    return lambda name: ValueError(
        f"pytree structure error: different pytree metadata at key path\n"
        f"    {name}{keystr(path)}\nAt that key path, the prefix pytree {name} has a subtree of "
        f"type\n    {kind}\nwith metadata\n    {data}\nbut at the same key path the full pytree "
        f"has a subtree of the same type but with metadata\n    {full_data}\nso the diff in the "
        f"metadata at these pytree nodes is\n{difference}")


Difference = tuple[KeyPath, str, str, str]


def equality_errors(tree1: Any, tree2: Any, is_leaf: IsLeaf | None = None) -> Iterator[Difference]:
    """The differences in structure of two pytrees: (key path, one, other, what differs)."""
    yield from _equality_errors((), tree1, tree2, is_leaf)


def equality_errors_pytreedef(one: PyTreeDef, other: PyTreeDef) -> Iterator[Difference]:
    """The differences of two structures. See `equality_errors`."""
    yield from equality_errors(one.unflatten([_leaf] * one.num_leaves),
                               other.unflatten([_leaf] * other.num_leaves))


class _Leaf:
    def __repr__(self) -> str:
        return "*"


_leaf = _Leaf()


def _equality_errors(path: KeyPath, tree1: Any, tree2: Any,
                     is_leaf: IsLeaf | None) -> Iterator[Difference]:
    one, other = (None if is_leaf is not None and is_leaf(t) else node_type(t)
                  for t in (tree1, tree2))
    if one is None and other is None:
        return
    if type(tree1) is not type(tree2):
        yield path, _type_name(tree1), _type_name(tree2), "their Python types differ"
        return
    if one is None or other is None:
        yield path, "a leaf" if one is None else "a node", \
            "a leaf" if other is None else "a node", "one is a leaf"
        return
    children1, data1 = one.flatten(tree1)
    children2, data2 = one.flatten(tree2)
    if len(children1) != len(children2):
        kind = type(tree1).__name__ if one.style in ("tuple", "list") else str(type(tree1))
        if one.style in ("tuple", "list"):
            yield (path, f"{kind} of length {len(children1)}", f"{kind} of length {len(children2)}",
                   "the lengths do not match")
        else:
            yield (path, f"{kind} with {len(children1)} children",
                   f"{kind} with {len(children2)} children", "the numbers of children do not match")
        return
    if data1 != data2:
        yield (path, f"{type(tree1)} with pytree metadata {data1}",
               f"{type(tree2)} with pytree metadata {data2}",
               "the pytree node metadata does not match")
        return
    keys = one.keys(tree1, len(children1))
    for key, child1, child2 in zip(keys, children1, children2, strict=True):
        yield from _equality_errors((*path, key), child1, child2, is_leaf)


def _type_name(tree: Any) -> str:
    return "a leaf" if tree is _leaf else str(type(tree))
