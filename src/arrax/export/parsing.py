"""Specifications of symbolic shapes as text.

    shape      ::= ["("] [dim ("," dim)* [","]] [")"]
    dim        ::= "_" | "..." | expression
    expression ::= ["+" | "-"] term (("+" | "-") term)*
    term       ::= factor ("*" factor)*
    factor     ::= ["+" | "-"] atom ["^" integer]
    atom       ::= integer | name | ("mod" | "floordiv" | "max" | "min") "(" expression ","
                   expression ")"
    constraint ::= expression (">=" | "<=" | "==") expression
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arrax.export import expressions

if TYPE_CHECKING:
    from arrax.export.expressions import Size
    from arrax.export.scopes import SymbolicScope

_TOKEN = re.compile(r"\s*(?:(\d+(?![A-Za-z_.]))|([A-Za-z]\w*)|(\.\.\.|==|>=|<=|[-+*^(),_])|(\S))")
_RELATIONS = (">=", "<=", "==")


def parse_shape(text: str, like: Sequence[Any] | None, scope: SymbolicScope) -> tuple[Size, ...]:
    """The dimensions that `text` specifies, `_` and `...` filled in from `like`."""
    return _Reader(text, scope).shape(like)


def parse_constraint(text: str, scope: SymbolicScope) -> tuple[str, Size, str, Size]:
    """(text, left, ">=" or "==", right)."""
    relation = next((r for r in _RELATIONS if r in text), None)
    if relation is None:
        raise ValueError("Constraint parsing error: must contain one of '==' or '>=' or '<='; "
                         f"got {text!r}")
    left, right = (_Reader(part, scope).whole() for part in text.split(relation, 1))
    if relation == "<=":
        left, relation, right = right, ">=", left
    return text, left, relation, right


def parse_expression(text: str, scope: SymbolicScope) -> Size:
    """One dimension."""
    return _Reader(text, scope).whole()


class _Reader:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str, scope: SymbolicScope):
        self.text, self.scope = text, scope
        self.tokens: list[str] = []
        for number, name, sign, strange in _TOKEN.findall(text):
            if strange:
                raise self.error(f"unexpected {strange!r}")
            self.tokens.append(number or name or sign)
        self.tokens.append("")
        self.position = 0

    def error(self, message: str) -> ValueError:
        return ValueError(f"syntax error in symbolic shape {self.text!r}: {message}")

    @property
    def next(self) -> str:
        return self.tokens[self.position]

    def accept(self, *tokens: str) -> str:
        if self.next in tokens and self.next:
            self.position += 1
            return self.tokens[self.position - 1]
        return ""

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.error(f"expected {token!r}, found {self.next!r}")

    def end(self) -> None:
        if self.next:
            raise self.error(f"unexpected {self.next!r}")

    def whole(self) -> Size:
        size = self.expression()
        self.end()
        return size

    def shape(self, like: Sequence[Any] | None) -> tuple[Size, ...]:
        parenthesized = bool(self.accept("("))
        sizes: list[Size] = []
        while self.next and self.next != ")":
            if self.accept("..."):
                sizes += self.filled("...", like, len(sizes))
                break
            sizes.append(self.filled("_", like, len(sizes))[0] if self.accept("_")
                         else self.checked(self.expression(), like, len(sizes)))
            if not self.accept(","):
                break
        if parenthesized:
            self.expect(")")
        self.end()
        if like is not None and len(sizes) != len(like):
            raise self.error(f"it has {len(sizes)} dimensions and the 'like' shape {tuple(like)} "
                             f"has {len(like)}")
        return tuple(sizes)

    def filled(self, placeholder: str, like: Sequence[Any] | None, done: int) -> list[Size]:
        """What a placeholder stands for."""
        if like is None:
            raise self.error(f"cannot resolve placeholder '{placeholder}' because no 'like' shape "
                             "was given")
        if done > len(like) or (placeholder == "_" and done == len(like)):
            raise self.error(f"cannot resolve placeholder '{placeholder}' because we parsed "
                             f"{done} already and 'like' shape has only {len(like)} dimensions")
        taken = like[done:] if placeholder == "..." else like[done:done + 1]
        if any(size is None for size in taken):
            raise self.error(f"cannot resolve placeholder '{placeholder}' because the dimension "
                             "of the 'like' shape is None")
        return list(taken)

    def checked(self, size: Size, like: Sequence[Any] | None, position: int) -> Size:
        """A constant must agree with the 'like' shape."""
        if isinstance(size, int) and like is not None and position < len(like) and \
                like[position] != size:
            raise self.error(f"different size {size} for dimension {position} of 'like' shape "
                             f"{tuple(like)}")
        return size

    def expression(self) -> Size:
        sign = self.accept("+", "-")
        total = self.term()
        total = -total if sign == "-" else total
        while sign := self.accept("+", "-"):
            total = total + self.term() if sign == "+" else total - self.term()
        return total

    def term(self) -> Size:
        product = self.factor()
        while self.accept("*"):
            product = product * self.factor()
        return product

    def factor(self) -> Size:
        sign = self.accept("+", "-")
        base = self.atom()
        if self.accept("^"):
            if not self.next.isdigit():
                raise self.error(f"expected an integer exponent, found {self.next!r}")
            base = base ** int(self.accept(self.next))
        return -base if sign == "-" else base

    def atom(self) -> Size:
        token = self.accept(self.next)
        if token.isdigit():
            return int(token)
        if token in expressions.OPERATIONS and self.next == "(":
            self.expect("(")
            left = self.expression()
            self.expect(",")
            right = self.expression()
            self.expect(")")
            return expressions.apply(token, left, right)
        if not re.fullmatch(r"[A-Za-z]\w*", token):
            raise self.error(f"expected a dimension, found {token!r}")
        return self.scope.variable(token)
