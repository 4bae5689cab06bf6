"""NumPy's functions on arrax arrays: `import arrax.numpy as jnp`.

Results have JAX's dtypes (32 bits unless `enable_x64`), arrays are immutable, and everything can be
differentiated, vectorized and compiled.
"""
from __future__ import annotations

import numpy as _np

from arrax.core import dtypes as _dtypes
from arrax.core.aliases import alias as _alias
from arrax.core.array import Array as ndarray
from arrax.core.dtypes import (complexfloating, finfo, floating, generic, iinfo, inexact, integer,
                               issubdtype, number, promote_types, result_type, signedinteger,
                               unsignedinteger)
from arrax.core.lazy import listing as _listing
from arrax.core.scalar_types import (bfloat16, bool_, complex64, complex128, float4_e2m1fn,
                                     float6_e2m3fn, float6_e3m2fn, float8_e3m4, float8_e4m3,
                                     float8_e4m3b11fnuz, float8_e4m3fn, float8_e4m3fnuz,
                                     float8_e5m2, float8_e5m2fnuz, float8_e8m0fnu, float16, float32,
                                     float64, int2, int4, int8, int16, int32, int64, uint2, uint4,
                                     uint8, uint16, uint32, uint64)
from arrax.numpy import array_methods as _array_methods
from arrax.numpy import fft, linalg
from arrax.numpy.angles import angle, arccosh, deg2rad, degrees, log2, log10, rad2deg, radians
from arrax.numpy.creation import (arange, array, asarray, astype, empty, empty_like, eye, full,
                                  full_like, geomspace, identity, linspace, logspace, ones,
                                  ones_like, tri, zeros, zeros_like)
from arrax.numpy.editing import (delete, fill_diagonal, insert, pad, place, put, put_along_axis,
                                 trim_zeros)
from arrax.numpy.einstein import einsum, einsum_path
from arrax.numpy.elementwise import (absolute, arccos, arcsin, arcsinh, arctan, arctan2,
                                     arctanh, bitwise_count, cbrt, conj, conjugate, copysign, cos,
                                     cosh, divide, divmod, equal, exp, exp2, expm1, fabs,
                                     float_power, floor_divide, fmod, greater, greater_equal, imag,
                                     invert, iscomplex, isfinite, isinf, isnan, isneginf, isposinf,
                                     isreal, left_shift, less, less_equal, log, log1p, logical_not,
                                     mod, nextafter, not_equal, positive, power, real, reciprocal,
                                     remainder, right_shift, sign, signbit, sin, sinh, sqrt, square,
                                     tan, tanh)
from arrax.numpy.grids import (c_, fromfunction, index_exp, indices, meshgrid, mgrid, ogrid, r_, s_)
from arrax.numpy.interop import (array_repr, array_str, can_cast, from_dlpack, frombuffer, fromfile,
                                 fromiter, fromstring, get_printoptions, iscomplexobj, isdtype,
                                 isrealobj, isscalar, iterable, load, printoptions, save, savez,
                                 set_printoptions)
from arrax.numpy.joining import (append, array_split, atleast_1d, atleast_2d, atleast_3d, block,
                                 column_stack, concat, concatenate, dsplit, dstack, hsplit, hstack,
                                 repeat, split, stack, tile, unstack, vsplit, vstack)
from arrax.numpy.namespace_info import __array_namespace_info__
from arrax.numpy.nan_reductions import (nanargmax, nanargmin, nanmax, nanmean, nanmin, nanprod,
                                        nanstd, nansum, nanvar)
from arrax.numpy.polynomial import (poly, polyadd, polyder, polydiv, polyfit, polyint, polymul,
                                    polysub, polyval, roots, vander)
from arrax.numpy.products import (convolve, correlate, cross, dot, inner, kron, matmul, matvec,
                                  outer, tensordot, trace, vdot, vecdot, vecmat)
from arrax.numpy.quantiles import (median, nanmedian, nanpercentile, nanquantile, percentile,
                                   quantile)
from arrax.numpy.reductions import (all, amax, amin, any, argmax, argmin, average, count_nonzero,
                                    cumprod, cumsum, cumulative_prod, cumulative_sum, max, mean,
                                    min, nancumprod, nancumsum, prod, ptp, std, sum, var)
from arrax.numpy.selection import (argwhere, compress, diag, diag_indices, diag_indices_from,
                                   diagflat, diagonal, extract, flatnonzero, ix_, mask_indices,
                                   nonzero, ravel_multi_index, take, take_along_axis, tril,
                                   tril_indices, tril_indices_from, triu, triu_indices,
                                   triu_indices_from, unravel_index, where)
from arrax.numpy.set_operations import (intersect1d, isin, setdiff1d, setxor1d, union1d, unique,
                                        unique_all, unique_counts, unique_inverse, unique_values)
from arrax.numpy.rounding import around, ceil, floor, modf, rint, round, trunc
from arrax.numpy.shaping import (broadcast_arrays, broadcast_shapes, broadcast_to, expand_dims,
                                 flip, fliplr, flipud, matrix_transpose, moveaxis, ndim,
                                 permute_dims, ravel, reshape, resize, roll, rollaxis, rot90, shape,
                                 size, squeeze, swapaxes, transpose)
from arrax.numpy.smooth import frexp, sinc
from arrax.numpy.sorting import (argpartition, argsort, digitize, lexsort, partition, searchsorted,
                                 sort, sort_complex)
from arrax.numpy.counting import bincount, histogram, histogram2d, histogram_bin_edges, histogramdd
from arrax.numpy.differences import diff, ediff1d, gradient, interp, trapezoid
from arrax.numpy.over_axes import apply_along_axis, apply_over_axes
from arrax.numpy.packed_bits import packbits, unpackbits
from arrax.numpy.statistics import corrcoef, cov
from arrax.numpy.windows import bartlett, blackman, hamming, hanning, kaiser
from arrax.numpy.ufunc_class import frompyfunc, ufunc
from arrax.numpy.ufuncs import (add, allclose, array_equal, array_equiv, bitwise_and, bitwise_or,
                                bitwise_xor, choose, clip, fmax, fmin, gcd, heaviside, hypot, i0,
                                isclose, lcm, ldexp, logaddexp, logaddexp2, logical_and, logical_or,
                                logical_xor, maximum, minimum, multiply, nan_to_num, negative,
                                piecewise, select, spacing, subtract, unwrap)
from arrax.numpy.vectorization import vectorize

abs, pow, true_divide = _alias(absolute, "abs"), _alias(power, "pow"), _alias(divide, "true_divide")
acos, acosh = _alias(arccos, "acos"), _alias(arccosh, "acosh")
asin, asinh = _alias(arcsin, "asin"), _alias(arcsinh, "asinh")
atan, atan2, atanh = _alias(arctan, "atan"), _alias(arctan2, "atan2"), _alias(arctanh, "atanh")
bitwise_not, bitwise_invert = _alias(invert, "bitwise_not"), _alias(invert, "bitwise_invert")
bitwise_left_shift = _alias(left_shift, "bitwise_left_shift")
bitwise_right_shift = _alias(right_shift, "bitwise_right_shift")

bool = bool_
half, single, double = float16, float32, float64
csingle, cdouble = complex64, complex128
uint, int_, float_, complex_ = uint64, int64, float64, complex128
character, flexible, object_ = _np.character, _np.flexible, _np.object_
dtype = _np.dtype
ComplexWarning = _np.exceptions.ComplexWarning
e, euler_gamma, inf, nan, pi = _np.e, _np.euler_gamma, _np.inf, _np.nan, _np.pi
newaxis = None
copy = lambda a, order=None: array(a, copy=True, order=order)
copy.__name__, copy.__doc__ = "copy", "A copy of an array."

_dtypes.set_array_constructor(lambda value, dtype: asarray(value, dtype))

__all__ = [
    "ComplexWarning", "abs", "absolute", "acos", "acosh", "add", "all", "allclose", "amax",
    "amin", "angle", "any", "append", "apply_along_axis", "apply_over_axes", "arange", "arccos",
    "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin",
    "argpartition", "argsort", "argwhere", "around", "array", "array_equal", "array_equiv",
    "array_repr", "array_split", "array_str", "asarray", "asin", "asinh", "astype", "atan",
    "atan2", "atanh", "atleast_1d", "atleast_2d", "atleast_3d", "average", "bartlett",
    "bfloat16", "bincount", "bitwise_and", "bitwise_count", "bitwise_invert",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "blackman", "block", "bool", "bool_", "broadcast_arrays", "broadcast_shapes",
    "broadcast_to", "c_", "can_cast", "cbrt", "cdouble", "ceil", "character", "choose", "clip",
    "column_stack", "complex128", "complex64", "complex_", "complexfloating", "compress",
    "concat", "concatenate", "conj", "conjugate", "convolve", "copy", "copysign", "corrcoef",
    "correlate", "cos", "cosh", "count_nonzero", "cov", "cross", "csingle", "cumprod", "cumsum",
    "cumulative_prod", "cumulative_sum", "deg2rad", "degrees", "delete", "diag", "diag_indices",
    "diag_indices_from", "diagflat", "diagonal", "diff", "digitize", "divide", "divmod", "dot",
    "double", "dsplit", "dstack", "dtype", "e", "ediff1d", "einsum", "einsum_path", "empty",
    "empty_like", "equal", "euler_gamma", "exp", "exp2", "expand_dims", "expm1", "extract",
    "eye", "fabs", "fft", "fill_diagonal", "finfo", "flatnonzero", "flexible", "flip", "fliplr",
    "flipud", "float16", "float32", "float4_e2m1fn", "float64", "float6_e2m3fn",
    "float6_e3m2fn", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn",
    "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float_",
    "float_power", "floating", "floor", "floor_divide", "fmax", "fmin", "fmod", "frexp",
    "from_dlpack", "frombuffer", "fromfile", "fromfunction", "fromiter", "frompyfunc",
    "fromstring", "full", "full_like", "gcd", "generic", "geomspace", "get_printoptions",
    "gradient", "greater", "greater_equal", "half", "hamming", "hanning", "heaviside",
    "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "hsplit", "hstack",
    "hypot", "i0", "identity", "iinfo", "imag", "index_exp", "indices", "inexact", "inf",
    "inner", "insert", "int16", "int2", "int32", "int4", "int64", "int8", "int_", "integer",
    "interp", "intersect1d", "invert", "isclose", "iscomplex", "iscomplexobj", "isdtype",
    "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "isrealobj",
    "isscalar", "issubdtype", "iterable", "ix_", "kaiser", "kron", "lcm", "ldexp", "left_shift",
    "less", "less_equal", "lexsort", "linalg", "linspace", "load", "log", "log10", "log1p",
    "log2", "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or",
    "logical_xor", "logspace", "mask_indices", "matmul", "matrix_transpose", "matvec", "max",
    "maximum", "mean", "median", "meshgrid", "mgrid", "min", "minimum", "mod", "modf",
    "moveaxis", "multiply", "nan", "nan_to_num", "nanargmax", "nanargmin", "nancumprod",
    "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanprod",
    "nanquantile", "nanstd", "nansum", "nanvar", "ndarray", "ndim", "negative", "newaxis",
    "nextafter", "nonzero", "not_equal", "number", "object_", "ogrid", "ones", "ones_like",
    "outer", "packbits", "pad", "partition", "percentile", "permute_dims", "pi", "piecewise",
    "place", "poly", "polyadd", "polyder", "polydiv", "polyfit", "polyint", "polymul",
    "polysub", "polyval", "positive", "pow", "power", "printoptions", "prod", "promote_types",
    "ptp", "put", "put_along_axis", "quantile", "r_", "rad2deg", "radians", "ravel",
    "ravel_multi_index", "real", "reciprocal", "remainder", "repeat", "reshape", "resize",
    "result_type", "right_shift", "rint", "roll", "rollaxis", "roots", "rot90", "round", "s_",
    "save", "savez", "searchsorted", "select", "set_printoptions", "setdiff1d", "setxor1d",
    "shape", "sign", "signbit", "signedinteger", "sin", "sinc", "single", "sinh", "size",
    "sort", "sort_complex", "spacing", "split", "sqrt", "square", "squeeze", "stack", "std",
    "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh", "tensordot",
    "tile", "trace", "transpose", "trapezoid", "tri", "tril", "tril_indices",
    "tril_indices_from", "trim_zeros", "triu", "triu_indices", "triu_indices_from",
    "true_divide", "trunc", "ufunc", "uint", "uint16", "uint2", "uint32", "uint4", "uint64",
    "uint8", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse",
    "unique_values", "unpackbits", "unravel_index", "unsignedinteger", "unstack", "unwrap",
    "vander", "var", "vdot", "vecdot", "vecmat", "vectorize", "vsplit", "vstack", "where",
    "zeros", "zeros_like"]
__array_api_version__ = "2024.12"
__dir__ = _listing(__name__)
