"""`arrax.ad_checkpoint`: trading memory for recomputation in reverse mode."""
from arrax.core.lazy import listing as _listing
from arrax.transforms.checkpoint import checkpoint, print_saved_residuals, remat, saved_residuals
from arrax.transforms.checkpoint_policies import (Offloadable, Recompute, Saveable, checkpoint_name,
                                                  checkpoint_policies)

__all__ = ["Offloadable", "Recompute", "Saveable", "checkpoint", "checkpoint_name",
           "checkpoint_policies", "print_saved_residuals", "remat", "saved_residuals"]

__dir__ = _listing(__name__)
