"""Messages about types that should be equal and are not: carries of loops, results of branches."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from arrax.control.jaxprs import same_type
from arrax.core import pytree
from arrax.core.axis_env import checked_axes
from arrax.transforms import calls


def structure_differences(left: Any, right: Any, path: tuple[Any, ...] = (),
                          ) -> Iterator[tuple[tuple[Any, ...], str, str, str]]:
    """(key path, what is left, what is right, why they differ) where two trees part."""
    kinds = pytree.tree_structure(left).node_data(), pytree.tree_structure(right).node_data()
    if pytree.treedef_is_leaf(pytree.tree_structure(left)) and kinds[0] is None \
            and kinds[1] is None:
        return
    if type(left) is not type(right):
        yield (path, f"a {type(left)}" if kinds[0] else _leaf_text(left),
               f"a {type(right)}" if kinds[1] else _leaf_text(right),
               "their Python types differ")
        return
    if kinds[0] is None or kinds[1] is None:
        return
    here = [pytree.flatten_one_level_with_keys(t)[0] for t in (left, right)]
    counts = [len(h) for h in here]
    if counts[0] != counts[1]:
        shown = [f"a {type(left)} with {n} child{'ren' if n != 1 else ''}" for n in counts]
        yield (path, shown[0], shown[1],
               "the numbers of children do not match" + _key_difference(left, right))
        return
    data = kinds[0][1], kinds[1][1]
    if data[0] != data[1]:
        shown = [f"a {type(left)} with pytree metadata {tuple(d) if isinstance(d, list) else d}"
                 for d in data]
        yield path, shown[0], shown[1], "the pytree node metadata does not match"
        return
    for (key, a), (_, b) in zip(*here, strict=True):
        yield from structure_differences(a, b, (*path, key))


def _leaf_text(leaf: Any) -> str:
    return f"a {type(leaf)}"


def _key_difference(left: Any, right: Any) -> str:
    if not isinstance(left, dict):
        return ""
    return f", with the symmetric difference of key sets: {set(left) ^ set(right)}"


def type_difference(a: Any, b: Any) -> str:
    """Why two avals differ: ', so the dtypes do not match' and so on."""
    reasons = []
    if a.dtype != b.dtype:
        reasons.append("the dtypes do not match")
    if a.shape != b.shape:
        reasons.append("the shapes do not match")
    if a.vma != b.vma:
        reasons.append("the manual axis types do not match")
    return ", so " + ", and ".join(reasons) if reasons else ""


def _sentences(parts: Sequence[str], one: Callable[[str], str]) -> str:
    if len(parts) == 1:
        return one(parts[0]) + "."
    return "\n".join(f"  * {p}{';' if i + 1 < len(parts) else '.'}" for i, p in enumerate(parts))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def check_carry(name: str, carry_name: Callable[[], str], carry_in: Any, carry_out: Any) -> None:
    """TypeError unless a body maps the carry to one of equal structure and types.

    `carry_in` and `carry_out` are trees of avals; `carry_name` gives the user's name of the carry.
    """
    if pytree.tree_structure(carry_in) != pytree.tree_structure(carry_out):
        root = carry_name()
        parts = [f"the input {_component(root, path)} is {a} but the corresponding component of "
                 f"the carry output is {b}, so {why}"
                 for path, a, b, why in structure_differences(carry_in, carry_out)]
        raise TypeError(
            f"{name} function carry input and carry output must have the same pytree structure, "
            f"but they differ:\n\n{_sentences(parts, _capital)}\n\nRevise the function so that the "
            "carry output has the same pytree structure as the carry input.")
    inputs, _ = pytree.tree_flatten_with_path(carry_in)
    outputs = pytree.tree_leaves(carry_out)
    if all(same_type(a, b) for (_, a), b in zip(inputs, outputs, strict=True)):
        return
    root = carry_name()
    parts = [f"the input {_component(root, path)} has type {a.str_short()} but the corresponding "
             f"output carry component has type {b.str_short()}{type_difference(a, b)}"
             for (path, a), b in zip(inputs, outputs, strict=True) if not same_type(a, b)]
    casts = [_cast(b.vma - a.vma, "initial carry value corresponding to the input "
                   + _component(root, path))
             for (path, a), b in zip(inputs, outputs, strict=True) if b.vma - a.vma]
    raise TypeError(
        f"{name} function carry input and carry output must have equal types, but they differ:\n\n"
        f"{_sentences(parts, _capital)}\n\n{_might_be_fixed(casts)}Revise the function so that all "
        "output types match the corresponding input types.")


def _cast(names: frozenset[Any], where: str) -> str:
    axes = tuple(name for name in checked_axes() if name in names)
    return f"applying `jax.lax.pcast(..., {axes}, to='varying')` to the {where}"


def _might_be_fixed(casts: Sequence[str]) -> str:
    """Which casts would make types vary alike over the axes of a `shard_map`."""
    if not casts:
        return ""
    if len(casts) == 1:
        return f"This might be fixed by {casts[0]}.\n\n"
    return "This might be fixed by:\n" + ";\n".join(f"  * {cast}" for cast in casts) + ".\n\n"


def _component(root: str, path: tuple[Any, ...]) -> str:
    return f"carry component {root}{pytree.keystr(path)}" if path else f"carry {root}"


def first_argument_name(fun: Any) -> str:
    """The name of a function's first parameter."""
    signature = calls.signature_of(fun)
    kinds = inspect.Parameter
    for name, parameter in (signature.parameters if signature else {}).items():
        if parameter.kind is kinds.VAR_POSITIONAL:
            return f"{name}[0]"
        return name
    return "args[0]"


def check_branches(name: str, functions: Sequence[tuple[str, Any]], outputs: Sequence[Any]) -> None:
    """TypeError unless all branches return equal structures and types.

    `functions` are (name in messages, function); `outputs` the trees of avals they return.
    """
    first_name, first_fun = functions[0]
    first = outputs[0]
    for (other_name, other_fun), output in zip(functions[1:], outputs[1:], strict=True):
        who = (f"{first_name} is {_described(first_fun)}\n"
               f"{other_name} is {_described(other_fun)}")
        if pytree.tree_structure(first) != pytree.tree_structure(output):
            parts = [f"{first_name} output{_at(path)} is {_or_leaf(a)} but {other_name} "
                     f"output{_at(path)} is {_or_leaf(b)}, so {why}"
                     for path, a, b, why in structure_differences(first, output)]
            raise TypeError(
                f"{name} branch outputs must have the same pytree structure, but they differ:\n\n"
                f"{who}\n\n{_sentences(parts, str)}\n\nRevise {first_name} and/or {other_name} so "
                "that they have the same pytree structure.")
        leaves, _ = pytree.tree_flatten_with_path(first)
        others = pytree.tree_leaves(output)
        parts = [f"the output of {first_name}{_at(path)} has type {a.str_short()} but the "
                 f"corresponding output of {other_name} has type {b.str_short()}"
                 f"{type_difference(a, b)}"
                 for (path, a), b in zip(leaves, others, strict=True) if not same_type(a, b)]
        casts = [_cast(more.vma - less.vma, f"output of {owner}{_at(path)}")
                 for (path, a), b in zip(leaves, others, strict=True)
                 for less, more, owner in ((a, b, first_name), (b, a, other_name))
                 if more.vma - less.vma]
        if parts:
            raise TypeError(
                f"{name} branches must have equal output types but they differ.\n\n{who}\n\n"
                f"{_sentences(parts, _capital)}\n\n{_might_be_fixed(casts)}Revise {first_name} "
                f"and/or {other_name} so that all output types match.")


def _or_leaf(text: str) -> str:
    return "a pytree leaf" if "ShapedArray" in text else text


def _at(path: tuple[Any, ...]) -> str:
    return f" at path {pytree.keystr(path)}" if path else ""


def _described(fun: Any) -> str:
    location = calls.function_location(fun)
    name = calls.function_name(fun)
    return f"{name} at {location}" if location else name
