"""Threefry-2x32 with 20 rounds, over any representation of 32-bit words.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry_rounds(k1: Any, k2: Any, x1: Any, x2: Any, add: Callable[[Any, Any], Any],
                    xor: Callable[[Any, Any], Any], rotate: Callable[[Any, int], Any],
                    word: Callable[[int], Any]) -> tuple[Any, Any]:
    """The generator over any representation of uint32, given its operations."""
    keys = (k1, k2, xor(xor(k1, k2), word(_PARITY)))
    x1, x2 = add(x1, keys[0]), add(x2, keys[1])
    for step in range(5):
        for amount in _ROTATIONS[step % 2]:
            x1 = add(x1, x2)
            x2 = xor(rotate(x2, amount), x1)
        x1 = add(x1, keys[(step + 1) % 3])
        x2 = add(add(x2, keys[(step + 2) % 3]), word(step + 1))
    return x1, x2
