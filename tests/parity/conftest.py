"""Parity tests compare arrax with the JAX release whose behaviour it has: `make parity` runs them.

Without JAX they are skipped; the recorded tables of tests/numpy and tests/random stand in for them.
"""
from __future__ import annotations

import importlib.metadata

RELEASE = "0.10.2"


def pytest_report_header() -> str:
    try:
        version = importlib.metadata.version("jax")
    except importlib.metadata.PackageNotFoundError:
        return f"parity: skipped, since jax {RELEASE} is not installed; see `make parity`"
    remark = "" if version == RELEASE else f", but arrax follows {RELEASE}"
    return f"parity: compared with jax {version}{remark}"
