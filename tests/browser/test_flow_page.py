"""The exported page in a real browser, from disk and without a network: what it shows is what `omg.predict` gives."""

import json
import os
import random
import re
from itertools import product

import pytest

import omg_lib as omg
from omg_lib.__main__ import main
from omg_lib.config import ENVIRONMENTS, LEARNERS, ConfigError, OMGConfig
from omg_lib.flow import module
from tests.helpers.flow import opened

pytestmark = pytest.mark.browser

EMBEDDED = [env for env in ENVIRONMENTS if not env.startswith("smacv2:")]
PREDICT = """grid => grid.map(one => {
  const plan = flow.predict(one);
  const fields = all => all.map(f => [f.key, f.axes, f.shape, f.dtype, f.bytes]);
  return JSON.stringify([plan.sizes.T, plan.stages.map(s => [s.name, s.calls, s.leading, fields(s.fields)])]);
})"""
SHOWN = """() => [...document.querySelectorAll('.omg-flow [data-stage]')].map(g => [
  g.dataset.stage, g.dataset.state, Number(g.dataset.calls), g.dataset.leading,
  Object.fromEntries([...g.querySelectorAll('[data-field]')].map(f => [f.dataset.field, f.dataset.shape]))])"""


def config(one: dict) -> OMGConfig:
    settings = {name: value for name, value in one.items() if name != "runner"}
    return OMGConfig(**settings, batch_size_run=one["n_agents"] if one["runner"] == "parallel" else 1)


def predicted(one: dict) -> str:
    plan = omg.predict(config(one))
    stages = [
        [s.name, s.calls, s.leading, [[k, f.axes, f.shape, f.dtype, f.bytes] for k, f in s.fields.items()]]
        for s in plan.stages
    ]
    return json.dumps([plan.sizes["T"], stages], separators=(",", ":"))


def shown(plan: omg.ShapeTrace, state: str = "predicted") -> list:
    """What the page should carry as data attributes."""
    return [
        [s.name, state, s.calls, "" if s.leading is None else str(s.leading),
         {key: json.dumps(f.shape, separators=(",", ":")) for key, f in s.fields.items()}]
        for s in plan.stages
    ]  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("flow") / "flow.html"
    assert main(["shapes", "--html", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def page(browser, path):
    with opened(browser, path) as page:
        yield page


def cases() -> list[dict]:
    """Every team size and batch size with two of the choices in turn, every choice with every team size; with
    OMG_FULL_GRID=1 all 60,000 of them.
    """
    names = ("env", "learner", "runner", "n_agents", "batch_size")
    choices = list(product(EMBEDDED, LEARNERS, ("episode", "parallel")))
    pairs = list(product(range(2, 17), range(1, 65)))
    if os.environ.get("OMG_FULL_GRID") == "1":
        grid = [(*choice, *pair) for choice in choices for pair in pairs]
    else:
        grid = [(*choices[(7 * k + turn) % len(choices)], *pair) for k, pair in enumerate(pairs) for turn in (0, 1)]
        grid += [(*choice, n, 3) for choice in choices for n in range(2, 17)]
    return [dict(zip(names, one, strict=True)) for one in grid if one[3] in ENVIRONMENTS[one[0]]]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_page_computes_what_predict_does(page):
    grid = cases()
    found = page.evaluate(PREDICT, grid)
    wrong = [one for one, got in zip(grid, found, strict=True) if got != predicted(one)]
    assert not wrong, f"{len(wrong)} of {len(grid)}, the first is {wrong[0]}"
    assert len(grid) > 2500


@pytest.mark.parametrize("learner, n_agents, batch_size, runner", [
    ("omg", 8, 32, "episode"), ("omg", 16, 64, "parallel"), ("iql", 2, 1, "episode"), ("oracle", 5, 7, "parallel"),
])  # fmt: skip
def test_every_stage_and_field_carries_its_numbers(page, learner, n_agents, batch_size, runner):
    one = dict(env="foraging" if n_agents == 5 else "skirmish", n_agents=n_agents, batch_size=batch_size)
    one |= dict(learner=learner, runner=runner)
    for name in ("env", "learner", "runner"):
        page.select_option(f".omg-{name} select", one[name])
    for name in ("n_agents", "batch_size"):
        box = page.locator(f".omg-{name.replace('_', '-')} input[type=number]")
        box.fill(str(one[name]))
        box.press("Enter")
    plan = omg.predict(config(one))
    assert page.evaluate(SHOWN) == shown(plan)
    run, sample = plan["runner.run"].leading, plan["buffer.sample"].leading
    said = f"the runner steps {run}, the sample holds {sample}, the learner sees {batch_size}"
    assert said in page.locator(".omg-status [role=status]").text_content()


def test_bad_input_is_pythons_sentence_and_the_picture_stays(browser, path):
    with opened(browser, path) as page:
        before = page.locator(".omg-flow svg").inner_html()
        for name, bad in (("n_agents", 17), ("n_agents", 1), ("batch_size", 0), ("batch_size", 700)):
            box = page.locator(f".omg-{name.replace('_', '-')} input[type=number]")
            good = box.input_value()
            box.fill(str(bad))
            box.press("Enter")
            with pytest.raises(ConfigError) as refused:
                OMGConfig(**{name: bad})
            words = page.locator(".omg-status [role=status]").text_content()
            start = re.match(
                r"\w+=\d+: (allowed is \d+|one sample needs \d+ episodes|\w+ allows \d+ to \d+)", str(refused.value)
            )
            assert words.startswith(start[0]) and box.input_value() == str(bad)
            assert page.locator(".omg-flow svg").inner_html() == before
            box.fill(good)
            box.press("Enter")
        box.fill("")
        box.press("Tab")
        assert page.locator(".omg-status").text_content() == "batch_size: a number is missing, the last one is kept"
        assert box.input_value() == good


def test_the_module_is_one_small_file_that_asks_no_host():
    text = module()
    assert len(text.encode()) <= 80_000
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|\bimport\b\s*[({'\"]|fetch\(|XMLHttpRequest", text)


WALK = """walk => {
  const {picture} = flow, others = element => [...element.attributes].filter(a => a.name !== 'class');
  const attributes = e => [...others(e).map(a => `${a.name}=${a.value}`), ...e.classList].sort();
  const said = node => node.nodeType !== 3 || node.data;
  const inside = element => [...element.childNodes].filter(said).map(made);
  const made = node => node.nodeType === 3 ? node.data : [node.nodeName, ...attributes(node), inside(node)];
  const drawn = () => JSON.stringify(made(picture.svg));
  return walk.filter(one => {
    picture.set(one);
    const changed = drawn();
    picture.svg.replaceChildren();
    picture.parts = [];
    picture.draw();
    return drawn() !== changed;
  });
}"""
LIVE = {"live": "learner.q_values", "ms": {"learner.q_values": 3}, "held": "episode 31 of 256"}


def test_a_picture_that_was_changed_equals_one_that_is_made_anew(page):
    draw = random.Random(0)
    walk = [
        dict(n_agents=draw.randint(2, 16), batch_size=draw.randint(1, 16), env=draw.choice(EMBEDDED),
             learner=draw.choice(list(LEARNERS)), runner=draw.choice(["episode", "parallel"]))
        for _ in range(60)
    ]  # fmt: skip
    page.evaluate("event => flow.picture.hear(event)", LIVE)
    page.wait_for_selector("[data-stage='learner.q_values'].live")
    assert page.evaluate(WALK, walk) == []
