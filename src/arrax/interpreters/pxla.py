"""`arrax.interpreters.pxla`: meshes, under the name that older programs use."""
from arrax.core.lazy import listing as _listing
from arrax.core.mesh import Mesh

__all__ = ["Mesh"]

__dir__ = _listing(__name__)
