"""Handles: primitives that other files than their own bind.

Families need each other (the derivative of a maximum compares, that of a product with broadcasting
sums), so a file cannot import them all from their homes. It imports them from here; the block that
declares the primitive of that name makes it whole, and `check_declared` finds names without one.
"""
from __future__ import annotations

from arrax.core.primitive import handle

# ops/arithmetic.py
abs_p = handle("abs")
add_any_p = handle("add_any")
add_p = handle("add")
div_p = handle("div")
integer_pow_p = handle("integer_pow")
max_p = handle("max")
min_p = handle("min")
mul_p = handle("mul")
neg_p = handle("neg")
rem_p = handle("rem")
rsqrt_p = handle("rsqrt")
sign_p = handle("sign")
sqrt_p = handle("sqrt")
square_p = handle("square")
sub_p = handle("sub")

# ops/bits.py
and_p = handle("and")
not_p = handle("not")
or_p = handle("or")
shift_left_p = handle("shift_left")
shift_right_logical_p = handle("shift_right_logical")
xor_p = handle("xor")

# ops/collective.py
psum_invariant_p = handle("psum_invariant")

# ops/compare.py
clamp_p = handle("clamp")
eq_p = handle("eq")
floor_p = handle("floor")
ge_p = handle("ge")
gt_p = handle("gt")
is_finite_p = handle("is_finite")
le_p = handle("le")
lt_p = handle("lt")
ne_p = handle("ne")
select_n_p = handle("select_n")

# ops/complex_parts.py
complex_p = handle("complex")
conj_p = handle("conj")
imag_p = handle("imag")
real_p = handle("real")

# ops/conv.py
conv_general_dilated_p = handle("conv_general_dilated")

# ops/convert.py
bitcast_convert_type_p = handle("bitcast_convert_type")
convert_element_type_p = handle("convert_element_type")

# ops/create.py
empty_p = handle("empty")
iota_p = handle("iota")

# ops/cumulative.py
cumsum_p = handle("cumsum")

# ops/dot.py
dot_general_p = handle("dot_general")

# ops/gather.py
gather_p = handle("gather")

# ops/identity.py
copy_p = handle("copy")
stop_gradient_p = handle("stop_gradient")

# ops/join.py
concatenate_p = handle("concatenate")
pad_p = handle("pad")
split_p = handle("split")
stack_p = handle("stack")
tile_p = handle("tile")
unstack_p = handle("unstack")

# ops/linalg_triangular.py
triangular_solve_p = handle("triangular_solve")

# ops/random.py
random_bits_p = handle("random_bits")
random_seed_p = handle("random_seed")
random_unwrap_p = handle("random_unwrap")
random_wrap_p = handle("random_wrap")
threefry2x32_p = handle("threefry2x32")

# ops/reduce.py
argmax_p = handle("argmax")
reduce_and_p = handle("reduce_and")
reduce_max_p = handle("reduce_max")
reduce_min_p = handle("reduce_min")
reduce_or_p = handle("reduce_or")
reduce_prod_p = handle("reduce_prod")
reduce_sum_p = handle("reduce_sum")
reduce_xor_p = handle("reduce_xor")

# ops/scatter.py
scatter_add_p = handle("scatter-add")
scatter_p = handle("scatter")

# ops/shape.py
broadcast_in_dim_p = handle("broadcast_in_dim")
reshape_p = handle("reshape")
rev_p = handle("rev")
squeeze_p = handle("squeeze")
transpose_p = handle("transpose")

# ops/slicing.py
dynamic_slice_p = handle("dynamic_slice")
dynamic_update_slice_p = handle("dynamic_update_slice")
slice_p = handle("slice")

# ops/sort.py
sort_p = handle("sort")
top_k_p = handle("top_k")

# ops/special.py
digamma_p = handle("digamma")
erf_inv_p = handle("erf_inv")
lgamma_p = handle("lgamma")

# ops/transcendental.py
cos_p = handle("cos")
cosh_p = handle("cosh")
exp_p = handle("exp")
log1p_p = handle("log1p")
log_p = handle("log")
sin_p = handle("sin")
sinh_p = handle("sinh")
tanh_p = handle("tanh")

# ops/varying.py
pvary_p = handle("pvary")

# ops/window.py
reduce_window_max_p = handle("reduce_window_max")
reduce_window_min_p = handle("reduce_window_min")
reduce_window_sum_p = handle("reduce_window_sum")
