"""Pytree structures as JSON: builtin containers as they are, registered types by a chosen name.

    structure ::= "*" (a leaf) | ["none"] | ["tuple", structure…] | ["list", structure…]
                | ["dict", [key…], structure…] | ["OrderedDict", [key…], structure…]
                | ["node", serialized name, auxiliary data in hexadecimal, structure…]
"""
from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from arrax.core.record import Record
from arrax.core.tree_registry import node_type, registry
from arrax.core.treedef import PyTreeDef, treedef_of

_Type = TypeVar("_Type", bound=type)
_MAPPINGS = {"dict": dict, "OrderedDict": collections.OrderedDict}
_SEQUENCES = {"none": type(None), "tuple": tuple, "list": list}


class _Registration(Record):
    """How the nodes of a type are written and read."""

    kind: type
    name: str
    to_bytes: Callable[[Any], bytes]
    from_bytes: Callable[[bytes], Any]


_by_type: dict[type, _Registration] = {}
_by_name: dict[str, _Registration] = {}


def register_pytree_node_serialization(
        nodetype: _Type, *, serialized_name: str, serialize_auxdata: Callable[[Any], bytes],
        deserialize_auxdata: Callable[[bytes], Any],
        from_children: Callable[[Any, Sequence[Any]], Any] | None = None) -> _Type:
    """Let exported functions take and return nodes of a type of pytrees.

    Args:
      nodetype: the type, which must be known to `register_pytree_node` or its kin.
      serialized_name: what files call it, in every process that reads them.
      serialize_auxdata: the node's auxiliary data as bytes.
      deserialize_auxdata: the inverse.
      from_children: builds a node of auxiliary data and children. Structures are read without
        building nodes, so it stands for `register_pytree_node` being called later at most.

    Returns:
      `nodetype`.

    Raises:
      ValueError: the type or the name is registered already, or the type is no pytree node and
        there is no `from_children`.
    """
    known = registry.get(nodetype)
    if from_children is None and (known is None or known.style == "namedtuple"):
        raise ValueError(
            "If `from_children` is not present in register_pytree_node_serialization, you must "
            f"call arrax.tree_util.register_pytree_node for {nodetype} first")
    if nodetype in _by_type:
        raise ValueError(f"Duplicate serialization registration for type `{nodetype}`. Previous "
                         f"registration was with serialized_name `{_by_type[nodetype].name}`.")
    if serialized_name in _by_name:
        raise ValueError("Duplicate serialization registration for serialized_name "
                         f"`{serialized_name}`. Previous registration was for type "
                         f"`{_by_name[serialized_name].kind}`.")
    entry = _Registration(nodetype, serialized_name, serialize_auxdata, deserialize_auxdata)
    _by_type[nodetype] = _by_name[serialized_name] = entry
    return nodetype


def register_namedtuple_serialization(nodetype: _Type, *, serialized_name: str) -> _Type:
    """Let exported functions take and return values of a named tuple's class.

    Args:
      nodetype: the class.
      serialized_name: what files call it, in every process that reads them.

    Returns:
      `nodetype`.

    Raises:
      ValueError: not a named tuple; the class or the name is registered already.

    Example:
      >>> class Point(NamedTuple):
      ...     x: float
      ...     y: float
      >>> export.register_namedtuple_serialization(Point, serialized_name="doc.Point") is Point
      True
    """
    if not (isinstance(nodetype, type) and issubclass(nodetype, tuple)
            and hasattr(nodetype, "_fields")):
        raise ValueError("register_namedtuple_serialization: expected a named tuple's class, got "
                         f"{nodetype}. Use `register_pytree_node_serialization` for other types.")
    fields = " ".join(nodetype._fields).encode()

    def read(data: bytes) -> Any:
        if data != fields:
            raise ValueError(f"deserialize: the named tuple {serialized_name!r} had the fields "
                             f"{data.decode()!r} when it was exported, and has "
                             f"{fields.decode()!r}")
        return None
    node_type(nodetype(*nodetype._fields))  # makes it known as a type of nodes
    return register_pytree_node_serialization(
        nodetype, serialized_name=serialized_name, serialize_auxdata=lambda aux: fields,
        deserialize_auxdata=read, from_children=lambda aux, children: nodetype(*children))


def encode_structure(tree: PyTreeDef) -> Any:
    """The JSON of a structure; ValueError for types that are not registered, TypeError for
    dictionaries with keys that are no strings."""
    return _encoded(tree.structure)


def _encoded(structure: Any) -> Any:
    if structure is None:
        return "*"
    kind, data, children = structure
    inner = [_encoded(child) for child in children]
    for name, known in _SEQUENCES.items():
        if kind is known:
            return [name, *inner]
    for name, known in _MAPPINGS.items():
        if kind is known and kind not in _by_type:
            for key in data:
                if not isinstance(key, str):
                    raise TypeError("Serialization is supported only for dictionaries with string "
                                    f"keys. Found key {key} of type {type(key)}.")
            return [name, list(data), *inner]
    entry = _by_type.get(kind)
    if entry is None:
        raise ValueError(
            f"Cannot serialize PyTreeDef containing an unregistered type `{kind}`. Use "
            "`export.register_pytree_node_serialization` or "
            "`export.register_namedtuple_serialization`.")
    aux = entry.to_bytes(data)
    if not isinstance(aux, (bytes, bytearray)):
        raise ValueError(f"The custom serialization function for `{kind}` must return bytes, got "
                         f"{type(aux)}")
    return ["node", entry.name, bytes(aux).hex(), *inner]


def decode_structure(encoded: Any) -> PyTreeDef:
    """The structure; ValueError for a name that no type is registered under."""
    return treedef_of(_decoded(encoded))


def _decoded(encoded: Any) -> Any:
    if encoded == "*":
        return None
    name, *rest = encoded
    if name in _SEQUENCES:
        return _SEQUENCES[name], None, tuple(map(_decoded, rest))
    if name in _MAPPINGS:
        return _MAPPINGS[name], tuple(rest[0]), tuple(map(_decoded, rest[1:]))
    entry = _by_name.get(rest[0])
    if entry is None:
        raise ValueError(
            f"Cannot deserialize a PyTreeDef that contains the type `{rest[0]}`: no type is "
            "registered under that name. Use `export.register_pytree_node_serialization` or "
            "`export.register_namedtuple_serialization`.")
    return entry.kind, entry.from_bytes(bytes.fromhex(rest[1])), tuple(map(_decoded, rest[2:]))

