"""Follow where elements come from, through unchanged torch code: which line mixes what must stay apart?

See README.md beside this file.
"""

from omg_lib.provenance.follow import follow
from omg_lib.provenance.found import Found, Join, Origin, Verdict
from omg_lib.provenance.policy import PRESETS, Policy
from omg_lib.provenance.small import inputs_of, small_batch

__all__ = ["PRESETS", "Found", "Join", "Origin", "Policy", "Verdict", "follow", "inputs_of", "small_batch"]
