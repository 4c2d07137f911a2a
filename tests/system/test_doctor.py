"""The doctor names what is missing and how to get it, and never raises."""

import re
import subprocess
import sys
from importlib import metadata

import pytest

from omg_lib import registry
from omg_lib.__main__ import main
from omg_lib.system import doctor
from omg_lib.system.doctor import Check, check_setup, report


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
        "bubblewrap",
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


def test_a_part_that_fails_becomes_a_line(monkeypatch):
    def broken():
        raise OSError("no such device")

    monkeypatch.setattr(doctor, "starcraft_checks", broken)
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
    page = checks._repr_html_()
    shown, _, folded = page.partition("<details>")
    assert "To fix: two." in shown and shown.count("<tr>") == 2 and "a &lt; b" in shown
    assert folded.count("<tr>") == 4


def test_a_complete_machine_is_one_line_and_a_fold():
    shown, _, folded = check_setup()._repr_html_().partition("<details>")
    assert shown == f"<p>{str(check_setup()).splitlines()[-1]}</p>"
    assert re.search(r"Everything the course needs is here: \d+ cores, [\d.]+ GiB, torch [\d.]+ on .+\.", shown)
    assert "<td" in folded


def test_games_and_learners_are_those_that_messages_and_help_name(monkeypatch, tmp_path, capsys):
    """The library's, registered ones and those of packages, which are named and not loaded."""
    monkeypatch.setattr(registry, "ENVIRONMENTS", registry.ENVIRONMENTS | {"my game": range(2, 4)})
    monkeypatch.setattr(registry, "OWN", {"mine": object})
    about = tmp_path / "far-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: far\nVersion: 1.0\n")
    groups = "[omg_lib.envs]\nfar away = no_package:Far\n[omg_lib.learners]\nfarther = no_package:Farther\n"
    (about / "entry_points.txt").write_text(groups)
    monkeypatch.syspath_prepend(str(tmp_path))
    games, learners = registry.env_names(), registry.learner_names()
    assert {"skirmish", "my game", "far away", "pettingzoo:MODULE"} <= set(games) and games.count("skirmish") == 1
    assert {"omg", "mine", "farther"} <= set(learners)
    assert line("games").found == ", ".join(games) + "; far away from no_package:Far"
    assert line("learners").found == ", ".join(learners) + "; farther from no_package:Farther"
    for words, names in ((["--env", "no game"], games), (["--learner", "nobody"], learners)):
        assert main(["shapes", *words]) == 2
        assert f"allowed are {', '.join(names)}, --import yours" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for names, default in ((games, "skirmish"), (learners, "omg")):
        assert f"{', '.join(names)}, --import yours; default {default}" in told


@pytest.mark.slow
def test_importing_it_prints_nothing_and_looking_loads_no_optional_package():
    script = (
        "import sys; import omg_lib.system.doctor as doctor; doctor.check_setup();"
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
    """A small copy of the files in which Linux reports the limits of a process."""
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
    # Seen from inside, the group's own path does not exist: only the top of the tree does.
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


# --- the jail ---


def test_a_machine_without_bubblewrap_is_told_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    (check,) = doctor._bubblewrap()
    assert check.state == "optional" and "bubblewrap package" in check.remedy


def test_a_bubblewrap_that_may_make_no_namespaces_is_not_called_a_jail(monkeypatch, tmp_path):
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: str(refusing))
    (check,) = doctor._bubblewrap()
    assert check.state == "optional" and "setting up uid map: Permission denied" in check.found


def test_another_system_has_nothing_to_install(monkeypatch):
    monkeypatch.setattr(doctor.platform, "system", lambda: "Darwin")
    (check,) = doctor._bubblewrap()
    assert check.ok and "container" in check.found
