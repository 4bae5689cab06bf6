"""docs/accuracy.md: made from its data, whole, and true of a sample that is measured again."""

from __future__ import annotations

import pytest

from tools import missing_rules
from tools.accuracy import document, measure
from tools.accuracy.functions import BY_NAME, EXEMPT, FUNCTIONS

ROWS = [(f, dtype) for f in FUNCTIONS for dtype in f.dtypes]
SAMPLED = {"thorough": 0.004, "step": 1 << 17}


def test_the_page_is_made_from_the_data() -> None:
    assert document.PAGE.read_text() == document.text(), "python -m tools.accuracy write"


def test_every_elementwise_primitive_has_a_row() -> None:
    covered = {name for f in FUNCTIONS for name in f.primitives}
    ours = {p.name for p in missing_rules.primitives() if p.elementwise}
    assert ours - covered - EXEMPT == set()


def test_every_row_is_measured() -> None:
    data = measure.load()
    for function, dtype in ROWS:
        rows = data[function.name][dtype]
        assert {"eager", "compiled", "jax"} <= set(rows), (function.name, dtype)


WORSE_THAN_JAX = {  # by more than 1 ulp; the page says why
    ("bessel_i0e", "float64"), ("bessel_i1e", "float64"), ("gelu_exact", "float64"),
    ("zeta", "float64"),
}


def test_no_real_function_is_worse_than_jax_by_more_than_an_ulp() -> None:
    data = measure.load()
    worse = {(f.name, dtype) for f, dtype in ROWS if "complex" not in dtype
             for engine in ("eager", "compiled")
             if data[f.name][dtype][engine]["ulp"] > data[f.name][dtype]["jax"]["ulp"] + 1}
    assert worse == WORSE_THAN_JAX


def test_the_usual_functions_of_float32_are_right_to_an_ulp() -> None:
    data = measure.load()
    for name in document.GOALS["float32"]:
        for engine in ("eager", "compiled"):
            assert data[name]["float32"][engine]["ulp"] <= 1, (name, engine)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_sample_is_as_good_as_documented(name: str) -> None:
    function = BY_NAME[name]
    documented = measure.load()[name]
    for dtype in function.dtypes:
        engines = ("eager", "compiled", *(("numpy",) if "numpy" in documented[dtype] else ()))
        found = measure.measure(function, dtype, engines, **SAMPLED)
        for engine in ("eager", "compiled"):
            row, limit = found[engine], documented[dtype][engine]["ulp"]
            if engine == "eager" and "numpy" in found:  # NumPy's own loops are the machine's
                limit = max(limit, found["numpy"]["ulp"])
            slack = 0.05 if engine == "compiled" else 0.5
            assert row["ulp"] <= 1.05 * limit + slack, (dtype, engine, row, limit)
