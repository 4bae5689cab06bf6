"""Classes whose values stand in parameters of equations, by name: what the parser may construct."""
from __future__ import annotations

from typing import TypeVar

_Class = TypeVar("_Class", bound=type)
parameter_types: dict[str, type] = {}


def parameter_type(cls: _Class) -> _Class:
    """Class decorator: let the parser read values of `cls`.

    An enum is read from `Name.MEMBER`; any other class from `Name(field=value, …)`.
    """
    parameter_types[cls.__name__] = cls
    return cls
