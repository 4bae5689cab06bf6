"""diffrax: adaptive, stiff, stochastic and controlled equations, events, adjoints."""
import diffrax as dfx
import jax
import jax.numpy as jnp

from show import show


def lotka(t, y, args):
    prey, predator = y
    a, b = args
    return jnp.array([a * prey - b * prey * predator, b * prey * predator - predator])


start, rates = jnp.array([10.0, 5.0]), jnp.array([0.4, 0.1])
term = dfx.ODETerm(lotka)
saveat = dfx.SaveAt(ts=jnp.linspace(0, 10, 6))


def solve(solver, args=rates, **options):
    return dfx.diffeqsolve(term, solver, 0.0, 10.0, 0.1, start, args=args, saveat=saveat,
                           stepsize_controller=dfx.PIDController(rtol=1e-5, atol=1e-5), **options)


for solver in (dfx.Tsit5(), dfx.Dopri5(), dfx.Dopri8(), dfx.Bosh3()):
    show(type(solver).__name__, solve(solver).ys)
show("implicit", solve(dfx.Kvaerno5()).ys)
show("constant step", dfx.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 0.05, start, args=rates).ys)


def last(args, adjoint):
    return solve(dfx.Tsit5(), args, adjoint=adjoint).ys[-1].sum()


show("gradient", jax.grad(last)(rates, dfx.RecursiveCheckpointAdjoint()))
show("backsolve", jax.grad(last)(rates, dfx.BacksolveAdjoint()))
show("jitted", jax.jit(lambda r: last(r, dfx.RecursiveCheckpointAdjoint()))(rates))
show("batch", jax.vmap(lambda y: dfx.diffeqsolve(
    term, dfx.Tsit5(), 0.0, 2.0, 0.1, y, args=rates).ys)(jnp.stack([start, start + 1])))
dense = dfx.diffeqsolve(term, dfx.Tsit5(), 0.0, 2.0, 0.1, start, args=rates,
                        saveat=dfx.SaveAt(dense=True))
show("dense", dense.evaluate(1.234))
event = dfx.Event(lambda t, y, args, **kwargs: y[0] - 8.0)
show("event", dfx.diffeqsolve(term, dfx.Tsit5(), 0.0, 10.0, 0.1, start, args=rates,
                              event=event).ts)
brownian = dfx.VirtualBrownianTree(0.0, 1.0, tol=1e-3, shape=(2,), key=jax.random.key(0))
noisy = dfx.MultiTerm(term, dfx.ControlTerm(lambda t, y, args: jnp.diag(0.1 * y), brownian))
show("stochastic", dfx.diffeqsolve(noisy, dfx.Heun(), 0.0, 1.0, 0.01, start, args=rates).ys)
path = dfx.CubicInterpolation(jnp.arange(4.0), dfx.backward_hermite_coefficients(
    jnp.arange(4.0), jnp.sin(jnp.arange(4.0))[:, None]))
show("path", [path.evaluate(1.5), path.derivative(1.5)])
