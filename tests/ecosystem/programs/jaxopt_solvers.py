"""jaxopt: minimization, least squares, roots, fixed points, and gradients through solutions."""
import jax
import jax.numpy as jnp
import jaxopt

from show import show

key = jax.random.key(3)
matrix = jax.random.normal(key, (20, 4))
target = matrix @ jnp.arange(1.0, 5.0) + 0.1


def ridge(params, reg):
    return jnp.mean((matrix @ params - target) ** 2) + reg * jnp.sum(params ** 2)


start = jnp.zeros(4)
show("gradient descent", jaxopt.GradientDescent(ridge, maxiter=200).run(start, 0.1).params)
show("lbfgs", jaxopt.LBFGS(ridge, maxiter=30).run(start, 0.1).params)
show("bfgs", jaxopt.BFGS(ridge, maxiter=30).run(start, 0.1).params)
show("through", jax.grad(lambda reg: jaxopt.LBFGS(ridge, maxiter=30, implicit_diff=True)
                         .run(start, reg).params.sum())(0.1))
show("proximal", jaxopt.ProximalGradient(
    lambda p: jnp.mean((matrix @ p - target) ** 2), jaxopt.prox.prox_lasso, maxiter=200
).run(start, 0.3).params)
show("projected", jaxopt.ProjectedGradient(
    lambda p: jnp.mean((matrix @ p - target) ** 2), jaxopt.projection.projection_non_negative,
    maxiter=200).run(start).params)
show("levenberg", jaxopt.LevenbergMarquardt(
    lambda p: jnp.exp(-matrix[:, 0] * p[0]) * p[1] - jnp.exp(-matrix[:, 0] * 0.3) * 2, maxiter=30
).run(jnp.ones(2)).params)
show("gauss newton", jaxopt.GaussNewton(lambda p: matrix @ p - target).run(start).params)
bisection = jaxopt.Bisection(lambda x, c: x ** 3 - c, lower=0.0, upper=4.0, maxiter=50, tol=1e-6)
show("bisection", bisection.run(c=8.0).params)
show("fixed point", jaxopt.FixedPointIteration(lambda x: jnp.cos(x), maxiter=60).run(1.0).params)
show("anderson", jaxopt.AndersonAcceleration(lambda x: jnp.cos(x), maxiter=30).run(
    jnp.ones(2)).params)
show("quadratic", jaxopt.EqualityConstrainedQP().run(
    params_obj=(2 * jnp.eye(2), jnp.array([-2.0, -5.0])),
    params_eq=(jnp.array([[1.0, -1.0]]), jnp.array([0.5]))).params)
