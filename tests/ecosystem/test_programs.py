"""Programs over libraries that say `import jax` run on arrax, unchanged, with JAX's results.

Each program of `programs/` is run by `python -m arrax.as_jax` in a process of its own, and what it
prints is compared with what JAX 0.10.2 printed (`values.json`, written by `record.py`). A library
that is not installed skips its programs; `make ecosystem` installs them all.
"""
from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest

from tests.ecosystem.record import FOLDER, VALUES, programs, results

LIBRARIES = {
    "brax_pendulum": "brax", "chex_checks": "chex", "diffrax_equations": "diffrax",
    "distrax_distributions": "distrax", "einops_patches": "einops", "equinox_model": "equinox",
    "flax_linen_model": "flax", "flax_nnx_model": "flax", "haiku_model": "haiku",
    "jaxopt_solvers": "jaxopt", "jaxtyping_checks": "jaxtyping", "keras_model": "keras",
    "lineax_solves": "optimistix", "mjx_simulation": "mujoco", "numpyro_inference": "numpyro",
    "optax_training": "optax", "orbax_checkpoint": "orbax"}
UNRECORDED = {"distrax_distributions": "tensorflow_probability 0.25 does not import on JAX 0.10.2"}
NEEDS = {  # modules of arrax that a library imports
    "brax_pendulum": ["experimental.checkify"], "chex_checks": ["experimental.checkify"],
    "distrax_distributions": ["experimental.checkify"],
    "flax_nnx_model": ["ref", "experimental.checkify", "experimental.hijax"],
    "keras_model": ["export"], "numpyro_inference": ["example_libraries"],
    "orbax_checkpoint": ["export"]}
TOLERANCE = 2e-3  # of single precision through training and adaptive steps


def test_every_program_is_listed() -> None:
    assert set(programs()) <= set(LIBRARIES)
    assert set(json.loads(VALUES.read_text())) == set(programs()) - set(UNRECORDED)


@pytest.mark.parametrize("name", programs())
def test_program(name: str) -> None:
    if importlib.util.find_spec(LIBRARIES[name]) is None:
        pytest.skip(f"{LIBRARIES[name]} is not installed; `make ecosystem` installs it")
    for module in NEEDS.get(name, ()):
        if importlib.util.find_spec(f"arrax.{module}") is None:
            pytest.skip(f"{LIBRARIES[name]} imports jax.{module}, which is not in this version")
    found = results([sys.executable, "-m", "arrax.as_jax", str(FOLDER / "programs" / f"{name}.py")])
    if name in UNRECORDED:
        assert found and all(np.isfinite(r["values"]).all() for r in found.values())
        return
    recorded = json.loads(VALUES.read_text())[name]
    assert list(found) == list(recorded)
    for key, result in recorded.items():
        assert found[key]["size"] == result["size"], key
        np.testing.assert_allclose(found[key]["values"], result["values"], rtol=TOLERANCE,
                                   atol=TOLERANCE, err_msg=f"{name}: {key}")
