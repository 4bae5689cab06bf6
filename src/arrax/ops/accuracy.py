"""How exact the results of transcendental functions shall be."""
from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from arrax.core.parameter_types import parameter_type


@parameter_type
class AccuracyMode(enum.Enum):
    """The accuracy of a transcendental function: the best there is, or the usual one."""

    HIGHEST = 1
    DEFAULT = 2


@parameter_type
@dataclass(frozen=True, slots=True)
class Tolerance:
    """Bounds of the error of a transcendental function: absolute, relative, in ulps.

    Raises ValueError when a bound is negative.
    """

    atol: float = 0.0
    rtol: float = 0.0
    ulps: int = 0

    def __post_init__(self) -> None:
        if self.rtol < 0.0 or self.atol < 0.0 or self.ulps < 0:
            raise ValueError("Tolerances must be non-negative.")


def check_accuracy(accuracy: Any) -> None:
    """NotImplementedError for what is no accuracy."""
    if not isinstance(accuracy, (AccuracyMode, Tolerance)):
        raise NotImplementedError(f"Accuracy {accuracy} not supported")
