"""Records: small immutable classes of fields, made without generating code.

`dataclass` compiles source text for every class, which costs more than all else in the import of a
module of small classes. A `Record` shares one `__init__` instead; building one takes longer, so
classes that are built in hot loops stay dataclasses. Type checkers read both alike.
"""
from __future__ import annotations

from typing import Any, dataclass_transform


@dataclass_transform(frozen_default=True)
class Record:
    """A class whose annotated names are its fields, in order; class attributes are defaults.

    Records of one class with equal fields are equal and hash alike:

        class Point(Record):
            x: float
            y: float = 0.0

        Point(1.0) == Point(x=1.0, y=0.0)
    """

    __match_args__: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        own = cls.__dict__.get("__annotations__", ())
        cls.__match_args__ = (*cls.__match_args__, *own)  # type: ignore[misc]

    def __init__(self, *args: Any, **kwargs: Any):
        names = self.__match_args__
        if len(args) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} fields, got {len(args)}")
        fields = self.__dict__
        fields.update(zip(names, args))
        for name, value in kwargs.items():
            if name not in names or name in fields:
                raise TypeError(f"{type(self).__name__} got an unknown or repeated field {name!r}")
            fields[name] = value
        for name in names[len(args):]:
            if name not in fields:
                if not hasattr(type(self), name):
                    raise TypeError(f"{type(self).__name__} needs the field {name!r}")
                fields[name] = getattr(type(self), name)

    def _values(self) -> tuple[Any, ...]:
        fields = self.__dict__
        return tuple([fields[name] for name in self.__match_args__])

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"cannot assign to field {name!r}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        pairs = zip(self.__match_args__, self._values())
        return f"{type(self).__qualname__}({', '.join(f'{n}={v!r}' for n, v in pairs)})"
