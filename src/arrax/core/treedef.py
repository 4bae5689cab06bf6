"""Pytrees: nested containers as a list of leaves and a structure.

    structure ::= None                          a leaf
                | (type, data, (structure*,))   a node; data: dict keys or aux_data

Structures are plain tuples, so that they compare and hash at C speed; `PyTreeDef` wraps one. The
inner loops are in C++ (src/native/pytree.cpp).
None is a node without children, dicts come in the order of their sorted keys, and a type that is
not registered (`core.tree_registry`) is a leaf.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from arrax import _native
from arrax.core.tree_registry import node_type, registry, sorted_keys

Structure = Any
KeyPath = tuple[Any, ...]
IsLeaf = Callable[..., bool]
_native.set_pytree_registry(registry, sorted_keys, node_type)


class PyTreeDef:
    """The structure of a pytree: everything but its leaves. Compares by `==`, hashable."""

    __slots__ = ("structure", "num_leaves", "_hash")
    structure: Structure
    num_leaves: int
    _hash: int

    def __init__(self, structure: Structure, num_leaves: int):
        self.structure, self.num_leaves = structure, num_leaves

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The pytree of this structure with the given leaves; ValueError if too few or many."""
        if type(leaves) is not list and type(leaves) is not tuple:
            leaves = list(leaves)
        count = len(leaves)
        if count != self.num_leaves:
            raise ValueError(
                f"Too few leaves for PyTreeDef; expected {self.num_leaves}, got {count}"
                if count < self.num_leaves else
                f"Too many leaves for PyTreeDef; expected {self.num_leaves}.")
        return _native.tree_unflatten(self.structure, leaves)

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The subtrees of `tree` where this structure has leaves.

        Raises ValueError that says where types, lengths, keys or aux data differ.
        """
        found = _native.tree_flatten_up_to(self.structure, tree)
        if found is None:
            _explain_difference(self.structure, tree)
        return found  # type: ignore[return-value]

    @property
    def num_nodes(self) -> int:
        """The number of nodes, leaves included."""
        return _count_nodes(self.structure)

    def children(self) -> list[PyTreeDef]:
        """The structures of the root's children."""
        return [treedef_of(c) for c in (self.structure or (None, None, ()))[2]]

    def node_data(self) -> tuple[type, Any] | None:
        """(type, data) of the root; None for a leaf."""
        if self.structure is None:
            return None
        kind, data, _ = self.structure
        return kind, list(data) if kind is dict else data

    def compose(self, inner_treedef: PyTreeDef) -> PyTreeDef:
        """This structure with `inner_treedef` in the place of each leaf."""
        if not isinstance(inner_treedef, PyTreeDef):
            raise TypeError(f"compose: inner_treedef must be a PyTreeDef, got {inner_treedef!r}")
        return PyTreeDef(_compose(self.structure, inner_treedef.structure),
                         self.num_leaves * inner_treedef.num_leaves)

    def walk(self, f_node: Callable[[Any, Any], Any], f_leaf: Callable[[Any], Any] | None,
             leaves: Iterable[Any]) -> Any:
        """Fold from the leaves up: `f_leaf(leaf)`, then `f_node(children, data)`."""
        source = iter(leaves)

        def visit(structure: Structure) -> Any:
            if structure is None:
                leaf = next(source)
                return f_leaf(leaf) if f_leaf is not None else leaf
            data = structure[1]
            return f_node(tuple(visit(c) for c in structure[2]),
                          list(data) if structure[0] is dict else data)

        return visit(self.structure)

    def from_iterable_tree(self, tree: Any) -> Any:
        """Rebuild from nested iterables of children, as `walk` gives them."""
        def visit(structure: Structure, part: Any) -> Any:
            if structure is None:
                return part
            kind, data, children = structure
            values = tuple(visit(c, p) for c, p in zip(children, part, strict=True))
            return registry[kind].unflatten(data, values)

        return visit(self.structure, tree)

    @staticmethod
    def from_node_data_and_children(registry_: Any, node_data: tuple[type, Any] | None,
                                    children: Iterable[PyTreeDef]) -> PyTreeDef:
        """The structure whose root has the given `node_data()` and `children()`."""
        if node_data is None:
            return leaf_treedef
        kind, data = node_data
        data = tuple(data) if kind is dict else data
        return treedef_of((kind, data, tuple(c.structure for c in children)))

    def __eq__(self, other: Any) -> Any:
        if type(other) is not PyTreeDef:
            return NotImplemented
        return self.structure == other.structure

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            pass
        try:
            self._hash = hash(self.structure)
        except TypeError:  # aux data that is not hashable
            self._hash = hash(_without_data(self.structure))
        return self._hash

    def __repr__(self) -> str:
        return f"PyTreeDef({_text(self.structure)})"

    def __reduce__(self) -> Any:
        return PyTreeDef, (self.structure, self.num_leaves)


leaf_treedef = PyTreeDef(None, 1)


def treedef_of(structure: Structure) -> PyTreeDef:
    """Wrap a structure, counting its leaves."""
    return PyTreeDef(structure, _count_leaves(structure))


def checked(treedef: Any, argument: str = "treedef") -> PyTreeDef:
    """`treedef`; AttributeError (as of JAX's functions) for what is no PyTreeDef."""
    if not isinstance(treedef, PyTreeDef):
        raise AttributeError(f"{argument} must be a PyTreeDef, as tree_structure gives it; got "
                             f"{treedef!r} of type {type(treedef)}")
    return treedef


def _count_leaves(structure: Structure) -> int:
    return 1 if structure is None else sum(map(_count_leaves, structure[2]))


def _count_nodes(structure: Structure) -> int:
    return 1 if structure is None else 1 + sum(map(_count_nodes, structure[2]))


def _compose(outer: Structure, inner: Structure) -> Structure:
    if outer is None:
        return inner
    return outer[0], outer[1], tuple(_compose(c, inner) for c in outer[2])


def _without_data(structure: Structure) -> Structure:
    if structure is None:
        return None
    return structure[0], tuple(map(_without_data, structure[2]))


def _text(structure: Structure) -> str:
    if structure is None:
        return "*"
    kind, data, children = structure
    texts = [_text(c) for c in children]
    inner = ", ".join(texts)
    style = registry[kind].style
    if style == "tuple":
        return f"({inner},)" if len(texts) == 1 else f"({inner})"
    if style == "list":
        return f"[{inner}]"
    if style == "dict":
        return "{" + ", ".join(f"{k!r}: {t}" for k, t in zip(data, texts, strict=True)) + "}"
    if style == "none":
        return "None"
    if style == "namedtuple":
        return f"CustomNode(namedtuple[{kind.__name__}], [{inner}])"
    return f"CustomNode({kind.__name__}[{data}], [{inner}])"


# --- Flattening -------------------------------------------------------------------------------

def tree_flatten(tree: Any, is_leaf: IsLeaf | None = None) -> tuple[list[Any], PyTreeDef]:
    """The leaves of a pytree, and its structure.

    Args:
      tree: a pytree.
      is_leaf: called with each node before it is opened; True makes it a leaf.

    Example:
      >>> tree_flatten({'b': 1, 'a': (2, None)})
      ([2, 1], PyTreeDef({'a': (*, None), 'b': *}))
    """
    if is_leaf is None:
        leaves, structure = _native.tree_flatten(tree)
    else:
        leaves = []
        structure = _flatten_until(tree, leaves.append, is_leaf)
    return leaves, leaf_treedef if structure is None else PyTreeDef(structure, len(leaves))


def _flatten_until(tree: Any, append: Callable[[Any], None], is_leaf: IsLeaf) -> Structure:
    entry = None if is_leaf(tree) else node_type(tree)
    if entry is None:
        append(tree)
        return None
    children, data = entry.flatten(tree)
    return entry.type, data, tuple([_flatten_until(c, append, is_leaf) for c in children])


def _explain_difference(structure: Structure, tree: Any) -> None:
    """Raise the error for a `tree` that does not begin with `structure`."""
    if structure is None:
        return
    kind, data, children = structure
    if type(tree) is not kind:
        raise ValueError(_type_mismatch(kind, tree))
    parts, found = registry[kind].flatten(tree)
    if kind in (tuple, list) and len(parts) != len(children):
        raise ValueError(f"{kind.__name__.capitalize()} arity mismatch: {len(parts)} != "
                         f"{len(children)}; {kind.__name__}: {tree!r}.")
    if kind is dict and found != data:
        raise ValueError(f"Dict key mismatch; expected keys: {list(data)}; "
                         f"present keys: {list(found)}.")
    if found != data:
        raise ValueError(f"Mismatch custom node data: {data!r} != {found!r}; value: {tree!r}.")
    if len(parts) != len(children):
        raise ValueError(f"Custom type arity mismatch: {len(parts)} != {len(children)}; "
                         f"value: {tree!r}.")
    for child, part in zip(children, parts, strict=True):
        _explain_difference(child, part)


def _type_mismatch(kind: type, tree: Any) -> str:
    style = registry[kind].style
    if style == "custom":
        return f"Custom node type mismatch: expected type: {kind}, value: {tree!r}."
    if style == "none":
        return (f"Expected None, got {tree!r}.\n\nNone is a pytree node without children, not a "
                "prefix of other values. To let None stand for anything, write for instance:\n"
                "  jax.tree.map(lambda x, y: None if x is None else f(x, y), a, b, "
                "is_leaf=lambda x: x is None)")
    if style == "namedtuple":
        entry = node_type(tree)
        if entry is not None and entry.style == "namedtuple":
            return f"Named tuple type mismatch: expected type: {kind}, tuple: {tree!r}."
        return f"Expected named tuple, got {tree!r}."
    return f"Expected {style}, got {tree!r}."


def tree_leaves(tree: Any, is_leaf: IsLeaf | None = None) -> list[Any]:
    """The leaves of a pytree. See `tree_flatten`."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: IsLeaf | None = None) -> PyTreeDef:
    """The structure of a pytree. See `tree_flatten`."""
    return tree_flatten(tree, is_leaf)[1]


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable[Any]) -> Any:
    """The pytree of structure `treedef` with the given leaves.

    Raises ValueError when there are too few or too many leaves.
    """
    return checked(treedef).unflatten(leaves)


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Whether the structure is one node: a leaf, None, or an empty container."""
    return checked(treedef).num_nodes == 1


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """The structure of a tuple of pytrees with the given structures."""
    treedefs = tuple(treedefs)
    for treedef in treedefs:
        if not isinstance(treedef, PyTreeDef):
            raise TypeError(f"treedef_tuple: expected PyTreeDefs, got {treedef!r}")
    return PyTreeDef((tuple, None, tuple(t.structure for t in treedefs)),
                     sum(t.num_leaves for t in treedefs))


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """The structures of the children of the root."""
    return checked(treedef).children()


def all_leaves(iterable: Iterable[Any], is_leaf: IsLeaf | None = None) -> bool:
    """Whether every item is a leaf."""
    if is_leaf is None:
        return all(node_type(item) is None for item in iterable)
    return all(is_leaf(item) or node_type(item) is None for item in iterable)


def is_tree_node(typ: type) -> bool:
    """Whether values of a type are nodes of pytrees."""
    return typ in registry or (issubclass(typ, tuple) and hasattr(typ, "_fields"))


def flatten_one_level(tree: Any) -> tuple[Iterable[Any], Any]:
    """(children, data) of the root of a pytree; ValueError when it is a leaf."""
    entry = node_type(tree)
    if entry is None:
        raise ValueError(f"can't tree-flatten type: {type(tree)}")
    children, data = entry.flatten(tree)
    return children, entry.type if entry.style == "namedtuple" else data


def flatten_one_level_with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], Any]:
    """((key, child) pairs, data) of the root of a pytree; ValueError when it is a leaf."""
    children, data = flatten_one_level(tree)
    return list(zip(child_keys(tree, children), children, strict=True)), data


def child_keys(tree: Any, children: Any) -> Sequence[Any]:
    """The path entries of the children of a node."""
    entry = node_type(tree)
    return entry.keys(tree, len(children)) if entry is not None else ()


# --- Key paths --------------------------------------------------------------------------------

def tree_leaves_with_path(tree: Any, is_leaf: IsLeaf | None = None,
                          is_leaf_takes_path: bool = False) -> list[tuple[KeyPath, Any]]:
    """(key path, leaf) of each leaf.

    Args:
      tree: a pytree.
      is_leaf: True makes a node a leaf; called with the node, or with (path, node).
      is_leaf_takes_path: whether `is_leaf` takes the path too.
    """
    return tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)[0]


def tree_flatten_with_path(
        tree: Any, is_leaf: IsLeaf | None = None, is_leaf_takes_path: bool = False
        ) -> tuple[list[tuple[KeyPath, Any]], PyTreeDef]:
    """As `tree_flatten`, each leaf with its key path (see `keystr`).

    Example:
      >>> tree_flatten_with_path({'a': [5]})[0]
      [((DictKey(key='a'), SequenceKey(idx=0)), 5)]
    """
    found: list[tuple[KeyPath, Any]] = []

    def visit(node: Any, path: KeyPath) -> Structure:
        entry = node_type(node)
        if is_leaf is not None and (
                is_leaf(path, node) if is_leaf_takes_path else is_leaf(node)):
            entry = None
        if entry is None:
            found.append((path, node))
            return None
        children, data = entry.flatten(node)
        keys = entry.keys(node, len(children))
        return entry.type, data, tuple(
            [visit(c, (*path, k)) for c, k in zip(children, keys, strict=True)])

    structure = visit(tree, ())
    return found, PyTreeDef(structure, len(found))
