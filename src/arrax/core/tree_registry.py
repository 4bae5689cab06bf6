"""Which types are nodes of pytrees, how they come apart and go together, and key paths.

A type without an entry is a leaf, except for namedtuples: each gets an entry when first met.
"""
from __future__ import annotations

import dataclasses
import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from arrax.core.record import Record

NoneType = type(None)
_Class = TypeVar("_Class", bound=type)


class DictKey(Record):
    """`['key']`: an item of a dict, in a key path."""

    key: Hashable

    def __str__(self) -> str:
        return f"[{self.key!r}]"


class SequenceKey(Record):
    """`[idx]`: an item of a tuple or list, in a key path."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"


class GetAttrKey(Record):
    """`.name`: an attribute, in a key path."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"


class FlattenedIndexKey(Record):
    """A child of a node type that was registered without key paths."""

    key: int

    def __str__(self) -> str:
        return f"[<flat index {self.key}>]"


def keystr(keys: Sequence[Any], *, simple: bool = False, separator: str = "") -> str:
    """The text of a key path.

    Args:
      keys: a key path, from `tree_flatten_with_path`.
      simple: the bare keys, without brackets and dots.
      separator: what stands between two keys.

    Example:
      >>> keystr((DictKey('a'), SequenceKey(0)))
      "['a'][0]"
      >>> keystr((DictKey('a'), SequenceKey(0)), simple=True, separator='/')
      'a/0'
    """
    if not isinstance(separator, str):
        raise TypeError(f"keystr: separator must be a string, got {separator!r}")
    return separator.join(map(_simple_key if simple else str, keys))


def _simple_key(key: Any) -> str:
    for field in ("key", "idx", "name"):
        if isinstance(key, (DictKey, FlattenedIndexKey, SequenceKey, GetAttrKey)) \
                and hasattr(key, field):
            return str(getattr(key, field))
    return str(key)


class NodeType:
    """How values of one type come apart: `flatten(value) -> (children, data)` and back.

    `keys(value, count)` gives the path entries of the children. `style` is how messages and
    `repr` treat it: 'tuple', 'list', 'dict', 'none', 'namedtuple' or 'custom'.
    """

    __slots__ = ("type", "flatten", "unflatten", "keys", "style")

    def __init__(self, type: type, flatten: Callable[[Any], tuple[Any, Any]],
                 unflatten: Callable[[Any, tuple[Any, ...]], Any],
                 keys: Callable[[Any, int], Sequence[Any]], style: str = "custom"):
        self.type, self.flatten, self.unflatten = type, flatten, unflatten
        self.keys, self.style = keys, style


registry: dict[type, NodeType] = {}


def node_type(value: Any) -> NodeType | None:
    """The entry of the type of `value`; None for leaves."""
    kind = type(value)
    entry = registry.get(kind)
    if entry is None and isinstance(value, tuple) and hasattr(kind, "_fields"):
        entry = registry[kind] = _namedtuple_entry(kind)
    return entry


def sorted_keys(mapping: dict[Any, Any]) -> tuple[Any, ...]:
    """The keys of a dict in order; ValueError when they do not compare."""
    try:
        return tuple(sorted(mapping))
    except TypeError as error:
        raise ValueError("Comparator raised exception while sorting pytree dictionary keys: "
                         f"{list(mapping)}") from error


def _sequence_keys(value: Any, count: int) -> list[SequenceKey]:
    return [SequenceKey(i) for i in range(count)]


def _flat_keys(value: Any, count: int) -> list[FlattenedIndexKey]:
    return [FlattenedIndexKey(i) for i in range(count)]


def _namedtuple_entry(kind: Any) -> NodeType:
    return NodeType(kind, lambda value: (tuple(value), None),
                    lambda data, children: kind(*children),
                    lambda value, count: [GetAttrKey(name) for name in kind._fields], "namedtuple")


def _flatten_dict(value: dict[Any, Any]) -> tuple[Any, Any]:
    keys = sorted_keys(value)
    return [value[k] for k in keys], keys


def _flatten_defaultdict(value: defaultdict[Any, Any]) -> tuple[Any, Any]:
    keys = sorted_keys(value)
    return [value[k] for k in keys], (value.default_factory, keys)


def _builtin(kind: type, flatten: Any, unflatten: Any, keys: Any, style: str) -> None:
    registry[kind] = NodeType(kind, flatten, unflatten, keys, style)


_builtin(tuple, lambda v: (v, None), lambda d, c: c, _sequence_keys, "tuple")
_builtin(list, lambda v: (v, None), lambda d, c: list(c), _sequence_keys, "list")
_builtin(NoneType, lambda v: ((), None), lambda d, c: None, _sequence_keys, "none")
_builtin(dict, _flatten_dict, lambda d, c: dict(zip(d, c, strict=True)),
         lambda v, n: [DictKey(k) for k in sorted_keys(v)], "dict")
_builtin(OrderedDict, lambda v: (list(v.values()), tuple(v)),
         lambda d, c: OrderedDict(zip(d, c, strict=True)),
         lambda v, n: [DictKey(k) for k in v], "custom")
_builtin(defaultdict, _flatten_defaultdict,
         lambda d, c: defaultdict(d[0], zip(d[1], c, strict=True)),
         lambda v, n: [DictKey(k) for k in sorted_keys(v)], "custom")


def _register(entry: NodeType, kind: str = "custom PyTreeDef") -> None:
    if not isinstance(entry.type, type):
        raise TypeError(f"pytree node types must be classes, got {entry.type!r}")
    known = registry.get(entry.type)
    if known is not None and known.style != "namedtuple":
        raise ValueError(f"Duplicate {kind} type registration for {entry.type}.")
    registry[entry.type] = entry


def _checked(flatten: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
    """`flatten`, with a clear error when it does not return (children, aux_data)."""
    def checked_flatten(value: Any) -> tuple[Any, Any]:
        pair = flatten(value)
        if type(pair) is not tuple or len(pair) != 2:
            raise ValueError("The to_iterable function for a custom PyTree node should return a "
                             f"(children, aux_data) tuple, got {pair!r}")
        children = pair[0]
        if type(children) in (tuple, list):
            return pair
        if not isinstance(children, Iterable):
            raise ValueError("The to_iterable function for a custom PyTree node should return a "
                             "(children, aux_data) tuple where 'children' is iterable, "
                             f"got {pair!r}")
        return tuple(children), pair[1]
    return checked_flatten


def _check_callable(name: str, **functions: Any) -> None:
    for argument, function in functions.items():
        if not callable(function):
            raise TypeError(f"{name}: {argument} must be callable, got {function!r}")


def register_pytree_node(
        nodetype: type, flatten_func: Callable[[Any], tuple[Any, Any]],
        unflatten_func: Callable[[Any, Any], Any],
        flatten_with_keys_func: Callable[[Any], tuple[Any, Any]] | None = None) -> None:
    """Make `nodetype` a node of pytrees.

    Args:
      nodetype: a class; its subclasses stay leaves.
      flatten_func: value → (children, aux_data); `aux_data` is hashable and comparable.
      unflatten_func: (aux_data, children) → value. Children may be any objects.
      flatten_with_keys_func: value → ((key, child) pairs, aux_data), for key paths.

    Raises:
      ValueError: `nodetype` is registered already.

    Example:
      >>> register_pytree_node(Point, lambda p: ((p.x, p.y), None), lambda _, xy: Point(*xy))
    """
    _check_callable("register_pytree_node", flatten_func=flatten_func,
                    unflatten_func=unflatten_func)
    keys: Any = _flat_keys
    if flatten_with_keys_func is not None:
        def keys(value: Any, count: int) -> list[Any]:
            return [key for key, _ in flatten_with_keys_func(value)[0]]
    _register(NodeType(nodetype, _checked(flatten_func), unflatten_func, keys))


def register_pytree_with_keys(
        nodetype: type, flatten_with_keys: Callable[[Any], tuple[Any, Any]],
        unflatten_func: Callable[[Any, Any], Any],
        flatten_func: Callable[[Any], tuple[Any, Any]] | None = None) -> None:
    """As `register_pytree_node`, for a type whose children have keys.

    Args:
      nodetype: a class.
      flatten_with_keys: value → ((key, child) pairs, aux_data).
      unflatten_func: (aux_data, children) → value.
      flatten_func: value → (children, aux_data), if there is a faster way than dropping keys.
    """
    if flatten_func is None:
        def flatten_func(value: Any) -> tuple[Any, Any]:
            pairs, data = flatten_with_keys(value)
            return [child for _, child in pairs], data
    register_pytree_node(nodetype, flatten_func, unflatten_func, flatten_with_keys)


def register_pytree_node_class(cls: _Class) -> _Class:
    """Class decorator: a node by its methods `tree_flatten` and (class method) `tree_unflatten`.

    Example:
      >>> @register_pytree_node_class
      ... class Point:
      ...   def tree_flatten(self): return (self.x, self.y), None
      ...   @classmethod
      ...   def tree_unflatten(cls, aux, children): return cls(*children)
    """
    register_pytree_node(cls, cls.tree_flatten, cls.tree_unflatten)  # type: ignore[attr-defined]
    return cls


def register_pytree_with_keys_class(cls: _Class) -> _Class:
    """Class decorator: a node by its methods `tree_flatten_with_keys` and `tree_unflatten`."""
    flatten = getattr(cls, "tree_flatten", None)
    register_pytree_with_keys(cls, cls.tree_flatten_with_keys,  # type: ignore[attr-defined]
                              cls.tree_unflatten, flatten)  # type: ignore[attr-defined]
    return cls


def register_static(cls: _Class) -> _Class:
    """Class decorator: values have no leaves and belong to the structure; they must be hashable."""
    _register(NodeType(cls, lambda value: ((), value), lambda data, children: data, _flat_keys))
    return cls


def static(**kwargs: Any) -> Any:
    """A dataclass field that `register_dataclass` takes as metadata; `kwargs` go to `field`."""
    metadata = {**(kwargs.pop("metadata", None) or {}), "static": True}
    return dataclasses.field(metadata=metadata, **kwargs)


def register_dataclass(
        nodetype: Any, data_fields: Sequence[str] | None = None,
        meta_fields: Sequence[str] | None = None, drop_fields: Sequence[str] = ()) -> Any:
    """Make a dataclass (or a class like one) a node of pytrees; works as a decorator.

    Args:
      nodetype: the class; its constructor takes the fields as keywords.
      data_fields: names of the children. Default: the fields not marked `static()`.
      meta_fields: names of the hashable fields that belong to the structure.
      drop_fields: fields with `init=True` that are neither, and are lost.

    Raises:
      TypeError: the fields cannot be inferred.
      ValueError: the names are not exactly the dataclass's fields, or registered already.

    Example:
      >>> @register_dataclass
      ... @dataclass
      ... class Point:
      ...   x: Array
      ...   label: str = static(default='')
    """
    data_names, meta_names = _dataclass_fields(nodetype, data_fields, meta_fields, drop_fields)
    data_of, meta_of = _getter(data_names), _getter(meta_names)
    keys = [GetAttrKey(name) for name in data_names]

    def flatten(value: Any) -> tuple[Any, Any]:
        return data_of(value), meta_of(value)

    def unflatten(meta: Any, children: Any) -> Any:
        return nodetype(**dict(zip(meta_names, meta, strict=True)),
                        **dict(zip(data_names, children, strict=True)))

    _register(NodeType(nodetype, flatten, unflatten, lambda value, count: keys),
              "custom dataclass PyTreeDef")
    return nodetype


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda value: ()
    one = attrgetter(names[0])
    return lambda value: (one(value),)


def _dataclass_fields(nodetype: Any, data_fields: Any, meta_fields: Any,
                      drop_fields: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The checked names of data and metadata fields."""
    fields = [f for f in dataclasses.fields(nodetype) if f.init] \
        if dataclasses.is_dataclass(nodetype) else None
    if data_fields is None or meta_fields is None:
        if (data_fields is None) != (meta_fields is None):
            raise TypeError(
                "register_dataclass: data_fields and meta_fields must both be specified when "
                f"either is specified. Got data_fields={data_fields!r} "
                f"meta_fields={meta_fields!r}.")
        if fields is None:
            raise TypeError(
                "register_dataclass: data_fields and meta_fields are required when nodetype is "
                f"not a dataclass. Got nodetype={nodetype}.")
        data_fields = [f.name for f in fields if not f.metadata.get("static", False)]
        meta_fields = [f.name for f in fields if f.metadata.get("static", False)]
        data_fields = [n for n in data_fields if n not in drop_fields]
        meta_fields = [n for n in meta_fields if n not in drop_fields]
    data, meta = tuple(data_fields), tuple(meta_fields)
    if overlap := set(data) & set(meta):
        raise ValueError("data_fields and meta_fields must not overlap. "
                         f"Overlapping fields: {overlap}.")
    if fields is not None:
        _check_field_names({f.name for f in fields}, {*data, *meta}, set(drop_fields))
    return data, meta


def _check_field_names(expected: set[str], given: set[str], dropped: set[str]) -> None:
    start = ("data_fields and meta_fields must include all dataclass fields with ``init=True`` "
             "and only them.")
    if unexpected := given - expected:
        raise ValueError(f"{start} Unexpected fields: {unexpected}.")
    if missing := expected - given - dropped:
        raise ValueError(f"{start} Missing fields: {missing}. Add them to drop_fields to "
                         "suppress this error.")


class Partial(functools.partial):  # type: ignore[type-arg]
    """`functools.partial` whose arguments are children of a pytree, so that it may be passed to
    transformed functions; the function belongs to the structure.

    Example:
      >>> add_one = Partial(jnp.add, 1)
      >>> jit(lambda f, x: f(x))(add_one, 2.0)
      Array(3., dtype=float32)
    """

    def __new__(cls, func: Callable[..., Any], *args: Any, **kw: Any) -> Partial:
        # `functools.partial` would merge a nested partial's arguments into its own.
        if isinstance(func, functools.partial):
            func = _Function(func)
        return super().__new__(cls, func, *args, **kw)


class _Function:
    """A callable compared by what it calls."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]):
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __eq__(self, other: Any) -> bool:
        return type(other) is _Function and self.function == other.function

    def __hash__(self) -> int:
        return hash(self.function)

    def __repr__(self) -> str:
        return f"_HashableCallableShim({self.function!r})"


register_pytree_node(
    Partial, lambda p: ((p.args, p.keywords), p.func),
    lambda func, children: Partial(func, *children[0], **children[1]),
    lambda p: (((GetAttrKey("args"), p.args), (GetAttrKey("keywords"), p.keywords)), p.func))
