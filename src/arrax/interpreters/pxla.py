"""`arrax.interpreters.pxla`: meshes, under the name that older programs use."""
from arrax.core.device import Mesh

__all__ = ["Mesh"]
