"""The image that Binder, Codespaces and a JupyterHub share, and GitHub's files, checked line by line; none is built."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
TEACHERS = ("source", "grader", "nbgrader_config.py", "submitted", "autograded", "feedback", "grades.csv")


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, with continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def test_the_dockerfile_is_one_that_a_linter_would_pass():
    found = instructions()
    assert found[0][0] == "FROM" and re.search(r":[\d.]+[\w.-]*$", found[0][1])
    for name, words in found:
        assert name in {"FROM", "ARG", "USER", "ENV", "WORKDIR", "COPY", "RUN", "EXPOSE", "ENTRYPOINT", "CMD"}
        if name == "COPY":
            *sources, _ = words.split()
            assert [source for source in sources if not (ROOT / source).exists()] == []
        if name == "RUN":
            assert "sudo" not in words and words.count("--no-cache-dir") == words.count("pip install")
            assert ("micromamba install" in words) == ("micromamba clean --all" in words), "no cache stays in a layer"
        if name == "WORKDIR":
            assert words.startswith("/")
    users = [words for name, words in found if name == "USER"]
    assert users == ["root", "$NB_UID"], "the container does not run as root"
    where = [name for name, _ in found]
    last = max(i for i, name in enumerate(where) if name == "USER")
    assert last > max(i for i, name in enumerate(where) if name in ("COPY", "RUN"))
    assert found[-1][0] == "CMD" and found[-1][1].startswith("["), "signals reach the server, not a shell"


def test_binder_gets_what_it_asks_for():
    arguments = dict(words.split("=") for name, words in instructions() if name == "ARG")
    assert arguments == {"NB_USER": "jovyan", "NB_UID": "1000"}
    assert not (ROOT / "binder").exists() and not (ROOT / ".binder").exists(), "they would win over Dockerfile"


def test_the_image_holds_nothing_of_a_teachers_and_no_game():
    (check,) = [words for name, words in instructions() if name == "RUN" and words.startswith("test ")]
    assert "! -e notebooks/assignments/source" in check
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*", "only listed files go in"
    back = [line[1:] for line in lines if line.startswith("!")]
    copied = [words.split()[:-1] for name, words in instructions() if name == "COPY"]
    assert sorted(back) == sorted(source for sources in copied for source in sources)
    again_out = {line.split("/")[-1].rstrip("*") for line in lines[1 + len(back) :]}
    assert set(TEACHERS) <= again_out
    assert "smacv2" not in (ROOT / "Dockerfile").read_text().lower()


def test_codespaces_builds_the_same_image():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    build = container["build"]
    assert (ROOT / ".devcontainer" / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (ROOT / ".devcontainer" / build["context"]).resolve() == ROOT
    assert ("ARG", f"NB_USER={container['remoteUser']}") in instructions()


def test_the_workflow_runs_what_ci_runs_on_every_promised_python():
    job = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]["test"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = [line.rpartition(" :: ")[2] for line in project["classifiers"] if "Python :: 3." in line]
    assert job["strategy"]["matrix"]["python"] == promised
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_something_that_is_required(path):
    form = yaml.safe_load(path.read_text())
    assert form["name"] and form["description"] and form["body"]
    assert {part["type"] for part in form["body"]} <= {"textarea", "input"}
    assert any(part.get("validations", {}).get("required") for part in form["body"])


def test_there_are_forms_and_a_code_of_conduct():
    assert len(FORMS) >= 2 and len((ROOT / ".github/CODE_OF_CONDUCT.md").read_text().split()) > 80
