"""Programs as bytes, and back. Nothing in them is code or a pickle.

    file      ::= "arrax export\\n" version:u32 length:u64 sha256 text arrays
    text      ::= a JSON document of `length` bytes, with places in the arrays
    program   ::= {"avals": [aval…], "jaxprs": [jaxpr…], "consts": [array…], "main": closed}
    closed    ::= [jaxpr, [const…]], by number
    jaxpr     ::= {"consts": [aval…], "in": [aval…], "eqns": [eqn…], "out": [atom…], …}
    eqn       ::= [primitive, [atom…], [aval or -aval-1 for an unused result…], {name: value}]
    atom      ::= variable | [bytes in hexadecimal, aval]
    aval      ::= [[dimension…], dtype, weak_type, [mesh axis that the value varies along…]]
    dimension ::= int | an expression as text

Variables are numbered in the order in which a jaxpr binds them; avals and jaxprs are written once
and referred to by number. Values of parameters are JSON's own scalars or lists whose first member
says what they are (`_Writer.value`). Checksums catch damage, and the version files of the future;
what a primitive's parameters mean is JAX 0.10.2's contract, which the version stands for too.
Devices are those of the process that runs a program: meshes are written without them, and a device
that a value was put on is not written.
"""
from __future__ import annotations

import enum
import hashlib
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from arrax.core import dtypes
from arrax.core.array import array_of, with_aval
from arrax.core.aval import AbstractToken, ShapedArray, abstract_token
from arrax.core.device import Device
from arrax.core.mesh import AbstractMesh, AxisType, Mesh
from arrax.core.shardings import NamedSharding, PartitionSpec, SingleDeviceSharding
from arrax.core.dimension import Dimension
from arrax.core.jaxpr import ClosedJaxpr, DebugInfo, DropVar, Eqn, Jaxpr, Literal, Var
from arrax.core.parameter_types import parameter_types
from arrax.core.parser import Opaque, dtype_names
from arrax.core.primitive import Primitive, is_registered, registry
from arrax.export.parsing import parse_expression
from arrax.export.scopes import SymbolicScope
from arrax.ops.random import KeyImplementation, implementation_of

MAGIC = b"arrax export\n"
VERSION = 1
_HEAD = struct.Struct("<IQ32s")


# ---- files -------------------------------------------------------------------------------------

def pack(document: Any, arrays: bytes = b"") -> bytes:
    """A file of a JSON document and the bytes that it refers to."""
    text = json.dumps(document, separators=(",", ":")).encode()
    return MAGIC + _HEAD.pack(VERSION, len(text), hashlib.sha256(text + arrays).digest()) \
        + text + arrays


def unpack(blob: bytes | bytearray | memoryview) -> tuple[Any, memoryview]:
    """(document, arrays); ValueError for what `pack` has not made, or another version has."""
    view = memoryview(blob).cast("B")
    if bytes(view[:len(MAGIC)]) != MAGIC or len(view) < len(MAGIC) + _HEAD.size:
        raise ValueError("deserialize: the bytes are no exported program of arrax")
    version, length, digest = _HEAD.unpack_from(view, len(MAGIC))
    if version != VERSION:
        raise ValueError(f"deserialize: the program was exported in format {version}; this version "
                         f"of arrax reads format {VERSION}")
    body = view[len(MAGIC) + _HEAD.size:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("deserialize: the bytes are damaged: their checksum does not fit")
    return json.loads(bytes(body[:length])), body[length:]


# ---- programs ----------------------------------------------------------------------------------

def encode_program(closed: ClosedJaxpr) -> bytes:
    """A program; ValueError if its parameters hold Python functions or objects."""
    writer = _Writer()
    main = writer.closed(closed)
    return pack({"avals": writer.avals, "jaxprs": writer.jaxprs, "consts": writer.consts,
                 "main": main}, b"".join(writer.chunks))


def decode_program(blob: bytes, scope: SymbolicScope) -> ClosedJaxpr:
    """The program; its dimension variables are of `scope`."""
    document, arrays = unpack(blob)
    return _Reader(document, arrays, scope).closed(document["main"])


def encode_aval(aval: Any) -> list[Any]:
    if isinstance(aval, AbstractToken):
        return ["token"]
    return [[str(d) if isinstance(d, Dimension) else d for d in aval.shape],
            _dtype_text(aval.dtype), aval.weak_type, sorted(map(str, aval.vma))]


def decode_aval(parts: list[Any], scope: SymbolicScope) -> Any:
    if parts == ["token"]:
        return abstract_token
    shape, dtype, weak, varying = parts
    return ShapedArray([parse_expression(d, scope) if isinstance(d, str) else d for d in shape],
                       dtype_names[dtype], weak, vma=frozenset(varying))


def _dtype_text(dtype: Any) -> str:
    name = dtypes.short_dtype_name(dtype)
    if dtype_names.get(name) != dtype:
        raise ValueError(f"export: a program with values of dtype {dtype} cannot be serialized")
    return name


def _without_traced_functions(params: dict[str, Any]) -> dict[str, Any]:
    """With names for functions that stand beside the jaxprs that were traced from them."""
    if not any(isinstance(value, ClosedJaxpr) for value in params.values()):
        return params
    return {name: Opaque(getattr(value, "__name__", "function")) if callable(value) else value
            for name, value in params.items()}


class _Writer:
    """Collects the tables of one program."""

    def __init__(self) -> None:
        self.avals: list[Any] = []
        self.jaxprs: list[Any] = []
        self.consts: list[Any] = []
        self.chunks: list[bytes] = []
        self._size = 0
        self._aval_numbers: dict[Any, int] = {}
        self._jaxpr_numbers: dict[int, int] = {}
        self._const_numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # what is known by its id

    def aval(self, aval: Any) -> int:
        number = self._aval_numbers.get(aval)
        if number is None:
            number = self._aval_numbers[aval] = len(self.avals)
            self.avals.append(encode_aval(aval))
        return number

    def closed(self, closed: ClosedJaxpr) -> list[Any]:
        return [self.jaxpr(closed.jaxpr), [self.const(c) for c in closed.consts]]

    def const(self, value: Any) -> int:
        number = self._const_numbers.get(id(value))
        if number is None:
            array = array_of(value)
            number = self._const_numbers[id(value)] = len(self.consts)
            self._kept.append(value)
            data = np.ascontiguousarray(array.data).tobytes()
            self.consts.append([self.aval(array.aval), self._size, len(data)])
            padding = b"\0" * (-len(data) % 64)
            self.chunks += [data, padding]
            self._size += len(data) + len(padding)
        return number

    def jaxpr(self, jaxpr: Jaxpr) -> int:
        number = self._jaxpr_numbers.get(id(jaxpr))
        if number is None:
            self._kept.append(jaxpr)
            encoded = self._jaxpr(jaxpr)
            number = self._jaxpr_numbers[id(jaxpr)] = len(self.jaxprs)
            self.jaxprs.append(encoded)
        return number

    def _jaxpr(self, jaxpr: Jaxpr) -> dict[str, Any]:
        numbers: dict[Var, int] = {}

        def bind(var: Var) -> int:
            if type(var) is DropVar:
                return -self.aval(var.aval) - 1
            numbers[var] = len(numbers)
            return self.aval(var.aval)

        def atom(value: Any) -> Any:
            return self.literal(value) if type(value) is Literal else numbers[value]
        consts, inputs = ([bind(v) for v in group] for group in (jaxpr.constvars, jaxpr.invars))
        eqns = []
        for eqn in jaxpr.eqns:
            if not is_registered(eqn.primitive):
                raise ValueError(f"export: the primitive {eqn.primitive.name!r} is not arrax's own "
                                 "and has no lowering, so that it cannot be serialized")
            operands = [atom(v) for v in eqn.invars]
            params = {name: self.param(eqn, name, value) for name, value in
                      _without_traced_functions(eqn.params).items()}
            eqns.append([eqn.primitive.name, operands, [bind(v) for v in eqn.outvars], params])
        info = jaxpr.debug_info
        return {"consts": consts, "in": inputs, "eqns": eqns,
                "out": [atom(v) for v in jaxpr.outvars], "name": [info.traced_for, info.func_name]}

    def literal(self, literal: Literal) -> list[Any]:
        data = np.asarray(literal.val, dtypes.storage_dtype(literal.aval.dtype))
        return [data.tobytes().hex(), self.aval(literal.aval)]

    def param(self, eqn: Eqn, name: str, value: Any) -> Any:
        try:
            return self.value(value)
        except TypeError as error:
            raise ValueError(
                "Cannot serialize code with custom calls whose targets have no compatibility "
                f"guarantees: the parameter {name!r} of the primitive {eqn.primitive.name!r} is "
                f"{error}, which exists in this process only (a callback, or an operation of a "
                f"program's own); at {eqn.source_info}") from None

    def value(self, value: Any) -> Any:
        """One parameter; TypeError, with a description of the value, if it is of unknown type."""
        if isinstance(value, Opaque):
            return ["opaque", str(value)]
        if value is None or isinstance(value, str) or type(value) in (bool, int, float):
            return value
        kind = type(value)
        if parameter_types.get(kind.__name__) is kind:
            if isinstance(value, enum.Enum):
                return ["enum", kind.__name__, value.name]
            return ["record", kind.__name__, *(self.value(getattr(value, name))
                                               for name in kind.__match_args__)]
        for kinds, tag, parts in _PARTS:
            if isinstance(value, kinds):
                return [tag, *parts(self, value)]
        raise TypeError(f"{value!r} of type {type(value).__name__}")

    def _sequence(self, value: Any) -> list[Any]:
        if type(value) not in (tuple, list):
            raise TypeError(f"{value!r} of type {type(value).__name__}")
        return [self.value(v) for v in value]


_PARTS: tuple[tuple[Any, str, Callable[[_Writer, Any], list[Any]]], ...] = (
    (Dimension, "size", lambda w, v: [str(v)]),
    (ClosedJaxpr, "closed", lambda w, v: w.closed(v)),
    (Jaxpr, "jaxpr", lambda w, v: [w.jaxpr(v)]),
    ((Device, SingleDeviceSharding), "here", lambda w, v: []),
    ((Mesh, AbstractMesh), "mesh", lambda w, v: [
        list(v.axis_sizes), [w.value(n) for n in v.axis_names], [t.name for t in v.axis_types]]),
    (PartitionSpec, "spec", lambda w, v: [w.value(part) for part in v]),
    (NamedSharding, "sharding", lambda w, v: [w.value(v.mesh), w.value(v.spec)]),
    (frozenset, "set", lambda w, v: [w.value(item) for item in sorted(v, key=str)]),
    (list, "list", _Writer._sequence),
    (tuple, "tuple", _Writer._sequence),
    (Primitive, "primitive", lambda w, v: [v.name]),
    (KeyImplementation, "keys", lambda w, v: [_dtype_text(v.dtype)]),
    (dict, "dict", lambda w, v: [[w.value(k), w.value(x)] for k, x in v.items()]),
    (complex, "complex", lambda w, v: [v.real, v.imag]),
    ((np.dtype, dtypes.ExtendedDType), "dtype", lambda w, v: [_dtype_text(v)]),
    (np.generic, "scalar", lambda w, v: [v.tobytes().hex(), _dtype_text(v.dtype)]),
    (bytes, "bytes", lambda w, v: [v.hex()]),
    (ShapedArray, "aval", lambda w, v: [w.aval(v)]),
    ((np.ndarray,), "array", lambda w, v: [w.const(v)]))


class _Reader:
    """Rebuilds what a `_Writer` has written."""

    def __init__(self, document: Any, arrays: memoryview, scope: SymbolicScope):
        self.scope = scope
        self.avals = [decode_aval(parts, scope) for parts in document["avals"]]
        self.consts = [self._const(arrays, *parts) for parts in document["consts"]]
        self.jaxprs: list[Jaxpr] = []
        for encoded in document["jaxprs"]:
            self.jaxprs.append(self._jaxpr(encoded))

    def _const(self, arrays: memoryview, aval: int, start: int, length: int) -> Any:
        known = self.avals[aval]
        data = np.zeros(known.shape, dtypes.storage_dtype(known.dtype))
        if length:
            data = np.frombuffer(arrays[start:start + length], data.dtype).reshape(known.shape)
        return with_aval(data.copy(), known)

    def closed(self, parts: list[Any]) -> ClosedJaxpr:
        number, consts = parts
        return ClosedJaxpr(self.jaxprs[number], [self.consts[c] for c in consts])

    def _jaxpr(self, encoded: dict[str, Any]) -> Jaxpr:
        variables: list[Var] = []

        def bind(number: int) -> Var:
            if number < 0:
                return DropVar(self.avals[-number - 1])
            variables.append(Var(self.avals[number]))
            return variables[-1]

        def atom(value: Any) -> Any:
            return self.literal(*value) if isinstance(value, list) else variables[value]
        consts, inputs = ([bind(n) for n in encoded[group]] for group in ("consts", "in"))
        eqns = []
        for name, operands, results, params in encoded["eqns"]:
            primitive = registry.get(name)
            if primitive is None:
                raise ValueError(f"deserialize: the program needs the primitive {name!r}, which "
                                 "this version of arrax does not have")
            values = {key: self.value(value) for key, value in params.items()}
            eqns.append(Eqn(primitive, [atom(a) for a in operands], [bind(r) for r in results],
                            values, primitive.effects_of(values)))
        traced_for, function = encoded["name"]
        return Jaxpr(consts, inputs, [atom(a) for a in encoded["out"]], eqns,
                     debug_info=DebugInfo(traced_for, function, ""))

    def literal(self, data: str, number: int) -> Literal:
        aval = self.avals[number]
        dtype = dtypes.storage_dtype(aval.dtype)
        value = np.frombuffer(bytes.fromhex(data), dtype)[0] if data else np.zeros((), dtype)[()]
        return Literal(value.item() if aval.weak_type else value, aval)

    def value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        tag, *parts = value
        return getattr(self, f"_read_{tag}")(parts)

    def _read_enum(self, parts: Any) -> Any:
        kind, member = parts
        return parameter_types[kind][member]  # type: ignore[index]

    def _read_record(self, parts: Any) -> Any:
        kind, *fields = parts
        return parameter_types[kind](*map(self.value, fields))

    def _read_size(self, parts: Any) -> Any:
        return parse_expression(parts[0], self.scope)

    def _read_closed(self, parts: Any) -> Any:
        return self.closed(parts)

    def _read_jaxpr(self, parts: Any) -> Any:
        return self.jaxprs[parts[0]]

    def _read_list(self, parts: Any) -> Any:
        return [self.value(v) for v in parts]

    def _read_tuple(self, parts: Any) -> Any:
        return tuple(self.value(v) for v in parts)

    def _read_dict(self, parts: Any) -> Any:
        return {self.value(k): self.value(v) for k, v in parts}

    def _read_complex(self, parts: Any) -> Any:
        return complex(*parts)

    def _read_dtype(self, parts: Any) -> Any:
        return dtype_names[parts[0]]

    def _read_scalar(self, parts: Any) -> Any:
        return np.frombuffer(bytes.fromhex(parts[0]), dtype_names[parts[1]])[0]

    def _read_opaque(self, parts: Any) -> Any:
        return Opaque(parts[0])

    def _read_here(self, parts: Any) -> Any:
        return None

    def _read_mesh(self, parts: Any) -> Any:
        sizes, names, types = parts
        return AbstractMesh(tuple(sizes), tuple(map(self.value, names)),
                            tuple(AxisType[t] for t in types))

    def _read_spec(self, parts: Any) -> Any:
        return PartitionSpec(*map(self.value, parts))

    def _read_sharding(self, parts: Any) -> Any:
        return NamedSharding(*map(self.value, parts))

    def _read_set(self, parts: Any) -> Any:
        return frozenset(map(self.value, parts))

    def _read_primitive(self, parts: Any) -> Any:
        return registry[parts[0]]

    def _read_keys(self, parts: Any) -> Any:
        return implementation_of(dtype_names[parts[0]])

    def _read_bytes(self, parts: Any) -> Any:
        return bytes.fromhex(parts[0])

    def _read_aval(self, parts: Any) -> Any:
        return self.avals[parts[0]]

    def _read_array(self, parts: Any) -> Any:
        return self.consts[parts[0]].data
