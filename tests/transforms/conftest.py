"""Fixtures for tests of transformations."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

import arrax


@pytest.fixture
def eight_devices() -> Iterator[None]:
    """Eight CPU devices."""
    arrax.config.update("jax_num_cpu_devices", 8)
    try:
        yield
    finally:
        arrax.config.update("jax_num_cpu_devices", -1)
