"""`python -m grader.several JSON`: run several of nbgrader's commands, lists of words, one after another.

Alone, each would load nbgrader again, and to grade also torch and the process in which answers run: 15 seconds.
"""

from __future__ import annotations

import json
import sys
import traceback

from nbgrader.apps import NbGraderApp


def run(words: list[str]) -> int:
    """Run one command and return its exit status; a failure does not stop those that follow."""
    try:
        NbGraderApp.launch_instance(words)
        return 0
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        NbGraderApp.instance().reset()


if __name__ == "__main__":
    sys.exit(max(map(run, json.loads(sys.argv[1])), default=0))
