"""A page of the flow in Chromium: from disk, with every request to a host refused and every error collected."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCAL = ("file:", "blob:", "data:", "about:")
OUTSIDE = """() => {
  const svg = document.querySelector('.omg-flow svg'), frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    const out = box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    return box.width && out;
  }).map(text => text.textContent);
}"""
"""Texts that stick out of the picture."""


@contextmanager
def opened(browser, path: Path, width: int = 1000, height: int = 900, **context) -> Iterator[object]:
    """Open a file; when the block ends, no request has left for a host and the console holds no error."""
    holder = browser.new_context(viewport={"width": width, "height": height}, **context)
    page, outside, errors = holder.new_page(), [], []
    page.set_default_timeout(120_000)
    page.route(
        "**/*", lambda route: route.continue_() if route.request.url.startswith(LOCAL) else _refuse(route, outside)
    )
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        page.goto(Path(path).resolve().as_uri())
        page.wait_for_selector(".omg-flow svg [data-stage]")
        page.wait_for_function("() => window.flow")
        yield page
        assert (outside, errors) == ([], [])
    except Exception as failed:
        failed.add_note(f"requests of other hosts: {outside}; errors of the page: {errors}")
        raise
    finally:
        holder.close()


def _refuse(route, outside: list[str]) -> None:
    outside.append(route.request.url)
    route.abort()
