"""mujoco-mjx: a pendulum with contacts, stepped under jit, vmap and grad."""
import jax
import jax.numpy as jnp
import mujoco
from mujoco import mjx

from show import show

MODEL = """
<mujoco>
  <option timestep="0.005" iterations="4" ls_iterations="4"/>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 0.1"/>
    <body pos="0 0 1">
      <joint name="hinge" type="hinge" axis="0 1 0" damping="0.1"/>
      <geom type="capsule" fromto="0 0 0 0.5 0 0" size="0.05"/>
      <body pos="0.5 0 0"><joint type="hinge" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 0.3 0 0" size="0.04"/></body>
    </body>
    <body pos="0 0 0.15"><freejoint/><geom type="sphere" size="0.1"/></body>
  </worldbody>
  <actuator><motor joint="hinge" gear="1"/></actuator>
</mujoco>
"""
model = mujoco.MjModel.from_xml_string(MODEL)
mx = mjx.put_model(model)
data = mjx.make_data(mx)


@jax.jit
def rollout(control):
    def step(d, u):
        d = mjx.step(mx, d.replace(ctrl=u[None]))
        return d, d.qpos
    return jax.lax.scan(step, data, control)[1]


controls = jnp.linspace(-1, 1, 10)
show("qpos", rollout(controls))
show("batch", jax.vmap(rollout)(jnp.stack([controls, -controls]))[:, -1])
