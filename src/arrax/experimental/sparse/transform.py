"""`arrax.experimental.sparse.transform`: dense functions on sparse arrays.

`sparsify(f)` runs `f` with sparse arrays in place of dense ones. Under a `SparseTrace` every value
is an array or a BCOO or BCSR, and each operation on a sparse one is done by the rule for its
format: those that keep zeros work on the stored elements, those of axes and products are the
functions of `bcoo` and `bcsr`. Calls are entered; loops and branches carry the arrays that sparse
ones consist of. An operation that has no rule is an error, since its result would be dense.

With `use_tracer=False` the function is traced to a program first, which then runs under the trace:
so the function sees ordinary tracers, and what it stages itself is entered, too.

`SparsifyEnv` and `SparsifyValue` are JAX's way to write that down, numbers of buffers in a list:
two sparse arrays share their indices if they have the same number.

Source: `jax.experimental.sparse.transform`.
"""
from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from arrax import lax, tree_util
from arrax import numpy as jnp
from arrax.control.cond_rules import cond_p
from arrax.control.scan_rules import scan_p
from arrax.control.while_rules import while_p
from arrax.core.aval import ShapedArray, aval_of
from arrax.core.dtypes import inexact, issubdtype
from arrax.core.jaxpr import ClosedJaxpr, Jaxpr, eval_jaxpr, jaxpr_as_fun
from arrax.core.lazy import listing as _listing
from arrax.core.lowering import Inline
from arrax.core.primitive import Primitive
from arrax.core.trace import Trace, Tracer, current, use
from arrax.experimental.sparse import bcoo, bcsr
from arrax.experimental.sparse._arrays import BCOO, BCSR
from arrax.experimental.sparse._conversions import whole
from arrax.experimental.sparse._products import scaled
from arrax.experimental.sparse.api import todense_p
from arrax.experimental.sparse.util import is_sparse
from arrax.ops import p
from arrax.ops.join import concatenate_p, stack_p
from arrax.ops.slicing import dynamic_slice_p, slice_p
from arrax.transforms.api_trace import make_jaxpr
from arrax.transforms.stages import ShapeDtypeStruct

__all__ = ["SparseTrace", "SparseTracer", "SparsifyEnv", "SparsifyValue", "arrays_to_spvalues",
           "eval_sparse", "sparsify", "sparsify_raw", "spvalues_to_arrays", "spvalues_to_avals"]

Rule = Callable[..., Any]


class SparseTracer(Tracer):
    """A value under `sparsify`: a dense or sparse array."""

    __slots__ = ("spvalue",)

    def __init__(self, trace: SparseTrace, *, spvalue: Any):
        self._trace = trace
        self.spvalue = spvalue

    @property
    def aval(self) -> Any:
        value = self.spvalue
        if is_sparse(value):
            return ShapedArray(value.shape, np.dtype(value.dtype))
        return aval_of(value)

    def concrete(self) -> Any:
        value = self.spvalue
        if is_sparse(value):
            return None
        return value.concrete() if isinstance(value, Tracer) else value


class SparseTrace(Trace):
    """Does operations on sparse arrays by the rules for their formats."""

    __slots__ = ("parent",)

    def __init__(self, parent: Trace):
        self.parent = parent

    def value(self, x: Any) -> Any:
        """What a value stands for."""
        return x.spvalue if isinstance(x, SparseTracer) and x._trace is self else x

    def process(self, primitive: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
        values = [self.value(x) for x in args]
        kinds = {type(x) for x in values if is_sparse(x)}
        if kinds and type(primitive.lower) is Inline and primitive is not todense_p:
            with use(self):
                return _call(primitive.lower.jaxpr(params), args)
        with use(self.parent):
            if not kinds:
                return primitive.bind(*values, **params)
            if not kinds <= {BCOO, BCSR}:
                raise NotImplementedError(f"sparsify of arrays of type {sorted(map(str, kinds))}; "
                                          "use BCOO or BCSR")
            rule = _CONTROL.get(primitive) or (_BCSR_RULES if BCSR in kinds else _RULES).get(
                primitive) or functools.partial(_on_elements, primitive)
            out = rule(*values, **params)
        return [self.wrap(o) for o in out] if primitive.multiple_results else self.wrap(out)

    def wrap(self, value: Any) -> Any:
        """A tracer for a sparse array; dense ones are as they are."""
        return SparseTracer(self, spvalue=value) if is_sparse(value) else value


def _call(program: Any, args: Sequence[Any]) -> Any:
    if isinstance(program, ClosedJaxpr):
        return eval_jaxpr(program.jaxpr, program.consts, *args)
    return eval_jaxpr(program, [], *args) if isinstance(program, Jaxpr) else program(*args)


# ---- rules: functions of arrays, BCOO or BCSR, and the parameters ------------------------------

def _on_elements(primitive: Primitive, *values: Any, **params: Any) -> Any:
    """An elementwise operation of one operand that keeps zeros."""
    if primitive.elementwise and len(values) == 1:
        (mat,) = values
        zero = np.zeros((), mat.dtype)
        if primitive is p.integer_pow_p and params["y"] <= 0:
            raise NotImplementedError("sparse rule for integer_pow with non-positive exponent "
                                      f"{params['y']} is not implemented.")
        if np.all(primitive.rule("evaluate")(zero, **params) == 0):
            if not (mat.unique_indices or _adds(primitive, params)):
                mat = _summed(mat)
            return _with_data(mat, primitive.bind(mat.data, **params))
        raise NotImplementedError(f"sparse rule for {primitive} is not implemented because it "
                                  "would result in dense output.")
    raise NotImplementedError(f"sparse rule for {primitive} is not implemented.")


def _adds(primitive: Primitive, params: dict[str, Any]) -> bool:
    """Whether the function of a sum is the sum of the functions."""
    return primitive.linear and issubdtype(params.get("new_dtype", np.float32), inexact)


def _with_data(mat: Any, data: Any) -> Any:
    new = tree_util.tree_unflatten(tree_util.tree_structure(mat), mat._bufs)
    new.data = data
    return new


def _summed(mat: Any) -> Any:
    function = bcoo.bcoo_sum_duplicates if isinstance(mat, BCOO) else bcsr.bcsr_sum_duplicates
    return function(mat, mat.nse)


def _shared(x: Any, y: Any) -> bool:
    """Whether two sparse arrays are known to have the same indices."""
    return type(x) is type(y) and x.shape == y.shape and all(
        a is b for a, b in zip(x._bufs[1:], y._bufs[1:], strict=True)) and \
        x.data.ndim == y.data.ndim


def _sum(primitive: Primitive) -> Rule:
    def rule(x: Any, y: Any) -> Any:
        if is_sparse(x) and is_sparse(y):
            if x.shape != y.shape:
                raise NotImplementedError("Addition between sparse arrays of different shapes: "
                                          f"{x.shape} and {y.shape}.")
            if _shared(x, y):
                return _with_data(x, primitive.bind(x.data, y.data))
            if primitive is p.sub_p:
                y = _with_data(y, p.neg_p.bind(y.data))
            return _joined(x, y)
        if x.shape != y.shape:
            raise NotImplementedError(
                "Addition between a sparse array X and a dense array Y is not implemented when X "
                "and Y have different shapes; X.shape="
                f"{(x if is_sparse(x) else y).shape}, Y.shape={(y if is_sparse(x) else x).shape}. "
                "Use todense(X) + Y to make the result dense.")
        return primitive.bind(*(v.todense() if is_sparse(v) else v for v in (x, y)))
    return rule


def _joined(x: Any, y: Any) -> Any:
    """The sum of two sparse arrays: the elements of both."""
    if isinstance(x, BCSR) or isinstance(y, BCSR):
        return bcsr.bcoo_to_bcsr(_joined(*(bcsr.bcsr_to_bcoo(v) if isinstance(v, BCSR) else v
                                           for v in (x, y))))
    n_batch, n_dense = min(x.n_batch, y.n_batch), min(x.n_dense, y.n_dense)
    x, y = (bcoo.bcoo_update_layout(v, n_batch=n_batch, n_dense=n_dense) for v in (x, y))
    if not x.n_sparse:  # there is nothing to join along
        x, y = (v.data.sum(n_batch, keepdims=True, dtype=v.dtype) for v in (x, y))
        data = x + y
        batch, dense = data.shape[:n_batch], data.shape[n_batch + 1:]
        return BCOO((data, jnp.zeros((*batch, 1, 0), np.int32)), shape=(*batch, *dense))
    x, y = whole(x), whole(y)
    return BCOO((jnp.concatenate([x.data, y.data], axis=n_batch),
                 jnp.concatenate([x.indices, y.indices], axis=n_batch)), shape=x.shape)


def _multiply(x: Any, y: Any) -> Any:
    if is_sparse(x) and is_sparse(y):
        if _shared(x, y) and x.unique_indices and y.unique_indices:
            return _with_data(x, x.data * y.data)
        return bcoo.bcoo_multiply_sparse(x, y)
    return bcoo.bcoo_multiply_dense(x, y) if is_sparse(x) else bcoo.bcoo_multiply_dense(y, x)


def _divide(x: Any, y: Any) -> Any:
    if is_sparse(y):
        raise NotImplementedError("Division by a sparse array is not implemented: it would divide "
                                  "by zeros.")
    return scaled(x, y, lax.div, "division")


def _dot_general(x: Any, y: Any, *, dimension_numbers: Any, precision: Any,
                 preferred_element_type: Any, **_: Any) -> Any:
    return bcsr.bcsr_dot_general(x, y, dimension_numbers=dimension_numbers, precision=precision,
                                 preferred_element_type=preferred_element_type)


def _conv(x: Any, y: Any, **params: Any) -> Any:
    names = dict(params)
    numbers = names.pop("dimension_numbers")
    plain = tuple(map(tuple, (numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec)))
    return bcoo.bcoo_conv_general_dilated(x, y, dimension_numbers=plain, **names)


def _reduce_sum(mat: BCOO, *, axes: Any, out_sharding: Any = None) -> Any:
    out = bcoo.bcoo_reduce_sum(mat, axes=axes)
    return out if out.shape else out.todense()


def _same_kind(function: Rule) -> Rule:
    def rule(*operands: Any, **params: Any) -> Any:
        if not all(map(is_sparse, operands)):
            raise NotImplementedError("concatenation of sparse and dense arrays is not "
                                      "implemented.")
        return function(list(operands), **params)
    return rule


def _stacked(concatenate: Rule, broadcast: Rule) -> Rule:
    def rule(operands: Any, *, axis: int) -> Any:
        ndim = operands[0].ndim
        places = [a for a in range(ndim + 1) if a != axis]
        new = [broadcast(x, shape=(*x.shape[:axis], 1, *x.shape[axis:]),
                         broadcast_dimensions=places) for x in operands]
        return concatenate(new, dimension=axis)
    return _same_kind(rule)


def _operands_after(function: Rule) -> Rule:
    """Rules of operations whose parameters have the names that `function` has."""
    def rule(mat: Any, *, sharding: Any = None, **params: Any) -> Any:
        return function(mat, **params)
    return rule


def _todense(*bufs: Any, tree: Any) -> Any:
    return tree_util.tree_unflatten(tree, bufs).todense() if len(bufs) > 1 else bufs[0].todense()


_RULES: dict[Primitive, Rule] = {
    p.add_p: _sum(p.add_p), p.add_any_p: _sum(p.add_any_p), p.sub_p: _sum(p.sub_p),
    p.mul_p: _multiply, p.div_p: _divide, p.dot_general_p: _dot_general,
    p.conv_general_dilated_p: _conv, p.reduce_sum_p: _reduce_sum,
    p.broadcast_in_dim_p: _operands_after(bcoo.bcoo_broadcast_in_dim),
    concatenate_p: _same_kind(bcoo.bcoo_concatenate),
    stack_p: _stacked(bcoo.bcoo_concatenate, bcoo.bcoo_broadcast_in_dim),
    p.reshape_p: _operands_after(bcoo.bcoo_reshape),
    p.rev_p: _operands_after(bcoo.bcoo_rev), p.squeeze_p: _operands_after(bcoo.bcoo_squeeze),
    p.transpose_p: _operands_after(bcoo.bcoo_transpose),
    slice_p: _operands_after(bcoo.bcoo_slice),
    dynamic_slice_p: lambda mat, *starts, slice_sizes: bcoo.bcoo_dynamic_slice(
        mat, starts, slice_sizes),
    p.gather_p: lambda mat, indices, **params: bcoo.bcoo_gather(mat, indices, **params),
    todense_p: _todense}

_BCSR_RULES: dict[Primitive, Rule] = {
    p.add_p: _sum(p.add_p), p.add_any_p: _sum(p.add_any_p), p.sub_p: _sum(p.sub_p),
    p.dot_general_p: _dot_general, todense_p: _todense,
    p.broadcast_in_dim_p: _operands_after(bcsr.bcsr_broadcast_in_dim),
    concatenate_p: _same_kind(bcsr.bcsr_concatenate),
    stack_p: _stacked(bcsr.bcsr_concatenate, bcsr.bcsr_broadcast_in_dim)}


# ---- control flow ------------------------------------------------------------------------------

def _function(closed: ClosedJaxpr) -> Callable[..., list[Any]]:
    """A jaxpr as a function of dense and sparse arrays."""
    return lambda *values: _run(jaxpr_as_fun(closed), values)


def _run(function: Callable[..., Any], values: Sequence[Any]) -> list[Any]:
    trace = SparseTrace(current())
    with use(trace):
        outs = function(*(SparseTracer(trace, spvalue=v) for v in values))
    return [trace.value(o) for o in outs]


def _plain(values: Sequence[Any]) -> tuple[Any, ...]:
    """Sparse arrays of which nothing is known but their indices, as carries of loops."""
    return tuple(type(v)(v._bufs, shape=v.shape) if is_sparse(v) else v for v in values)


def _while(*values: Any, cond_nconsts: int, cond_jaxpr: Any, body_nconsts: int, body_jaxpr: Any,
           **_: Any) -> list[Any]:
    head, consts = values[:cond_nconsts], values[cond_nconsts:cond_nconsts + body_nconsts]
    holds, body = _function(cond_jaxpr), _function(body_jaxpr)
    return list(lax.while_loop(
        lambda state: holds(*head, *state)[0], lambda state: _plain(body(*consts, *state)),
        _plain(values[cond_nconsts + body_nconsts:])))


def _scan(*values: Any, num_consts: int, num_carry: int, jaxpr: Any, length: int, reverse: bool,
          unroll: Any, **_: Any) -> list[Any]:
    consts, xs = values[:num_consts], values[num_consts + num_carry:]
    if any(is_sparse(x) and not x.n_batch for x in xs):
        raise NotImplementedError("scan over a sparse array: its first axis must be a batch axis; "
                                  "use bcoo_update_layout")
    body = _function(jaxpr)

    def step(state: Any, x: Any) -> Any:
        outs = body(*consts, *state, *x)
        return _plain(outs[:num_carry]), tuple(outs[num_carry:])
    last, ys = lax.scan(step, _plain(values[num_consts:num_consts + num_carry]), tuple(xs), length,
                        reverse, unroll)
    return [*last, *ys]


def _cond(index: Any, *values: Any, branches: Any, **_: Any) -> list[Any]:
    def branch(closed: ClosedJaxpr) -> Callable[..., Any]:
        return lambda *vs: _plain(_function(closed)(*vs))
    functions = [branch(closed) for closed in branches]
    names = ["false_fun", "true_fun"] if len(branches) == 2 else [
        f"branch {i}" for i in range(len(branches))]
    trees = [tree_util.tree_structure(_shapes(f, values)) for f in functions]
    for name, tree in list(zip(names, trees, strict=True))[::-1]:
        if tree != trees[0]:
            raise TypeError(f"sparsified {name} output must have same type structure as sparsified "
                            f"{names[0]} output, but they are {tree} and {trees[0]}.")
    return list(lax.switch(index, functions, *values))


def _shapes(function: Callable[..., Any], values: Sequence[Any]) -> Any:
    return make_jaxpr(function, return_shape=True)(*values)[1]


_CONTROL: dict[Primitive, Rule] = {while_p: _while, scan_p: _scan, cond_p: _cond}


# ---- sparsify ----------------------------------------------------------------------------------

def sparsify(f: Callable[..., Any], use_tracer: bool = False) -> Callable[..., Any]:
    """A function that works on sparse arrays as `f` does on dense ones.

    Args:
      f: a function of (pytrees of) arrays.
      use_tracer: whether `f` runs on `SparseTracer`s, rather than being traced to a program first.

    Returns: a function of the arguments of `f`, which may be sparse arrays, as its results may.

    Errors: NotImplementedError for operations without a rule for sparse arrays.

    Example:
      >>> mat = BCOO.fromdense(jnp.array([[0., 2.], [3., 0.]]))
      >>> sparsify(lambda x, v: jnp.sin(x) @ v)(mat, jnp.ones(2))
      Array([0.9092974, 0.14112  ], dtype=float32)

    Source: `jax.experimental.sparse.sparsify`.
    """
    @functools.wraps(f, updated=())
    def wrapped(*args: Any, **params: Any) -> Any:
        leaves, tree = tree_util.tree_flatten(args, is_leaf=is_sparse)
        out_tree: list[Any] = []

        def flat(*values: Any) -> list[Any]:
            out = f(*tree_util.tree_unflatten(tree, values), **params)
            outs, structure = tree_util.tree_flatten(out, is_leaf=is_sparse)
            out_tree.append(structure)
            return outs
        function: Callable[..., Any] = flat
        if not use_tracer:
            shapes = [ShapeDtypeStruct(x.shape, x.dtype) if is_sparse(x) else x for x in leaves]
            function = jaxpr_as_fun(make_jaxpr(flat)(*shapes))
        outs = _run(function, leaves)
        return tree_util.tree_unflatten(out_tree[0], outs)
    return wrapped


class SparsifyValue(NamedTuple):
    """An array in a `SparsifyEnv`: its shape, and the numbers of its buffers."""

    shape: tuple[int, ...]
    data_ref: int | None
    indices_ref: int | None = None
    indptr_ref: int | None = None
    indices_sorted: bool | None = False
    unique_indices: bool | None = False

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def is_sparse(self) -> bool:
        """Whether it has indices."""
        return self.indices_ref is not None

    def is_dense(self) -> bool:
        """Whether it has no indices."""
        return self.indices_ref is None

    def is_bcoo(self) -> bool:
        """Whether it is in coordinate format."""
        return self.is_sparse() and self.indptr_ref is None

    def is_bcsr(self) -> bool:
        """Whether it is in compressed row format."""
        return self.is_sparse() and self.indptr_ref is not None


class SparsifyEnv:
    """A list of buffers, which values may share.

    Source: `jax.experimental.sparse.transform.SparsifyEnv`.
    """

    def __init__(self, bufs: Sequence[Any] = ()):
        self._buffers = list(bufs)

    def _push(self, arr: Any) -> int:
        self._buffers.append(jnp.asarray(arr))
        return len(self._buffers) - 1

    def data(self, spvalue: SparsifyValue) -> Any:
        """The buffer of elements."""
        return self._buffers[operator.index(spvalue.data_ref)]  # type: ignore[arg-type]

    def indices(self, spvalue: SparsifyValue) -> Any:
        """The buffer of indices."""
        return self._buffers[operator.index(spvalue.indices_ref)]  # type: ignore[arg-type]

    def indptr(self, spvalue: SparsifyValue) -> Any:
        """The buffer of row pointers."""
        return self._buffers[operator.index(spvalue.indptr_ref)]  # type: ignore[arg-type]

    def dense(self, data: Any) -> SparsifyValue:
        """A dense value of a new buffer."""
        return SparsifyValue(tuple(jnp.shape(data)), self._push(data))

    def sparse(self, shape: Sequence[int], data: Any = None, indices: Any = None,
               indptr: Any = None, *, data_ref: int | None = None,
               indices_ref: int | None = None, indptr_ref: int | None = None,
               indices_sorted: bool = False, unique_indices: bool = False) -> SparsifyValue:
        """A sparse value of new buffers, or of those with the numbers given."""
        first, second, third = (
            self._push(x) if ref is None and x is not None else ref for x, ref in (
                (data, data_ref), (indices, indices_ref), (indptr, indptr_ref)))
        return SparsifyValue(tuple(shape), first, second, third, indices_sorted, unique_indices)


def _is_value(x: Any) -> bool:
    return isinstance(x, SparsifyValue)


def arrays_to_spvalues(spenv: SparsifyEnv, args: Any) -> Any:
    """Arrays in a pytree as values whose buffers are added to `spenv`."""
    def one(x: Any) -> SparsifyValue:
        if not is_sparse(x):
            return spenv.dense(x)
        return spenv.sparse(x.shape, *x._bufs, indices_sorted=x.indices_sorted,
                            unique_indices=x.unique_indices)
    return tree_util.tree_map(one, args, is_leaf=is_sparse)


def spvalues_to_arrays(spenv: SparsifyEnv, spvalues: Any) -> Any:
    """The dense and sparse arrays of values in a pytree."""
    def one(value: SparsifyValue) -> Any:
        if value.is_dense():
            return spenv.data(value)
        bufs = [spenv._buffers[ref] for ref in value[1:4] if ref is not None]
        kind: Any = BCOO if value.is_bcoo() else BCSR
        return kind(tuple(bufs), shape=value.shape, indices_sorted=value.indices_sorted,
                    unique_indices=value.unique_indices)
    return tree_util.tree_map(one, spvalues, is_leaf=_is_value)


def spvalues_to_avals(spenv: SparsifyEnv, spvalues: Any) -> Any:
    """The types of the dense arrays that values in a pytree stand for."""
    return tree_util.tree_map(
        lambda v: ShapedArray(v.shape, np.dtype(spenv.data(v).dtype)), spvalues, is_leaf=_is_value)


def sparsify_raw(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function (env, *values) → (values, structure) that does what `f` does on arrays.

    Source: `jax.experimental.sparse.transform.sparsify_raw`.
    """
    def wrapped(spenv: SparsifyEnv, *spvalues: Any, **params: Any) -> Any:
        args = spvalues_to_arrays(spenv, spvalues)
        out = sparsify(f)(*args, **params)
        outs, tree = tree_util.tree_flatten(out, is_leaf=is_sparse)
        return arrays_to_spvalues(spenv, outs), tree
    return wrapped


def eval_sparse(jaxpr: Jaxpr, consts: Sequence[Any], spvalues: Sequence[SparsifyValue],
                spenv: SparsifyEnv) -> Sequence[SparsifyValue]:
    """Run a jaxpr on values.

    Source: `jax.experimental.sparse.transform.eval_sparse`.
    """
    args = spvalues_to_arrays(spenv, list(spvalues))
    outs = _run(lambda *xs: eval_jaxpr(jaxpr, consts, *xs), args)
    found: Sequence[SparsifyValue] = arrays_to_spvalues(spenv, outs)
    return found

__dir__ = _listing(__name__)
