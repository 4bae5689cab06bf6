"""Settings of all tests."""
from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings

from arrax.core import config
from arrax.engines.cpu.passes.verify import counts

# The same examples in every run, so that a green suite stays green; HYPOTHESIS_PROFILE=explore
# looks for new ones (and reports them unshrunk, which is quicker).
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, phases=(Phase.generate,))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--bless`: write what the compiler's passes make of programs into their test files."""
    parser.addoption("--bless", action="store_true", help="accept what passes make of programs")


@pytest.fixture(autouse=True)
def all_accesses_are_proved(request: pytest.FixtureRequest) -> Iterator[None]:
    """The compiler proves of each access of each program that it stays inside its buffer: what it
    cannot prove is checked when the program runs, and counted. The marker `unproved(n)` says how
    many are known not to be proved."""
    before = counts["unproved"]
    marker = request.node.get_closest_marker("unproved")
    known = marker.args[0] if marker else 0
    yield
    unproved = counts["unproved"] - before
    assert unproved <= known, "an access that could not be proved to be in its buffer"


@pytest.fixture(autouse=True)
def flags_stay() -> Iterator[None]:
    """A test leaves 64-bit dtypes as they were: the tests after it would see other numbers."""
    before = config.enable_x64.value
    yield
    assert config.enable_x64.value == before, "a test left jax_enable_x64 changed"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tables of operations (`tests.ops.rows.checks`) become a test for each check that applies."""
    cases = getattr(metafunc.function, "cases", None)
    if cases is not None:
        metafunc.parametrize(("row", "kind"), cases())
