"""Ways in which a submission could run code in a teacher's browser. Each, if it runs, reports it and writes a file."""

import base64
import json

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # one pixel


def program(name: str) -> str:
    """JavaScript without any quotes, which fits into any attribute."""
    put = (
        f"(window.ran=window.ran||[]).push(`{name}`);fetch(`/api/contents/owned-{name}.txt`,{{method:`PUT`,"
        "headers:{'X-XSRFToken':(document.cookie.match(/_xsrf=([^;]+)/)||[])[1]},"
        "body:JSON.stringify({type:`file`,format:`text`,content:`owned`})})"
    )
    return f"eval(atob(`{base64.b64encode(put.encode()).decode()}`))"


def image(name: str) -> str:
    return f'<img src="x" onerror="{program(name)}">'


def script(name: str) -> str:
    return f"<script>{program(name)}</script>"


def drawn(name: str) -> str:
    """An SVG with a script, event handlers, a link, an animation and a piece of HTML."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="{program(name)}"><script>{program(name)}'
        f'</script><a href="javascript:{program(name)}"><rect width="9" height="9" fill="red"/></a>'
        f'<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="{program(name)}"/></body>'
        f'</foreignObject><animate onbegin="{program(name)}" attributeName="x" dur="1s"/></svg>'
    )


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def shown(name: str, kind: str, content: object, metadata: dict | None = None) -> NotebookNode:
    """A cell with one output."""
    return new_code_cell(f"# {name}", outputs=[new_output("display_data", {kind: content}, metadata=metadata or {})])


MARKDOWN = {
    "markdown-script": script,
    "markdown-handler": image,
    "markdown-svg": drawn,
    "markdown-frame": lambda name: f'<iframe srcdoc="{script(name)}"></iframe>',
    "markdown-data-frame": lambda name: f'<object data="data:text/html;base64,{base64_of(script(name))}"></object>',
    "markdown-link": lambda name: f"[my plot](javascript:{program(name).replace('(', '%28').replace(')', '%29')})",
    "markdown-reference": lambda name: f"[my plot]\n\n[my plot]: <&#106;avascript:{program(name)}>",
    "markdown-attribute": lambda name: f'<b style="position:fixed;inset:0" onmouseover="{program(name)}">x</b>',
    "markdown-comment": lambda name: f"<!--><script>{program(name)}</script>-->",
    "markdown-table": lambda name: f"| a |\n|---|\n| {image(name)} |",
    "markdown-heading": lambda name: f"# {image(name)}",
    "mermaid": lambda name: f"```mermaid\n{image(name)}\n```",
    "fence": lambda name: f"~~~\n~~~\n{script(name)}\n~~~~~\n~~~~~~\n\n{script(name)}",
    "latex": lambda name: (
        f"$\\href{{javascript:{program(name)}}}{{x}}$ $\\unicode{{x3c}}{image(name)}$ "
        f"\\begin{{{image(name)}}}\\end{{x}} $$\\style{{x:y}}{{{image(name)}}}$$"
    ),
    "mathjax-configuration": lambda name: f'<script type="text/x-mathjax-config">{program(name)}</script>',
}
"""Name -> source of an answer."""


def in_cells() -> dict[str, NotebookNode]:
    """Name -> a cell that a valid notebook may contain."""
    made = {name: new_markdown_cell(source(name)) for name, source in MARKDOWN.items()}
    for mimetype in ("", "text/html"):
        name = f"raw-{mimetype}".rstrip("-").replace("/", "-")
        made[name] = new_raw_cell(script(name) + image(name), metadata={"raw_mimetype": mimetype})
    for kind in ("text/html", "text/markdown", "text/latex", "text/plain", "text/vnd.mermaid", "application/pdf"):
        name = "output-" + kind.replace("/", "-")
        made[name] = shown(name, kind, script(name) + image(name))
    made["output-isolated"] = shown("", "text/html", script("output-isolated"), {"text/html": {"isolated": True}})
    for kind in ("application/javascript", "text/javascript"):
        name = "output-" + kind.replace("/", "-")
        made[name] = shown(name, kind, program(name))
    for name, kind in {"output-svg": "image/svg+xml", "output-html-svg": "text/html"}.items():
        made[name] = shown(name, kind, drawn(name))
    widget = {"version_major": 2, "version_minor": 0, "model_id": f"</script>{script('widget-view')}"}
    made["widget-view"] = shown("", "application/vnd.jupyter.widget-view+json", widget)
    breakout = {name: f'"></script>{script(name)}{image(name)}' for name in ("png-data", "png-size", "output-file")}
    made["png-data"] = shown("", "image/png", breakout["png-data"])
    size = dict.fromkeys(("width", "height", "alt"), breakout["png-size"])
    made["png-size"] = shown("", "image/png", PNG, {"image/png": size})
    made["output-file"] = shown("", "image/png", PNG, {"filenames": {"image/png": breakout["output-file"]}})
    made["attachment"] = new_markdown_cell(
        "![x](attachment:x.svg) ![y](attachment:y)",
        attachments={
            "x.svg": {"image/svg+xml": base64_of(drawn("attachment"))},
            "y": {"text/html": base64_of(script("attachment"))},
        },
    )
    about = image("cell-metadata")
    made["cell-metadata"] = new_code_cell(
        about, metadata={"tags": [f'"{about}'], "alt": about, "name": about, "jupyter": {"source_hidden": about}}
    )
    printed = f"\x1b[31m{script('printed')}\x1b[38;2;1;2;{image('printed')}m{image('printed')}"
    made["printed"] = new_code_cell(
        "",
        outputs=[
            new_output("stream", name="stderr", text=printed),
            new_output("error", ename=printed, evalue=printed, traceback=[printed]),
        ],
    )
    return made


def in_broken_cells() -> dict[str, dict]:
    """Name -> a cell that no program writes; nbformat only warns about it."""
    made = {
        name: json.loads(json.dumps(new_code_cell("1", outputs=[new_output("execute_result", {"text/plain": "1"})])))
        for name in ("execution-count", "cell-id", "cell-type")
    }
    made["execution-count"]["execution_count"] = image("execution-count")
    made["cell-id"]["id"] = f'"{image("cell-id")}'
    made["cell-type"] |= {"cell_type": "other", "type": image("cell-type"), "source": image("cell-type")}
    return made


def in_notebook(notebook: NotebookNode) -> list[str]:
    """Put the attacks into a notebook's own metadata; return their names."""
    notebook.metadata |= {
        "title": f"</title>{script('title')}",
        "kernelspec": {"display_name": image("kernel"), "name": "python3", "language": image("kernel")},
        "language_info": {"name": image("language"), "pygments_lexer": image("language")},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}, "x": f"</script>{script('widgets')}"}},
    }
    return ["title", "kernel", "language", "widgets"]
