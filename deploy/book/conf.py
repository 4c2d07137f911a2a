"""Sphinx's settings. `build.py` has executed the notebooks already, so nothing runs here."""

import re

import omg_lib

project, version, author = "OMG Lab", omg_lib.__version__, "OMG Lab contributors"
exclude_patterns = ["data"]
html_show_copyright = False
extensions = ["myst_nb", "sphinx.ext.autodoc"]
html_theme = "furo"
html_theme_options = {"top_of_page_buttons": []}  # the pages' sources are no use to a reader
html_copy_source = False
html_title = "OMG Lab"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_show_sphinx = False
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # the page asks no other host for scripts
nb_mime_priority_overrides = [("html", "text/html", 0)]  # what a panel shows without a kernel
nb_merge_streams = True
myst_heading_anchors = 3
myst_enable_extensions = ["html_image"]
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
suppress_warnings = ["myst.header", "myst.xref_missing", "misc.highlighting_failure", "mystnb.unknown_mime_type"]


def tables(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Turn a docstring's Markdown tables of shapes into tables of reStructuredText, and its `code` into literals."""
    out: list[str] = []
    for line in lines:
        if line.startswith("|") and not set(line) <= set("|-: "):
            if not (out and out[-1].startswith("     -")):
                out += ["", ".. list-table::", "   :header-rows: 1", ""]
            first, *rest = (cell.strip() or "–" for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1]))
            out += [f"   * - {first}", *(f"     - {cell}" for cell in rest)]
        elif not line.startswith("|"):
            out.append(line if line.startswith(" ") or not (out and out[-1].startswith("     -")) else "\n" + line)
    lines[:] = [part for line in out for part in re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line).split("\n")]


def setup(app: object) -> None:
    app.connect("autodoc-process-docstring", tables)
