"""The doctor names what is missing and how to get it, and never falls ill itself."""

import subprocess
import sys
import time
from importlib import metadata

import pytest

from omg_lib import doctor
from omg_lib.doctor import Check, check_setup, report


@pytest.fixture
def no_game(monkeypatch, tmp_path):
    """StarCraft II is looked for in an empty folder, as on Linux."""
    folder = tmp_path / "StarCraftII"
    folder.mkdir()
    monkeypatch.setenv("SC2PATH", str(folder))
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    return folder


@pytest.fixture
def game(no_game):
    """Everything is where SMACv2 looks for it."""
    binary = no_game / "Versions/Base75689/SC2_x64"
    binary.parent.mkdir(parents=True)
    binary.write_text("")
    binary.chmod(0o755)
    flat = no_game / "Maps/SMAC_Maps/32x32_flat.SC2Map"
    flat.parent.mkdir(parents=True)
    flat.write_text("")
    return no_game


@pytest.fixture
def installed(monkeypatch):
    """Versions that the doctor is told; None for a package that is not installed."""
    versions = {}
    real = metadata.version

    def version(name: str) -> str:
        told = versions[name] if name in versions else real(name)
        if told is None:
            raise metadata.PackageNotFoundError(name)
        return told

    monkeypatch.setattr(doctor.metadata, "version", version)
    return versions


def line(name: str) -> Check:
    (check,) = [check for check in check_setup() if check.name == name]
    return check


# --- the report ---


def test_report_names_everything():
    names = [check.name for check in check_setup()]
    for name in (
        "Python",
        "system",
        "CPU cores",
        "memory",
        "omg-lab",
        "torch",
        "tensordict",
        "jupyterlab",
        "ipywidgets",
        "ipykernel",
        "matplotlib",
        "lbforaging",
        "mpe2",
        "pettingzoo",
        "nbgrader",
        "ray",
        "torch threads",
        "GPU",
        "current folder",
        "StarCraft II",
        "SMACv2 maps",
        "smacv2",
    ):
        assert names.count(name) == 1, name


def test_every_fault_comes_with_one_line_of_remedy():
    for check in check_setup():
        assert check.ok or check.remedy
        assert "\n" not in check.found + check.remedy


def test_a_complete_machine_has_nothing_to_fix():
    # The tests run where `make setup` has installed everything; the game is optional.
    assert [check for check in check_setup() if check.state == "fix"] == []


def test_it_takes_less_than_two_seconds():
    import torch  # noqa: F401  loading it is not the doctor's time

    start = time.perf_counter()
    check_setup()
    assert time.perf_counter() - start < 2


def test_a_part_that_fails_becomes_a_line(monkeypatch):
    def broken():
        raise OSError("no such device")

    monkeypatch.setattr(doctor, "_starcraft", broken)
    check = line("StarCraft II")
    assert not check.ok
    assert "no such device" in check.found


def test_the_text_and_the_table_say_the_same():
    checks = doctor.SetupReport(
        [
            Check("one", True, "1.0"),
            Check("two", False, "a < b", "do this"),
            Check("three", False, "-", "that", True),
        ]
    )
    text = str(checks)
    assert text == report(checks)
    assert "fix       two    a < b\n" in text and "-> do this" in text
    assert "optional  three" in text
    assert text.endswith("To fix: two.")
    table = checks._repr_html_()
    assert table.count("<tr>") == 4 and "a &lt; b" in table and "To fix: two." in table


def test_importing_it_prints_nothing_and_looking_loads_no_optional_package():
    script = (
        "import sys; import omg_lib.doctor as doctor; doctor.check_setup();"
        "print({'ray', 'nbgrader', 'mpe2', 'pettingzoo', 'lbforaging', 'jupyterlab'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")


# --- packages ---


@pytest.mark.parametrize(
    ("version", "bounds", "kept"),
    [
        ("7.4.0", ">=7.4,<8", True),
        ("7.3.9", "<8,>=7.4", False),
        ("8.0.0", ">=7.4,<8", False),
        ("10.0", ">=9.1", True),
        ("2.13.0+cpu", ">=2.11,<3", True),
        ("3.20.3", "<3.21", True),
        ("7.36.2", "<3.21", False),
    ],
)
def test_bounds(version, bounds, kept):
    assert doctor._within(version, bounds) is kept


def test_a_wrong_version_is_to_be_fixed(installed):
    installed["ipykernel"] = "7.3.0"
    check = line("ipykernel")
    assert check.state == "fix"
    assert "7.3.0" in check.found and "pip install" in check.remedy and ">=7.4" in check.remedy


def test_a_missing_optional_package_is_no_fault(installed):
    installed["ray"] = None
    check = line("ray")
    assert check.state == "optional"
    assert check.remedy == 'pip install -e ".[ray]"'


def test_a_bare_checkout_asks_for_the_same_packages(monkeypatch):
    usual = {check.name for check in doctor._packages()}

    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "requires", requires)
    assert {check.name for check in doctor._packages()} == usual


# --- the machine ---


def test_a_folder_that_cannot_be_written_to(monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert line("current folder").state == "fix"


def control_groups(root, membership: str, **limits: str):
    """A small copy of the files in which Linux states the limits of a process."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(membership)
    for name, limit in limits.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(limit + "\n")
    return root


def test_the_limits_of_a_container(tmp_path):
    root = control_groups(
        tmp_path,
        "0::/pod/box\n",
        **{
            "pod/memory.max": f"{2**30}",
            "pod/box/memory.max": "max",
            "pod/box/cpu.max": "100000 100000",
            "pod/cpu.max": "max 100000",
        },
    )
    assert doctor.usable_memory(root) == 2**30
    assert doctor.usable_cores(root) == 1


def test_the_limits_of_an_older_container(tmp_path):
    # Seen from inside, the group's own path is not there: only the top of the tree is.
    root = control_groups(
        tmp_path,
        "4:memory:/docker/1234\n2:cpu,cpuacct:/docker/1234\n0::/\n",
        **{
            "memory/memory.limit_in_bytes": f"{3 * 2**30}",
            "cpu/cpu.cfs_quota_us": "50000",
            "cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert doctor.usable_memory(root) == 3 * 2**30
    assert doctor.usable_cores(root) == 1


def test_no_limits(tmp_path):
    assert doctor.usable_cores(tmp_path) >= 1
    assert doctor.usable_memory(tmp_path) > 2**28


# --- StarCraft II ---


def test_no_game_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("SC2PATH", str(tmp_path / "nowhere"))
    check = line("StarCraft II")
    assert check.state == "optional"
    assert "nowhere" in check.found and "SC2PATH" in check.remedy


def test_the_game_in_its_usual_folder(monkeypatch, game):
    monkeypatch.delenv("SC2PATH")
    monkeypatch.setenv("HOME", str(game.parent))
    assert line("StarCraft II").ok


def test_no_version_folder(no_game):
    assert "no Versions/Base*" in line("StarCraft II").found


def test_no_binary(game):
    (game / "Versions/Base75689/SC2_x64").unlink()
    assert "no program" in line("StarCraft II").found


def test_binary_not_executable(game):
    (game / "Versions/Base75689/SC2_x64").chmod(0o644)
    check = line("StarCraft II")
    assert not check.ok
    assert check.remedy.startswith("chmod +x")


def test_maps_not_copied(game):
    assert line("SMACv2 maps").ok
    (game / "Maps/SMAC_Maps/32x32_flat.SC2Map").unlink()
    check = line("SMACv2 maps")
    assert check.state == "optional"
    assert "SMAC_Maps.zip" in check.remedy


def test_a_complete_game(game):
    check = line("StarCraft II")
    assert check.ok
    assert "Base75689" in check.found
    assert check.remedy == ""


def test_another_version_of_the_game_is_started_and_named(game):
    newer = game / "Versions/Base90000"
    (game / "Versions/Base75689").rename(newer)
    check = line("StarCraft II")
    assert check.ok
    assert "Base90000" in check.found and "Base75689" in check.remedy


def test_smacv2_and_the_protobuf_trap(installed, monkeypatch):
    installed |= {"smacv2": None, "protobuf": "7.36.2"}
    assert line("smacv2").remedy.startswith("make smacv2")
    assert "protobuf" not in repr(check_setup())  # nothing else minds its version

    installed["smacv2"] = "1.0.0"
    assert line("smacv2").ok
    assert "protobuf<3.21" in line("protobuf").remedy
    monkeypatch.setenv("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
    assert "protobuf" not in repr(check_setup())

    monkeypatch.delenv("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION")
    installed["protobuf"] = "3.20.3"
    assert "protobuf" not in repr(check_setup())


def test_the_package_that_is_only_called_smac(installed):
    installed["smac"] = "2.3.1"
    assert line("smac").remedy == "pip uninstall smac"
