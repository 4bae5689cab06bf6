"""Functions on pytrees, under short names: `arrax.tree.map` is `arrax.tree_util.tree_map`."""
from arrax.core.lazy import listing as _listing
from arrax.core.pytree import static
from arrax.core.pytree import tree_all as all
from arrax.core.pytree import tree_broadcast as broadcast
from arrax.core.pytree import tree_flatten as flatten
from arrax.core.pytree import tree_flatten_with_path as flatten_with_path
from arrax.core.pytree import tree_leaves as leaves
from arrax.core.pytree import tree_leaves_with_path as leaves_with_path
from arrax.core.pytree import tree_map as map
from arrax.core.pytree import tree_map_with_path as map_with_path
from arrax.core.pytree import tree_reduce as reduce
from arrax.core.pytree import tree_reduce_associative as reduce_associative
from arrax.core.pytree import tree_structure as structure
from arrax.core.pytree import tree_transpose as transpose
from arrax.core.pytree import tree_unflatten as unflatten

__all__ = ["all", "broadcast", "flatten", "flatten_with_path", "leaves", "leaves_with_path", "map",
           "map_with_path", "reduce", "reduce_associative", "static", "structure", "transpose",
           "unflatten"]

__dir__ = _listing(__name__)
