"""Choose which values of a jaxpr get memory ("roots"); all others live inside kernels.

Before: equations in A-normal form. After: a set of variables. A fusable value becomes a root if
it is a result of the region, an operand of a step that needs memory, used by several kernels while
costly, read many times over by a gather, a broadcast or several views (the shifts of a stencil)
while costly, the end of a long chain, read from an array that is updated before the value is used
(where storing the value costs less than keeping the array), or wanted at many indices by one
kernel. The last bounds the code: a kernel computes a value at `MOST_INDICES` indices at most,
however its views branch (a concatenation of slices asks for its operand twice, a chain of them
would ask 2^n times), so all kernels together are as long as the program, times a constant.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from arrax.core.dtypes import storage_dtype
from arrax.core.jaxpr import Eqn, Jaxpr, Literal, Var
from arrax.engines.cpu.kernels.values import LAYOUTS
from arrax.core.lowering import Elementwise, Product, Reduce, View
from arrax.engines.cpu.op_lowerings import lowering_of
from arrax.engines.cpu.passes.order_updates import updated_operand
from arrax.engines.cpu.products import is_small_product, product_sizes

CHEAP = 4  # cost up to which work is repeated rather than stored
MUCH_LARGER = 4  # times that a broadcast reads each element, from which little work is stored
LONGEST_CHAIN = 60
MOST_INDICES = 16  # at which one kernel computes a value


def can_compile(eqn: Eqn) -> bool:
    """Whether registers exist for all dtypes of an equation."""
    atoms = [*eqn.invars, *eqn.outvars]
    return not eqn.effects and all(
        hasattr(a.aval, "dtype") and storage_dtype(a.aval.dtype) in LAYOUTS for a in atoms)


def is_fusable(eqn: Eqn) -> bool:
    """Whether the equation's result can be an expression of an index."""
    kind = type(lowering_of(eqn))
    if kind is Elementwise and not eqn.primitive.elementwise and \
            any(atom.aval.shape != eqn.outvars[0].aval.shape for atom in eqn.invars):
        return False  # a bitcast between widths, which has another shape
    return kind in (Elementwise, View) and can_compile(eqn)


def is_reduction(eqn: Eqn) -> bool:
    """Whether the equation is a loop whose operands can be computed inside."""
    lower = lowering_of(eqn)
    if type(lower) is Product:
        return can_compile(eqn) and is_small_product(eqn)
    return type(lower) is Reduce and can_compile(eqn)


def _many_pieces(eqn: Eqn) -> bool:
    """Whether a choice among the operands at each element would be long."""
    return len(eqn.invars) > 3 and getattr(lowering_of(eqn), "pieces", None) is not None


class _Use(NamedTuple):
    """Where a value would be computed: in the kernel of `root`, at the indices that the views of
    `path` (results, and which operand they ask) make of that kernel's. `size`: how many elements
    those views let through."""

    root: Var
    path: tuple[tuple[Var, int], ...] = ()
    size: float = math.inf

    def through(self, view: Var, position: int) -> _Use:
        """Where operand `position` of a view that is computed here would be."""
        return _Use(self.root, (*self.path, (view, position)), min(self.size, view.aval.size))


class _Facts:
    """What is known of a fusable value: the cost of computing an element, the chain's length."""

    __slots__ = ("cost", "depth", "uses", "forced")

    def __init__(self, cost: int, depth: int):
        self.cost, self.depth = cost, depth
        self.uses: set[_Use] = set()
        self.forced = False


def choose_roots(jaxpr: Jaxpr) -> set[Var]:
    """The variables of `jaxpr` that get memory."""
    facts: dict[Var, _Facts] = {}
    made_by: dict[Var, Eqn] = {}
    for eqn in jaxpr.eqns:
        for var in eqn.outvars:
            made_by[var] = eqn
        if is_fusable(eqn):
            inner = [facts[v] for position, v in enumerate(eqn.invars)
                     if type(v) is not Literal and v in facts
                     and not _wants_memory(eqn, position, facts[v], made_by)]
            cost = _cost(eqn) + sum(f.cost for f in inner)
            depth = 1 + max((f.depth for f in inner), default=0)
            for var in eqn.outvars:
                facts[var] = _Facts(cost, depth)
                facts[var].forced = depth % LONGEST_CHAIN == 0 or _many_pieces(eqn)
    roots: set[Var] = {v for v in jaxpr.outvars if type(v) is not Literal}
    place = {var: i for i, eqn in enumerate(jaxpr.eqns) for var in eqn.outvars}
    updates = {x: i for i, eqn in enumerate(jaxpr.eqns) if (x := updated_operand(eqn)) is not None}
    for eqn in reversed(jaxpr.eqns):
        targets: dict[Var, set[_Use]] = {}
        for out in eqn.outvars:
            mine = facts.get(out)
            if mine is None or out in roots or mine.forced or _needs_memory(mine, out.aval.size) \
                    or (updates and _outlives_operand(eqn, mine, updates, place)):
                roots.add(out)
                targets[out] = {_Use(out)}
            else:
                targets[out] = mine.uses
        _demand(eqn, targets, facts, roots, made_by)
    return roots


def _outlives_operand(eqn: Eqn, facts: _Facts, updates: dict[Var, int],
                      place: dict[Var, int]) -> bool:
    """Whether an operand is updated before the (smaller) value is used."""
    last = max((place[use.root] for use in facts.uses), default=-1)
    return any(type(x) is Var and updates.get(x, last) < last
               and eqn.outvars[0].aval.size < x.aval.size for x in eqn.invars)


def _needs_memory(facts: _Facts, size: int) -> bool:
    """Whether computing a value of this size where it is used would repeat too much work."""
    if len(facts.uses) < 2:
        return False
    if len(facts.uses) > MOST_INDICES \
            and max(Counter(use.root for use in facts.uses).values()) > MOST_INDICES:
        return True
    if not facts.cost:
        return False
    if facts.cost > CHEAP and len({use.root for use in facts.uses}) > 1:
        return True
    repeated = sum(min(use.size, size) for use in facts.uses if use.path) - size
    return facts.cost * repeated > CHEAP * size


def _demand(eqn: Eqn, targets: dict[Var, set[_Use]], facts: dict[Var, _Facts], roots: set[Var],
            made_by: dict[Var, Eqn]) -> None:
    """Note where the operands of `eqn` would be computed, or that they need memory; `targets` says
    where its results are."""
    fused = is_fusable(eqn)
    is_view = type(lowering_of(eqn)) is View
    for position, atom in enumerate(eqn.invars):
        if type(atom) is Literal or atom not in facts:
            continue
        if not (fused or is_reduction(eqn)) or _wants_memory(eqn, position, facts[atom], made_by):
            roots.add(atom)
            continue
        for out, uses in targets.items():
            facts[atom].uses |= {use.through(out, position) for use in uses} if is_view else uses


def _wants_memory(eqn: Eqn, position: int, operand: _Facts, made_by: dict[Var, Eqn]) -> bool:
    """Whether an operand should be in memory although it could be computed where it is used."""
    atom, out = eqn.invars[position], eqn.outvars[0].aval
    lower = lowering_of(eqn)
    if atom.aval.ndim == 0:
        return bool(out.shape)
    if type(lower) is Product:
        return operand.cost > 0 and _reads(eqn) > atom.aval.size
    if type(lower) is not View:
        return False
    if lower.flat and _changes_axes(atom.aval.shape, out.shape):
        return operand.cost > 0 or type(lowering_of(made_by[atom])) is View
    if lower.gathers and position == 0:  # indices are read in order
        return operand.cost > 0
    if out.size >= MUCH_LARGER * atom.aval.size:
        return operand.cost > 1
    return operand.cost > CHEAP and out.size > atom.aval.size


def _reads(eqn: Eqn) -> int:
    """How often a contraction reads elements of an operand."""
    return math.prod(product_sizes(eqn))


def _changes_axes(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether shapes differ by more than axes of size 1."""
    return [d for d in a if d != 1] != [d for d in b if d != 1]


def _cost(eqn: Eqn) -> int:
    lower = lowering_of(eqn)
    return lower.cost if type(lower) is Elementwise else 0

