"""The scalar builder: accuracy of the vector math against references, meaning of the arithmetic."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import scipy.special
from llvmlite import binding, ir

from arrax.engines.cpu.kernels import vector_float
from arrax.engines.cpu.kernels.lanes import mark_wide
from arrax.engines.cpu.kernels.scalar_builder import NotLowered, ScalarBuilder

binding.initialize_native_target()
binding.initialize_native_asmprinter()
POINTER, INDEX = ir.IntType(8).as_pointer(), ir.IntType(64)


def compiled(
    emit: Callable[..., Any], dtypes: list[Any], out: Any, lanes: int = 16
) -> Callable[..., Any]:
    """A function over arrays (of a multiple of `lanes` elements) from one builder call."""
    module = ir.Module()
    kernel = ir.Function(
        module, ir.FunctionType(ir.VoidType(), [POINTER] * (len(dtypes) + 1) + [INDEX]), "kernel"
    )
    mark_wide(kernel)
    b = ir.IRBuilder(kernel.append_basic_block("entry"))
    entry, loop, end = b.block, kernel.append_basic_block("loop"), kernel.append_basic_block("end")
    b.branch(loop)
    b.position_at_end(loop)
    index = b.phi(INDEX)
    builder = ScalarBuilder(b, lanes)

    def place(pointer: ir.Value, dtype: Any) -> ir.Value:
        return b.gep(pointer, [b.mul(index, ir.Constant(INDEX, np.dtype(dtype).itemsize))])

    operands = [builder.load(place(p, d), d) for p, d in zip(kernel.args, dtypes)]
    result = emit(builder, *operands)
    assert result.dtype == np.dtype(out)
    builder.store(result, place(kernel.args[len(dtypes)], out))
    following = b.add(index, ir.Constant(INDEX, lanes))
    index.add_incoming(ir.Constant(INDEX, 0), entry)
    index.add_incoming(following, b.block)
    b.cbranch(b.icmp_unsigned("<", following, kernel.args[-1]), loop, end)
    b.position_at_end(end)
    b.ret_void()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=1,
        jit=True,
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(str(module)), machine)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(dtypes) + 1), ctypes.c_int64)(
        engine.get_function_address("kernel")
    )

    def run(*arrays: Any) -> Any:
        arrays = tuple(np.ascontiguousarray(a, d) for a, d in zip(arrays, dtypes))
        result = np.empty(len(arrays[0]), out)
        call(*[a.ctypes.data for a in arrays], result.ctypes.data, len(result))
        return result

    run.engine = engine  # type: ignore[attr-defined]
    return run


SPECIAL = [
    0.0,
    -0.0,
    1,
    -1,
    np.inf,
    -np.inf,
    np.nan,
    1e-45,
    -1e-45,
    1e-38,
    -1e-38,
    3.4e38,
    -3.4e38,
    0.5,
    -0.5,
    88.7,
    88.8,
    -87.5,
    -103.9,
    -104.5,
    127.9,
    -149.0,
    -150.5,
    1e10,
    1e20,
]


def samples(dtype: str, count: int) -> Any:
    """Special values, random bit patterns and the ranges where functions bend."""
    rng = np.random.default_rng(0)
    bits = np.uint32 if dtype == "float32" else np.uint64
    parts = [
        np.asarray(SPECIAL),
        rng.integers(0, np.iinfo(bits).max, count, bits).view(dtype),
        rng.standard_normal(count) * 3,
        rng.uniform(-1, 1, count),
        rng.uniform(-110, 110, count),
        1 + rng.standard_normal(count) * 1e-3,
    ]
    with np.errstate(all="ignore"):
        x = np.concatenate([part.astype(dtype) for part in parts])
    return x[: len(x) // 16 * 16]


def errors_in_ulp(got: Any, reference: Any) -> Any:
    """Distance in units of the reference's last place; infinite for wrong special values."""
    with np.errstate(all="ignore"):
        rounded = reference.astype(got.dtype)
        largest = np.finfo(got.dtype).max
        ulp = np.spacing(np.where(np.isfinite(rounded), np.abs(rounded), largest)).astype(
            reference.dtype
        )
        clipped = np.clip(got, -largest, largest).astype(reference.dtype)
        error = np.abs(clipped - np.clip(reference, -largest, largest)) / ulp
        same = (got == rounded) & (np.signbit(got) == np.signbit(rounded)) | np.isnan(
            got
        ) & np.isnan(rounded)
        wrong = (np.isnan(got) != np.isnan(rounded)) | (got == 0) & (
            np.signbit(got) != np.signbit(rounded)
        )
    return np.where(same, 0, np.where(wrong, np.inf, error))


def logistic(x: Any) -> Any:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1) / (1 + small)


# name, reference, bounds in ulp for float32 and float64 (SciPy's erf is less precise than libm's)
FUNCTIONS = [
    ("exp", np.exp, 1, 1),
    ("exp2", np.exp2, 1.2, 1.2),
    ("expm1", np.expm1, 1.5, 1.5),
    ("log", np.log, 1, 1),
    ("log1p", np.log1p, 1.5, 1.5),
    ("sqrt", np.sqrt, 0.5, 0.51),
    ("rsqrt", lambda x: 1 / np.sqrt(x), 1.5, 1.5),
    ("logistic", logistic, 1.6, 1.6),
    ("tanh", np.tanh, 1, 1.5),
    ("sin", np.sin, 1, 1.5),
    ("cos", np.cos, 1, 1.5),
    ("tan", np.tan, 1, 1),
    ("asin", np.arcsin, 2, 1),
    ("acos", np.arccos, 1.5, 1),
    ("atan", np.arctan, 1.5, 1),
    ("sinh", np.sinh, 1, 1),
    ("cosh", np.cosh, 1, 1),
    ("asinh", np.arcsinh, 1, 2),
    ("acosh", np.arccosh, 1, 2.5),
    ("atanh", np.arctanh, 1, 2),
    ("cbrt", np.cbrt, 1, 1),
    ("erf", scipy.special.erf, 1, 4),
    ("erfc", scipy.special.erfc, 1.5, np.inf),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row[0])
def test_accuracy(row: Any, dtype: str) -> None:
    name, reference, single, double = row
    bound = single if dtype == "float32" else double
    x = samples(dtype, 1 << 16)
    got = compiled(lambda b, x: getattr(b, name)(x), [dtype], dtype, lanes=16)(x)
    with np.errstate(all="ignore"):
        narrow = dtype == "float32" or name.startswith("erf")
        error = errors_in_ulp(got, reference(x.astype(np.float64 if narrow else np.longdouble)))
    worst = error.argmax()
    assert error[worst] <= bound, f"{name}({x[worst]!r}) = {got[worst]!r}"


@pytest.mark.parametrize("name", ["exp", "exp2", "expm1", "tanh", "logistic"])
def test_scaling_without_avx512(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_float, "native_vector_bits", lambda: 256)
    x = samples("float32", 1 << 12)
    got = compiled(lambda b, x: getattr(b, name)(x), ["float32"], "float32", lanes=8)(x)
    reference = {"logistic": logistic}.get(name) or getattr(np, name)
    with np.errstate(all="ignore"):
        assert errors_in_ulp(got, reference(x.astype(np.float64))).max() <= 2.4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_argument_functions(dtype: str) -> None:
    x = samples(dtype, 1 << 12)
    x, y = np.meshgrid(
        np.concatenate([x[:25], x[25::1500]]), np.concatenate([x[:25], x[100::1500]])
    )
    x, y = (v.ravel()[: v.size // 16 * 16] for v in (x, y))
    wide = np.float64 if dtype == "float32" else np.longdouble
    for name, reference in [
        ("pow", np.power),
        ("atan2", np.arctan2),
        ("rem", np.fmod),
        ("nextafter", np.nextafter),
    ]:
        got = compiled(lambda b, x, y, name=name: getattr(b, name)(x, y), [dtype] * 2, dtype)(x, y)
        with np.errstate(all="ignore"):
            want = (
                reference(x, y)
                if name == "nextafter"
                else reference(x.astype(wide), y.astype(wide))
            )
        error = errors_in_ulp(got, want)
        worst = error.argmax()
        assert error[worst] <= 2, (name, x[worst], y[worst], got[worst], want[worst])


def test_erf_inv() -> None:
    for dtype, tolerance in [("float32", 6e-6), ("float64", 1e-9)]:
        x = np.linspace(-0.999, 0.999, 1 << 12).astype(dtype)
        x[:3] = [1, -1, 0]
        got = compiled(lambda b, x: b.erf_inv(x), [dtype], dtype)(x)
        np.testing.assert_allclose(got, scipy.special.erfinv(x.astype(np.float64)), rtol=tolerance)


INTEGERS = [np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)]


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integer_division_never_traps(dtype: Any, lanes: int) -> None:
    info = np.iinfo(dtype)
    values = np.array(
        [
            info.min,
            info.max,
            0,
            1,
            2,
            3,
            7,
            info.max - 1,
            info.max // 3,
            *([-1, -5] if info.min else [9, 5]),
        ],
        object,
    )
    x, y = (v.ravel()[:96].astype(dtype) for v in np.meshgrid(values, values))
    quotient = compiled(lambda b, x, y: b.div(x, y), [dtype] * 2, dtype, lanes)(x, y)
    rest = compiled(lambda b, x, y: b.rem(x, y), [dtype] * 2, dtype, lanes)(x, y)
    for a, b, q, r in zip(x.tolist(), y.tolist(), quotient.tolist(), rest.tolist()):
        if b == 0:
            want = (-1 if info.min else info.max, a)
        elif a == info.min and b == -1:
            want = (info.min, 0)
        else:
            sign = -1 if (a < 0) != (b < 0) else 1
            want = (sign * (abs(a) // abs(b)), (abs(a) % abs(b)) * (-1 if a < 0 else 1))
        assert (q, r) == want, (a, b)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_shifts_past_the_width(dtype: Any) -> None:
    bits = dtype.itemsize * 8
    x = np.resize(np.array([-1, 1, 5, -77]).astype(dtype), 16)
    y = np.resize(np.array([0, 1, bits - 1, bits, 100, -1]).astype(dtype), 16)
    for name in ("shift_left", "shift_right_logical", "shift_right_arithmetic"):
        got = compiled(lambda b, x, y, name=name: getattr(b, name)(x, y), [dtype] * 2, dtype)(x, y)
        for a, n, result in zip(x.tolist(), y.tolist(), got.tolist()):
            unsigned, inside = a % (1 << bits), 0 <= n < bits
            signed = unsigned - (1 << bits) if unsigned >> (bits - 1) else unsigned
            want = {
                "shift_left": unsigned << n if inside else 0,
                "shift_right_logical": unsigned >> n if inside else 0,
                "shift_right_arithmetic": signed >> (n if inside else bits - 1),
            }[name]
            assert (result - want) % (1 << bits) == 0


def test_conversions_saturate() -> None:
    x = np.array(
        [
            np.nan,
            np.inf,
            -np.inf,
            1e30,
            -1e30,
            300,
            -300,
            1.9,
            -1.9,
            0,
            -0.0,
            127.5,
            255.9,
            65504,
            1,
            2,
        ],
        np.float32,
    )
    for dtype in INTEGERS:
        info = np.iinfo(dtype)
        got = compiled(lambda b, x, d=dtype: b.convert_element_type(x, d), ["float32"], dtype)(x)
        want = [0 if v != v else int(np.clip(np.trunc(float(v)), info.min, info.max)) for v in x]
        want = [min(max(w, info.min), info.max) for w in want]
        assert got.tolist() == want, dtype
    truth = compiled(lambda b, x: b.convert_element_type(x, bool), ["float32"], bool)(x)
    assert truth.tolist() == (x != 0).tolist()


@pytest.mark.parametrize("short", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
def test_short_floats_round_to_even(short: Any) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    every = bits.view(short)
    assert np.array_equal(
        compiled(lambda b, x: b.convert_element_type(x, "float32"), [short], "float32")(every),
        every.astype(np.float32),
        equal_nan=True,
    )
    x = np.random.default_rng(0).integers(0, 1 << 32, 1 << 14, np.uint32).view(np.float32)
    for source in ("float32", "float64"):
        with np.errstate(all="ignore"):
            want = x.astype(short)
            got = compiled(lambda b, x: b.convert_element_type(x, short), [source], short)(
                x.astype(source)
            )
        assert np.array_equal(got.astype(np.float32), want.astype(np.float32), equal_nan=True)
    total = compiled(lambda b, x, y: b.add(x, y), [short] * 2, short)(every, every[::-1])
    with np.errstate(all="ignore"):
        want = (every.astype(np.float32) + every[::-1].astype(np.float32)).astype(short)
    assert np.array_equal(total.astype(np.float32), want.astype(np.float32), equal_nan=True)


COMPLEX = [
    ("exp", np.exp),
    ("log", np.log),
    ("sqrt", np.sqrt),
    ("sin", np.sin),
    ("cos", np.cos),
    ("tan", np.tan),
    ("sinh", np.sinh),
    ("cosh", np.cosh),
    ("tanh", np.tanh),
    ("log1p", np.log1p),
    ("expm1", np.expm1),
    ("abs", np.abs),
    ("square", np.square),
    ("conj", np.conj),
]


@pytest.mark.parametrize("row", COMPLEX, ids=lambda row: row[0])
def test_complex_functions(row: Any) -> None:
    name, reference = row
    rng = np.random.default_rng(0)
    z = (rng.standard_normal(1024) + 1j * rng.standard_normal(1024)) * np.exp(
        rng.standard_normal(1024) * 2
    )
    z[:4] = [0, 1, 1j, -1]
    for dtype, tolerance in (("complex64", 3e-7), ("complex128", 3e-15)):
        x = z.astype(dtype)
        with np.errstate(all="ignore"):
            want = reference(x.astype(np.clongdouble))
        got = compiled(
            lambda b, x: getattr(b, name)(x),
            [dtype],
            np.abs(x).dtype if name == "abs" else dtype,
            8,
        )(x)
        fine = np.isfinite(want) & (np.abs(want) < 1e38)
        assert (np.abs(got[fine] - want[fine]) <= tolerance * np.abs(want[fine]) + 1e-38).all()


def test_max_and_min_keep_nan() -> None:
    x = np.resize(np.array([1, np.nan, 2, np.nan], np.float32), 16)
    y = np.resize(np.array([np.nan, 1, 3, np.nan], np.float32), 16)
    for name, reference in (("max", np.maximum), ("min", np.minimum)):
        got = compiled(
            lambda b, x, y, name=name: getattr(b, name)(x, y), ["float32"] * 2, "float32"
        )(x, y)
        assert np.array_equal(got, reference(x, y), equal_nan=True)


def test_unknown_dtypes_are_not_lowered() -> None:
    with pytest.raises(NotLowered, match="float8_e4m3fn"):
        compiled(lambda b, x: b.neg(x), [ml_dtypes.float8_e4m3fn], ml_dtypes.float8_e4m3fn)
    with pytest.raises(NotLowered, match="asin of complex64"):
        compiled(lambda b, x: b.asin(x), ["complex64"], "complex64")


def test_threefry_matches_its_published_vectors() -> None:
    """Known answers of Random123: zero key and counter, all ones, and digits of pi."""
    rows = [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((-1, -1), (-1, -1), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ]
    for key, counter, want in rows:
        operands = [np.full(16, value & 0xFFFFFFFF, np.uint32) for value in key + counter]
        for position in (0, 1):
            kernel = compiled(
                lambda b, *v, p=position: b.threefry2x32(*v)[p], ["uint32"] * 4, "uint32"
            )
            assert kernel(*operands)[0] == want[position]
