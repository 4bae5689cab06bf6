"""From shapes to values of dimension variables.

The specifications of the arguments' shapes are equations with the shapes at hand. They are solved
one by one: an equation whose only unknown variable occurs once, times a constant, gives its value;
the others are checked when all their variables are known. Shapes at hand may be symbolic themselves
(an exported function called while another is traced): then everything must hold for all their
values.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from arrax.core.record import Record
from arrax.export.expressions import Expression, Size

_DOCS = "https://docs.jax.dev/en/latest/export/shape_poly.html"


class Argument(Record):
    """A flat argument: how messages call it, and its shape as specified."""

    name: str
    shape: tuple[Size, ...]


class _Equation(Record):
    """The size that a dimension has, and the expression that it should be equal to."""

    where: str  # args[0].shape[1]
    expected: Expression
    size: Size

    def __str__(self) -> str:
        return f"specification '{self.expected}' for dimension {self.where} (= {self.size})"


def check_shape(argument: Argument, shape: Sequence[Size], describe: str = "") -> None:
    """ValueError where rank or constant dimensions differ."""
    what = f"expected {argument.shape}, called with {tuple(shape)}{describe}"
    if len(argument.shape) != len(shape):
        raise ValueError(f"Rank mismatch for {argument.name}: {what}")
    for i, (expected, size) in enumerate(zip(argument.shape, shape, strict=True)):
        if isinstance(expected, int) and expected != size:
            raise ValueError(f"Shape mismatch for {argument.name}.shape[{i}] (expected same "
                             f"constant): {what}")


def dimension_values(arguments: Sequence[Argument],
                     shapes: Sequence[Sequence[Size]]) -> dict[str, Size]:
    """The values of the variables for which the arguments have the given shapes.

    Raises:
      ValueError: there are none: rank, a constant or a repeated dimension differs, a variable
        would not be an integer of at least 1, or a constraint does not hold.
    """
    equations = []
    for argument, shape in zip(arguments, shapes, strict=True):
        check_shape(argument, shape)
        equations += [_Equation(f"{argument.name}.shape[{i}]", expected, size) for i, (
            expected, size) in enumerate(zip(argument.shape, shape, strict=True))
                      if isinstance(expected, Expression)]
    solver = _Solver(arguments)
    solver.solve(equations)
    if equations:
        solver.check_constraints(equations[0].expected.scope)
    return solver.values


def check_solvable(arguments: Sequence[Argument]) -> list[str]:
    """The variables in the arguments' shapes, sorted; ValueError unless the shapes give them all,
    and all that the constraints speak of."""
    sizes = {(a.name, i): e for a in arguments for i, e in enumerate(a.shape)
             if isinstance(e, Expression)}
    known: set[str] = set()
    rest = dict(sizes)
    while True:
        solved = {key for key, e in rest.items() if not set(e.variables()) - known}
        found = next((v for e in rest.values() if (v := _unknown_of(e, known)) is not None), None)
        rest = {key: e for key, e in rest.items() if key not in solved}
        if found is None:
            break
        known.add(found[0])
    if rest:
        missing = {v for e in rest.values() for v in e.variables()} - known
        raise ValueError(
            f"Cannot solve for values of dimension variables {missing}. We can only solve linear "
            f"uni-variate constraints. {_specifications(arguments)}Unprocessed specifications: "
            + ", ".join(f"'{e}' for dimension size {name}.shape[{i}]"
                        for (name, i), e in rest.items())
            + f". Please see {_DOCS}#dimension-variables-must-be-solvable-from-the-input-shapes "
              "for more details.")
    for text, difference, _ in next(iter(sizes.values())).scope.constraints if sizes else ():
        for name in difference.variables():
            value = difference.scope.variable(name)  # by the equalities among the constraints
            if isinstance(value, Expression) and not known.issuperset(value.variables()):
                raise ValueError(
                    f"Encountered dimension variable '{name}' in the constraint {text} that is "
                    "not appearing in the shapes of the function arguments. "
                    f"{_specifications(arguments)}Please see {_DOCS}"
                    "#dimension-variables-must-be-solvable-from-the-input-shapes for more details.")
    return sorted(known)


def _unknown_of(expression: Expression, known: Iterable[str]) -> tuple[str, int] | None:
    """(variable, coefficient) of an expression linear in its only unknown variable."""
    found = None
    for term, coefficient in expression.pairs:
        if all(v in known for f in term for v in _names(f)):
            continue
        if found is not None or len(term) != 1 or term[0].operands:
            return None
        found = term[0].name, coefficient
    return found


def _names(factor: Any) -> Iterable[str]:
    if not factor.operands:
        return (factor.name,)
    return [v for o in factor.operands if isinstance(o, Expression) for v in o.variables()]


def _specifications(arguments: Sequence[Argument]) -> str:
    shown = ", ".join(f"{a.name}.shape = {a.shape}" for a in arguments
                      if any(isinstance(e, Expression) for e in a.shape))
    return f"Using the following polymorphic shapes specifications: {shown}. "


class _Solver:
    """Values found so far, and from which equations."""

    def __init__(self, arguments: Sequence[Argument]):
        self.arguments = arguments
        self.values: dict[str, Size] = {}
        self.sources: list[tuple[str, _Equation]] = []

    def error(self, problem: str, where: str = "polymorphic shapes specification.") -> ValueError:
        obtained = "".join(f"'{name}' = {self.values[name]} from {equation}, "
                           for name, equation in self.sources)
        return ValueError(
            f"Input shapes do not match the {where} {problem}. {_specifications(self.arguments)}"
            + (f"Obtained dimension variables: {obtained}. " if obtained else "")
            + f"Please see {_DOCS}#shape-assertion-errors for more details.")

    def solve(self, equations: Sequence[_Equation]) -> None:
        waiting = list(equations)
        while waiting:
            later = [equation for equation in waiting if not self.use(equation)]
            if len(later) == len(waiting):
                raise self.error(f"Cannot solve for the variables of '{later[0].expected}'")
            waiting = later

    def use(self, equation: _Equation) -> bool:
        """Take a value from an equation, or check it; False if it has too many unknowns."""
        expected = equation.expected
        if all(name in self.values for name in expected.variables()):
            size = expected.evaluate(self.values)
            if size != equation.size:
                raise self.error(
                    f"Found inconsistency between dimension size {equation.where} "
                    f"(= {equation.size}) and the specification '{expected}' (= {size})")
            return True
        unknown = _unknown_of(expected, self.values)
        if unknown is None:
            return False
        name, coefficient = unknown
        known = {t: c for t, c in expected.pairs if t and t[0].name != name}
        rest: Size = dict(expected.pairs).get((), 0)
        if known:
            rest = rest + Expression(known, expected.scope).evaluate(self.values)
        value, remainder = divmod(equation.size - rest, coefficient)
        if remainder != 0:
            raise self.error(f"Division had remainder {remainder} when computing the value of "
                             f"'{name}'")
        self.values[name] = value
        self.sources.append((name, equation))
        if _lower(value) < 1:
            raise self.error(f"Expected value >= 1 for dimension variable '{name}'")
        return True

    def check_constraints(self, scope: Any) -> None:
        for text, difference, relation in scope.constraints:
            variables = {name: scope.variable(name) for name in difference.variables()}
            value = difference.evaluate({
                name: v.evaluate(self.values) if isinstance(v, Expression) else v
                for name, v in variables.items()})
            if _lower(value) < 0 or (relation == "==" and value != 0):
                wanted = "equal to" if relation == "==" else "greater or equal to"
                raise self.error(f"Expected '{difference}' to be {wanted} 0, but found {value}",
                                 f"symbolic shape constraint {text}.")


def _lower(size: Size) -> float:
    return size.scope.bounds(size)[0] if isinstance(size, Expression) else size
