"""Nothing in a submission runs on the teacher's pages, in the formgrader or in the feedback.

A class is graded like a teacher does it, and its pages are opened in Chromium, from a real server.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest

from tests.helpers import markup_attacks as attacks

pytest.importorskip("nbgrader", reason="nbgrader is not installed: it is the extra for teachers")
COURSE = Path(__file__).parents[2] / "notebooks" / "assignments"
if not (COURSE / "source").is_dir():
    pytest.skip("a student's copy holds no assignments to grade", allow_module_level=True)

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]
FOLDER = "class"
"""Paths in the course, relative to the folder that the server shows."""
EVERY = [*attacks.in_cells(), *attacks.in_notebook(nbformat.v4.new_notebook())]
NAME = "<img src=x onerror=ran=Array.of(location.protocol)>"
"""A student's name: a valid folder name, without a slash or any character that file patterns interpret."""
TRY_EVERYTHING = """async () => {
  for (const one of document.querySelectorAll('#notebook *')) {
    one.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
    if (one.protocol === 'javascript:') one.click();
  }
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
}"""


def notebook_of(course: Path) -> nbformat.NotebookNode:
    return nbformat.read(course / "release" / "a4" / "a4.ipynb", as_version=4)


def hand_in(course: Path, student: str, notebook: dict) -> Path:
    folder = course / "submitted" / student / "a4"
    folder.mkdir(parents=True)
    (folder / "a4.ipynb").write_text(json.dumps(notebook))
    return folder


def honest(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A submission with a plot, as the assignment requires, and an answer in Markdown."""
    from matplotlib.figure import Figure

    from omg_lib.plots.page import figure_svg

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot(xlabel="updates")
    axes.fill_between([0, 1, 2], [0, 1, 1], [2, 2, 3], hatch="//", color="red")
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in notebook.cells}
    data = {"text/html": figure_svg(figure, "the return"), "text/plain": "<IPython.core.display.HTML object>"}
    cells["a4-plot"].outputs = [nbformat.v4.new_output("execute_result", data, execution_count=7)]
    cells["a4-plot"].execution_count = 7
    cells["a4-answer"].source = "The **mean** is 5.78 & it is `x < y`.\n\n1. One\n2. Two"
    return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A graded class: the attackers and an honest student."""
    course = tmp_path_factory.mktemp("server") / FOLDER
    course.mkdir()
    for name in ("source", "grader"):
        shutil.copytree(COURSE / name, course / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(COURSE / "nbgrader_config.py", course)
    nbgrader(course, "generate_assignment", "a4", "--create")
    hand_in(course, "honest", honest(notebook_of(course)))
    valid = notebook_of(course)
    valid.cells += attacks.in_cells().values()
    attacks.in_notebook(valid)
    folder = hand_in(course, "eve", valid)
    (folder / "nbgrader_config.py").write_text("from pathlib import Path\nPath('owned-config').touch()\n")
    hand_in(course, NAME, notebook_of(course))
    nbgrader(course, "autograde", "a4", "--create", "--CourseDirectory.submitted_directory=submitted")
    nbgrader(course, "generate_feedback", "a4")
    return course


def nbgrader(course: Path, *arguments: str) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(COURSE.parents[1])}
    command = [sys.executable, "-W", "ignore", "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def server(course, served):
    with served(course) as address:
        yield address


class Visit:
    """A page after everything on it was touched: which attacks ran, and what it requested."""

    def __init__(self, browser: object, url: str, server: str | None = None) -> None:
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        if server:  # as the teacher
            context.request.get(f"{server}/lab?token=omg")
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)
        self.asked, self.refused = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda line: self.refused.append(line.text))
        self.page.goto(url, wait_until="load")
        self.page.evaluate(TRY_EVERYTHING)
        self.page.wait_for_load_state("networkidle")
        self.refused = [line for line in self.refused if "Content Security Policy" in line]
        self.ran = {name for frame in self.page.frames for name in frame.evaluate("() => window.ran || []")}


@pytest.fixture(scope="module")
def formgrader(browser, server, course):
    """formgrader("eve") -> a visit to the page where a teacher grades the submission."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        ids = {one.student.id: one.id for one in gradebook.notebook_submissions("a4", "a4")}
    visits = {}

    def visit(student: str) -> Visit:
        if student not in visits:
            visits[student] = Visit(browser, f"{server}/formgrader/submissions/{ids[student]}/", server)
        return visits[student]

    return visit


@pytest.fixture(scope="module")
def feedback(browser, course):
    """feedback("eve") -> a visit to the page that the student gets."""
    visits = {}

    def visit(student: str) -> Visit:
        if student not in visits:
            visits[student] = Visit(browser, (course / "feedback" / student / "a4" / "a4.html").as_uri())
        return visits[student]

    return visit


def test_an_attack_that_is_shown_as_it_is_runs(browser, server, course):
    page = course / "attack.html"
    link = f"""<a href="javascript:{attacks.program("c")}">x</a>"""
    frame = f"""<iframe srcdoc="{attacks.script("d")}"></iframe>"""
    page.write_text(f"<div id=notebook>{attacks.drawn('a')}{attacks.script('b')}{link}{frame}</div>")
    assert Visit(browser, page.as_uri()).ran == set("abcd")


@pytest.mark.parametrize("name", EVERY)
def test_nothing_of_a_submission_runs_where_a_teacher_marks_it(name, formgrader, course):
    assert name not in formgrader("eve").ran
    assert not (course / f"owned-{name}.txt").exists()


@pytest.mark.parametrize("name", EVERY)
def test_nothing_of_a_submission_runs_in_the_feedback(name, feedback):
    assert name not in feedback("eve").ran


def test_the_pages_ask_for_nothing_but_their_own(formgrader, feedback, server):
    own = tuple(f"{server}/formgrader/{part}" for part in ("static/", "submissions/", "api/"))
    asked = [url for url in formgrader("eve").asked if not url.startswith((*own, "data:"))]
    assert asked == []
    assert [url for url in feedback("eve").asked if not url.startswith("data:")] == [feedback("eve").page.url]


def test_plots_answers_and_points_are_still_shown(formgrader, feedback):
    for visit in (formgrader("honest"), feedback("honest")):
        assert visit.refused == [], "nothing is refused that a plain page needs"
        width, height, source = visit.page.locator(".output_svg img").evaluate(
            "image => [image.naturalWidth, image.naturalHeight, image.src]"
        )
        assert (width, height) == (504, 252)
        assert source.startswith("data:image/svg+xml;base64,")
        shown = visit.page.locator("#notebook")
        assert shown.locator("strong", has_text="mean").count() == 1
        assert shown.locator("code", has_text="x < y").count() == 1
        assert shown.locator("li", has_text="Two").count() == 1
        assert shown.locator(".highlight .k", has_text="def").count() >= 2, "code is coloured"
    assert "Score: 0.0 / 20.0" in feedback("honest").page.locator("h4").first.inner_text()
    if "OMG_SCREENSHOTS" in os.environ:
        for name, visit in {"formgrader": formgrader("honest"), "feedback": feedback("honest"),
                            "eve": formgrader("eve")}.items():  # fmt: skip
            visit.page.screenshot(path=Path(os.environ["OMG_SCREENSHOTS"]) / f"{name}.png", full_page=True)


def test_a_teacher_marks_on_the_page(formgrader, course):
    page = formgrader("honest").page
    page.locator("#a4-plot").fill("3")
    with page.expect_response(lambda answer: "/api/grade/" in answer.url and answer.request.method == "PUT") as put:
        page.locator("#a4-plot").press("Tab")
    assert put.value.ok and put.value.json()["manual_score"] == 3
    page.locator("#a4-plot-comment").fill("Which **units**?")
    with page.expect_response(lambda answer: "/api/comment/" in answer.url and answer.request.method == "PUT") as put:
        page.locator("#a4-plot-comment").press("Tab")
    assert put.value.ok
    page.locator(".glyphicon-eye-open").click()
    assert page.locator("a.name-shown").inner_text() == "honest", "the three scripts allowed by the policy run"
    nbgrader(course, "generate_feedback", "a4", "--force")
    text = (course / "feedback" / "honest" / "a4" / "a4.html").read_text()
    assert "Which <strong>units</strong>?" in text and "(Score: 3.0 / 20.0)" in text


@pytest.mark.parametrize(
    "page", ["manage_students", f"manage_students/{quote(NAME)}", f"manage_students/{quote(NAME)}/a4",
             "manage_submissions/a4", "gradebook/a4/a4"]
)  # fmt: skip
def test_a_students_name_is_text_on_every_page(page, browser, server):
    visit = Visit(browser, f"{server}/formgrader/{page}", server)
    assert visit.ran == set()
    shown = visit.page.locator("body").inner_text()
    assert NAME in shown or page.startswith("gradebook"), "the gradebook has numbers instead of names"


def test_a_students_name_is_text_above_the_submission(formgrader):
    assert formgrader(NAME).ran == set()
    assert NAME in formgrader(NAME).page.locator("a.name-shown").text_content()


def test_no_address_runs_the_configuration_of_a_submission(browser, server, course):
    page = Visit(browser, f"{server}/formgrader/?path=submitted/eve/a4", server).page
    assert page.url.startswith(f"{server}/formgrader/manage_assignments")
    assert list(course.rglob("owned*")) == []


def test_a_file_beside_a_submission_runs_nothing_where_it_is_opened(browser, server, course, formgrader):
    (course / "autograded" / "eve" / "a4" / "more.html").write_text(f"<div id=notebook>{attacks.script('file')}</div>")
    visit = Visit(browser, formgrader("eve").page.url.split("?")[0] + "more.html", server)
    assert visit.page.locator("#notebook").count() == 1 and visit.ran == set()


@pytest.mark.parametrize("guard", ["Harmless", "policy"])
@pytest.mark.parametrize("template", ["formgrade", "feedback"])
def test_each_guard_would_do_without_the_other(guard, template, browser, course, tmp_path):
    """The notebook made harmless, on nbgrader's own page; and as submitted, on our page."""
    import nbgrader.server_extensions.formgrader as extension
    from nbconvert.exporters import HTMLExporter

    place = Path(extension.__file__).parent
    bootstrap = place / "static" / "node_modules" / "bootstrap" / "dist" / "css"
    exporter = HTMLExporter(
        template_name=template,
        extra_template_basedirs=[str(place / "templates")],
        extra_template_paths=[str(bootstrap), str(COURSE / "grader")],
        template_file="page.html.j2" if guard == "policy" else "index.html.j2",
    )
    folder = course / ("submitted" if guard == "policy" else "autograded") / "eve" / "a4"
    notebook = nbformat.read(folder / "a4.ipynb", as_version=4)
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader |= {"score": 0, "points": 0}
    scores = {"notebook": "a4", "score": 0, "max_score": 0, "late_penalty": 0}
    resources = {"nbgrader": scores, "base_url": "."}
    if template == "formgrade":
        resources |= {"submission_id": "1", "index": 0, "total": 1}
    page, _ = exporter.from_notebook_node(notebook, resources=resources)
    (tmp_path / "page.html").write_text(page)
    assert Visit(browser, (tmp_path / "page.html").as_uri()).ran == set()
