"""The picture moves: every state by keyboard and without motion, one episode followed, a run's own bookkeeping."""

import re

import pytest

from omg_lib import OMGConfig
from omg_lib.flow import flow_frame, flow_page, handover
from omg_lib.flow.regrouped import regrouped
from omg_lib.lessons.regroup_answers import ANSWERS
from omg_lib.widgets import FlowModel
from tests.helpers.flow import OUTSIDE, opened

pytestmark = pytest.mark.browser

# How many pixels of each stage's chart are painted on the canvas of what stands still.
CELLS = """() => {
  const {still, lay, dense} = flow.picture, context = still.getContext('2d');
  return Object.fromEntries(lay.rows.filter(row => row.chart.h).map(({stage, chart: {x, y, w, h}}) => {
    const {data} = context.getImageData(x * dense, y * dense, w * dense, h * dense);
    let painted = 0;
    for (let i = 3; i < data.length; i += 4) painted += data[i] > 200 ? 1 : 0;
    return [stage.name, painted];
  }));
}"""
PLACES = "() => flow.picture.scene.marks.map(m => [m.g, m.a, m.e, m.seat, ...m.block.map(Math.round)])"

# How many slots of the regrouped block are painted, and how many of them in grey.
SLOTS = """() => {
  const {still, scene, lay, dense} = flow.picture, context = still.getContext('2d'), found = {all: 0, grey: 0};
  for (const {block: [x, y]} of scene.marks) {
    const [r, g, b, a] = context.getImageData((x + lay.cell.w / 3) * dense, (y + lay.cell.h / 3) * dense, 1, 1).data;
    if (a > 100) found.all += 1;
    if (a > 100 && Math.max(r, g, b) - Math.min(r, g, b) < 12) found.grey += 1;
  }
  return found;
}"""


@pytest.fixture(scope="module")
def run():
    """A real run of two updates: its page's data, and what it measured."""
    model = FlowModel(n_agents=3, batch_size=4, env="skirmish:partners", device="cpu")
    model.run(updates=2)
    return model


@pytest.fixture(scope="module")
def path(run, tmp_path_factory):
    return run.export(tmp_path_factory.mktemp("flow") / "flow.html")


def followed(page) -> str:
    return page.locator(".omg-followed").text_content()


def stage(page) -> str:
    return page.locator(".omg-at-said").text_content()


def test_a_run_is_shown_with_its_own_bookkeeping(browser, path, run):
    with opened(browser, path) as page:
        states = page.eval_on_selector_all(".omg-flow [data-stage]", "all => all.map(g => g.dataset.state)")
        assert states == ["equal"] * len(run.trace.stages)
        shapes = page.eval_on_selector_all(
            "[data-stage='truncate'] [data-field]", "all => all.map(f => [f.dataset.field, f.dataset.shape])"
        )
        wanted = {key: str(list(f.shape)).replace(" ", "") for key, f in run.trace["truncate"].fields.items()}
        assert dict(shapes) == wanted
        books = run.measured()["books"]
        for e in (0, 5, 11):
            page.fill(".omg-search", f"episode {e}")
            page.press(".omg-search", "Enter")
            row = books["rows"].index(e)
            assert followed(page) == (
                f"episode {e}: seat {books['seats'][e]} learns; group {row // 3}, slot {row % 3}; row {row} of 12; "
                f"{books['lengths'][e] - 1} steps; place {books['places'][e]} of its ring"
            )


def test_every_state_is_reached_by_keyboard_and_without_motion(browser, path, run):
    with opened(browser, path, reduced_motion="reduce") as page:
        names = [one.name for one in run.plan.stages]
        full = page.evaluate(CELLS)
        page.locator(".omg-flow").press("Home")
        assert stage(page) == "before the first stage" and set(page.evaluate(CELLS).values()) == {0}
        for at, name in enumerate(names, 1):
            page.keyboard.press("ArrowRight")
            assert stage(page) == (name if at < len(names) else "the whole update")
            done = page.evaluate(CELLS)
            assert {one: done[one] for one in done if one in names[:at]} == {
                one: full[one] for one in done if one in names[:at]
            }
            assert not any(done[one] for one in done if one in names[at:])
        page.keyboard.press("ArrowLeft")
        assert stage(page) == names[-2]
        page.keyboard.press("Home")
        page.keyboard.press("Space")  # with reduced motion Play is one step
        assert stage(page) == names[0] and page.locator(".omg-play").text_content() == "Play"


def test_play_moves_pauses_and_a_step_ends_where_it_should(browser, path):
    with opened(browser, path) as page:
        page.evaluate("() => { flow.picture.speed = 0.1; }")  # so that no frame ends on a whole stage
        page.locator(".omg-flow").press("Space")
        page.wait_for_function("() => flow.picture.phase > 0.02")
        assert page.locator(".omg-play").text_content() == "Pause"
        page.keyboard.press("Space")
        at = page.evaluate("() => flow.picture.phase")
        page.wait_for_timeout(200)
        assert page.evaluate("() => flow.picture.phase") == at
        page.keyboard.press("ArrowRight")
        assert page.evaluate("() => flow.picture.phase") == int(at) + 1, "the stage in mid-motion is completed at once"
        page.evaluate("() => { flow.picture.speed = 4; }")
        page.keyboard.press("ArrowRight")
        page.wait_for_function("phase => flow.picture.phase === phase", arg=int(at) + 2)


def test_a_frame_that_began_before_its_key_does_not_stop_the_picture(browser, path):
    with opened(browser, path) as page:
        page.evaluate("() => { const ask = requestAnimationFrame; requestAnimationFrame = f => ask(t => f(t - 999)); }")
        page.locator(".omg-flow").press("Space")
        page.wait_for_function("() => flow.picture.phase > 0.02")


def test_following_by_pointer_lights_the_same_episode_everywhere(browser, path):
    with opened(browser, path) as page:
        chart = "() => { const r = flow.picture.svg.getBoundingClientRect(); return {x: r.left, y: r.top}; }"
        at = page.evaluate(chart)
        for mark in page.evaluate(PLACES):
            g, a, e, seat, x, y = mark
            page.mouse.move(at["x"] + x + 3, at["y"] + y + 3)
            assert re.match(rf"episode {e}: seat {seat} learns; group {g}, slot {a}; ", followed(page))
        page.mouse.move(2, 2)
        assert followed(page) == ""


def test_the_search_box_and_its_refusals(browser, path):
    with opened(browser, path) as page:
        for words, said in (
            ("group 3 slot 2", "episode 11: seat 2 learns; group 3, slot 2; row 11 of 12"),
            ("group 1", "group 1: episodes 3, 4, 5, one of each seat; rows 3 to 5 of 12"),
            ("seat 1", "slot 1: seat 1 of 4 groups"),
            ("row 7", "episode 7: "),
            ("episode 12", "episode 12: allowed is 0 to 11"),
            ("hello", "hello: allowed is for example"),
        ):
            page.fill(".omg-search", words)
            page.press(".omg-search", "Enter")
            assert followed(page).startswith(said), words


def test_sorting_moves_the_columns_and_keeps_what_is_followed(browser, path):
    with opened(browser, path, reduced_motion="reduce") as page:
        order = (
            "() => flow.picture.scene.marks.map(m => [m.memory, m.sorted]).map(([a, b]) => flow.picture.mix ? b : a)"
        )
        memory = page.evaluate(order)
        page.get_by_label("sort by seat").check()
        by_seat = page.evaluate(order)
        assert sorted(map(round, memory)) == sorted(map(round, by_seat)) and memory != by_seat
        assert by_seat == sorted(by_seat), "marks are listed seat by seat"


def test_compact_shows_sliders_and_network_rows_at_1280_by_720(browser, path):
    with opened(browser, path, 1280, 720, reduced_motion="reduce") as page:
        for part in (
            ".omg-n-agents [role=slider]",
            "[data-stage='runner.run']",
            "[data-stage='controller.init_hidden']",
        ):
            box = page.locator(part).bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= 720, part
        why = page.locator(".omg-why")
        assert why.is_visible() and why.text_content().startswith("One seat per team learns, so 4 groups of 3")
        page.locator(".omg-flow").press("Home")
        for _ in range(3):
            page.locator(".omg-forward").click()
        assert why.text_content() == "G*A = 4 × 3 = 12 stored episodes: 4 per seat"
        page.get_by_label("compact").uncheck()
        assert not why.is_visible(), "every row has its own sentence now"


def wrongly_regrouped() -> dict:
    return handover(OMGConfig()) | {"regrouped": regrouped(ANSWERS[1].apply, OMGConfig())}


# Rows of which a text reaches into the next one.
BELOW = """() => [...document.querySelectorAll('.omg-flow [data-stage]')].flatMap(row => {
  const end = row.querySelector('.omg-back').getBoundingClientRect().bottom + 2;
  const low = [...row.querySelectorAll('text')].filter(one => one.getBoundingClientRect().bottom > end);
  return low.map(one => one.textContent);
})"""


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("make", [
    lambda: FlowModel(n_agents=16, batch_size=64).handover(), lambda: FlowModel(n_agents=2, batch_size=1).handover(),
    lambda: FlowModel(learner="qmix").handover(), wrongly_regrouped,
], ids=["large", "small", "qmix", "regrouped"])  # fmt: skip
def test_no_text_sticks_out(browser, tmp_path, monkeypatch, make, language):
    monkeypatch.setenv("OMG_LANG", language)
    file = tmp_path / "flow.html"
    file.write_text(flow_page(make(), ""), encoding="utf-8")
    with opened(browser, file) as page:
        for width in (400, 640, 725, 740, 820, 1000, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function("() => flow.picture.lay.W === Math.floor(flow.picture.box.clientWidth)")
            assert page.evaluate("() => document.documentElement.scrollWidth") <= width
            assert page.evaluate(OUTSIDE) == [], width
            assert page.evaluate(BELOW) == [], width


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width, zoom", [(1000, 1), (400, 1), (1000, 2)])
def test_axe_finds_nothing(browser, path, look, width, zoom):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with opened(browser, path, width // zoom, color_scheme=look, device_scale_factor=zoom) as page:
        assert [one["id"] for one in axe.Axe().run(page).response["violations"]] == []


def test_measurements_of_another_plan_are_refused(browser, run, tmp_path):
    file = tmp_path / "flow.html"
    other = FlowModel(n_agents=4, batch_size=4).handover()
    file.write_text(flow_page(other | {"measured": run.measured()}, ""), encoding="utf-8")
    with opened(browser, file) as page:
        assert page.locator(".omg-status").text_content() == "The measurements are of another plan: the plan is shown."
        assert page.locator("[data-state=predicted]").count() == 11


def test_a_frame_is_as_high_as_what_it_holds(browser, tmp_path):
    page = flow_page(FlowModel(batch_size=4).handover(), "", framed=True)
    (tmp_path / "framed.html").write_text(f"<!doctype html><body>{flow_frame(page)}</body>", encoding="utf-8")
    holder = browser.new_context(viewport={"width": 1000, "height": 700})
    outer = holder.new_page()
    outer.goto((tmp_path / "framed.html").as_uri())
    height = "() => document.querySelector('iframe').offsetHeight"
    inner = outer.frame_locator("iframe")
    inner.locator(".omg-flow svg [data-stage]").first.wait_for()
    outer.wait_for_function(f"() => ({height})() !== 760", timeout=60_000)
    tall = outer.evaluate(height)
    inner.get_by_label("compact").check()
    outer.wait_for_function(f"() => ({height})() < {tall}", timeout=60_000)
    hidden = "() => document.documentElement.scrollHeight - document.documentElement.clientHeight"
    assert outer.frames[1].evaluate(hidden) == 0, "nothing of it scrolls"
    inner.get_by_label("compact").uncheck()
    outer.wait_for_function(f"() => ({height})() === {tall}", timeout=60_000)
    holder.close()


def test_where_scripts_do_not_run_the_still_picture_stays_with_a_sentence(browser, path):
    holder = browser.new_context(java_script_enabled=False)
    page = holder.new_page()
    page.goto(path.as_uri())
    assert page.locator(".omg-flow svg [data-stage]").count() == 11
    assert "stands still" in page.locator("#flow > p").text_content()
    holder.close()


@pytest.mark.parametrize("key, holds, used", [
    (1, "episode 8, seat 2: what a teammate saw", 8), (7, "episode 10, seat 2: the learner's own data", 1),
])  # fmt: skip
def test_a_regrouping_of_ones_own_flies_to_its_slots(browser, tmp_path, key, holds, used):
    config = OMGConfig()
    data = handover(config) | {"regrouped": regrouped(ANSWERS[key].apply, config)}
    (tmp_path / "flow.html").write_text(flow_page(data, ""), encoding="utf-8")
    with opened(browser, tmp_path / "flow.html") as page:
        assert data["regrouped"]["said"] in page.locator(".omg-flow [data-stage='learner.regroup']").text_content()
        for asked, words in (("group 1 slot 2", holds), ("episode 8", f"puts it into {used} of 256 slots")):
            page.fill(".omg-search", asked)
            page.press(".omg-search", "Enter")
            assert words in followed(page)
        assert page.evaluate(SLOTS) == {"all": 256, "grey": 224 if key == 1 else 0}
        page.fill(".omg-n-agents input[type=number]", "3")
        page.press(".omg-n-agents input[type=number]", "Enter")
        words = page.locator(".omg-flow [data-stage='learner.regroup']").text_content()
        assert "drawn at n_agents 8 and batch_size 32" in words
