"""The memory of an interpreted program: bytes, seen as buffers.

A buffer with a base is a view of its root's bytes, and after `bufferize` temporaries are parts of
one arena, so that aliasing and placement act as they do in native code. Bytes that nobody has
written are marked; they hold 0xFF, which is a NaN.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from arrax.engines.cpu.loop_ir import Buffer

UNWRITTEN = 0xFF


class Bytes:
    """Some bytes; `ready` tells which of them were written, None: all of them."""

    __slots__ = ("bytes", "ready")

    def __init__(self, data: np.ndarray, ready: np.ndarray | None = None):
        self.bytes, self.ready = data, ready

    @classmethod
    def unwritten(cls, count: int) -> Bytes:
        return cls(np.full(count, UNWRITTEN, np.uint8), np.zeros(count, bool))

    def part(self, start: int, count: int) -> Bytes:
        ready = None if self.ready is None else self.ready[start:start + count]
        return Bytes(self.bytes[start:start + count], ready)

    @property
    def address(self) -> int:
        """Where the bytes are: buffers that were placed over each other have common ones."""
        return int(self.bytes.__array_interface__["data"][0])

    def overlaps(self, other: Bytes) -> bool:
        """Whether any byte is that of `other`, too."""
        return self.address < other.address + len(other.bytes) \
            and other.address < self.address + len(self.bytes)

    def forget(self) -> None:
        """No byte is written."""
        self.bytes[:] = UNWRITTEN
        self.ready = np.zeros(len(self.bytes), bool)

    def mark(self) -> None:
        """All bytes are written."""
        if self.ready is not None:
            self.ready[:] = True

    def elements(self, dtype: np.dtype[Any]) -> np.ndarray:
        """The bytes as elements, as many as there are whole ones."""
        count = len(self.bytes) // max(dtype.itemsize, 1)
        return self.bytes[:count * dtype.itemsize].view(dtype)


class Memory:
    """The bytes of all buffers of a program."""

    def __init__(self, arena_bytes: int = 0):
        self.arena = Bytes.unwritten(arena_bytes)
        self.roots: dict[Buffer, Bytes] = {}

    def of(self, buffer: Buffer) -> Bytes:
        """The bytes of a buffer's root."""
        root = buffer.root
        found = self.roots.get(root)
        if found is None:
            if root.kind == "temporary" and root.offset >= 0:
                found = self.arena.part(root.offset, root.nbytes)
            else:
                found = Bytes.unwritten(root.nbytes)
            self.roots[root] = found
        return found

    def array(self, buffer: Buffer) -> np.ndarray:
        """The elements of a buffer, in its shape; a view of the memory."""
        bytes_ = self.of(buffer).bytes[:buffer.nbytes]
        return bytes_.view(buffer.dtype).reshape(buffer.shape)
