"""The small public rooms: monitoring, test_util, dlpack, distributed, meshes in scope, backends."""
from __future__ import annotations

from typing import Any

import arrax
import arrax.numpy as jnp
import numpy as np
import pytest
from arrax import distributed, dlpack, lax, monitoring, sharding, test_util
from arrax.experimental import mesh_utils, multihost_utils
from arrax.extend import backend
from arrax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

MESH = Mesh(np.array(arrax.devices()[:1]), ("x",))


# ---- monitoring ----------------------------------------------------------------------------------

@pytest.mark.parametrize("register, unregister, record, values", [
    ("register_event_listener", "unregister_event_listener", "record_event", ()),
    ("register_event_duration_secs_listener", "unregister_event_duration_listener",
     "record_event_duration_secs", (1.5,)),
    ("register_event_time_span_listener", "unregister_event_time_span_listener",
     "record_event_time_span", (1.0, 2.0)),
    ("register_scalar_listener", "unregister_scalar_listener", "record_scalar", (7,)),
])
def test_listeners_hear_their_kind(register: str, unregister: str, record: str,
                                   values: tuple[Any, ...]) -> None:
    heard: list[Any] = []

    def listen(*args: Any, **kwargs: Any) -> None:
        heard.append((args, kwargs))
    getattr(monitoring, register)(listen)
    getattr(monitoring, record)("/event", *values, key="value")
    getattr(monitoring, unregister)(listen)
    getattr(monitoring, record)("/event", *values)
    assert heard == [(("/event", *values), {"key": "value"})]
    with pytest.raises(ValueError, match="is not a listener"):
        getattr(monitoring, unregister)(listen)


def test_compilations_are_events() -> None:
    heard: list[str] = []
    monitoring.register_event_duration_secs_listener(lambda event, *_, **__: heard.append(event))
    try:
        f = arrax.jit(lambda x: jnp.sin(x) * 3.25)
        f(1.0)
        first = list(heard)
        f(2.0)
    finally:
        monitoring.clear_event_listeners()
    assert first == heard == ["/jax/core/compile/jaxpr_trace_duration",
                              "/jax/core/compile/backend_compile_duration"]


# ---- test_util -----------------------------------------------------------------------------------

@arrax.custom_jvp
def wrong(x: Any) -> Any:
    return jnp.sin(x)


wrong.defjvps(lambda t, out, x: t * jnp.cos(x) * 1.1)


@pytest.mark.parametrize("f, args", [
    (jnp.sin, (0.5,)), (lambda x, y: {"a": x @ y, "b": [x.sum()]}, (np.ones((2, 3)), np.ones(3))),
    (lambda d: d["x"] * d["y"] ** 2, ({"x": jnp.arange(3.), "y": jnp.float32(2)},)),
    (lambda x, n: x * n, (2.0, np.arange(3))),
    (lambda z: z * z, (jnp.complex64(1 + 2j),)),
])
def test_right_derivatives_pass(f: Any, args: Any) -> None:
    test_util.check_grads(f, args, order=1, modes=["fwd", "rev", "lin"], eps=1e-2, rtol=2e-2)


def test_higher_orders() -> None:
    with arrax.enable_x64(True):
        test_util.check_grads(lambda x: jnp.exp(jnp.sin(x)), (np.array([0.3, 0.7]),), order=3)


@pytest.mark.parametrize("mode", ["fwd", "rev", "lin"])
def test_wrong_derivatives_fail(mode: str) -> None:
    with pytest.raises(AssertionError, match={"fwd": "JVP tangent", "lin": "LIN tangent",
                                              "rev": "VJP cotangent"}[mode]):
        test_util.check_grads(wrong, (0.5,), order=1, modes=mode)


def test_unknown_modes() -> None:
    with pytest.raises(ValueError, match="modes are 'fwd', 'rev' and 'lin'"):
        test_util.check_grads(jnp.sin, (0.5,), order=1, modes=["backward"])


# ---- the others ----------------------------------------------------------------------------------

def test_dlpack() -> None:
    x = np.arange(6.0, dtype=np.float32)
    np.testing.assert_array_equal(dlpack.from_dlpack(x), x)
    assert dlpack.is_supported_dtype(jnp.bfloat16) and not dlpack.is_supported_dtype(jnp.int4)


def test_one_process() -> None:
    assert not distributed.is_initialized()
    distributed.initialize(num_processes=1, process_id=0)
    assert distributed.is_initialized()
    with pytest.raises(RuntimeError, match="only be called once"):
        distributed.initialize()
    distributed.shutdown()
    with pytest.raises(NotImplementedError, match="num_processes=2"):
        distributed.initialize("localhost:1", 2, 0)
    tree = {"a": jnp.arange(2)}
    assert multihost_utils.process_allgather(tree)["a"].shape == (1, 2)
    assert multihost_utils.process_allgather(tree, tiled=True)["a"].shape == (2,)
    assert type(multihost_utils.broadcast_one_to_all(tree)["a"]) is np.ndarray
    with pytest.raises(ValueError, match="only process must be the source"):
        multihost_utils.broadcast_one_to_all(tree, is_source=False)


def test_meshes_in_scope() -> None:
    assert sharding.get_mesh().empty and sharding.get_abstract_mesh().empty
    with sharding.set_mesh(MESH):
        assert sharding.get_mesh() == MESH
        assert sharding.get_abstract_mesh() == sharding.AbstractMesh((1,), ("x",))
        assert sharding.reshard(jnp.ones(2), PartitionSpec("x")).sharding.mesh == MESH
    with MESH as entered:  # for constraints alone
        assert sharding.get_mesh().empty and entered is MESH
        assert lax.with_sharding_constraint(jnp.ones(2), PartitionSpec("x")).sharding.mesh == MESH
    with sharding.use_abstract_mesh(MESH.abstract_mesh):
        assert sharding.get_abstract_mesh().shape == {"x": 1}
        with pytest.raises(ValueError, match="abstract"):
            sharding.get_mesh()
    assert sharding.get_mesh().empty
    with pytest.raises(ValueError, match="needs a mesh in scope"):
        sharding.reshard(jnp.ones(2), PartitionSpec("x"))
    with pytest.raises(TypeError, match="Expected mesh of type"):
        sharding.set_mesh(3)


def test_axis_types() -> None:
    mesh = Mesh(np.array(arrax.devices()[:1]), ("x",), axis_types=AxisType.Explicit)
    assert mesh.axis_types == (AxisType.Explicit,) and mesh != MESH
    assert str(mesh) == "Mesh('x': 1, axis_types=(Explicit,))"
    with pytest.raises(ValueError, match="match the number of axis_types"):
        Mesh(np.array(arrax.devices()[:1]), ("x",), axis_types=(AxisType.Auto,) * 2)


def test_mesh_utils() -> None:
    assert mesh_utils.create_device_mesh((1, 1), arrax.devices()[:1]).shape == (1, 1)
    with pytest.raises(ValueError, match="must equal the product of mesh_shape"):
        mesh_utils.create_device_mesh((5, 7))
    assert mesh_utils.create_hybrid_device_mesh((1,), (1,), arrax.devices()[:1]).shape == (1,)
    local = multihost_utils.host_local_array_to_global_array(
        jnp.ones(2), MESH, PartitionSpec("x"))
    assert local.sharding == NamedSharding(MESH, PartitionSpec("x"))


def test_backends() -> None:
    assert backend.get_backend().platform == "cpu" and "cpu" in backend.backends()
    assert backend.get_backend("cpu").devices() == arrax.devices()
    with pytest.raises(RuntimeError, match="Unknown backend"):
        backend.get_backend("nonesuch")
    device = backend.get_default_device()
    assert device.client == backend.get_backend()
    assert device.memory("pinned_host").kind == "pinned_host"
    with pytest.raises(ValueError, match="Got memory kind: disk"):
        device.memory("disk")
    assert sharding.make_single_device_sharding(device).device_set == {device}


def test_arrays_of_parts() -> None:
    placed = NamedSharding(MESH, PartitionSpec("x"))
    whole = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    asked = []

    def part(index: Any) -> Any:
        asked.append(index)
        return whole[index]
    x = arrax.make_array_from_callback((2, 3), placed, part)
    np.testing.assert_array_equal(x, whole)
    assert x.sharding == placed and len(asked) == 1
    y = arrax.make_array_from_single_device_arrays(
        (2, 3), placed, [arrax.device_put(whole, arrax.devices()[0])])
    np.testing.assert_array_equal(y, whole)
    z = arrax.make_array_from_process_local_data(placed, whole)
    np.testing.assert_array_equal(z, whole)
    with pytest.raises(ValueError, match="the part at .* has shape"):
        arrax.make_array_from_callback((2, 3), placed, lambda index: whole.T)
    with pytest.raises(TypeError, match="expected a Sharding"):
        arrax.make_array_from_callback((2, 3), None, part)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="global_shape=\\(4, 3\\)"):
        arrax.make_array_from_process_local_data(placed, whole, (4, 3))
