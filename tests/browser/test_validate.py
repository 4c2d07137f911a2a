"""A released notebook in a real JupyterLab: a student answers one question and presses Validate."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PUT = """([id, source]) => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
  cells.find(cell => cell.id === id).setSource(source);
}"""


def test_validate_names_what_is_missing_and_not_what_is_right(open_notebook, folder):
    pytest.importorskip("nbgrader", reason="nbgrader is not installed: it is the extra for teachers")
    course, source = folder / "course", folder / "assignments" / "source" / "a1" / "a1.ipynb"
    if not source.is_file():
        pytest.skip("a student's copy holds no assignments to release")
    shutil.copytree(folder / "assignments", course)
    command = [sys.executable, "-W", "ignore", "-m", "nbgrader", "generate_assignment", "a1", "--create"]
    subprocess.run(command, cwd=course, check=True, capture_output=True)
    (folder / "a1").mkdir()
    shutil.copy(course / "release" / "a1" / "a1.ipynb", folder / "a1" / "a1.ipynb")
    page = open_notebook("a1/a1.ipynb", height=1100)
    (cell,) = [cell for cell in json.loads(source.read_text())["cells"] if cell["id"] == "a1-rows"]
    page.evaluate(PUT, ["a1-rows", "".join(line for line in cell["source"] if "SOLUTION" not in line)])
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.get_by_role("button", name="Validate").click()
    dialog = page.locator(".jp-Dialog")
    dialog.wait_for(timeout=180_000)
    said = dialog.inner_text()
    if "OMG_SCREENSHOTS" in os.environ:
        page.screenshot(path=Path(os.environ["OMG_SCREENSHOTS"]) / "validate.png")
    assert "Not answered yet" in said and 'check_answer("a1-slots", to_slots)' in said
    assert 'check_answer("a1-rows", to_rows)' not in said and "Traceback" not in said
    page.keyboard.press("Escape")  # or the page could not be used again
