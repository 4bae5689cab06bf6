"""The operations that programs are made of, one function per primitive and a few compositions."""
from __future__ import annotations

from arrax.ops.create import broadcasted_iota, empty, empty_p, full, full_like, iota, iota_p
from arrax.ops.gather import gather, gather_p, index_take
from arrax.ops.index_types import (GatherDimensionNumbers, GatherScatterMode,
                                   ScatterDimensionNumbers)
from arrax.ops.join import (concatenate, concatenate_p, pad, pad_p, split, split_p, stack, stack_p,
                            tile, tile_p, unstack, unstack_p)
from arrax.ops.scatter import (scatter, scatter_add, scatter_add_p, scatter_max, scatter_max_p,
                               scatter_min, scatter_min_p, scatter_mul, scatter_mul_p, scatter_p,
                               scatter_sub, scatter_sub_p)
from arrax.ops.shape import (broadcast, broadcast_in_dim, broadcast_in_dim_p, broadcast_like,
                             broadcast_shapes, broadcast_to_rank, collapse, expand_dims, reshape,
                             reshape_p, rev, rev_p, squeeze, squeeze_p, transpose, transpose_p)
from arrax.ops.slicing import (dynamic_index_in_dim, dynamic_slice, dynamic_slice_in_dim,
                               dynamic_slice_p, dynamic_update_index_in_dim, dynamic_update_slice,
                               dynamic_update_slice_in_dim, dynamic_update_slice_p, index_in_dim,
                               slice, slice_in_dim, slice_p)
