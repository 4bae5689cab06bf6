"""The other formats, arrays made by functions, and sparse arrays as pytrees."""
from __future__ import annotations

from typing import Any

import arrax
import numpy as np
import pytest
import scipy.sparse
from arrax import lax
from arrax import numpy as jnp
from arrax.experimental import sparse
from arrax.experimental.sparse import BCOO, BCSR, COO, CSC, CSR

from tests.experimental.sparse.layouts import check, dense

MATRICES = [CSR, CSC, COO, BCOO, BCSR]
each = pytest.mark.parametrize("kind", MATRICES, ids=lambda k: k.__name__)
X = dense((4, 3))


@each
def test_matrices(kind: Any) -> None:
    mat = kind.fromdense(X)
    assert mat.shape == (4, 3) and mat.nse == np.count_nonzero(X) and mat.dtype == np.float32
    assert len(mat) == 4 and mat.ndim == 2 and mat.size == 12
    np.testing.assert_array_equal(mat.todense(), X)
    np.testing.assert_array_equal(kind.fromdense(X, nse=11).todense(), X)
    for other in (dense((3,)), dense((3, 2)), np.arange(3)):
        np.testing.assert_allclose(mat @ other, X @ other, rtol=1e-6)
        np.testing.assert_allclose(arrax.jit(lambda m, o: m @ o)(mat, other), X @ other, rtol=1e-6)
    if kind is not BCSR:
        np.testing.assert_array_equal(mat.T.todense(), X.T)
        np.testing.assert_allclose(mat.T @ dense((4,)), X.T @ dense((4,)))
    assert mat.block_until_ready() is mat
    with pytest.raises(TypeError, match="unhashable"):
        hash(mat)


@each
def test_derivatives(kind: Any) -> None:
    mat, v = kind.fromdense(X), dense((3,), seed=2)
    leaves, tree = arrax.tree.flatten(mat)

    def f(data: Any, v: Any) -> Any:
        return ((tree.unflatten([data, *leaves[1:]]) @ v) ** 2).sum()
    by_data, by_v = arrax.grad(f, (0, 1))(leaves[0], v)
    full, wanted = arrax.grad(lambda x, v: ((x @ v) ** 2).sum(), (0, 1))(jnp.asarray(X), v)
    np.testing.assert_allclose(by_v, wanted, rtol=1e-5)
    found = tree.unflatten([by_data, *leaves[1:]]).todense()
    np.testing.assert_allclose(found, np.where(X != 0, full, 0), rtol=1e-5)
    forward = arrax.jvp(f, (leaves[0], v), (leaves[0], v))[1]
    np.testing.assert_allclose(forward, (full * X).sum() + (wanted * v).sum(), rtol=1e-5)


@each
@pytest.mark.parametrize("n, m, k", [(3, None, 0), (5, 3, -2), (2, 5, 1), (2, 2, 5)])
def test_eye(kind: Any, n: int, m: int | None, k: int) -> None:
    made = sparse.eye(n, m, k, sparse_format=kind.__name__.lower())
    assert isinstance(made, kind) and made.nse == np.eye(n, m, k).sum()
    np.testing.assert_array_equal(made.todense(), np.eye(n, m, k))
    none = sparse.empty((n, 4), "int8", sparse_format=kind.__name__.lower())
    assert none.nse == 0 and none.dtype == np.int8 and none.todense().shape == (n, 4)


def test_eye_in_layouts() -> None:
    for n_batch, n_dense in [(1, 0), (2, 0), (0, 1), (1, 1), (0, 2)]:
        made = sparse.eye(3, 4, 1, n_batch=n_batch, n_dense=n_dense)
        assert (made.n_batch, made.n_dense) == (n_batch, n_dense)
        assert made.nse == BCOO.fromdense(jnp.eye(3, 4, 1), n_batch=n_batch, n_dense=n_dense).nse
        np.testing.assert_array_equal(made.todense(), np.eye(3, 4, 1))


def test_bcsr() -> None:
    x = dense((2, 4, 3, 2))
    for n_batch, n_dense in [(0, 2), (1, 1), (2, 0)]:
        mat = BCSR.fromdense(x, n_batch=n_batch, n_dense=n_dense)
        np.testing.assert_array_equal(mat.todense(), x)
        np.testing.assert_array_equal(mat.to_bcoo().todense(), x)
        np.testing.assert_array_equal(BCSR.from_bcoo(mat.to_bcoo()).indptr, mat.indptr)
        np.testing.assert_array_equal(sparse.bcsr_extract(mat.indices, mat.indptr, x), mat.data)
        np.testing.assert_array_equal(mat[None].todense(), x[None])
        joined = sparse.bcsr_concatenate([mat, mat], dimension=n_batch)
        np.testing.assert_array_equal(joined.todense(), np.concatenate([x, x], n_batch))
    flat = scipy.sparse.csr_matrix(X)
    mat = BCSR.fromdense(X)
    np.testing.assert_array_equal(mat.indices, flat.indices)
    np.testing.assert_array_equal(mat.indptr, flat.indptr)
    short = BCSR((jnp.arange(1., 5.), jnp.arange(4), jnp.array([0, 1, 3, 3])), shape=(3, 4))
    np.testing.assert_array_equal(short @ jnp.arange(1., 5.), [1., 13., 0.])
    with pytest.raises(ValueError, match=r"indptr must have one element more than rows, 5"):
        BCSR((mat.data, mat.indices, mat.indptr[1:]), shape=(4, 3))


@pytest.mark.parametrize("make", [scipy.sparse.coo_matrix, scipy.sparse.csr_matrix,
                                  scipy.sparse.csc_matrix], ids=lambda m: m.__name__)
def test_from_scipy(make: Any) -> None:
    for kind in (BCOO, BCSR):
        np.testing.assert_array_equal(kind.from_scipy_sparse(make(X)).todense(), X)


def test_coo_functions() -> None:
    v, w = dense((4,)), dense((4, 2))
    coo, csr = COO.fromdense(X), CSR.fromdense(X)
    np.testing.assert_allclose(sparse.coo_matvec(coo, v, transpose=True), X.T @ v)
    np.testing.assert_allclose(sparse.csr_matvec(csr, v, transpose=True), X.T @ v)
    np.testing.assert_allclose(sparse.coo_matmat(coo, w, transpose=True), X.T @ w)
    np.testing.assert_allclose(sparse.csr_matmat(csr, w, transpose=True), X.T @ w)
    order = np.random.default_rng(0).permutation(coo.nse)
    mixed = COO((coo.data[order], coo.row[order], coo.col[order]), shape=coo.shape)
    np.testing.assert_array_equal(mixed._sort_indices().row, coo.row)
    with pytest.raises(NotImplementedError, match="use BCOO"):
        coo @ csr


# ---- pytrees -----------------------------------------------------------------------------------

def test_mapped() -> None:
    x = dense((2, 4, 3))
    for kind in (BCOO, BCSR):
        mat = kind.fromdense(x, n_batch=1)

        def f(m: Any) -> Any:
            assert m.shape == (4, 3) and m.n_batch == 0
            return m
        out = arrax.vmap(f)(mat)
        assert out.shape == (2, 4, 3) and out.n_batch == 1
        np.testing.assert_array_equal(out.todense(), x)
        np.testing.assert_array_equal(arrax.vmap(sparse.todense)(mat), x)
        name = kind.__name__.lower()
        made = arrax.vmap(lambda y, f=name: sparse.empty(y.shape, y.dtype, sparse_format=f))(x)
        assert made.shape == (2, 4, 3) and made.n_batch == 1
        total = lax.scan(lambda c, m: (c + m.todense(), None), jnp.zeros((4, 3)), mat)[0]
        np.testing.assert_array_equal(total, x.sum(0))
    both = arrax.vmap(lambda m: BCOO.fromdense(m, nse=12))(x)
    assert isinstance(both, BCOO) and both.shape == x.shape
    np.testing.assert_array_equal(both.todense(), x)


@pytest.mark.parametrize("kind", [BCOO, BCSR], ids=lambda k: k.__name__)
def test_only_batch_axes_are_mapped(kind: Any) -> None:
    for n_batch, axis in ((0, 0), (1, 1), (1, 2)):
        mat = kind.fromdense(dense((2, 4, 3, 2)), n_batch=n_batch, n_dense=2 - n_batch)
        with pytest.raises((ValueError, TypeError, IndexError), match="(?i)axes|axis|dim"):
            arrax.vmap(lambda m: m.todense(), axis)(mat)


def test_gradients_are_sparse() -> None:
    mat, v = BCOO.fromdense(X), jnp.arange(3.)

    def f(tree: Any, v: Any) -> Any:
        return ((tree["m"] @ v) ** 2).sum() + tree["b"].sum(), v
    tree, full = ({"m": m, "b": jnp.ones(2)} for m in (mat, jnp.asarray(X)))
    (value, aux), (grads, by_v) = sparse.value_and_grad(f, (0, 1), has_aux=True)(tree, v)
    (wanted_value, _), (wanted, wanted_v) = arrax.value_and_grad(f, (0, 1), has_aux=True)(full, v)
    assert isinstance(grads["m"], BCOO) and value == wanted_value and aux is not None
    np.testing.assert_array_equal(by_v, wanted_v)
    np.testing.assert_array_equal(grads["b"], wanted["b"])
    np.testing.assert_allclose(grads["m"].todense(), np.where(X != 0, wanted["m"], 0))
    np.testing.assert_allclose(sparse.grad(lambda m: (m @ v).sum())(mat).data,
                               v[mat.indices[:, 1]])
    for transform in ("jacfwd", "jacrev", "jacobian"):
        found = getattr(sparse, transform)(lambda m: {"y": m @ v})(mat)["y"]
        dense_one = arrax.jacrev(lambda m: m @ v)(jnp.asarray(X))
        assert found.shape == (4, 4, 3)
        np.testing.assert_allclose(found.todense(), np.where(X != 0, dense_one, 0))


def test_random() -> None:
    for n_batch, n_dense in [(0, 0), (1, 0), (0, 1), (1, 1), (3, 0)]:
        mat = sparse.random_bcoo(arrax.random.key(0), (3, 4, 5), dtype="float32", nse=0.5,
                                 indices_dtype="int8", n_batch=n_batch, n_dense=n_dense,
                                 sorted_indices=True)
        assert (mat.n_batch, mat.n_dense, mat.indices.dtype) == (n_batch, n_dense, np.int8)
        assert mat.nse == -(-np.prod(mat.sparse_shape, dtype=int) // 2)
        assert mat.sum_duplicates(remove_zeros=False).nse == mat.nse
        np.testing.assert_array_equal(mat.sort_indices().indices, mat.indices)
    with pytest.raises(ValueError, match="nse=13 of 12 places"):
        sparse.random_bcoo(arrax.random.key(0), (3, 4), nse=13)


def test_helpers() -> None:
    f = sparse.util.nfold_vmap(lambda x, y: x * y, 2)
    check(f, lambda x, y: x * y, jnp.ones((2, 1)), jnp.arange(6.).reshape(1 * 2, 3), grad=False)
    with pytest.raises(ValueError, match="inconsistent sizes"):
        sparse.util.broadcasting_vmap(lambda x, y: x)(jnp.ones(2), jnp.ones(3))
