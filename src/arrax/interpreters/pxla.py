"""`arrax.interpreters.pxla`: meshes, under the name that older programs use."""
from arrax.core.device import Mesh
from arrax.core.lazy import listing

__all__ = ["Mesh"]

__dir__ = listing(__name__)
