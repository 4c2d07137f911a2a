"""Each fault of a StarCraft II installation is found at once, and the message says how to fix it."""

import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from omg_lib.config import ConfigError
from omg_lib.system import starcraft
from omg_lib.system.doctor import check_setup
from omg_lib.system.starcraft import Check, starcraft_checks

PROGRAM = "Versions/Base75689/SC2_x64"


@pytest.fixture
def no_game(monkeypatch, tmp_path):
    """StarCraft II is looked for in an empty folder, as on Linux."""
    folder = tmp_path / "StarCraftII"
    folder.mkdir()
    monkeypatch.setenv("SC2PATH", str(folder))
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    return folder


@pytest.fixture
def game(no_game, installed):
    """Everything is where SMACv2 looks for it."""
    installed |= {"smacv2": "1.0.0", "protobuf": "3.20.3", "smac": None}
    binary = no_game / PROGRAM
    binary.parent.mkdir(parents=True)
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    flat = no_game / starcraft.MAP
    flat.parent.mkdir(parents=True)
    flat.write_text("")
    return no_game


def line(name: str) -> Check:
    (check,) = [check for check in starcraft_checks() if check.name == name]
    return check


def lacking_a_library(game: Path) -> None:
    """A real program whose loader looks for a library that does not exist."""
    code = Path(shutil.which("true")).resolve().read_bytes()
    assert b"\0libc.so.6\0" in code
    (game / PROGRAM).write_bytes(code.replace(b"\0libc.so.6\0", b"\0libq.so.6\0"))


def for_another_machine(game: Path) -> None:
    arm = 183
    (game / PROGRAM).write_bytes(b"\x7fELF" + bytes(14) + bytes([arm, 0]))


@pytest.fixture
def begun(monkeypatch):
    """The programs that were started. Each has all the time that it needs: the loader may take a second on its own."""
    programs, run = [], subprocess.run

    class Popen(subprocess.Popen):
        def __init__(self, command, *args, **options):
            programs.append(command[0])
            super().__init__(command, *args, **options)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: run(command, **options | {"timeout": 120}))
    return programs


FAULTS = {
    "no game": (lambda game: shutil.rmtree(game), "StarCraft II", "no folder", "SC2PATH"),
    "no version": (lambda game: shutil.rmtree(game / "Versions"), "StarCraft II", "no Versions/Base*", "SC2PATH"),
    "no binary": (lambda game: (game / PROGRAM).unlink(), "StarCraft II", "no program", "unpack the complete game"),
    "not executable": (lambda game: (game / PROGRAM).chmod(0o644), "StarCraft II", "is not executable", "chmod +x"),
    "a library": (lacking_a_library, "StarCraft II", "lacks libq.so.6", "system packages"),
    "another machine": (for_another_machine, "StarCraft II", "is not for", "x86-64"),
    "no maps": (lambda game: (game / starcraft.MAP).unlink(), "SMACv2 maps", "32x32_flat", "SMAC_Maps.zip"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_at_once_and_no_game_is_begun(fault, game, begun):
    from omg_lib.envs import make_env

    make, name, found, remedy = FAULTS[fault]
    assert line(name).ok
    make(game)
    check = line(name)
    with pytest.raises(ConfigError, match=rf"env='smacv2': {name}: ") as refused:
        make_env("smacv2", 3)
    assert set(begun) <= {"ldd"}, "the loader is asked, and nothing else is started or waited for"
    assert check.state == "optional" and found in check.found and remedy in check.remedy
    assert check.found in str(refused.value) and remedy in str(refused.value)
    assert check in check_setup()


def test_the_game_in_its_usual_folder(monkeypatch, game):
    monkeypatch.delenv("SC2PATH")
    monkeypatch.setenv("HOME", str(game.parent))
    assert line("StarCraft II").ok


def test_a_complete_game(game):
    assert [check for check in starcraft_checks() if not check.ok or check.remedy] == []
    assert "Base75689" in line("StarCraft II").found


def test_another_version_of_the_game_is_started_and_named(game):
    (game / "Versions/Base75689").rename(game / "Versions/Base90000")
    check = line("StarCraft II")
    assert check.ok
    assert "Base90000" in check.found and "Base75689" in check.remedy


def test_the_game_brings_libraries_of_its_own(game, begun):
    """Its folder Libs/ is searched, as pysc2 lets the game search it."""
    lacking_a_library(game)
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        pytest.skip("only Linux says where its C library lies")
    library = next(line.split()[-1] for line in maps.read_text().splitlines() if "/libc.so.6" in line)
    (game / "Libs").mkdir()
    shutil.copy(library, game / "Libs/libq.so.6")
    assert line("StarCraft II").ok


def test_the_package_and_the_protobuf_trap(installed, monkeypatch):
    installed |= {"smacv2": None, "protobuf": "7.36.2"}
    assert line("smacv2").remedy.startswith("make smacv2")
    assert "protobuf" not in repr(starcraft_checks())  # nothing else depends on its version

    installed["smacv2"] = "1.0.0"
    assert line("smacv2").ok
    assert "protobuf<3.21" in line("protobuf").remedy
    monkeypatch.setenv("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
    assert "protobuf" not in repr(starcraft_checks())

    monkeypatch.delenv("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION")
    installed["protobuf"] = "3.20.3"
    assert "protobuf" not in repr(starcraft_checks())


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"smacv2": None}, r"smacv2: not installed; make smacv2"),
        ({"protobuf": "4.25.0"}, r"protobuf: 4\.25\.0.*; pip install \"protobuf<3\.21\""),
    ],
)
def test_a_package_at_fault_begins_no_game(versions, said, game, installed):
    from omg_lib.envs import make_env

    installed |= versions
    with pytest.raises(ConfigError, match=f"env='smacv2': {said}"):
        make_env("smacv2", 3)


def test_the_package_that_is_only_called_smac(installed):
    installed["smac"] = "2.3.1"
    assert line("smac").remedy == "pip uninstall smac"


def test_all_faults_are_counted_in_one_line(game, installed):
    from omg_lib.envs import make_env

    installed["smacv2"] = None
    shutil.rmtree(game)
    with pytest.raises(ConfigError, match=r"smacv2: not installed.*\(2 more: python -m omg_lib doctor\)$") as refused:
        make_env("smacv2", 3)
    assert len(str(refused.value)) < 300


def test_a_version_that_nobody_knows(installed):
    assert starcraft.version_of("no-such-package") is None
    assert starcraft.version_of("torch") == metadata.version("torch")
