"""distrax: samples and densities of distributions, bijectors, mixtures, hidden Markov models."""
import distrax
import jax
import jax.numpy as jnp

from show import show

key = jax.random.PRNGKey(0)
for name, d in {
    "normal": distrax.Normal(jnp.array([0.0, 1.0]), 2.0),
    "categorical": distrax.Categorical(logits=jnp.array([0.1, 0.5, -1.0])),
    "gamma": distrax.Gamma(2.0, 3.0), "beta": distrax.Beta(2.0, 3.0),
    "bernoulli": distrax.Bernoulli(probs=0.3),
    "mvn": distrax.MultivariateNormalDiag(jnp.zeros(3), jnp.arange(1.0, 4.0)),
    "full": distrax.MultivariateNormalFullCovariance(jnp.zeros(2), jnp.array([[2.0, 0.5],
                                                                              [0.5, 1.0]])),
    "dirichlet": distrax.Dirichlet(jnp.array([1.0, 2.0, 3.0])),
    "gumbel": distrax.Gumbel(0.0, 1.0), "laplace": distrax.Laplace(0.0, 1.0),
    "uniform": distrax.Uniform(-1.0, 1.0), "von mises": distrax.VonMises(0.5, 2.0),
    "mixture": distrax.MixtureSameFamily(
        distrax.Categorical(probs=jnp.array([0.3, 0.7])),
        distrax.Normal(jnp.array([-1.0, 2.0]), jnp.array([0.5, 1.0]))),
    "tanh": distrax.Transformed(distrax.Normal(0.0, 1.0), distrax.Tanh()),
}.items():
    samples, logs = jax.jit(lambda k, d=d: d.sample_and_log_prob(seed=k, sample_shape=(5,)))(key)
    show(name, [samples, logs])
show("entropy", [distrax.Normal(0.0, 2.0).entropy(), distrax.Categorical(
    probs=jnp.array([0.2, 0.8])).entropy()])
show("kl", distrax.Normal(0.0, 1.0).kl_divergence(distrax.Normal(1.0, 2.0)))
show("gradient", jax.grad(lambda m: distrax.Normal(m, 1.0).log_prob(0.3))(0.1))
chain = distrax.Chain([distrax.ScalarAffine(1.0, 2.0), distrax.Sigmoid()])
show("chain", chain.forward_and_log_det(jnp.array([0.5, -0.5])))
spline = distrax.RationalQuadraticSpline(jax.random.normal(key, (3, 13)), -1.0, 1.0)
show("spline", spline.inverse_and_log_det(jnp.array([0.1, 0.2, -0.3])))
hmm = distrax.HMM(distrax.Categorical(probs=jnp.array([0.5, 0.5])),
                  distrax.Categorical(probs=jnp.array([[0.9, 0.1], [0.2, 0.8]])),
                  distrax.Normal(jnp.array([-1.0, 1.0]), 1.0))
show("hmm", hmm.forward_backward(jnp.array([-1.0, 0.3, 1.2]))[2])
