"""Report what this machine has, what it lacks, and how to fix it: one line each.

Never raises and needs only the standard library, so it runs even if every package is missing.
"""

from __future__ import annotations

import html
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from importlib import metadata
from pathlib import Path

from omg_lib.registry import ENV_POINTS, LEARNER_POINTS, env_names, learner_names
from omg_lib.system.limits import GIB, usable_cores, usable_memory
from omg_lib.system.starcraft import Check, starcraft_checks, version_of
from omg_lib.words import _, listing, padded, width

FOR_DEVELOPERS = ("test", "book")
"""Extras that neither the course nor the library needs."""


class SetupReport(list):
    """A list of checks. Prints as text; a notebook shows a summary line, the problems, and all checks in a fold."""

    def __repr__(self) -> str:
        return report(self)

    def _repr_html_(self) -> str:
        everything = html.escape(_("All checks"))
        attention = [check for check in self if check.state == "fix"]
        return (
            f"<p>{html.escape(_summary(self))}</p>{_table(attention) if attention else ''}"
            f"<details><summary>{everything}</summary>{_table(self)}</details>"
        )


def _table(checks: list[Check]) -> str:
    """Format checks as an HTML table."""

    def row(tag: str, *texts: str) -> str:
        style = 'style="text-align: left"'
        return "<tr>" + "".join(f"<{tag} {style}>{html.escape(text)}</{tag}>" for text in texts) + "</tr>"

    head = row("th", _("state"), _("what"), _("found"), _("what to do"))
    body = "".join(row("td", check.state, check.name, check.found, check.remedy) for check in checks)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def check_setup() -> SetupReport:
    """Check everything. Never raises: a failing check becomes its own row."""
    parts = {
        _("system"): _system,
        _("cores and memory"): _cores_and_memory,
        _("packages"): _packages,
        _("games and learners"): _games_and_learners,
        "torch": _torch,
        _("current folder"): _current_folder,
        "bubblewrap": _bubblewrap,
        "StarCraft II": starcraft_checks,
    }
    checks = SetupReport()
    for name, part in parts.items():
        try:
            checks.extend(part())
        except Exception as error:
            checks.append(
                Check(name, False, _("the check failed: {error!r}").format(error=error), _("please report this"))
            )
    return checks


def report(checks: list[Check]) -> str:
    """Format the checks as text in aligned columns, with each remedy below its line."""
    columns = max((width(check.name) for check in checks), default=0)
    lines = []
    for check in checks:
        lines.append(f"{check.state:8}  {padded(check.name, columns)}  {check.found}")
        if check.remedy:
            lines.append(f"{'':8}  {'':{columns}}  -> {check.remedy}")
    return "\n".join([*lines, _summary(checks)])


def _summary(checks: list[Check]) -> str:
    faults = [check.name for check in checks if check.state == "fix"]
    if faults:
        return _("To fix: {faults}.").format(faults=listing(faults))
    return _("Everything the course needs is here: {found}.").format(
        found=listing(check.gist for check in checks if check.gist)
    )


def _system() -> list[Check]:
    system, machine = platform.system(), platform.machine()
    intel_mac = system == "Darwin" and machine == "x86_64"
    return [
        Check(
            "Python",
            sys.version_info >= (3, 11),
            _("{version} at {path}").format(version=platform.python_version(), path=sys.executable),
            "" if sys.version_info >= (3, 11) else _("install Python 3.11 or newer"),
        ),
        Check(
            "system",
            not intel_mac,
            _("{system} {release} on {machine}").format(system=system, release=platform.release(), machine=machine),
            _("torch no longer supports Intel Macs: use Binder or a Linux machine") if intel_mac else "",
        ),
    ]


# --- cores and memory ---


def _cores_and_memory() -> list[Check]:
    cores, memory = usable_cores(), usable_memory()
    checks = [
        Check(
            _("CPU cores"),
            True,
            _("{cores} usable of {all}").format(cores=cores, all=os.cpu_count()),
            gist=_("{cores} cores").format(cores=cores),
        )
    ]
    if memory is None:
        checks.append(Check(_("memory"), True, _("not known on this system")))
    else:
        enough = memory >= 4 * GIB  # in the paper's setting the replay buffer takes 2 GiB at 8 against 8
        remedy = "" if enough else _("store fewer episodes, OMGConfig(buffer_size=1000), or use fewer agents")
        size = f"{memory / GIB:.1f} GiB"
        checks.append(Check(_("memory"), enough, _("{size} usable").format(size=size), remedy, gist=size))
    return checks


# --- packages ---


def _packages() -> list[Check]:
    own = version_of("omg-lab")
    checks = [Check("omg-lab", own is not None, own or _("not installed"), "" if own else "pip install -e .")]
    return [*checks, *(_package(*one) for one in declared() if one[2] not in FOR_DEVELOPERS)]


def _games_and_learners() -> list[Check]:
    """List the names that `--env` and `--learner` accept. Classes of other packages are not loaded here."""
    return [
        Check("games", True, listing(env_names()) + _offered(ENV_POINTS)),
        Check("learners", True, listing(learner_names()) + _offered(LEARNER_POINTS)),
    ]


def _offered(group: str) -> str:
    """List the games or learners of installed packages, each with where it comes from."""
    points = sorted(metadata.entry_points(group=group), key=lambda point: point.name)
    return "".join(f"; {point.name} from {point.value}" for point in points)


def extra_checks(extra: str) -> list[Check]:
    """Check the packages of one extra."""
    return [_package(*one) for one in declared() if one[2] == extra]


def declared() -> list[tuple[str, str, str | None]]:
    """Return (name, bounds, extra) of every requirement."""
    pattern = re.compile(r"""([\w.-]+)(?:\[[^]]*\])?\s*([^;]*?)\s*(?:;\s*extra\s*==\s*["'](\w+)["'])?$""")
    return [pattern.match(requirement).groups() for requirement in _requirements()]


def _requirements() -> list[str]:
    """Read the requirements in pyproject.toml from the installed package, or from the checkout around this file."""
    try:
        return metadata.requires("omg-lab")
    except metadata.PackageNotFoundError:
        import tomllib  # missing before Python 3.11, which the report's first line points out

        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        return project["dependencies"] + [
            f'{requirement}; extra == "{extra}"' for extra in extras for requirement in extras[extra]
        ]


def _package(name: str, bounds: str, extra: str | None) -> Check:
    version = version_of(name)
    if version is not None and _within(version, bounds):
        return Check(name, True, version)
    found = _("{version} ({bounds} is required)").format(version=version or _("not installed"), bounds=bounds)
    remedy = f'pip install -e ".[{extra}]"' if extra and not version else f'pip install "{name}{bounds}"'
    return Check(name, False, found, remedy, optional=extra is not None and not (version and extra == "lab"))


def _within(version: str, bounds: str) -> bool:
    """Return whether `version` satisfies bounds such as ">=7.4,<8"."""

    def numbers(text: str) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", text.partition("+")[0])]

    return all(
        (numbers(version) < numbers(bound)) == (comparison == "<")
        for comparison, bound in re.findall(r"(>=|<)\s*([\d.]+)", bounds)
    )


# --- torch ---


def _torch() -> list[Check]:
    if importlib.util.find_spec("torch") is None:
        return []  # the package checks report it
    try:
        import torch
    except Exception as error:  # a broken build can raise anything
        return [
            Check(_("torch loads"), False, _("no: {error}").format(error=error), _("run make clean, then make lab"))
        ]

    threads, cores = torch.get_num_threads(), usable_cores()
    slow = _("more threads than cores slow down training: set OMP_NUM_THREADS={cores} before you start").format(
        cores=cores
    )
    checks = [Check(_("torch threads"), threads <= cores, str(threads), slow if threads > cores else "")]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an old driver: the check below reports it
        seen = torch.cuda.is_available()
    version = torch.__version__.partition("+")[0]
    if seen:
        cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        found = listing(
            _("{name} with {memory:.0f} GiB").format(name=card.name, memory=card.total_memory / GIB) for card in cards
        )
        gist = _("torch {version} on {name}").format(version=version, name=cards[0].name)
        return [*checks, Check("GPU", True, f"{found} (CUDA {torch.version.cuda})", gist=gist)]
    gist = _("torch {version} on CPU").format(version=version)
    if shutil.which("nvidia-smi") is None:
        return [*checks, Check("GPU", True, _("none; training runs on the CPU"), gist=gist)]
    if torch.version.cuda is None:
        found = _("not used: this torch is a CPU build")
        remedy = _("install the CUDA build of torch from PyTorch's install page")
    else:
        found = _("not seen by torch, which is built for CUDA {cuda}").format(cuda=torch.version.cuda)
        remedy = _("update the NVIDIA driver, and check that CUDA_VISIBLE_DEVICES does not hide the GPU")
    return [*checks, Check("GPU", False, found, remedy, optional=True, gist=gist)]


def _bubblewrap() -> list[Check]:
    """Check the jail in which `make grade` runs students' code; only teachers need it."""
    if platform.system() != "Linux":
        return [Check("bubblewrap", True, _("Linux only; on other systems teachers grade in a container"))]
    program = shutil.which("bwrap")
    if program is None:
        found = _("not installed (for teachers: the jail around students' code)")
        return [Check("bubblewrap", False, found, _("install your system's bubblewrap package"), optional=True)]
    trial = [program, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    done = subprocess.run(trial, capture_output=True, text=True)
    if done.returncode:
        said = " ".join(done.stderr.split()[-12:])
        remedy = _("allow this user to create namespaces; without them teachers grade with Landlock and seccomp alone")
        return [
            Check("bubblewrap", False, _("cannot create a jail here: {said}").format(said=said), remedy, optional=True)
        ]
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.split()[-1]
    return [Check("bubblewrap", True, _("{version}, can jail students' code").format(version=version))]


def _current_folder() -> list[Check]:
    try:
        folder = os.getcwd()
        with tempfile.TemporaryFile(dir=folder):
            return [Check(_("current folder"), True, _("{folder} is writable").format(folder=folder))]
    except OSError as error:
        found = _("not writable: {error}").format(error=error)
        return [Check(_("current folder"), False, found, _("start in one of your own folders"))]
