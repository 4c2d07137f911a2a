"""A JupyterLab for the course, without changes to the environment in which the library is installed.

If JupyterLab is installed (the extra `lab`), it is used. Otherwise the user gets an environment for it, which sees the
packages of the library's environment and adds only JupyterLab. So nothing is downloaded twice, it works even if
site-packages is read-only, and a researcher's environment stays free of Jupyter.

Whatever is run or read as settings here is kept in a folder of the user's own, and JupyterLab is started there. A
course folder may come from a stranger: starting the course must not run what lies in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import omg_lib
from omg_lib.config import ConfigError
from omg_lib.course.laying import CARRIED, CHECKOUT, FIRST
from omg_lib.system.doctor import declared, extra_checks
from omg_lib.system.files import reason, write_text
from omg_lib.words import _, listing

NEWS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
"""At its first start JupyterLab asks whether it may show news; this answers no, for the course only."""

LAUNCH = """import sys; sys.modules["rfc3987_syntax"] = None
from jupyterlab.labapp import main; sys.exit(main())"""
"""`python -m jupyterlab` without the grammar of web addresses, which takes seconds to build and which no notebook
needs."""


def own_folder() -> Path:
    """Return the user's folder for JupyterLab's environment and settings, made at the first start.

    Without a home it is a temporary one. ConfigError if it cannot be made, or if others can write there.
    """
    user = os.getuid() if hasattr(os, "getuid") else ""
    folder = Path.home() / ".local/share/omg-lab" if has_home() else Path(tempfile.gettempdir(), f"omg-lab-{user}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        allowed = _("cannot be made ({reason}); set HOME to a folder of your own").format(reason=reason(error))
        raise ConfigError("folder", str(folder), allowed) from None
    shared = os.name == "posix" and (found.st_uid != user or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    if not stat.S_ISDIR(found.st_mode) or shared:
        raise ConfigError("folder", str(folder), _("is not a folder to which you alone can write; move it away"))
    return folder


def ready(own: Path, say: Callable[[str], None]) -> Path:
    """Return a Python that has JupyterLab and the library; at the first start, install JupyterLab in the folder `own`.

    ConfigError in one sentence if it cannot be installed; the next start tries again.
    """
    lacking = [check.name for check in extra_checks("lab") if not check.ok]
    if not lacking:
        return Path(sys.executable)
    requirements = [name + bounds for name, bounds, extra in declared() if extra == "lab"]
    wanted = {"version": omg_lib.__version__, "around": _around(), "requirements": requirements}
    home = own / f"venv-{hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:12]}"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = home / "omg-lab.json"
    if done.exists() and python.exists():
        return python
    installing = _("Installing JupyterLab for the course, once ({lacking}), in {home}: this takes a minute or two ...")
    say(installing.format(lacking=listing(lacking), home=home))
    try:
        venv.EnvBuilder(clear=True, symlinks=os.name != "nt").create(home)
        _see_around(home)
        _install(python, requirements)
        write_text(done, json.dumps(wanted))
    except OSError as error:
        raise ConfigError(
            "JupyterLab", str(home), _("cannot be installed there ({reason})").format(reason=reason(error))
        ) from None
    others = sorted(path.name for path in own.glob("venv-*") if path != home)
    if others:  # another environment may still use one
        said = _("{names} in {own}: from earlier starts, with other versions; delete what you no longer use.")
        say(said.format(names=listing(others), own=own))
    return python


def command(python: Path, course: Path, port: int | None, browser: bool) -> list[str]:
    """Return the command that opens the course's first notebook in JupyterLab."""
    words = [str(python), "-c", LAUNCH, f"--ServerApp.root_dir={course}"]
    words.append(f"--LabApp.default_url=/lab/tree/{FIRST}")
    if port is not None:
        words += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        words.append("--no-browser")
    if hasattr(os, "getuid") and os.getuid() == 0:
        words.append("--allow-root")
    return words


def environment(own: Path) -> dict[str, str]:
    """Return JupyterLab's environment: the student's settings if there is a home to keep them in, and no news."""
    overrides = own / "labconfig" / "default_setting_overrides.json"
    if not overrides.exists():
        overrides.parent.mkdir(parents=True, exist_ok=True)
        write_text(overrides, json.dumps(NEWS))
    found = dict(os.environ)
    around = Path(sys.prefix) / "share" / "jupyter"  # the browser part of a widget that the library's environment has
    for name, path in (("JUPYTER_CONFIG_PATH", own), ("JUPYTER_PATH", around)):
        found[name] = os.pathsep.join(filter(None, (os.environ.get(name), str(path))))
    if not has_home():
        (own / "home").mkdir(exist_ok=True)
        found["HOME"] = str(own / "home")
    return found


def has_home() -> bool:
    """Return whether this user has a home and can write there."""
    try:
        return os.access(Path.home(), os.W_OK)
    except RuntimeError:  # neither HOME nor an entry for this user
        return False


def _around() -> list[str]:
    """Return the folders of installed packages that this Python sees."""
    return [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]


def _see_around(home: Path) -> None:
    """Let an environment also see the packages of the running one, after its own."""
    inside = sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)})
    lines = [f"import site; site.addsitedir({path!a})\n" for path in _around()]  # in ASCII, whatever the path contains
    write_text(Path(inside) / "omg-lab-around.pth", "".join(lines))


def _install(python: Path, requirements: list[str]) -> None:
    """Install with pip, if the library's environment has it, or with uv. ConfigError if that fails."""
    folder = CARRIED.parent if CARRIED.is_dir() else CHECKOUT
    uv = os.environ.get("UV") or shutil.which("uv")
    if find_spec("pip"):
        tool = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    elif uv:
        tool = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        raise ConfigError("JupyterLab", None, _('there is no pip or uv to install it; run pip install "omg-lab[lab]"'))
    words = [*tool, "-c", str(folder / "constraints.txt"), *requirements]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise ConfigError("JupyterLab", None, failure(done.stderr + done.stdout))


def failure(said: str) -> str:
    """Return an installer's error as one sentence that says what to do."""
    if "No space left" in said or "Disk quota" in said:
        return _("the disk is full, and it needs about 400 MB; free some, and start omg-lab again")
    offline = ("resolve", "Connection", "connect", "timed out", "Network", "No matching distribution", "dns error")
    if any(word in said for word in offline):
        return _("it could not be downloaded; check the network, and start omg-lab again (nothing is lost)")
    lines = [line for line in said.splitlines() if line.strip()]
    return _("it could not be installed: {why}").format(
        why=lines[-1].strip()[:150] if lines else _("the installer said nothing")
    )
