"""The operations that programs are made of, one function per primitive and a few compositions."""
from __future__ import annotations

from arrax.control.associative import associative_scan
from arrax.control.cond import cond, switch
from arrax.control.composite import composite
from arrax.control.cond_rules import cond_p
from arrax.control.linear_solve import custom_linear_solve, linear_solve_p
from arrax.control.loops import fori_loop, while_loop
from arrax.control.scaled_dot import scaled_dot
from arrax.control.scan import map, scan
from arrax.control.root import custom_root
from arrax.control.scan_rules import scan_p
from arrax.control.while_rules import while_p
from arrax.control.platforms import platform_dependent
from arrax.control.reduce_rules import reduce_p, reduce_window_p, select_and_scatter_p
from arrax.control.reductions import reduce, reduce_window
from arrax.control.scatter_apply import scatter_apply
from arrax.core.lazy import listing as _listing
from arrax.lax import linalg
from arrax.ops.constraints import (dce_sink, dce_sink_p, sharding_constraint_p,
                                   with_sharding_constraint)
from arrax.ops.conv import conv_general_dilated, conv_general_dilated_p
from arrax.ops.conv_dims import (ConvDimensionNumbers, ConvGeneralDilatedDimensionNumbers,
                                 conv_dimension_numbers, conv_general_permutations,
                                 conv_general_shape_tuple, conv_shape_tuple,
                                 conv_transpose_shape_tuple, padtype_to_pads)
from arrax.ops.conv_forms import (conv, conv_general_dilated_local, conv_general_dilated_patches,
                                  conv_transpose, conv_with_general_padding)
from arrax.ops.device_put import device_put_p
from arrax.ops.dot import batch_matmul, dot, dot_general, dot_general_p
from arrax.ops.dot_types import (DotAlgorithm, DotAlgorithmPreset, DotDimensionNumbers, Precision,
                                 PrecisionLike)
from arrax.ops.fft import FftType, fft, fft_p
from arrax.ops.ragged import RaggedDotDimensionNumbers, ragged_dot, ragged_dot_general
from arrax.ops.sort import (approx_max_k, approx_min_k, approx_top_k_p, sort, sort_key_val, sort_p,
                            top_k, top_k_p)
from arrax.ops.window import (reduce_window_max_p, reduce_window_min_p, reduce_window_shape_tuple,
                              reduce_window_sum_p, select_and_gather_add_p,
                              select_and_scatter_add_p)
from arrax.ops.arithmetic import (abs, abs_p, add, add_any_p, add_p, cbrt, cbrt_p, div, div_p,
    integer_pow, integer_pow_p, max, max_p, min, min_p, mul, mul_p, mulhi, mulhi_p, neg, neg_p,
    pow, pow_p, reciprocal, rem, rem_p, rsqrt, rsqrt_p, sign, sign_p, sqrt, sqrt_p, square,
    square_p, sub, sub_p)
from arrax.ops.transcendental import (acos, acos_p, acosh, acosh_p, asin, asin_p, asinh, asinh_p,
    atan, atan2, atan2_p, atan_p, atanh, atanh_p, cos, cos_p, cosh, cosh_p, exp, exp2, exp2_p,
    exp_p, expm1, expm1_p, log, log1p, log1p_p, log_p, logistic, logistic_p, sin, sin_p, sinh,
    sinh_p, tan, tan_p, tanh, tanh_p)
from arrax.ops.compare import (RoundingMethod, ceil, ceil_p, clamp, clamp_p, eq, eq_p, eq_to_p,
    floor, floor_p, ge, ge_p, gt, gt_p, is_finite, is_finite_p, le, le_p, le_to_p, lt, lt_p,
    lt_to_p, ne, ne_p, nextafter, nextafter_p, round, round_p, select, select_n, select_n_p)
from arrax.ops.bits import (and_p, bitwise_and, bitwise_not, bitwise_or, bitwise_xor, clz, clz_p,
    not_p, or_p, population_count, population_count_p, shift_left, shift_left_p,
    shift_right_arithmetic, shift_right_arithmetic_p, shift_right_logical, shift_right_logical_p,
    xor_p)
from arrax.ops.complex_parts import (complex, complex_p, conj, conj_p, imag, imag_p, real, real_p)
from arrax.ops.convert import (bitcast_convert_type, bitcast_convert_type_p, convert_element_type,
    convert_element_type_p, reduce_precision, reduce_precision_p)
from arrax.ops.accuracy import (AccuracyMode, Tolerance)
from arrax.ops.special import (bessel_i0e, bessel_i0e_p, bessel_i1e, bessel_i1e_p, betainc,
    digamma, digamma_p, erf, erf_inv, erf_inv_p, erf_p, erfc, erfc_p, igamma, igamma_grad_a,
    igamma_grad_a_p, igamma_p, igammac, igammac_p, lgamma, lgamma_p, polygamma, polygamma_p,
    random_gamma_grad, random_gamma_grad_p, regularized_incomplete_beta_p, zeta, zeta_p)
from arrax.ops.reduce import (argmax, argmax_p, argmin, argmin_p, reduce_and, reduce_and_p,
    reduce_max, reduce_max_p, reduce_min, reduce_min_p, reduce_or, reduce_or_p, reduce_prod,
    reduce_prod_p, reduce_sum, reduce_sum_p, reduce_xor, reduce_xor_p)
from arrax.ops.cumulative import (cumlogsumexp, cumlogsumexp_p, cummax, cummax_p, cummin,
    cummin_p, cumprod, cumprod_p, cumsum, cumsum_p)
from arrax.ops.identity import (copy_p, dtype, optimization_barrier, optimization_barrier_p,
    shape_as_value, stop_gradient, stop_gradient_p)
from arrax.ops.create import broadcasted_iota, empty, empty_p, full, full_like, iota, iota_p
from arrax.ops.gather import gather, gather_p, index_take
from arrax.ops.index_types import (GatherDimensionNumbers, GatherScatterMode,
                                   ScatterDimensionNumbers)
from arrax.ops.join import (concatenate, concatenate_p, pad, pad_p, split, split_p, stack, stack_p,
                            tile, tile_p, unstack, unstack_p)
from arrax.ops.rng import (RandomAlgorithm, rng_bit_generator, rng_bit_generator_p, rng_uniform,
                           rng_uniform_p)
from arrax.ops.scatter import (scatter, scatter_add, scatter_add_p, scatter_max, scatter_max_p,
                               scatter_min, scatter_min_p, scatter_mul, scatter_mul_p, scatter_p,
                               scatter_sub, scatter_sub_p)
from arrax.ops.ragged_all_to_all import ragged_all_to_all, ragged_all_to_all_p
from arrax.ops.stage import stage, stage_p
from arrax.ops.tokens import (after_all, after_all_p, create_token, create_token_p, precv, psend)
from arrax.ops.varying import pcast
from arrax.ops.shape import (broadcast, broadcast_in_dim, broadcast_in_dim_p, broadcast_like,
                             broadcast_shapes, broadcast_to_rank, collapse, expand_dims, reshape,
                             reshape_p, rev, rev_p, squeeze, squeeze_p, transpose, transpose_p)
from arrax.ops.slicing import (dynamic_index_in_dim, dynamic_slice, dynamic_slice_in_dim,
                               dynamic_slice_p, dynamic_update_index_in_dim, dynamic_update_slice,
                               dynamic_update_slice_in_dim, dynamic_update_slice_p, index_in_dim,
                               slice, slice_in_dim, slice_p)
from arrax.ops.collective import (all_gather_p, all_to_all_p, axis_index_p, pmax_p, pmin_p,
                                  ppermute_p, psum_p, reduce_scatter_p)
from arrax.ops.collective_functions import (all_gather, all_to_all, axis_index, axis_size,
                                            pbroadcast, pmax, pmean, pmin, ppermute, pshuffle, psum,
                                            psum_scatter, pswapaxes)

__all__ = [
    "AccuracyMode", "ConvDimensionNumbers", "ConvGeneralDilatedDimensionNumbers",
    "DotAlgorithm", "DotAlgorithmPreset", "DotDimensionNumbers", "FftType",
    "GatherDimensionNumbers", "GatherScatterMode", "Precision", "PrecisionLike",
    "RaggedDotDimensionNumbers", "RandomAlgorithm", "RoundingMethod", "ScatterDimensionNumbers",
    "Tolerance", "abs", "abs_p", "acos", "acos_p", "acosh", "acosh_p", "add", "add_any_p",
    "add_p", "after_all", "after_all_p", "all_gather", "all_gather_p", "all_to_all",
    "all_to_all_p", "and_p", "approx_max_k", "approx_min_k", "approx_top_k_p", "argmax",
    "argmax_p", "argmin", "argmin_p", "asin", "asin_p", "asinh", "asinh_p", "associative_scan",
    "atan", "atan2", "atan2_p", "atan_p", "atanh", "atanh_p", "axis_index", "axis_index_p",
    "axis_size", "batch_matmul", "bessel_i0e", "bessel_i0e_p", "bessel_i1e", "bessel_i1e_p",
    "betainc", "bitcast_convert_type", "bitcast_convert_type_p", "bitwise_and", "bitwise_not",
    "bitwise_or", "bitwise_xor", "broadcast", "broadcast_in_dim", "broadcast_in_dim_p",
    "broadcast_like", "broadcast_shapes", "broadcast_to_rank", "broadcasted_iota", "cbrt",
    "cbrt_p", "ceil", "ceil_p", "clamp", "clamp_p", "clz", "clz_p", "collapse", "complex",
    "complex_p", "composite", "concatenate", "concatenate_p", "cond", "cond_p", "conj",
    "conj_p", "conv", "conv_dimension_numbers", "conv_general_dilated",
    "conv_general_dilated_local", "conv_general_dilated_p", "conv_general_dilated_patches",
    "conv_general_permutations", "conv_general_shape_tuple", "conv_shape_tuple",
    "conv_transpose", "conv_transpose_shape_tuple", "conv_with_general_padding",
    "convert_element_type", "convert_element_type_p", "copy_p", "cos", "cos_p", "cosh",
    "cosh_p", "create_token", "create_token_p", "cumlogsumexp", "cumlogsumexp_p", "cummax",
    "cummax_p", "cummin", "cummin_p", "cumprod", "cumprod_p", "cumsum", "cumsum_p",
    "custom_linear_solve", "custom_root", "dce_sink", "dce_sink_p", "device_put_p", "digamma",
    "digamma_p", "div", "div_p", "dot", "dot_general", "dot_general_p", "dtype",
    "dynamic_index_in_dim", "dynamic_slice", "dynamic_slice_in_dim", "dynamic_slice_p",
    "dynamic_update_index_in_dim", "dynamic_update_slice", "dynamic_update_slice_in_dim",
    "dynamic_update_slice_p", "empty", "empty_p", "eq", "eq_p", "eq_to_p", "erf", "erf_inv",
    "erf_inv_p", "erf_p", "erfc", "erfc_p", "exp", "exp2", "exp2_p", "exp_p", "expand_dims",
    "expm1", "expm1_p", "fft", "fft_p", "floor", "floor_p", "fori_loop", "full", "full_like",
    "gather", "gather_p", "ge", "ge_p", "gt", "gt_p", "igamma", "igamma_grad_a",
    "igamma_grad_a_p", "igamma_p", "igammac", "igammac_p", "imag", "imag_p", "index_in_dim",
    "index_take", "integer_pow", "integer_pow_p", "iota", "iota_p", "is_finite", "is_finite_p",
    "le", "le_p", "le_to_p", "lgamma", "lgamma_p", "linalg", "linear_solve_p", "log", "log1p",
    "log1p_p", "log_p", "logistic", "logistic_p", "lt", "lt_p", "lt_to_p", "map", "max",
    "max_p", "min", "min_p", "mul", "mul_p", "mulhi", "mulhi_p", "ne", "ne_p", "neg", "neg_p",
    "nextafter", "nextafter_p", "not_p", "optimization_barrier", "optimization_barrier_p",
    "or_p", "pad", "pad_p", "padtype_to_pads", "pbroadcast", "pcast", "platform_dependent",
    "pmax", "pmax_p", "pmean", "pmin", "pmin_p", "polygamma", "polygamma_p", "population_count",
    "population_count_p", "pow", "pow_p", "ppermute", "ppermute_p", "precv", "psend",
    "pshuffle", "psum", "psum_p", "psum_scatter", "pswapaxes", "ragged_all_to_all",
    "ragged_all_to_all_p", "ragged_dot", "ragged_dot_general", "random_gamma_grad",
    "random_gamma_grad_p", "real", "real_p", "reciprocal", "reduce", "reduce_and",
    "reduce_and_p", "reduce_max", "reduce_max_p", "reduce_min", "reduce_min_p", "reduce_or",
    "reduce_or_p", "reduce_p", "reduce_precision", "reduce_precision_p", "reduce_prod",
    "reduce_prod_p", "reduce_scatter_p", "reduce_sum", "reduce_sum_p", "reduce_window",
    "reduce_window_max_p", "reduce_window_min_p", "reduce_window_p",
    "reduce_window_shape_tuple", "reduce_window_sum_p", "reduce_xor", "reduce_xor_p",
    "regularized_incomplete_beta_p", "rem", "rem_p", "reshape", "reshape_p", "rev", "rev_p",
    "rng_bit_generator", "rng_bit_generator_p", "rng_uniform", "rng_uniform_p", "round",
    "round_p", "rsqrt", "rsqrt_p", "scaled_dot", "scan", "scan_p", "scatter", "scatter_add",
    "scatter_add_p", "scatter_apply", "scatter_max", "scatter_max_p", "scatter_min",
    "scatter_min_p", "scatter_mul", "scatter_mul_p", "scatter_p", "scatter_sub",
    "scatter_sub_p", "select", "select_and_gather_add_p", "select_and_scatter_add_p",
    "select_and_scatter_p", "select_n", "select_n_p", "shape_as_value", "sharding_constraint_p",
    "shift_left", "shift_left_p", "shift_right_arithmetic", "shift_right_arithmetic_p",
    "shift_right_logical", "shift_right_logical_p", "sign", "sign_p", "sin", "sin_p", "sinh",
    "sinh_p", "slice", "slice_in_dim", "slice_p", "sort", "sort_key_val", "sort_p", "split",
    "split_p", "sqrt", "sqrt_p", "square", "square_p", "squeeze", "squeeze_p", "stack",
    "stack_p", "stage", "stage_p", "stop_gradient", "stop_gradient_p", "sub", "sub_p", "switch",
    "tan", "tan_p", "tanh", "tanh_p", "tile", "tile_p", "top_k", "top_k_p", "transpose",
    "transpose_p", "unstack", "unstack_p", "while_loop", "while_p", "with_sharding_constraint",
    "xor_p", "zeta", "zeta_p"]
__dir__ = _listing(__name__)
