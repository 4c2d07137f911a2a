"""Check what StarCraft II needs on this machine, at once and without starting it.

SMACv2 reports most faults only at the first reset, one of them after 90 silent seconds. Standard library only: the
doctor prints these checks, and `omg_lib.envs.smacv2` refuses to start if one fails.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from omg_lib.words import _, listing


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    optional: bool = False  # the course works without it
    gist: str = ""  # its part of the report's one-line summary

    @property
    def state(self) -> str:
        if self.ok:
            return "ok"
        return "optional" if self.optional else "fix"


GAME = {
    "Linux": ("~/StarCraftII", "SC2_x64"),
    "Darwin": ("/Applications/StarCraft II", "SC2.app/Contents/MacOS/SC2"),
    "Windows": ("C:/Program Files (x86)/StarCraft II", "SC2_x64.exe"),
}
"""The game's folder if SC2PATH is not set, and its program below Versions/Base*/."""
COMPARABLE_BUILD = 75689
"""Version 4.10, on which published win rates were measured."""
MAP = "Maps/SMAC_Maps/32x32_flat.SC2Map"
"""The map file that all of SMACv2's own maps (10gen_*) use."""
ELF_X86_64 = 62


def starcraft_checks() -> list[Check]:
    """Check SMACv2's package, the game and its maps, in a fraction of a second."""
    folder, program = game_folder()
    return [*_smacv2(), _game(folder, program), _maps(folder)]


def game_folder() -> tuple[Path, str]:
    """Return the folder to look for the game in, and the name of its program below Versions/Base*/."""
    default, program = GAME.get(platform.system(), GAME["Linux"])
    return Path(os.environ.get("SC2PATH") or default).expanduser(), program


def version_of(package: str) -> str | None:
    """Return the version of an installed package; None if it is missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _smacv2() -> list[Check]:
    version, protobuf = version_of("smacv2"), version_of("protobuf")
    checks = [
        Check("smacv2", True, version)
        if version
        else Check("smacv2", False, _("not installed"), _("make smacv2 (no registry has it)"), optional=True)
    ]
    pure_python = os.environ.get("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION") == "python"
    if version and protobuf and not pure_python and _release(protobuf) >= (3, 21):
        found = _("{protobuf}: StarCraft II needs less than 3.21").format(protobuf=protobuf)
        remedy = _('pip install "protobuf<3.21", or set PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python')
        checks.append(Check("protobuf", False, found, remedy, optional=True))
    if smac := version_of("smac"):
        found = _("{smac}: an unrelated package, or SMAC's first version, which SMACv2 cannot be loaded beside").format(
            smac=smac
        )
        checks.append(Check("smac", False, found, "pip uninstall smac", optional=True))
    return checks


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2] if number.isdigit())


def _game(folder: Path, program: str) -> Check:
    def missing(found: str, remedy: str) -> Check:
        return Check("StarCraft II", False, found, remedy, optional=True)

    if not folder.is_dir():
        return missing(
            _("no folder {folder}").format(folder=folder),
            _(
                "needed only for the real game: on Linux get version 4.10 from Blizzard's s2client-proto page, "
                "elsewhere install the game; then set SC2PATH to its folder"
            ),
        )
    builds = {
        int(path.name.removeprefix("Base")): path
        for path in folder.glob("Versions/Base*")
        if path.name.removeprefix("Base").isdigit()
    }
    if not builds:
        return missing(
            _("no Versions/Base* in {folder}").format(folder=folder),
            _("set SC2PATH to the folder that contains Versions/"),
        )
    build = max(builds)  # pysc2 starts this one
    binary = builds[build] / program
    if not binary.is_file():
        return missing(_("no program {binary}").format(binary=binary), _("unpack the complete game again"))
    if not os.access(binary, os.X_OK):
        return missing(_("{binary} is not executable").format(binary=binary), f"chmod +x '{binary}'")
    if _is_for_another_machine(binary):
        return missing(
            _("{binary} is not for {machine}").format(binary=binary, machine=platform.machine()),
            _("use a machine with an x86-64 processor"),
        )
    if libraries := _missing_libraries(binary, folder):
        remedy = _("install the system packages that contain them, or set LD_LIBRARY_PATH to their folder")
        return missing(_("{binary} lacks {libraries}").format(binary=binary, libraries=listing(libraries)), remedy)
    other = _("only Base{build} (version 4.10) gives win rates comparable with published ones").format(
        build=COMPARABLE_BUILD
    )
    return Check(
        "StarCraft II",
        True,
        _("Base{build} in {folder}").format(build=build, folder=folder),
        "" if build == COMPARABLE_BUILD else other,
    )


def _is_for_another_machine(binary: Path) -> bool:
    """Return whether Linux cannot run this program: the game exists for x86-64 only. Scripts are not checked."""
    with binary.open("rb") as file:
        head = file.read(20)
    if platform.system() != "Linux" or not head.startswith(b"\x7fELF"):
        return False
    return head[18] != ELF_X86_64 or platform.machine().lower() not in ("x86_64", "amd64")


def _missing_libraries(binary: Path, folder: Path) -> list[str]:
    """Return the system libraries that the program would not find; none if the system has no `ldd`."""
    if shutil.which("ldd") is None:
        return []
    paths = filter(None, [os.environ.get("LD_LIBRARY_PATH"), f"{folder}/Libs/"])  # as pysc2 sets it
    environment = os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(paths)}
    try:
        asked = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, env=environment, timeout=1)
    except subprocess.TimeoutExpired:
        return []
    return [line.split()[0] for line in asked.stdout.splitlines() if line.endswith("not found")]


def _maps(folder: Path) -> Check:
    wanted = folder / MAP
    if wanted.is_file():
        return Check("SMACv2 maps", True, str(wanted.parent))
    remedy = _("unpack SMAC_Maps.zip of SMACv2's release page into {folder}").format(folder=folder / "Maps")
    return Check("SMACv2 maps", False, _("no {wanted}").format(wanted=wanted), remedy, optional=True)
