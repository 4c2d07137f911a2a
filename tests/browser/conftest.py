"""A real JupyterLab on a copy of the notebooks, and Chromium to use it like a student.

Skipped, with the reason, if playwright or Chromium is missing. Debian's package `chromium` is enough; set OMG_CHROMIUM
to use another one.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers import warm
from tests.helpers.pages import CLOSE, OPEN, READY

ROOT = Path(__file__).parents[2]
TOKEN = "omg"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Everything of Lab that would open a window over the notebook or reach for the network.
SETTINGS = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that JupyterLab serves: a copy, which protects the notebooks from the tests."""
    folder = tmp_path_factory.mktemp("lab") / "notebooks"
    folder.mkdir()
    if (ROOT / "notebooks").is_dir():
        shutil.copytree(ROOT / "notebooks", folder, dirs_exist_ok=True)
    (folder.parent / "data").symlink_to(ROOT / "data")
    return folder


@pytest.fixture(scope="session")
def lab(folder: Path) -> Iterator[str]:
    """The address of a JupyterLab on the notebooks."""
    with serve(folder) as address:
        yield address


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Start a JupyterLab in a folder, for this test session only, without the user's settings; yield its address.

    Its system is English, and it sets no language of the course: a notebook's folder tells it.
    """
    own = folder.parent
    environment = {name: value for name, value in os.environ.items() if name != "OMG_LANG"} | warm.kernels()
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "OMP_NUM_THREADS": "1",
        "LC_ALL": "C.UTF-8",
    }
    for name in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{name}_DIR"] = str(own / f"jupyter-{name.lower()}")
    for name in ("SETTINGS", "WORKSPACES"):
        environment[f"JUPYTERLAB_{name}_DIR"] = str(own / name.lower())
    for plugin, values in SETTINGS.items():
        path = own / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={TOKEN}",
        "--LabApp.expose_app_in_browser=True",
    ]
    log = own / "lab.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/status?token={TOKEN}", server, log)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:  # an AnyIO thread that waits for work can outlive JupyterLab's loop
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def served() -> Callable:
    """served(folder): a context with a JupyterLab started in that folder; its address."""
    return serve


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(1000):
        if server.poll() is not None:
            break
        try:
            direct.open(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.25)
    pytest.fail("JupyterLab did not start:\n" + log.read_text()[-2000:])


@pytest.fixture(scope="session")
def browser() -> Iterator["object"]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("OMG_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium was not found: install it, or name it in OMG_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)  # with its own profile, in /tmp
        yield browser
        browser.close()


class Labs:
    """Pages with JupyterLab. A notebook is opened in one that is free, like a student opens the next one: loading
    JupyterLab again takes ten times as long.
    """

    def __init__(self, browser: "object", address: str) -> None:
        self.browser, self.address, self.free = browser, address, []

    def open(self, name: str, width: int, height: int) -> "object":
        size = {"width": width, "height": height}
        if self.free:
            page = self.free.pop()
            page.set_viewport_size(size)
            page.evaluate(OPEN, name)
        else:
            page = self.browser.new_page(viewport=size)
            page.set_default_timeout(120_000)  # a busy machine is slow, which is not a failure
            page.goto(f"{self.address}/lab/tree/{name}?token={TOKEN}&reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        page.wait_for_function(READY)
        return page

    @contextmanager
    def opening(self) -> Iterator[Callable]:
        """Yield a function that opens a notebook; in the end, what it opened is closed without being saved."""
        pages = []

        def open_one(name: str, width: int = 1280, height: int = 1700) -> "object":
            pages.append(self.open(name, width, height))
            return pages[-1]

        yield open_one
        for page in (page for page in pages if not page.is_closed()):
            if page.evaluate(CLOSE):
                self.free.append(page)
            else:
                page.close()


@pytest.fixture(scope="session")
def labs(browser: "object", lab: str) -> Labs:
    return Labs(browser, lab)


@pytest.fixture
def open_notebook(labs: Labs) -> Iterator[Callable]:
    """open_notebook("00_start_here.ipynb") -> the page, with a kernel ready for `run_all(page)`."""
    with labs.opening() as open_one:
        yield open_one


@pytest.fixture(scope="module")
def open_for_all(labs: Labs) -> Iterator[Callable]:
    """The same, for a page that all tests of a file share."""
    with labs.opening() as open_one:
        yield open_one


@pytest.fixture(scope="session")
def run_all() -> Callable:
    """Run every cell; returns when the last one has finished."""
    return lambda page: page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")


CONTROLS = {"button", "slider", "spinbutton", "combobox", "textbox", "checkbox", "radio", "radiogroup", "progressbar"}
OUTPUT = "function() { return this.closest?.('.jp-OutputArea-output') ? this.outerHTML.slice(0, 300) : null; }"
PICTURES = """() => [...document.querySelectorAll('.jp-OutputArea-output :is(svg, img)')].filter(
  one => !(one.getAttribute('aria-label') || one.getAttribute('alt') || one.closest('[aria-hidden=true], svg svg'))
).map(one => one.outerHTML.slice(0, 300))"""


@pytest.fixture(scope="session")
def nameless() -> Callable:
    """nameless(page) -> the controls and pictures in the outputs that have no name for screen readers."""

    def find(page: "object") -> list[str]:
        client, found = page.context.new_cdp_session(page), page.evaluate(PICTURES)
        for node in client.send("Accessibility.getFullAXTree")["nodes"]:
            role, name = node.get("role", {}).get("value"), node.get("name", {}).get("value")
            if node.get("ignored") or name or role not in CONTROLS:
                continue
            one = client.send("DOM.resolveNode", {"backendNodeId": node["backendDOMNodeId"]})["object"]["objectId"]
            call = {"objectId": one, "functionDeclaration": OUTPUT, "returnByValue": True}
            html = client.send("Runtime.callFunctionOn", call)["result"].get("value")
            found += [html] if html else []
        return found

    return find
