"""Read by a JupyterLab that is started in this folder: it closes what nbgrader's formgrader leaves open."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
c = get_config()  # noqa: F821 -- traitlets puts it there
c.ServerApp.jpserver_extensions = {"grader.formgrader": True}
