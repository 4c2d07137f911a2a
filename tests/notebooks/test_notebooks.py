"""The notebooks run from top to bottom, also at other sizes; what is committed is clean; prose and output agree."""

import json
import os
import re
import shutil
from datetime import datetime
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from omg_lib.envs import env_info

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))
SECONDS = 60
"""For a whole notebook, on two cores."""
OTHER_SIZES = {
    "01_three_batch_sizes.ipynb": ("n_agents=8, batch_size=32", "n_agents=3, batch_size=4"),
}
"""Notebooks that take every size from one cell: what stands there, and what a student may put there."""
NOTE = r"""
- [?] 在 OMG 代码中，`runner.run()` 和 `learner.train()`  的 `batch_size` 是不一样的：
前者为 `batch_size`
## run_sequential（）中的初始化batch_size 32\*8 = ==256==
if args.learner in ["q_learner_4am", "omg_learner"]:#, "omg_learner"]:
args.t_max *= args.n_agents
args.batch_size *= args.n_agents
## runner 里面的 init 为 batch_size_rnn = ==1== (并行数量)
self.batch_size = self.args.batch_size_run
assert self.batch_size == 1
## learner.train() 为 32\*8/8 =32
batch_size = batch.batch_size // self.args.n_agents
batch = self._refine_batch(batch)
## buffer 创建为 32\*8 = 256
buffer = ReplayBuffer(scheme, groups, args.buffer_size, env_info["episode_limit"] + 1,
# run_sequential 流程中的变化 while runner.t_env <= args.t_max:
## run.py 8 次 batch_runs( `runner.run()` ) ,  buffer 中 insert 8 次
batch_runs = args.n_agents
episode_batch = runner.run(test_mode=False)
episode_batch.update({"agent_idx": [args.agent_shift]}, ts = 0)
buffer.insert_episode_batch(episode_batch)
## can_sample() 时 ，即 > 256
if buffer.can_sample(args.batch_size):
episode_sample = buffer.sample(args.batch_size)
max_ep_t = episode_sample.max_t_filled()
episode_sample = episode_sample[:, :max_ep_t]
episode_sample.to(args.device)
learner.train(episode_sample, runner.t_env, episode)
### learner.train() 为 32\*8/8 =32
#### omg_loss_func() 传入32 大小的
omg_loss = omg_am.omg_loss_func(batch, eval_net, self.args.subgoal_mode)
#### 计算q-values 时 init_hidden
self.mac.init_hidden(batch.batch_size)
## 1_Answers
## 2_Answers
## 3_Answers
""".strip().splitlines()
"""The lines of the student's note that notebook 1 answers, without the white space around them."""


def read(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / name, as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


# --- as committed ---


@pytest.mark.parametrize("name", NAMES)
def test_committed_without_outputs_for_the_kernel_python3(name):
    notebook = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None), cell["id"]
    written = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    assert (FOLDER / name).read_text(encoding="utf-8") == written, "indent 1, characters as they are"


@pytest.mark.parametrize("name", NAMES)
def test_cell_ids_can_be_read(name):
    ids = [cell.id for cell in read(name).cells]
    assert len(set(ids)) == len(ids)
    assert [id for id in ids if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", id)] == []


@pytest.mark.parametrize("name", NAMES)
def test_code_cells_are_short(name):
    lines = {cell.id: sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in code_cells(read(name))}
    assert {id: count for id, count in lines.items() if count > 8} == {}
    wide = {cell.id: max(map(len, cell.source.splitlines())) for cell in code_cells(read(name))}
    assert {id: width for id, width in wide.items() if width > 90} == {}, (
        "more does not fit beside JupyterLab's side bar"
    )


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_files_and_no_path_is_absolute(name):
    text = "\n".join(cell.source for cell in read(name).cells)
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert [link for link in links if "://" not in link and not (FOLDER / link).is_file()] == []
    assert re.findall(r"(?<![\w.:/])/(?:home|work|tmp|root|usr|Users)/", text) == []


# --- what is quoted ---


def quotations(name: str) -> list[str]:
    """The lines in double backticks of every indented block."""
    lines = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown").splitlines()
    return [match[1].strip() for line in lines if (match := re.fullmatch(r"> ``(.+)``", line))]


def test_every_line_of_the_note_is_quoted_once_and_nothing_else_is():
    assert sorted(quotations("01_three_batch_sizes.ipynb")) == sorted(NOTE)


def test_chinese_headings_are_translated():
    for cell in read("01_three_batch_sizes.ipynb").cells:
        lines = cell.source.splitlines()
        for number, line in enumerate(lines):
            if line.startswith("> ``") and re.search(r"[\u4e00-\u9fff]", line):
                assert re.fullmatch(r"> \*.+\*", lines[number + 2]), line


# --- run ---


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """run(name) -> the notebook, run from top to bottom in a copy of its folder, once for each replacement."""
    done = {}

    def run_one(name: str, replaced: tuple[str, str] | None = None) -> nbformat.NotebookNode:
        if (name, replaced) not in done:
            done[name, replaced] = execute(name, replaced, tmp_path_factory.mktemp("run"))
        return done[name, replaced]

    return run_one


def execute(name: str, replaced: tuple[str, str] | None, folder: Path) -> nbformat.NotebookNode:
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    notebook = read(name)
    if replaced:
        (cell,) = [cell for cell in code_cells(notebook) if replaced[0] in cell.source]
        cell.source = cell.source.replace(*replaced)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "IPYTHONDIR": str(folder / "ipython")}
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute(env=environment)
    return notebook


def shown(cell: nbformat.NotebookNode) -> str:
    """What a cell printed and showed, as text."""
    return "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_runs_from_top_to_bottom_in_time(name, run):
    notebook = run(name)
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    times = [cell.metadata.execution for cell in cells]
    began, ended = times[0]["iopub.status.busy"], times[-1]["shell.execute_reply"]
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    assert seconds < SECONDS
    warned = [output.text for cell in cells for output in cell.outputs if output.get("name") == "stderr"]
    assert warned == []


@pytest.mark.notebook
@pytest.mark.parametrize("name", OTHER_SIZES)
def test_runs_at_other_sizes(name, run):
    notebook = run(name, OTHER_SIZES[name])
    assert "Error" not in "".join(shown(cell) for cell in code_cells(notebook))


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_numbers_in_prose_come_from_code(name, run):
    """Every number of two digits or more in the text is something that the notebook prints, or one of its inputs."""
    notebook = run(name)
    cells = code_cells(notebook)
    pages = [output.get("data", {}).get("text/html", "") for cell in cells for output in cell.outputs]
    spoken = [text for page in pages for text in re.findall(r'aria-label="([^"]*)"', page)]
    numbers = set(re.findall(r"\d+", "\n".join([*spoken, *(shown(cell) + cell.source for cell in cells)])))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"^>.*$|\]\([^)]*\)|NeurIPS \d+|About \d+ minutes", "", cell.source, flags=re.M)
            said = {number for number in re.findall(r"(?<![\w.])\d+(?![\w.]*\d)", text) if len(number) > 1}
            assert said <= numbers, (cell.id, said - numbers)


# --- what the student should see ---


@pytest.fixture
def cell(run):
    return lambda name, id, *replaced: next(shown(cell) for cell in run(name, *replaced).cells if cell.id == id)


@pytest.mark.notebook
def test_notebook_1_shows_the_three_numbers_and_finds_no_difference(cell):
    name = "01_three_batch_sizes.ipynb"
    assert "{'runner.run': 1, 'buffer.sample': 256, 'learner.regroup': 32}" in cell(name, "question-three-numbers")
    assert re.search(r"too few: .* 240 248\nenough:  256\n", cell(name, "sample-can-sample"))
    assert "against its own prediction: []" in cell(name, "whole-compare")
    assert "differ from the note's: runner.run buffer.insert_episode_batch\n" in cell(name, "whole-compare")


@pytest.mark.notebook
@pytest.mark.parametrize("replaced", [None, OTHER_SIZES["01_three_batch_sizes.ipynb"]])
def test_notebook_1_shows_that_no_seat_moved_and_that_a_reshape_moves_them(cell, replaced):
    name, agents, groups = "01_three_batch_sizes.ipynb", *((3, 4) if replaced else (8, 32))
    slots = agents * groups
    real = cell(name, "seats-real", replaced)
    assert f"{slots} of {slots} slots hold" in real and f"after shuffling: {slots} of {slots}" in real
    assert f"learner's own data: {2 * agents} of {2 * agents}" in cell(name, "seats-after", replaced)
    wrong = cell(name, "seats-wrong-reshape", replaced)
    assert f"learner's own data: 2 of {2 * agents}" in wrong and "same data: False" in wrong
    sizes = cell(name, "seats-wrong-train", replaced).splitlines()[0]
    shapes = re.findall(r"\[.*?\]", sizes)
    assert shapes[0] == shapes[1] and str(env_info("skirmish", agents).obs_dim) in shapes[0]


@pytest.mark.notebook
def test_unanswered_guesses_ask_for_an_answer(run):
    guesses = [cell for name in NAMES for cell in code_cells(run(name)) if "guess = (..." in cell.source]
    assert len(guesses) >= 9
    assert all("Not answered yet" in shown(cell) for cell in guesses)


@pytest.mark.notebook
def test_notebook_0_shows_the_picture_without_a_browser(run):
    cells = {cell.id: cell for cell in run("00_start_here.ipynb").cells}
    picture = cells["picture-plan"].outputs[0].data["text/html"]
    assert picture.startswith("<svg") and 'role="img"' in picture and "aria-label" in picture
    assert "application/vnd.jupyter.widget-view+json" in cells["panel-show"].outputs[0].data
    assert shown(cells["code-run"]).strip().endswith("[]")
