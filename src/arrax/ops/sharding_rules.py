"""How operations that move elements split their results over mesh axes (`core/spread.py`).

A rule takes a `Call` and gives the spec of each result. Where types must tell, it refuses what
would move data between devices without having been asked to.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from arrax.core.spread import Call, Spec, joined, plain

Rule = Callable[[Call], list[Spec]]


def _split(call: Call, names: Sequence[Any], size: int) -> bool:
    return size % call.count(names) == 0


def broadcast_in_dim(call: Call) -> list[Spec]:
    """Axes go where they are put; those of one element are not split."""
    out = list(plain(call.outs[0]))
    operand = call.avals[0]
    for dim, names in zip(call.params["broadcast_dimensions"], call.specs[0], strict=True):
        source = list(call.params["broadcast_dimensions"]).index(dim)
        if operand.shape[source] == call.outs[0].shape[dim]:
            out[dim] = names
    return [tuple(out)]


def transpose(call: Call) -> list[Spec]:
    return [tuple(call.specs[0][i] for i in call.params["permutation"])]


def squeeze(call: Call) -> list[Spec]:
    gone = {d % max(1, call.avals[0].ndim) for d in call.params["dimensions"]}
    return [tuple(s for i, s in enumerate(call.specs[0]) if i not in gone)]


def _groups(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Which axes of a reshaped array become which: runs of equal numbers of elements."""
    i = j = 0
    while i < len(old) or j < len(new):
        first_i, first_j = i, j
        have = want = 1
        if i < len(old):
            have, i = old[i], i + 1
        if j < len(new):
            want, j = new[j], j + 1
        while have != want and (i < len(old) or j < len(new)):
            if (have < want and i < len(old)) or j == len(new):
                have, i = have * old[i], i + 1
            else:
                want, j = want * new[j], j + 1
        yield list(range(first_i, i)), list(range(first_j, j))


def reshape(call: Call) -> list[Spec]:
    """An axis that becomes several splits the first of them; several that become one split it if
    the first of them is split."""
    old, new, spec = call.avals[0].shape, call.outs[0].shape, call.specs[0]
    out: list[tuple[Any, ...]] = [()] * len(new)
    for before, after in _groups(old, new):
        sources = [i for i in before if old[i] != 1]
        targets = [j for j in after if new[j] != 1]
        split = [i for i in sources if spec[i]]
        if not split or not targets:
            continue
        names = spec[sources[0]]
        if call.strict and len(targets) == 1:
            names = tuple(n for i in sources for n in spec[i])
        if (len(sources) > 1 and len(targets) > 1) or not spec[sources[0]] or \
                not _split(call, names, new[targets[0]]):
            call.unclear("This reshape is not supported. Please specify the sharding of the output "
                         "via the `out_sharding` argument of jax.lax.reshape. Got operand type: "
                         f"{call.avals[0].str_short()}, new sizes: {new}")
            names = ()
        out[targets[0]] = names
    return [tuple(out)]


def reduce(call: Call) -> list[Spec]:
    """What is folded is gone."""
    axes = call.params["axes"]
    spec = tuple(s for i, s in enumerate(call.specs[0]) if i not in axes)
    return [spec] * len(call.outs)


def along_unsplit(name: str) -> Rule:
    """Operations along one axis, which must not be split."""
    def rule(call: Call) -> list[Spec]:
        params = call.params
        axis = params.get("axis", params.get("dimension", -1)) % max(1, call.avals[0].ndim)
        if call.specs[0][axis]:
            call.unclear(
                f"Arguments to {call.name} must be unsharded over the sorting dimension. Got arg "
                f"sharding={call.avals[0].sharding} and sorting dimension={axis}"
                if name == "sort" else "Input should be unsharded over the axis being reduced. Got "
                f"input type={call.avals[0].str_short()} and axis={axis}")
        return joined(call) if call.outs[0].shape == call.avals[0].shape else \
            [tuple(() if i == axis else s for i, s in enumerate(call.specs[0]))] * len(call.outs)
    return rule


def dot_general(call: Call) -> list[Spec]:
    """Batch axes, then the free ones of each operand; what is contracted must be split alike."""
    (left_contracted, right_contracted), (left_batch, right_batch) = \
        call.params["dimension_numbers"]
    left, right = call.specs
    mine, theirs = (tuple(s[i] for i in axes) for s, axes in
                    ((left, left_contracted), (right, right_contracted)))
    if any(a and b and a != b for a, b in zip(mine, theirs, strict=True)):
        call.unclear("dot_general requires contracting dimensions to have consistent sharding, got "
                     f"{_shown(mine)} and {_shown(theirs)}.")
    elif any(a and b for a, b in zip(mine, theirs, strict=True)):
        call.unclear("Contracting dimensions are sharded and it is ambiguous how the output should "
                     "be sharded. Please specify the output sharding via the `out_sharding` "
                     f"parameter. Got lhs_contracting_spec={_shown(mine)} and "
                     f"rhs_contracting_spec={_shown(theirs)}")
    batches = (tuple(left[i] for i in left_batch), tuple(right[i] for i in right_batch))
    if any(a and b and a != b for a, b in zip(*batches, strict=True)):
        call.unclear("dot_general requires lhs batch dimensions and rhs batch dimensions to have "
                     f"the consistent sharding, got {_shown(batches[0])} and {_shown(batches[1])}.")
    out = [a or b for a, b in zip(*batches, strict=True)]
    out += [s for i, s in enumerate(left) if i not in (*left_contracted, *left_batch)]
    out += [s for i, s in enumerate(right) if i not in (*right_contracted, *right_batch)]
    return [_each_once(call, out)]


def _shown(names: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(n[0] if len(n) == 1 else n or None for n in names)


def _each_once(call: Call, spec: Sequence[tuple[Any, ...]]) -> Spec:
    """The spec in which each mesh axis splits the first axis that it would split."""
    used: set[Any] = set()
    out = []
    for names in spec:
        if used & set(names):
            call.unclear(f"{call.name} operation with inputs: "
                         f"{', '.join(a.str_short() for a in call.avals)} produces an illegally "
                         f"sharded result: {_shown(spec)}")
            names = ()
        used |= set(names)
        out.append(names)
    return tuple(out)


def concatenate(call: Call) -> list[Spec]:
    """All operands must be split alike."""
    given = [s for s in call.specs if any(s)]
    if any(s != given[0] for s in given) or (call.strict and len(given) < len(call.specs)):
        call.unclear("All operands should have the same sharding. Got shardings "
                     f"{', '.join(str(_shown(s)) for s in call.specs)}")
    return [given[0]]


def stack(call: Call) -> list[Spec]:
    given = [s for s in call.specs if any(s)]
    axis = call.params.get("axis", call.params.get("dimension", 0)) % call.outs[0].ndim
    return [(*given[0][:axis], (), *given[0][axis:])]


def unstack(call: Call) -> list[Spec]:
    axis = call.params.get("axis", 0) % call.avals[0].ndim
    spec = tuple(s for i, s in enumerate(call.specs[0]) if i != axis)
    return [spec] * len(call.outs)


def resized(what: str) -> Rule:
    """Axes of a new size are split as before, if that divides them."""
    def rule(call: Call) -> list[Spec]:
        results = []
        for aval in call.outs:
            out = []
            for old, new, names in zip(call.avals[0].shape, aval.shape, call.specs[0],
                                       strict=True):
                if old != new and not _split(call, names, new):
                    call.unclear(
                        f"{what} on sharded dims where out dim ({new}) is not divisible by mesh "
                        f"axes ({call.count(names)}) with spec ({','.join(names)}) is not "
                        f"implemented. Got input type={call.avals[0].str_short(True)} and output "
                        f"shape={aval.shape}")
                    names = ()
                out.append(names)
            results.append(tuple(out))
        return results
    return rule


def tile(call: Call) -> list[Spec]:
    reps = call.params["reps"]
    for dim, (names, count) in enumerate(zip(call.specs[0], reps, strict=True)):
        if names and count != 1:
            call.unclear(f"Operand cannot be sharded on dimension {dim} when the tiling is "
                         f"non-trivial. Got input type: {call.avals[0].str_short()} with reps: "
                         f"{tuple(reps)}")
    return [tuple(n if c == 1 else () for n, c in zip(call.specs[0], reps, strict=True))]


def dynamic_update_slice(call: Call) -> list[Spec]:
    operand, update = call.specs[:2]
    if operand != update:
        call.unclear("dynamic_update_slice operand sharding must be equal to update sharding, got "
                     f"operand sharding {call.avals[0].str_short()} and update sharding "
                     f"{call.avals[1].str_short()}.")
    return [operand]


def gather(call: Call) -> list[Spec]:
    """Whole axes of the operand that are taken as they are stay split; indices split the rest."""
    numbers, sizes = call.params["dimension_numbers"], call.params["slice_sizes"]
    operand, shape = call.specs[0], call.avals[0].shape
    batching = tuple(numbers.operand_batching_dims)
    kept = [i for i in range(len(shape)) if i not in (*numbers.collapsed_slice_dims, *batching)]
    whole = [sizes[i] == shape[i] for i in range(len(shape))]
    if any(names and not whole[i] and i not in batching for i, names in enumerate(operand)):
        call.unclear(
            "Use `.at[...].get(out_sharding=)` to provide output PartitionSpec for the gather "
            "indexing as out sharding could not be resolved unambiguously (or would require "
            f"collectives on inputs). Got operand={call.avals[0]!r}, indices={call.avals[1]!r}")
    offsets = iter([operand[i] if whole[i] else () for i in kept])
    indices = iter(call.specs[1][:-1])
    out = [next(offsets) if i in numbers.offset_dims else next(indices)
           for i in range(call.outs[0].ndim)]
    return [_each_once(call, out)]


def scatter(call: Call) -> list[Spec]:
    """The operand keeps its own; types refuse updates of parts along axes that are split."""
    numbers = call.params["dimension_numbers"]
    operand = call.specs[0]
    touched = [*numbers.inserted_window_dims, *numbers.scatter_dims_to_operand_dims]
    if any(operand[i] for i in touched) or any(call.specs[1]):
        call.unclear(
            "Use `.at[...].set/add/mul/...(out_sharding=)` to provide output PartitionSpec for the "
            "scatter update as out sharding could not be resolved unambiguously (or would require "
            f"collectives on inputs). Got operand={call.avals[0]!r}, indices={call.avals[1]!r}, "
            f"updates={call.avals[2]!r}")
    return [operand]


def convolution(call: Call) -> list[Spec]:
    """The batch and the output features, and space that stays of one size."""
    numbers = call.params["dimension_numbers"]
    left, right, out = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    spec: list[tuple[Any, ...]] = [()] * call.outs[0].ndim
    spec[out[0]], spec[out[1]] = call.specs[0][left[0]], call.specs[1][right[0]]
    for mine, theirs in zip(left[2:], out[2:], strict=True):
        if call.avals[0].shape[mine] == call.outs[0].shape[theirs]:
            spec[theirs] = call.specs[0][mine]
    return [_each_once(call, spec)]


def batch_of_matrices(call: Call) -> list[Spec]:
    """Linear algebra: the last two axes of an operand are whole, those before are a batch."""
    if any(call.specs[0][-2:]):
        call.unclear(f"{call.name} expects matrices that are not split, got "
                     f"{call.avals[0].str_short()}")
    batch = call.specs[0][:-2]
    return [(*batch, *((),) * (aval.ndim - len(batch))) for aval in call.outs]


def key_elements(call: Call) -> list[Spec]:
    """Functions of keys, with axes of their own behind those of the keys."""
    spec = call.specs[0]
    return [(*spec[:aval.ndim], *((),) * (aval.ndim - len(spec))) for aval in call.outs]
