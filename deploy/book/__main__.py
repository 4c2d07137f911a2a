"""`make book`: run the notebooks, two at a time, and make a static site of them in build/book/.

    python -m deploy.book [--run NUMBER ...] [--to FOLDER]

With `--run`, only notebooks that begin with these numbers are run; the others appear without outputs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from deploy.book import pages
from omg_lib.words import EDITIONS, ENGLISH, speaking

HERE = Path(__file__).parent
LISTEN = f"{(HERE / 'listen.py').read_text(encoding='utf-8')}\n_listen({pages.TRUTH!r})"


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
    told = {"OMG_FAST": "1", "OMP_NUM_THREADS": "1", "OMG_LANG": language_of(path)}
    client.execute(env=os.environ | told, cwd=str(path.parent))
    print(f"ran {path.stem}, {language_of(path)}, in {time.monotonic() - start:.0f} s", flush=True)
    del notebook.cells[0]
    return notebook


def language_of(path: Path) -> str:
    """Return the language of a notebook or of its page, by the folder."""
    return EDITIONS.get(path.parent.name, ENGLISH)


def copy_sources(source: Path) -> list[Path]:
    """Lay out what Sphinx reads, in an empty folder; return the notebooks in it."""
    shutil.rmtree(source, ignore_errors=True)
    leave_out = shutil.ignore_patterns("assignments", ".*", "SYLLABUS.md")
    shutil.copytree(pages.ROOT / "notebooks", source / "notebooks", ignore=leave_out)
    (source / "data").symlink_to(pages.ROOT / "data", target_is_directory=True)
    for name in ("conf.py", "index.md"):
        shutil.copy(HERE / name, source / name)
    shutil.copytree(HERE / "static", source / "static")
    (source / "api").mkdir()
    for name, text in pages.api().items():
        (source / f"api/{name}.md").write_text(text, encoding="utf-8")
    glossary = source / "notebooks/glossary.md"
    glossary.write_text(pages.glossary(glossary.read_text(encoding="utf-8")), encoding="utf-8")
    return sorted((source / "notebooks").rglob("*.ipynb"))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.book", description=__doc__.partition("\n")[0])
    parser.add_argument("--run", nargs="*", metavar="NUMBER", help="run only these notebooks")
    parser.add_argument("--to", type=Path, metavar="FOLDER", default=pages.ROOT / "build/book", help="build/book")
    asked = parser.parse_args(arguments)
    source = asked.to.with_name(f"{asked.to.name}-source")
    paths = copy_sources(source)
    with ThreadPoolExecutor(2) as pool:  # each notebook runs in a kernel of its own
        wanted = [path for path in paths if asked.run is None or path.name[:2] in asked.run]
        futures = {path: pool.submit(run, path) for path in wanted}
    for path, future in futures.items():
        if isinstance(error := future.exception(), CellExecutionError):
            print(f"{path.name} fails: {error.ename}: {error.evalue}"[:300], file=sys.stderr)
            return 1
    done = {path: future.result() for path, future in futures.items()}
    for path in paths:
        with speaking(language_of(path)):
            notebook = pages.as_page(done.get(path) or nbformat.read(path, as_version=4))
        chinese = language_of(path) != ENGLISH
        pages.link_terms(notebook.cells, pages.terms(chinese), "../glossary.md" if chinese else "glossary.md")
        nbformat.write(notebook, path)
    shutil.rmtree(asked.to, ignore_errors=True)
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(source / ".doctrees")]
    code = subprocess.run([*sphinx, "-b", "html", str(source), str(asked.to)]).returncode
    if code == 0:
        for page in asked.to.rglob("*.html"):
            with speaking(language_of(page)):
                made = pages.in_language(pages.accessible(page.read_text(encoding="utf-8")), language_of(page))
            page.write_text(made, encoding="utf-8")
        print(f"The book is in {os.path.relpath(asked.to)}/index.html.")
    return code


if __name__ == "__main__":
    sys.exit(main())
