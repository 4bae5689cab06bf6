"""Second names of functions are functions of their own."""
from __future__ import annotations

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax.core.aliases import alias

NAMES = ("abs acos acosh amax amin around asin asinh atan atan2 atanh bitwise_invert "
         "bitwise_left_shift bitwise_not bitwise_right_shift conj deg2rad mod pow rad2deg "
         "true_divide").split()


@pytest.mark.parametrize("name", NAMES)
def test_functions_know_their_names(name: str) -> None:
    function = getattr(jnp, name)
    assert function.__name__ == function.__qualname__ == name and function.__doc__
    numpy = getattr(np, name)
    operands = [2, 1] if name in ("atan2", "mod", "pow", "true_divide") or "shift" in name else [
        2 if name == "acosh" else 1 if name.startswith("bit") else 0.5]
    np.testing.assert_allclose(function(*operands), numpy(*operands), rtol=1e-6)


def test_transformations_too() -> None:
    assert arrax.jacobian.__name__ == "jacobian" and arrax.remat.__name__ == "remat"
    assert arrax.local_device_count.__name__ == "local_device_count"


def test_defaults_and_keywords_stay() -> None:
    def power(x: float, y: float = 2, *, add: float = 1) -> float:
        """A power."""
        return x ** y + add
    other = alias(power, "square")
    assert other(3) == 10 and other(3, 1, add=0) == 3 and other.__doc__ == "A power."
    assert power.__name__ == "power"
