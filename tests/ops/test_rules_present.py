"""No silent holes: every primitive has every rule, or says why not."""
from __future__ import annotations

import pytest
from arrax.core.primitive import NotApplicable
from arrax.core.lowering import Form
from arrax.engines.cpu.op_lowerings import FORMS
from tools import missing_rules

PRIMITIVES = missing_rules.primitives()


@pytest.mark.parametrize("kind", ["type_rule", "jvp", "transpose", "batch", "lower", "stablehlo"])
def test_every_rule_is_there_or_explained(kind: str) -> None:
    missing = [p.name for p in PRIMITIVES if getattr(p, kind) is None]
    assert not missing, f"without {kind} and without NotApplicable(reason): {missing}"


def test_every_primitive_can_be_evaluated() -> None:
    missing = [p.name for p in PRIMITIVES if p.evaluate is None and p.execute is None]
    assert not missing


def test_reasons_are_given() -> None:
    rules = [getattr(p, kind) for p in PRIMITIVES for kind in missing_rules.RULES]
    assert all(rule.reason for rule in rules if isinstance(rule, NotApplicable))


def test_linear_primitives_have_both_rules() -> None:
    """What can be transposed can be differentiated."""
    odd = [p.name for p in PRIMITIVES
           if isinstance(p.jvp, NotApplicable) and not isinstance(p.transpose, NotApplicable)]
    assert not odd


def test_forms_are_known() -> None:
    unknown = [p.name for p in PRIMITIVES
               if isinstance(p.lower, Form) and p not in FORMS]
    assert not unknown


def test_the_page_is_current() -> None:
    assert missing_rules.PAGE.read_text() == missing_rules.page(), \
        "run `python tools/missing_rules.py`"
