"""Settings of all tests."""
from __future__ import annotations

import os

from hypothesis import Phase, settings

# The same examples in every run, so that a green suite stays green; HYPOTHESIS_PROFILE=explore
# looks for new ones (and reports them unshrunk, which is quicker).
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, phases=(Phase.generate,))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
