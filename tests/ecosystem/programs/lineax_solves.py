"""lineax and optimistix: linear solves of all kinds of operators, roots, minima, least squares."""
import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx

from show import show

key = jax.random.key(2)
square = jax.random.normal(key, (4, 4)) + 4 * jnp.eye(4)
tall = jax.random.normal(key, (6, 4))
rhs = jnp.arange(1.0, 5.0)
positive = square @ square.T


def solve(operator, vector, solver):
    return lx.linear_solve(operator, vector, solver=solver).value


show("lu", solve(lx.MatrixLinearOperator(square), rhs, lx.LU()))
show("qr", solve(lx.MatrixLinearOperator(tall), jnp.arange(6.0), lx.QR()))
show("svd", solve(lx.MatrixLinearOperator(tall), jnp.arange(6.0), lx.SVD()))
spd = lx.MatrixLinearOperator(positive, lx.positive_semidefinite_tag)
show("cholesky", solve(spd, rhs, lx.Cholesky()))
show("cg", solve(spd, rhs, lx.CG(rtol=1e-6, atol=1e-6)))
show("gmres", solve(lx.MatrixLinearOperator(square), rhs, lx.GMRES(rtol=1e-4, atol=1e-4)))
show("tridiagonal", solve(lx.TridiagonalLinearOperator(jnp.full(4, 3.0), jnp.ones(3), jnp.ones(3)),
                          rhs, lx.Tridiagonal()))
show("diagonal", solve(lx.DiagonalLinearOperator(rhs), rhs, lx.Diagonal()))
show("triangular", solve(lx.MatrixLinearOperator(jnp.tril(square), lx.lower_triangular_tag), rhs,
                         lx.Triangular()))
jacobian = lx.JacobianLinearOperator(lambda x, _: jnp.tanh(x) + x ** 3 + square @ x, rhs)
show("jacobian", lx.linear_solve(jacobian, rhs).value)
show("grad", jax.jit(jax.grad(lambda m: lx.linear_solve(
    lx.MatrixLinearOperator(m), rhs).value.sum()))(square))
show("jvp", jax.jvp(lambda v: lx.linear_solve(lx.MatrixLinearOperator(square), v).value,
                    (rhs,), (jnp.ones(4),)))
show("vmap", jax.vmap(lambda v: lx.linear_solve(lx.MatrixLinearOperator(square), v).value)(
    jnp.stack([rhs, rhs + 1])))


def curve(x, a):
    return jnp.array([x[0] ** 2 + x[1] - a, x[0] - x[1] ** 3])


root = optx.root_find(curve, optx.Newton(rtol=1e-5, atol=1e-5), jnp.ones(2), args=2.0)
show("newton", root.value)
show("dogleg", optx.root_find(curve, optx.Dogleg(rtol=1e-5, atol=1e-5), jnp.ones(2),
                              args=2.0).value)
show("through root", jax.grad(lambda a: optx.root_find(
    curve, optx.Newton(rtol=1e-5, atol=1e-5), jnp.ones(2), args=a).value.sum())(2.0))
show("bfgs", optx.minimise(lambda x, _: jnp.sum((x - rhs) ** 4 + x ** 2),
                           optx.BFGS(rtol=1e-4, atol=1e-4), jnp.zeros(4)).value)
show("levenberg", optx.least_squares(
    lambda x, _: jnp.exp(-tall @ x) - 0.5, optx.LevenbergMarquardt(rtol=1e-4, atol=1e-4),
    jnp.zeros(4)).value)
show("fixed point", optx.fixed_point(lambda x, _: jnp.cos(x), optx.FixedPointIteration(
    rtol=1e-5, atol=1e-5), jnp.float32(1.0)).value)
