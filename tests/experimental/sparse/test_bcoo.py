"""Functions on BCOO arrays of all layouts, against those of dense arrays."""
from __future__ import annotations

import itertools
from typing import Any

import arrax
import numpy as np
import pytest
from arrax import lax
from arrax import numpy as jnp
from arrax.experimental import sparse
from arrax.experimental.sparse import BCOO

from tests.experimental.sparse.layouts import SHAPES, arrays, check, dense, layouts

FORMS = {(shape, i): mat for shape in SHAPES for i, mat in enumerate(arrays(shape))}
each = pytest.mark.parametrize("mat", FORMS.values(), ids=[
    f"{'x'.join(map(str, m.shape))} batch {m.n_batch} dense {m.n_dense}" for m in FORMS.values()])


@each
def test_conversions(mat: BCOO) -> None:
    x = mat.todense()
    fresh = BCOO.fromdense(x, n_batch=mat.n_batch, n_dense=mat.n_dense)
    assert (fresh.n_batch, fresh.n_dense) == (mat.n_batch, mat.n_dense)
    np.testing.assert_array_equal(x, dense(mat.shape))
    check(lambda m: m.sort_indices(), lambda y: y, mat)
    found = sparse.bcoo_extract(mat, x, assume_unique=False)
    np.testing.assert_array_equal(found.todense(), x)
    summed = mat.sum_duplicates()
    assert summed.unique_indices and summed.indices_sorted
    assert summed.nse == fresh.nse
    np.testing.assert_array_equal(summed.todense(), x)
    check(lambda m: sparse.bcoo_sum_duplicates(m, 30), lambda y: y, mat)


@each
def test_axes(mat: BCOO) -> None:
    ndim = mat.ndim
    last = ndim - mat.n_dense
    order = [*range(mat.n_batch)[::-1], *range(mat.n_batch, last)[::-1], *range(last, ndim)[::-1]]
    check(lambda m: m.transpose(order), lambda y: y.transpose(order), mat)
    for count in range(ndim + 1):
        for axes in itertools.combinations(range(ndim), count):
            check(lambda m, a=axes: sparse.bcoo_rev(m, a), lambda y, a=axes: jnp.flip(y, a), mat,
                  jit=False, grad=False)
            check(lambda m, a=axes: sparse.bcoo_reduce_sum(m, axes=a),
                  lambda y, a=axes: y.sum(a), mat, jit=False, grad=count == 1)
    for places in itertools.combinations(range(ndim + 1), ndim):
        shape = [2] * (ndim + 1)
        for axis, place in enumerate(places):
            shape[place] = mat.shape[axis]
        check(lambda m, s=shape, q=places: sparse.bcoo_broadcast_in_dim(
            m, shape=s, broadcast_dimensions=q),
            lambda y, s=shape, q=places: lax.broadcast_in_dim(y, s, q), mat, jit=False, grad=False)


@each
def test_parts(mat: BCOO) -> None:
    generator = np.random.default_rng(1)
    for _ in range(3):
        starts, ends = np.sort(generator.integers(0, np.array(mat.shape) + 1, (2, mat.ndim)), 0)
        steps = generator.integers(1, 3, mat.ndim)
        where = {"start_indices": starts, "limit_indices": ends, "strides": steps}
        check(lambda m, w=where: sparse.bcoo_slice(m, **w), lambda y, w=where: lax.slice(y, **w),
              mat, jit=False)
        first = generator.integers(-5, 5, mat.ndim)
        sizes = generator.integers(0, mat.shape)
        check(lambda m, f=first, s=sizes: sparse.bcoo_dynamic_slice(m, f, s),
              lambda y, f=first, s=sizes: lax.dynamic_slice(y, f, s), mat)


@each
def test_layouts(mat: BCOO) -> None:
    for n_batch, n_dense in layouts(mat.ndim):
        options = {"n_batch": n_batch, "n_dense": n_dense}
        if n_batch > mat.n_batch or n_dense > mat.n_dense:
            with pytest.raises(sparse.SparseEfficiencyError, match="stores many zeros"):
                mat.update_layout(**options)
            with pytest.warns(sparse.SparseEfficiencyWarning):
                mat.update_layout(**options, on_inefficient="warn")
        new = mat.update_layout(**options, on_inefficient=None)
        assert (new.n_batch, new.n_dense) == (n_batch, n_dense)
        np.testing.assert_array_equal(new.todense(), mat.todense())


@each
def test_joined(mat: BCOO) -> None:
    for axis in range(mat.ndim - mat.n_dense):
        check(lambda m, a=axis: sparse.bcoo_concatenate([m, m], dimension=a),
              lambda y, a=axis: jnp.concatenate([y, y], a), mat, grad=False)
    if mat.n_dense:
        with pytest.raises(NotImplementedError, match="along a dense axis"):
            sparse.bcoo_concatenate([mat, mat], dimension=mat.ndim - 1)


INDICES = [np.index_exp[0], np.index_exp[-1], np.index_exp[9], np.index_exp[::-2],
           np.index_exp[None], np.index_exp[..., None], np.index_exp[1:, None, ...],
           np.index_exp[np.array([0, 1, -1])]]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_items(index: Any) -> None:
    for shape in SHAPES:
        for mat in arrays(shape):
            if mat.n_dense:
                continue
            check(lambda m: m[index], lambda y: y[index], mat, jit=False, grad=False)
    mat = next(arrays((4, 3)))
    check(lambda m, i: m[i, 1:], lambda y, i: y[i, 1:], mat, jnp.int32(2))
    rows = np.array([True, False, True, False])
    check(lambda m: m[rows], lambda y: y[rows], mat, jit=False)
    assert len(list(mat)) == 4


SIZES = [((6,), (2, 3)), ((3, 4, 5), (2, 6, 5)), ((2, 4), (4, 1, 2)), ((), (1,)), ((1,), ())]


@pytest.mark.parametrize("old, new", SIZES, ids=str)
def test_reshape(old: tuple[int, ...], new: tuple[int, ...]) -> None:
    check(lambda m: m.reshape(new), lambda y: y.reshape(new), next(arrays(old)))
    batched = BCOO.fromdense(dense((2, 3, *old)), n_batch=2)
    check(lambda m: m.reshape(6, *new), lambda y: y.reshape(6, *new), batched)
    check(lambda m: sparse.bcoo_squeeze(m, dimensions=[-1]), lambda y: y[..., 0],
          next(arrays((*old, 1))))


def numbers(shape: tuple[int, ...], seed: int) -> Any:
    """Dimension numbers of a product of an array of that shape, and the shape of the other."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(shape)).tolist()
    kinds = generator.integers(0, 3, len(shape))
    contract = [a for a in range(len(shape)) if kinds[a] == 0]
    batch = [a for a in range(len(shape)) if kinds[a] == 1]
    return (((contract, [order.index(a) for a in contract]),
             (batch, [order.index(a) for a in batch])), [shape[a] for a in order])


@each
def test_dot_general(mat: BCOO) -> None:
    tried = 0
    for seed in range(8):
        dims, shape = numbers(mat.shape, seed)
        if any(a >= mat.ndim - mat.n_dense for a in dims[1][0]):
            continue
        other = dense(shape, seed=seed)
        check(lambda m, o, d=dims: sparse.bcoo_dot_general(m, o, dimension_numbers=d),
              lambda y, o, d=dims: lax.dot_general(y, o, d), mat, other, jit=False, grad=not tried)
        swapped = tuple(pair[::-1] for pair in dims)
        check(lambda o, m, d=swapped: sparse.bcoo_dot_general(o, m, dimension_numbers=d),
              lambda o, y, d=swapped: lax.dot_general(o, y, d), other, mat, jit=not tried,
              grad=False)
        tried += 1


@pytest.mark.parametrize("shapes, batches, dims", [
    (((5,), (6,)), (0, 0), (([], []), ([], []))),
    (((5, 7), (7, 3)), (0, 0), (([1], [0]), ([], []))),
    (((2, 3, 4), (2, 4, 3)), (1, 1), (([2], [1]), ([0], [0]))),
    (((2, 3, 4), (2, 4)), (2, 1), (([2], [1]), ([], []))),
    (((2, 3, 4, 3, 1), (3, 2, 3, 4)), (2, 2), (([2, 3], [3, 2]), ([0, 1], [1, 0]))),
    (((4,), (4,)), (0, 0), (([0], [0]), ([], []))),
], ids=str)
def test_sparse_times_sparse(shapes: Any, batches: Any, dims: Any) -> None:
    mats = [BCOO.fromdense(dense(s, seed=i), n_batch=b)
            for i, (s, b) in enumerate(zip(shapes, batches, strict=True))]
    check(lambda x, y: sparse.bcoo_dot_general(x, y, dimension_numbers=dims),
          lambda x, y: lax.dot_general(x, y, dims), *mats)
    out = sparse.bcoo_dot_general(*mats, dimension_numbers=dims)
    assert out.nse <= min(mats[0].nse * mats[1].nse, max(out.size, 1))


def test_sampled_products() -> None:
    for shapes, dims in [(((3, 4), (4, 5)), (([1], [0]), ([], []))),
                         (((2, 3, 4), (2, 4, 5)), (([2], [1]), ([0], [0])))]:
        x, y = (dense(s, seed=i) for i, s in enumerate(shapes))
        product = lax.dot_general(x, y, dims)
        for n_batch, n_dense in layouts(product.ndim):
            mat = BCOO.fromdense(product, n_batch=n_batch, n_dense=n_dense)
            found = sparse.bcoo_dot_general_sampled(x, y, mat.indices, dimension_numbers=dims)
            np.testing.assert_allclose(found, mat.data)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (4, 1), (4, 3)], ids=str)
def test_elementwise_products(shape: tuple[int, ...]) -> None:
    other = dense(shape, seed=3) + 1
    for mat in arrays((4, 3)):
        check(lambda m, o: m * o, lambda y, o: y * o, mat, other)
        if not (other == 0).any():
            check(lambda m, o: m / o, lambda y, o: y / o, mat, other)
        if len(shape) == 2 and not mat.n_dense:
            for factor in arrays(shape, seed=3):
                if not factor.n_dense:
                    check(lambda m, f: m * f, lambda y, f: y * f, mat, factor, jit=False,
                          grad=mat.n_batch == factor.n_batch)


@pytest.mark.parametrize("padding", ["SAME", "VALID", [(3, 2)]], ids=str)
@pytest.mark.parametrize("kind", ["sparse dense", "dense sparse", "sparse sparse"])
def test_convolutions(padding: Any, kind: str) -> None:
    x, y = (BCOO.fromdense(dense((1, 1, n), seed=n), n_batch=2) if k == "sparse" else
            jnp.asarray(dense((1, 1, n), seed=n))
            for n, k in zip((9, 4), kind.split(), strict=True))
    for stride, spread in ((1, 1), (2, 1), (1, 2)):
        options = {"window_strides": (stride,), "padding": padding, "rhs_dilation": (spread,)}
        check(lambda a, b, o=options: sparse.bcoo_conv_general_dilated(a, b, **o),
              lambda a, b, o=options: lax.conv_general_dilated(a, b, **o), x, y, grad=False)


def test_operators() -> None:
    mat, x = BCOO.fromdense(dense((4, 3))), jnp.asarray(dense((4, 3), seed=5))
    v = jnp.arange(3.)
    for function in [lambda m: -m, lambda m: abs(m), lambda m: 2 * m, lambda m: m / 2,
                     lambda m: m + m, lambda m: m - x, lambda m: x + m, lambda m: m ** 2,
                     lambda m: m @ v, lambda m: x.T @ m, lambda m: np.ones(4) @ m, lambda m: m.T,
                     lambda m: m.sum(), lambda m: m.sum(0), lambda m: m.astype(int)]:
        check(function, function, mat, grad=False)
    assert isinstance(mat + mat, BCOO) and isinstance(mat.T @ mat, BCOO)
    assert not isinstance(mat + x, BCOO)
    batch = BCOO.fromdense(dense((2, 4, 3)), n_batch=2)
    check(arrax.vmap(lambda r: r * 2, 1), arrax.vmap(lambda r: r * 2, 1), batch, grad=False)


def test_what_is_printed() -> None:
    x = jnp.arange(6.).reshape(2, 3)
    assert repr(BCOO.fromdense(x)) == "BCOO(float32[2, 3], nse=5)"
    assert repr(BCOO.fromdense(x, n_batch=1, n_dense=1)) == \
        "BCOO(float32[2, 3], nse=1, n_batch=1, n_dense=1)"
    mat = BCOO.fromdense(x)
    mat.indices = jnp.array([])
    assert repr(mat) == "BCOO(<invalid>)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(mat)


ERRORS = {
    "shape": (lambda: BCOO((jnp.ones(2), jnp.ones((2, 1), int)), shape=(2, 2)), ValueError,
              "not those of shape"),
    "float indices": (lambda: BCOO((jnp.ones(2), jnp.ones((2, 1))), shape=(2,)), ValueError,
                      "indices must be integers, got float32"),
    "counts": (lambda: BCOO((jnp.ones(3), jnp.ones((2, 1), int)), shape=(2,)), ValueError,
               "different numbers of elements"),
    "fromdense": (lambda: BCOO.fromdense(jnp.ones(3), n_batch=2), ValueError, "do not fit"),
    "nse under jit": (lambda: arrax.jit(BCOO.fromdense)(jnp.ones(3)),
                      arrax.errors.ConcretizationTypeError, "pass nse"),
    "dense": (lambda: sparse.bcoo_todense(jnp.ones(3)), TypeError, "expects a BCOO array"),
    "dims": (lambda: sparse.bcoo_dot_general(BCOO.fromdense(jnp.ones(3)), jnp.ones(4),
                                             dimension_numbers=(([0], [0]), ([], []))),
             TypeError, r"shape \(3,\) .* of shape \(4,\) do not fit"),
    "transpose": (lambda: BCOO.fromdense(jnp.ones((2, 3)), n_batch=1).T, NotImplementedError,
                  "moves axes between"),
    "reshape": (lambda: BCOO.fromdense(jnp.ones((2, 2, 3)), n_batch=1).reshape(3, 2, 2),
                ValueError, "cannot mix batch and sparse dimensions"),
    "format": (lambda: sparse.empty((2,), sparse_format="dia"), ValueError, "got 'dia'"),
    "broadcast": (lambda: BCOO.fromdense(jnp.ones(3)) * jnp.ones((2, 3)), NotImplementedError,
                  "does not broadcast"),
    "batch after sparse": (lambda: sparse.bcoo_dot_general(
        BCOO.fromdense(jnp.ones((2, 3))), BCOO.fromdense(jnp.ones((4, 3)), n_batch=1),
        dimension_numbers=(([1], [1]), ([], []))), ValueError, "unused batch dims on rhs"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()


def test_joined_layouts_may_differ() -> None:
    x = dense((4, 3))
    mats = [BCOO.fromdense(x), BCOO.fromdense(x, n_batch=1), BCOO.fromdense(x, n_dense=1)]
    out = sparse.bcoo_concatenate(mats, dimension=0)
    assert (out.n_batch, out.n_dense) == (0, 0)
    np.testing.assert_array_equal(out.todense(), np.concatenate([x, x, x]))


def test_repeated_products_are_remembered() -> None:
    mat, v = BCOO.fromdense(dense((4, 3))), jnp.arange(3.)
    first = mat @ v
    for _ in range(5):
        np.testing.assert_array_equal(mat @ v, first)
    np.testing.assert_array_equal(mat @ (2 * v), 2 * first)
