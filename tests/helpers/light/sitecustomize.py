"""Run by every Python that a test starts, as conftest.py puts this folder on its path.

jsonschema 4.25 and newer build a grammar of addresses on import, in 2 to 3 seconds: each of Ray's seven processes,
nbgrader's and Jupyter's. Nothing here needs it. constraints.txt pins an older one; a test's Python may have a newer.
"""

import sys

sys.modules["rfc3987_syntax"] = None
