"""What each notebook must show: the text mentions it, so its cells must print or draw it."""

import json
import re

import pytest

from omg_lib.envs import env_info
from tests.helpers.running import OTHER_SIZES, code_cells, shown

pytestmark = pytest.mark.notebook


def test_notebook_0_opens_with_the_picture_then_the_panel_then_the_check(run):
    notebook = run("00_start_here.ipynb")
    heading, sentence, picture = notebook.cells[0].source.split("\n\n")[:3]
    assert heading.startswith("# ") and sentence.startswith("**What shape is this tensor here, and why?**")
    assert picture.startswith("![") and picture.endswith("](images/flow_panel.png)")
    panel, check = code_cells(notebook)[:2]
    assert (panel.id, check.id) == ("panel-show", "setup-check")
    page = check.outputs[0].data["text/html"]
    assert re.match(r"<p>(Everything the course needs is here|To fix): ", page) and "<details>" in page


def test_notebook_0_shows_the_picture_without_a_browser(run):
    cells = {cell.id: cell for cell in run("00_start_here.ipynb").cells}
    picture = cells["picture-plan"].outputs[0].data["text/html"]
    assert picture.startswith("<svg") and 'role="img"' in picture and "aria-label" in picture
    assert "application/vnd.jupyter.widget-view+json" in cells["panel-show"].outputs[0].data
    assert "data:image/svg+xml" in cells["panel-show"].outputs[1].data["text/html"], "the picture that remains"
    assert shown(cells["code-run"]).strip().endswith("[]")


def test_notebook_1_shows_the_three_numbers_and_finds_no_difference(cell):
    name = "01_three_batch_sizes.ipynb"
    assert "{'runner.run': 1, 'buffer.sample': 256, 'learner.regroup': 32}" in cell(name, "question-three-numbers")
    assert re.search(r"too few: .* 240 248\nenough:  256\n", cell(name, "sample-can-sample"))
    assert "against its own prediction: []" in cell(name, "whole-compare")
    assert "differ from the notes: runner.run buffer.insert_episode_batch\n" in cell(name, "whole-compare")


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


def test_notebook_1_steps_through_an_update(run):
    panel = next(one for one in run("01_three_batch_sizes.ipynb").cells if one.id == "step-panel")
    assert "application/vnd.jupyter.widget-view+json" in panel.outputs[0].data


def test_notebook_2_shows_an_episode_row_by_row_and_two_clocks(cell):
    name = "02_runner.ipynb"
    steps = int(re.match(r"steps: (\d+)\nstep 0 as by hand: True", cell(name, "episode-run"))[1])
    rows = {line.split("  ")[0]: line.split() for line in cell(name, "episode-table").splitlines()}
    last, padding = rows[f"t = {steps}"], rows[f"t = {steps + 1}"]
    assert rows[f"t = {steps - 1}"][-2:] == ["True", "True"] and last[-2:] == ["False", "True"]
    assert last[3] == "zeros" and padding[-1] == "False", "the text says that all marines died"
    assert cell(name, "seat-rotate").split("\n")[:4] == [f"episode {k} seat {k % 4}" for k in range(1, 5)]
    assert re.findall(r"^cpu +(\d+)", cell(name, "clock-measure"), flags=re.M) == ["1", "8", "32"]


def test_notebook_3_predicts_every_byte(cell):
    name = "03_replay_buffer.ipynb"
    pairs = re.findall(r"predicted: (\d+).*measured: +(\d+)", cell(name, "memory-row").replace("\nthe sample, m", " m"))
    assert len(pairs) == 2 and all(predicted == measured for predicted, measured in pairs)
    assert cell(name, "enough-sizes").startswith("{4: True, 8: True, 12: True, 16: False}\n3 episodes: False")
    assert "sample(30): allowed is a positive multiple of n_agents=4" in cell(name, "sample-refused")
    without, real = map(float, re.findall(r"0\.\d+", cell(name, "mask-mean")))
    assert without < real
    ended, cut = map(int, re.findall(r"\d+", cell(name, "mask-ends")))
    assert ended and cut, "the text speaks of both"
    before, after = re.findall(r"\[8, (\d+),", cell(name, "truncate-short"))
    assert int(after) < int(before)
    assert "n_agents 11 needs 4.02 GB, more than 4.00 GB." in cell(name, "memory-small")


def test_notebook_4_shows_what_a_wrong_regroup_costs(cell, run):
    name = "04_regroup.ipynb"
    assert "[256, 52, 8, 80]" in cell(name, "sample-draw") and "[32, 52, 8, 80]" in cell(name, "lines-look")
    assert cell(name, "find-look").split() == ["obs:", "True", "reward:", "True"]
    everyone = [[1, slot] for slot in range(8)]
    assert f"{{7: [[1, 0]], 1: {everyone}, 4: [[8, 0]]}}" in cell(name, "cost-marker").replace("\n", "").replace(
        "  ", ""
    )
    assert "{7: [[1, 1]], 1: [], 4: [[9, 0]]}" in cell(name, "cost-missed")
    right, *wrong = re.findall(r"loss ([\d.]+)", cell(name, "cost-gain"))
    assert float(right) < 0.02 < 0.04 < min(map(float, wrong))
    pictures = {c.id: c.outputs[-1].data["text/html"] for c in run(name).cells if c.id.startswith("puzzle-pair-f")}
    assert 'data-moved="teammate"' in pictures["puzzle-pair-four"]
    assert pictures["puzzle-pair-five"].count('data-moved="right"') == 24


def test_notebook_5_finds_what_its_text_says(cell, run):
    name = "05_subgoal_prior.ipynb"
    none, action, subgoal = (float(x) for x in re.findall(r"return ([\d.]+)", cell(name, "game-pairs")))
    assert action < min(none, subgoal) and abs(subgoal - none) < 0.01
    assert 0.45 < subgoal / 0.9**9 < 0.55, "the text says: the best is about twice as high"
    none, action, subgoal = (float(x) for x in re.findall(r"return ([\d.]+)", cell(name, "game-alone-learn")))
    assert subgoal > 2 * max(none, action) and subgoal > 0.9 * 0.9**9
    usual, full, shipped, blind = (float(x) for x in re.findall(r"error ([\d.]+)", cell(name, "fit-errors")))
    assert shipped < usual < blind / 3 < full / 3
    usual_kl, full_kl, shipped_kl = (float(x) for x in re.findall(r"KL ([\d.]+)\n", cell(name, "fit-errors")))
    assert full_kl < 0.05 < 5 < min(usual_kl, shipped_kl)
    used, total, kept, nats = (float(x) for x in re.findall(r"\d[\d.]*", cell(name, "fit-each")))
    assert used < total / 4 and kept > 0.9 * nats
    panel = next(c for c in run(name).cells if c.id == "space-panel")
    assert "application/vnd.jupyter.widget-view+json" in panel.outputs[0].data


def test_notebook_6_computes_the_learners_own_loss_and_shows_the_controls(cell):
    name = "06_subgoal_inference.ipynb"
    terms = re.findall(r"mine ([\d.]+)   the learner's ([\d.]+)", cell(name, "loss-compute"))
    assert len(terms) == 3 and all(float(mine) == pytest.approx(float(own), rel=1e-4) for mine, own in terms)
    assert "same choice as the learner's: True" in cell(name, "loss-target")
    within, between = (float(x) for x in re.findall(r": ([\d.]+)", cell(name, "window-spread")))
    assert 0 < within < between
    mixed = re.findall(r"epsilon ([\d.]+), share of g- ([\d.]+)", cell(name, "mix-run"))
    assert [float(share) for _, share in mixed] == pytest.approx([float(epsilon) for epsilon, _ in mixed], abs=0.1)
    last = int(re.search(r"unit lives is (\d+)", cell(name, "window-cut"))[1])
    windows = [json.loads(window) for window in re.findall(r"candidates (\[.*\])", cell(name, "window-cut"))]
    assert windows[-1] == [last] * 5 and max(map(max, windows)) == last
    inferred, present, ceiling, distinct = (float(x) for x in re.findall(r"\d\.\d+", cell(name, "hit-report")))
    assert inferred < present < ceiling and 0.85 * distinct < ceiling <= distinct, "the text says: just below it"
    assert int(re.search(r"at (\d+)%", cell(name, "hit-report"))[1]) < 50, "the text says: often misses"


def test_notebook_7_computes_the_learners_own_td_loss(cell, run):
    name = "07_q_learning.ipynb"
    mine, own = (float(x) for x in re.findall(r"0\.\d+", cell(name, "target-loss")))
    assert mine == pytest.approx(own, rel=1e-5)
    assert float(cell(name, "mask-nan").split(":")[1]) == pytest.approx(own, rel=1e-5)
    assert "starts from [256, 64]" in cell(name, "hidden-rows")
    assert "the same: True" in cell(name, "values-alone")
    online, largest = (float(x) for x in re.findall(r"\d\.\d+", cell(name, "target-double-run")))
    assert online < largest
    same, other = (float(x) for x in re.findall(r"td_loss ([\d.]+)", cell(name, "goal-compare")))
    assert same != other and same == pytest.approx(other, rel=0.05), "the text says: small"
    reached = re.findall(r"reaches (\d+) of (\d+) of (\w+)", cell(name, "goal-gradients"))
    assert [some == every for some, every, _ in reached] == [True, False, False, True]
    assert {some for some, every, _ in reached if some != every} == {"0"}
    quoted = [cell(name, c.id) for c in run(name).cells if "-quote" in c.id]
    assert quoted and all(re.search(r"^ *\d+  \S", text, flags=re.M) for text in quoted)


def test_notebook_8_measures_what_it_predicts_and_refuses_what_does_not_fit(cell, run):
    name = "08_train_live.ipynb"
    assert "every prediction held: True" in cell(name, "live-run")
    assert re.fullmatch(r"n_agents 8, batch_size 64: \d+ MB, and 60 MB are allowed\n", cell(name, "grow-measure"))
    table = [re.findall(r"× ([\d.]+)", line) for line in cell(name, "grow-table").splitlines()[1:]]
    assert len(table) == 6 and all(planned == measured for _, _, planned, measured in table), "bytes, to the digit"
    shown_as = {c.id: c.outputs[-1].get("data", {}) for c in code_cells(run(name)) if c.outputs}
    pages = {id: data.get("text/html", "") for id, data in shown_as.items()}
    assert pages["cost-picture"].count("data-stage=") == 11 and "learner.omg_loss: " in pages["cost-picture"]
    assert "refused: n_agents 8, batch_size 64" in pages["grow-figure"]
    assert "GPU run is recorded yet" in cell(name, "gpu-show") or "Recorded on other machines" in cell(name, "gpu-show")


def test_notebook_11_labels_its_recording_and_every_prediction_holds(cell, run):
    name = "11_starcraft.ipynb"
    found = cell(name, "get-doctor")
    assert all(part in found for part in ("smacv2", "StarCraft II", "SMACv2 maps"))
    assert "8 {'L': 200, 'O': 130, 'S': 216, 'C': 14}" in cell(name, "sizes-table")
    if "optional" in found:
        batches = "{'runner.run': 1, 'buffer.sample': 256, 'learner.regroup': 32}"
        assert cell(name, "update-run").startswith("A RECORDING, AND NOT OF STARCRAFT II")
        assert batches in cell(name, "update-run")
    shown = ("update-picture", "update-frames")
    pictures = {c.id: c.outputs[-1].data["text/html"] for c in run(name).cells if c.id in shown}
    assert pictures["update-picture"].count('data-state="equal"') >= 10
    assert 'data-state="different"' not in pictures["update-picture"]
    assert "NOT OF STARCRAFT II" in pictures["update-frames"] or "optional" not in found
    assert pictures["update-frames"].count("<svg") == 3
    battle, starcraft = (float(x) for x in re.findall(r"([\d.]+) GB, one", cell(name, "program-memory")))
    assert starcraft > 2 * battle


@pytest.mark.parametrize("replaced", [None, ("n_agents=8, batch_size=32", "n_agents=3, batch_size=4")])
def test_notebook_12_raises_every_message_and_repairs_it(run, replaced):
    name, sizes = "12_failure_museum.ipynb", (3, 4) if replaced else (8, 32)
    cells = {cell.id: cell for cell in run(name, replaced).cells if cell.cell_type == "code"}
    agents, groups = sizes
    rows = 66 * groups
    loud = {"field-obs": (agents, 10 * agents), "mask": (rows, rows * agents), "mixer": (groups, 25 * groups)}
    for id, numbers in loud.items():
        said = shown(cells[f"{id}-run"])
        assert "RuntimeError: The size of tensor a ({}) must match the size of tensor b ({})".format(*numbers) in said
    assert shown(cells["text-refused"]).startswith("see_actions='False': ")
    pictures = {id: cell.outputs[-1].data.get("text/html", "") for id, cell in cells.items() if id.endswith("-run")}
    assert len(pictures) == 11 and all(picture.startswith("<svg") for picture in pictures.values())
    repairs = [shown(cell) for id, cell in cells.items() if id.endswith("-repair")]
    assert len(repairs) == 9 and all("Repaired: " in said for said in repairs)
    same = shown(cells["field-same"])
    assert same.count("Repaired: ") == 2 and "[Repaired" not in same, "two sentences, no list"
    tries = [shown(cell) for id, cell in cells.items() if id.endswith("-try")]
    assert len(tries) == 9 and all(said.startswith("Not answered yet") for said in tries)
