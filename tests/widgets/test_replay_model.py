"""The step-by-step panels show what the library measures, and their widgets are views of the models."""

import ipywidgets as W
import pytest
import torch

import omg_lib as omg
from omg_lib.config import ConfigError
from omg_lib.experiment.measures import choice_shares, inferred_states, play_tests
from omg_lib.experiment.pretrain import errors
from omg_lib.widgets import LatentModel, LatentPanel, ReplayModel, ReplayPanel, replay_model, scene
from tests.helpers.batches import SMALL

A, H = 3, 4


def small_run(**changes):
    common = dict(n_agents=A, batch_size=2, env="skirmish:partners", horizon=H, device="cpu")
    return omg.Training(omg.OMGConfig(**(common | SMALL | changes)))


@pytest.fixture(scope="module")
def run():
    with small_run() as made:
        yield made


@pytest.fixture(scope="module")
def played(run):
    return play_tests(run, 2 * A)


@pytest.fixture
def model(run):
    return ReplayModel(run, 2 * A)


@pytest.fixture
def latent(run, played):
    states = played["obs"].flatten(0, 2)
    return LatentModel(run.learner.prior, states[(states != 0).any(-1)], [scene(run, played, row) for row in (0, 4)])


# --- scenes ---


def test_a_scene_is_what_the_seat_sees_until_its_unit_dies(run, played):
    for row in range(len(played)):
        own = int(played["seat"][row, 0])
        for seat in (None, 0, 2):
            one = scene(run, played, row, seat)
            assert one.seat == (own if seat is None else seat)
            assert torch.equal(one.obs, played["obs"][row, : len(one.obs), one.seat])
            assert (one.obs != 0).any(-1).all() and len(one.obs) <= len(one.frames)
            for t, frame in enumerate(one.frames):
                assert (frame["health"][0, one.seat] > 0) == (t < len(one.obs))


@pytest.mark.parametrize("name, bad", [("row", 6), ("row", -1), ("row", 1.0), ("seat", 3), ("seat", True)])
def test_rows_and_seats_that_are_not_there_are_named(run, played, name, bad):
    with pytest.raises(ConfigError, match=f"^{name}={bad}: allowed is a whole number from 0"):
        scene(run, played, **({"row": 0} | {name: bad}))


# --- replay ---


def test_replay_shows_the_inferred_state_and_the_chosen_one(run, played, model, monkeypatch):
    asked = []
    monkeypatch.setattr(replay_model, "subgoal_svg", lambda *args: asked.append(args) or "<svg/>")
    decoded = inferred_states(run, played)
    prior = run.learner.prior
    for row in range(2 * A):
        model.choose(row)
        own = int(played["seat"][row, 0])
        assert model.scene.seat == own and model.steps == len(model.scene.obs) - 1
        for step in (0, model.steps - 1):
            asked.clear()
            model.pictures(step)
            (frame, seat, inferred, sight), (same, _, chosen, _) = asked
            assert frame is same is model.scene.frames[step] and seat == own and sight == run.env.options.sight
            assert torch.allclose(inferred, decoded[row // A, step, seat])
            ahead = model.ahead(step)
            assert step < ahead <= min(step + H, len(model.scene.obs) - 1)
            with torch.no_grad():
                assert torch.allclose(chosen, prior.decoder(prior(model.scene.obs[ahead])[0]), atol=1e-5)


def test_replay_counts_the_same_choices_as_table_3(run, played, model):
    counted = [
        int(k)
        for one, chosen in zip(model.scenes, model.chosen, strict=True)
        for k in chosen[: max(0, len(one.obs) - H)]
    ]
    shares = torch.bincount(torch.tensor(counted), minlength=H) / len(counted)
    assert torch.allclose(shares, choice_shares(run, played))


def test_replay_says_which_candidate_is_worth_most(model):
    k = int(model.chosen[0][1])
    values = model.values[0][1]
    assert values.argmax() == k
    assert model.words(1).startswith(f"Step 1 of {model.steps - 1}: chosen t+{k + 1}. Values: t+1 {values[0]:.2f}, ")


def test_replay_refuses_other_learners_and_steps(run, model):
    with small_run(learner="iql") as other, pytest.raises(ConfigError, match="^learner='iql': "):
        ReplayModel(other, A)
    with pytest.raises(ConfigError, match="^episodes=4: "):
        ReplayModel(run, 4)
    for bad in (-1, model.steps, 0.0):
        with pytest.raises(ConfigError, match="^step="):
            model.pictures(bad)
    with pytest.raises(ConfigError, match="^battle=6: "):
        model.choose(6)


# --- latent space ---


def test_latent_ring_and_battle_are_of_the_same_step(latent, monkeypatch):
    asked = []
    monkeypatch.setattr(replay_model, "subgoal_svg", lambda *args, what: asked.append((*args, what)) or "<svg/>")
    monkeypatch.setattr(replay_model, "latent_svg", lambda *args: asked.append(args) or "<svg/>")
    latent.choose(1)
    latent.pictures(2)
    (cloud, kinds, names, path, now), (frame, seat, decoded, _, what) = asked
    assert what == "embedding"
    mu = latent.prior(latent.scene.obs)[0]
    assert now == 2 and torch.allclose(path, latent.plane(mu)) and len(path) == latent.steps
    assert frame is latent.scene.frames[2] and seat == latent.scene.seat
    assert torch.allclose(decoded, latent.prior.decoder(mu[2]), atol=1e-6)
    assert len(cloud) == len(kinds) <= replay_model.POINTS
    assert names == ["0 enemies seen", "1 enemy seen", "2 enemies seen", "3 enemies seen"]


def test_latent_marks_count_the_enemies_that_are_seen(run):
    one = torch.zeros(4, 10 * A)
    one[:, -1] = torch.tensor([0.2, 0.5, 0.8, 1.0])
    one[1, 5], one[2, 5], one[2, 10] = 0.3, 0.3, 0.4  # distances of the first and the second enemy
    made = LatentModel(run.learner.prior, one, [replay_model.Scene(0, [{"episode": 0, "won": False}], one)])
    assert made.kinds.tolist() == [0, 1, 2, 0]


def test_latent_words_are_the_error_and_the_kl(latent):
    obs = latent.scene.obs[:1]
    error, kl = errors(latent.prior, obs)
    assert latent.words(0) == f"Step 0 of {latent.steps - 1}: reconstruction error {error:.4f}, KL {kl:.1f} nats."


def test_latent_needs_a_scene(latent):
    with pytest.raises(ConfigError, match="^scenes="):
        LatentModel(latent.prior, torch.rand(5, 10 * A), [])


# --- the view ---


def parts(panel, name):
    (found,) = [w for w in (panel, *panel.children, *panel.children[0].children) if f"omg-{name}" in w._dom_classes]
    return found


def test_the_slider_moves_pictures_and_words(run):
    panel = ReplayPanel(run, A)
    step, said, pictures = (parts(panel, name) for name in ("step", "said", "pictures"))
    assert isinstance(step, W.IntSlider) and pictures.value.count("<svg") == 2
    old = pictures.value
    step.value = 1
    assert pictures.value != old and 'role="status"' in said.value and panel.model.words(1) in said.value
    panel.show(0)
    assert step.value == 0 and panel.model.words(0) in said.value
    with pytest.raises(ConfigError, match="^step="):
        panel.show(999)


@pytest.mark.slow
def test_another_battle_has_its_own_length(run):
    panel = ReplayPanel(run, 2 * A)
    lengths = [len(one.obs) - 1 for one in panel.model.scenes]
    longest, shortest = lengths.index(max(lengths)), lengths.index(min(lengths))
    battle, step, said = (parts(panel, name) for name in ("battle", "step", "said"))
    assert [title for title, _ in battle.options] == list(panel.model.titles)
    battle.value = longest
    step.value = step.max
    assert step.max == lengths[longest] - 1
    battle.value = shortest
    assert step.value == step.max == lengths[shortest] - 1
    assert panel.model.words(step.value) in said.value


def test_the_latent_panel_shows_the_plane_beside_the_battle(run, played):
    states = played["obs"].flatten(0, 2)
    panel = LatentPanel(run.learner.prior, states[(states != 0).any(-1)], [scene(run, played, 0)])
    pictures = parts(panel, "pictures").value
    assert pictures.count("<svg") == 2 and 'class="now"' in pictures and pictures.count("<figcaption>") == 2
