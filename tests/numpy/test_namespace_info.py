"""What the array API standard asks a namespace about itself, and its special values."""
from __future__ import annotations

import numpy as np
import pytest

import arrax as jax
import arrax.numpy as jnp

INFO = jnp.__array_namespace_info__()


def test_arrays_lead_to_the_namespace() -> None:
    assert jnp.ones(2).__array_namespace__() is jnp
    assert jnp.__array_api_version__ == "2024.12"
    assert INFO.capabilities()["data-dependent shapes"] is False
    assert INFO.default_device() is None and INFO.devices() == [None, *jax.devices()]


@pytest.mark.parametrize("wide", [False, True])
def test_dtypes_are_those_that_results_have(wide: bool) -> None:
    with jax.enable_x64(wide):
        default = INFO.default_dtypes(device=jax.devices()[0])
        assert default["real floating"] == jnp.zeros(()).dtype
        assert default["integral"] == default["indexing"] == jnp.arange(2).dtype
        assert default["complex floating"] == jnp.asarray(1j).dtype
        known = INFO.dtypes()
        assert ("float64" in known) == ("int64" in known) == wide
        for name, dtype in known.items():
            assert jnp.zeros((), dtype).dtype == dtype == np.dtype(name)
        by_kind = [INFO.dtypes(kind=k) for k in ("bool", "signed integer", "unsigned integer",
                                                 "real floating", "complex floating")]
        assert {n for found in by_kind for n in found} == set(known)
        assert INFO.dtypes(kind=("bool", "real floating")) == {**by_kind[0], **by_kind[3]}
        assert set(INFO.dtypes(kind="numeric")) == set(known) - {"bool"}


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="kind must be one of .*, got 'whole'"):
        INFO.dtypes(kind="whole")
    with pytest.raises(ValueError, match="device must be one of .*, got 'moon'"):
        INFO.default_dtypes(device="moon")


@pytest.mark.parametrize("jitted", [False, True])
def test_numbers_over_infinities_are_zeros_of_the_quotients_sign(jitted: bool) -> None:
    function = jax.jit(jnp.floor_divide) if jitted else jnp.floor_divide
    x1 = jnp.array([1.0, -1, 1, -1, 0, jnp.inf, 7])
    x2 = jnp.array([jnp.inf, -jnp.inf, -jnp.inf, jnp.inf, -jnp.inf, jnp.inf, 2])
    got = np.asarray(function(x1, x2))
    np.testing.assert_array_equal(got, [0, 0, -0.0, -0.0, -0.0, np.nan, 3])
    np.testing.assert_array_equal(np.signbit(got[:5]), [False, False, True, True, True])


def test_narrow_products_have_the_default_integer_dtype() -> None:
    x = jnp.full(3, 200, jnp.uint8)
    assert jnp.cumulative_prod(x).tolist() == [200, 40_000, 8_000_000]
    assert jnp.cumulative_prod(x, include_initial=True, dtype=jnp.uint8).dtype == jnp.uint8
