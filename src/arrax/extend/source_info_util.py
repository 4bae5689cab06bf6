"""`arrax.extend.source_info_util`: where equations come from, and whose frames errors show."""
from __future__ import annotations

from arrax.core.lazy import listing as _listing
from arrax.core.source_info import SourceInfo
from arrax.core.source_info import here as current
from arrax.core.source_info import name_stack as current_name_stack
from arrax.core.source_info import named as extend_name_stack
from arrax.core.source_info import register_internal_file as register_exclusion

__all__ = ["SourceInfo", "current", "current_name_stack", "extend_name_stack", "new_source_info",
           "register_exclusion", "summarize"]

new_source_info = current


def summarize(source_info: SourceInfo, num_frames: int = 1) -> str:
    """The user's line, as text. One frame is kept of each equation, so `num_frames` is 1."""
    if num_frames != 1:
        raise ValueError(f"summarize: one frame is kept of each equation, got num_frames="
                         f"{num_frames}")
    return str(source_info)

__dir__ = _listing(__name__)
