"""numpyro: a regression sampled by NUTS, a guide by SVI, predictions, densities and transforms."""
import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.handlers import seed, trace
from numpyro.infer import MCMC, NUTS, SVI, Predictive, Trace_ELBO, log_likelihood
from numpyro.infer.autoguide import AutoNormal

from show import show

key = jax.random.PRNGKey(0)
x = jnp.linspace(-1, 1, 20)
y = 1.0 + 2.0 * x + 0.1 * jax.random.normal(key, (20,))


def model(x, y=None):
    slope = numpyro.sample("slope", dist.Normal(0.0, 5.0))
    offset = numpyro.sample("offset", dist.Normal(0.0, 5.0))
    scale = numpyro.sample("scale", dist.HalfNormal(1.0))
    with numpyro.plate("data", x.shape[0]):
        numpyro.sample("y", dist.Normal(offset + slope * x, scale), obs=y)


mcmc = MCMC(NUTS(model), num_warmup=200, num_samples=300, progress_bar=False)
mcmc.run(key, x, y)
samples = mcmc.get_samples()
show("posterior is near", [abs(samples["slope"].mean() - 2.0) < 0.15,
                           abs(samples["offset"].mean() - 1.0) < 0.1,
                           samples["scale"].mean() < 0.2])
guide = AutoNormal(model)
svi = SVI(model, guide, numpyro.optim.Adam(0.05), Trace_ELBO())
result = svi.run(key, 100, x, y, progress_bar=False)
show("losses", result.losses[::10])
show("guide", guide.median(result.params))
show("trace", [site["value"] for site in trace(seed(model, key)).get_trace(x).values()])
fixed = {"slope": jnp.array([2.0]), "offset": jnp.array([1.0]), "scale": jnp.array([0.1])}
show("likelihood", log_likelihood(model, fixed, x, y)["y"])
show("predictive", Predictive(model, fixed)(key, x)["y"])
for name, d in {"normal": dist.Normal(0.0, 2.0), "gamma": dist.Gamma(2.0, 3.0),
                "mvn": dist.MultivariateNormal(jnp.zeros(2), jnp.array([[2.0, 0.5], [0.5, 1.0]])),
                "poisson": dist.Poisson(3.0), "dirichlet": dist.Dirichlet(jnp.array([1.0, 2.0])),
                "lkj": dist.LKJCholesky(3, 1.5)}.items():
    value = d.sample(key, (3,))
    show(name, [value, d.log_prob(value)])
