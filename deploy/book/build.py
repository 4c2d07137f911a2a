"""`make book`: run the notebooks, two at a time, and make a static site of them in build/book/.

    python deploy/book/build.py [--run NUMBER ...]

With `--run`, only notebooks that begin with these numbers are run; the others appear without outputs.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE, TARGET = ROOT / "build" / "book-source", ROOT / "build" / "book"
WIDGET = "application/vnd.jupyter.widget-view+json"
TRUTH = "application/vnd.omg.truth+json"
ROOMS = (
    *("config", "contract", "trace", "envs.base", "episodes", "networks", "subgoals", "controller", "runner", "buffer"),
    *("regroup", "predict", "learners.q_learner", "learners.omg", "training", "runs.folder", "provenance.follow"),
    "checks",
)
LISTEN = f"""
import omg_lib.checks as _checks
from IPython.display import display as _display
def _heard(guess, truth, names, labels, wanted, _check=_checks._check):
    numbers = [int(n) for n in truth]
    _display({{"{TRUTH}": {{"truth": numbers, "labels": list(labels)}}, "text/plain": ""}}, raw=True)
    return _check(guess, truth, names, labels, wanted)
_checks._check = _heard
"""
"""Run before a notebook's first cell: every question of numbers leaves its answer for the page to check."""
QUESTION = """<form class="omg-question" data-truth="{truth}" data-labels="{labels}">
<label>Your answer, {count}: <input inputmode="numeric" autocomplete="off"></label>
<button type="submit">Check</button> <span role="status"></span>
</form><details><summary>Show the answer</summary><p>{shown}</p></details>"""
EDITIONS = re.compile(r"\n*\[[^\]]*\]\(zh/[^)]*\)")
"""A link to another edition, which the book does not hold."""
PANEL = "<p><em>Open this notebook in JupyterLab to use the panel.</em></p>"
KEPT = "The panel itself needs a kernel: run this cell again."


def run(path: Path) -> nbformat.NotebookNode:
    """Run one notebook in its folder. CellExecutionError if a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(LISTEN))
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    start = time.monotonic()
    client.execute(env=os.environ | {"OMG_FAST": "1", "OMP_NUM_THREADS": "1"}, cwd=str(path.parent))
    print(f"ran {path.stem} in {time.monotonic() - start:.0f} s", flush=True)
    del notebook.cells[0]
    return notebook


def as_page(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Turn the outputs of widgets and questions into what a page without a kernel can show."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = page_outputs(cell.outputs)
    return notebook


def page_outputs(outputs: list) -> list:
    """Return a cell's outputs for a page: no widget without HTML of its own, and a form for a question of numbers."""
    kept, panels = [], 0
    truths = [output.data[TRUTH] for output in outputs if TRUTH in output.get("data", {})]
    if truths:
        return [nbformat.v4.new_output("display_data", {"text/html": question(truths[0])})]
    for output in outputs:
        data = output.get("data", {})
        panels += WIDGET in data
        data.pop(WIDGET, None)
        if "text/html" in data:
            text = "".join(data["text/html"])
            data["text/html"] = text.replace(KEPT, "Open this notebook in JupyterLab to use it.")
        elif "application/javascript" in data or (panels and data.keys() <= {"text/plain"} and data):
            continue
        kept.append(output)
    if panels and not any("text/html" in output.get("data", {}) for output in kept):
        kept.insert(0, nbformat.v4.new_output("display_data", {"text/html": PANEL}))
    return kept


def question(heard: dict) -> str:
    """Return the form that asks for these numbers and checks them in the page."""
    truth, labels = (html.escape(json.dumps(heard[key])) for key in ("truth", "labels"))
    count = len(heard["truth"])
    counted = "a number" if count == 1 else f"{count} numbers"
    return QUESTION.format(truth=truth, labels=labels, count=counted, shown=heard["truth"])


def terms() -> dict[str, str]:
    """Return term -> anchor for the words of the glossary's first column that are longer than a symbol."""
    words = re.findall(r"^\| ([a-z][a-z -]{3,}?)(?:,[^|]*)? \|", (ROOT / "notebooks/glossary.md").read_text(), re.M)
    return {word: "term-" + word.replace(" ", "-") for word in words if word != "word"}


def link_terms(cells: list, known: dict[str, str]) -> None:
    """Link each term to the glossary where a page's prose first uses it; code, links, headings and HTML stay."""
    left = dict(known)
    for cell in cells:
        if cell.cell_type != "markdown":
            continue
        parts = re.split(r"(`[^`]*`|!?\[[^\]]*\]\([^)]*\)|<[^>]*>|^(?:#|>|\|).*$)", cell.source, flags=re.M)
        for index in range(0, len(parts), 2):
            for word, anchor in list(left.items()):
                linked, count = re.subn(
                    rf"(?<![\w\[-]){word}(?![\w\]-])", f"[{word}](glossary.md#{anchor})", parts[index], count=1
                )
                if count and "](" not in parts[index]:
                    parts[index] = linked
                    del left[word]
        cell.source = "".join(parts)


def glossary(text: str) -> str:
    """Give every term of the glossary an anchor."""
    for word, anchor in terms().items():
        text = re.sub(rf"^\| {word}(?=,| \|)", f'| <span id="{anchor}"></span>{word}', text, flags=re.M)
    return text


def api() -> str:
    """Return the page of the library's reference, from its docstrings."""
    parts = ["# The library\n"]
    for room in ROOMS:
        parts.append(f"## omg_lib.{room}\n\n```{{eval-rst}}\n.. automodule:: omg_lib.{room}\n```\n")
    return "\n".join(parts)


def accessible(page: str) -> str:
    """Return a built page with what axe-core misses in it: names, levels, and keyboard access to all that scrolls."""
    for before, after in (
        ('<aside class="sidebar-drawer"', '<aside aria-label="All pages" class="sidebar-drawer"'),
        ('<aside class="toc-drawer', '<aside aria-label="This page" class="toc-drawer'),
        ('role="heading"', 'role="heading" aria-level="2"'),
        ("<pre>", '<pre tabindex="0">'),
        ('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
        ('<div id="search-results">', '<h1>Search</h1><div id="search-results">'),
    ):
        page = page.replace(before, after)
    return re.sub(r"<th\b[^>]*>\s*</th>", "<td></td>", page)  # a header without words


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", nargs="*", metavar="NUMBER", help="run only these notebooks")
    chosen = parser.parse_args().run
    shutil.rmtree(SOURCE, ignore_errors=True)
    leave_out = shutil.ignore_patterns("assignments", ".*", "SYLLABUS.md", "zh")
    shutil.copytree(ROOT / "notebooks", SOURCE / "notebooks", ignore=leave_out)
    (SOURCE / "data").symlink_to(ROOT / "data", target_is_directory=True)
    for name in ("conf.py", "index.md", "static"):
        copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy
        copy(HERE / name, SOURCE / name)
    (SOURCE / "api.md").write_text(api(), encoding="utf-8")
    page = SOURCE / "notebooks/glossary.md"
    page.write_text(glossary(page.read_text(encoding="utf-8")), encoding="utf-8")
    paths = sorted((SOURCE / "notebooks").glob("*.ipynb"))
    wanted = [path for path in paths if chosen is None or path.name[:2] in chosen]
    with ThreadPoolExecutor(2) as pool:  # each notebook runs in a kernel of its own
        futures = {path: pool.submit(run, path) for path in wanted}
    for path, future in futures.items():
        if isinstance(error := future.exception(), CellExecutionError):
            print(f"{path.name} fails: {error.ename}: {error.evalue}"[:300], file=sys.stderr)
            return 1
    done = {path: future.result() for path, future in futures.items()}
    for path in paths:
        notebook = as_page(done.get(path) or nbformat.read(path, as_version=4))
        for cell in notebook.cells:
            cell.source = EDITIONS.sub("", cell.source)
        link_terms(notebook.cells, terms())
        nbformat.write(notebook, path)
    shutil.rmtree(TARGET, ignore_errors=True)
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(SOURCE / ".doctrees")]
    code = subprocess.run([*sphinx, "-b", "html", str(SOURCE), str(TARGET)]).returncode
    if code == 0:
        for page in TARGET.rglob("*.html"):
            page.write_text(accessible(page.read_text(encoding="utf-8")), encoding="utf-8")
        print(f"The book is in {TARGET.relative_to(ROOT)}/index.html.")
    return code


if __name__ == "__main__":
    sys.exit(main())
