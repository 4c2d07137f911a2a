"""What OMG infers: the hit ratio against the paper's definition, and a run's measures against planted values."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

import omg_lib as omg
from omg_lib.config import ConfigError
from omg_lib.experiment import measures
from omg_lib.experiment.measures import (
    CELL,
    UNSEEN,
    choice_shares,
    hit_ratio,
    inferred_states,
    mate_cells,
    play_tests,
    replay,
    subgoal_report,
)
from omg_lib.seeds import TEST_EPISODES
from tests.helpers.batches import SMALL

A, H, GROUPS = 3, 4, 4


def small_run(**changes) -> omg.Training:
    """An untrained run; its seats still play whole battles."""
    common = dict(n_agents=A, batch_size=2, env="skirmish:partners", horizon=H, device="cpu")
    return omg.Training(omg.OMGConfig(**(common | SMALL | changes)))


@pytest.fixture(scope="module")
def run():
    with small_run() as made:
        yield made


@pytest.fixture(scope="module")
def played(run):
    return play_tests(run, GROUPS * A)


def living_steps(played, row):
    """Return the learner's seat of a row, and the number of states in which its unit is alive."""
    seat = int(played["seat"][row, 0])
    own = played["obs"][row, : int(played["filled"][row].sum()), seat]
    return seat, int((own != 0).any(-1).sum())


# --- the hit ratio ---


def test_the_papers_example():
    assert hit_ratio(["s3", "s1", "s5", "s5"], ["s1", "s2", "s3", "s4", "s5"]) == 0.4


def test_only_the_last_state_fulfils_a_prediction_made_there():
    assert hit_ratio([9, 9, 2], [0, 1, 2]) == pytest.approx(1 / 3)
    assert hit_ratio([9, 9, 1], [0, 1, 2]) == 0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.data())
def test_hit_ratio_is_the_definition_read_word_by_word(visited, data):
    count = len(visited) - data.draw(st.integers(0, 1))
    predicted = data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    fulfilled = set()
    for t in range(count):
        for later in range(t, len(visited)):
            if predicted[t] == visited[later]:
                fulfilled.add(predicted[t])
    assert hit_ratio(predicted, visited) == len(fulfilled) / len(visited)
    assert hit_ratio(predicted, visited) <= len(set(visited)) / len(visited)


@pytest.mark.parametrize(("predicted", "visited"), [([], []), ([1], []), ([1, 2], [1]), ([1], [1, 2, 3])])
def test_other_numbers_of_predictions_are_refused(predicted, visited):
    with pytest.raises(ValueError, match=f"{len(predicted)} predictions for {len(visited)} states"):
        hit_ratio(predicted, visited)


# --- cells ---


def test_cells_are_where_the_frame_shows_the_mates(run, played):
    """From positions alone: relative to the seat, in cells, for living mates in sight."""
    seen = unseen = 0
    sight = run.env.options.sight
    for row in range(len(played)):
        seat, living = living_steps(played, row)
        others = [i for i in range(A) if i != seat]
        for t, frame in enumerate(replay(run, played, row)[:living]):
            way = frame["position"][0, others] - frame["position"][0, seat]
            there = (np.hypot(*way.T) < sight) & (frame["health"][0, others] > 0)
            expected = np.where(there[:, None], np.round(way / CELL), UNSEEN).astype(int)
            # An offset on the border of two cells may go to either, depending on the last bit of a float.
            firm = (np.abs(way / CELL % 1 - 0.5) > 1e-4) | ~there[:, None]
            found = mate_cells(played["obs"][row, t, seat], sight).numpy()
            assert np.array_equal(found[firm], expected[firm])
            seen, unseen = seen + there.sum(), unseen + (~there).sum()
    assert seen > 50 and unseen > 5


def test_a_decoded_flag_decides_who_is_seen():
    obs = torch.zeros(2, 20)
    obs[:, 14] = torch.tensor([0.5, 0.49])
    obs[:, 16:18] = torch.tensor([0.5, -1.0])
    assert mate_cells(obs, sight=10 * CELL).tolist() == [[[5, -10]], [[UNSEEN, UNSEEN]]]


# --- a run ---


def test_tests_are_the_same_battles_with_seats_going_round(run, played):
    before = (run.runner.episode, run.runner.t_env)
    again = play_tests(run, A)
    assert (run.runner.episode, run.runner.t_env) == before
    steps = again.batch_size[1]
    for key, value in again.items():
        assert torch.equal(value, played[key][:A, :steps]), key
    assert played["seat"][:, 0, 0].tolist() == [(TEST_EPISODES + e) % A for e in range(GROUPS * A)]


def test_replay_shows_the_battle_that_was_played(run, played):
    row = 1
    frames = replay(run, played, row)
    assert [frame["time"] for frame in frames] == list(range(int(played["filled"][row].sum())))
    assert frames[-1]["done"] and not frames[-2]["done"]
    own_health = played["obs"][row, : len(frames), :, -1].numpy()
    assert np.allclose(own_health, [frame["health"][0] for frame in frames])


def test_inferred_states_are_those_that_the_seats_acted_on(run, monkeypatch):
    told, ask = [], run.controller._ask_model
    monkeypatch.setattr(run.controller, "_ask_model", lambda *args: told.append(ask(*args)) or told[-1])
    batch = play_tests(run, GROUPS * A)
    found = inferred_states(run, batch)
    assert found.shape == (GROUPS, batch.batch_size[1], A, 10 * A)
    for row in range(len(batch)):
        steps, seat = int(batch["filled"][row].sum()), int(batch["seat"][row, 0])
        acted = run.learner.prior.decoder(torch.from_numpy(np.stack(told))[: steps - 1, row])
        torch.testing.assert_close(found[row // A, : steps - 1, seat], acted, rtol=1e-4, atol=1e-5)
        assert not found[row // A, steps:, seat].any()


def test_shares_of_a_fixed_choice_are_that_choice():
    with small_run(subgoal_choice="t+3") as made:
        assert choice_shares(made, play_tests(made, A)).tolist() == [0, 0, 1, 0]


def test_shares_count_the_steps_that_have_the_whole_window_ahead(run, played, monkeypatch):
    slot = played["seat"][:A, 0, 0].argsort()  # row g * A + slot[a] holds the g-th episode of seat a
    last = torch.tensor([[living_steps(played, g * A + int(row))[1] - 1 for row in slot] for g in range(GROUPS)])
    rows = run.learner.read(omg.regroup(played)).rows
    spare = last[rows.b, rows.a] - rows.t - H  # living states ahead, beyond what the window needs
    monkeypatch.setattr(run.learner, "choose", lambda values, pick: (spare >= 0).long() + (spare == 0).long())
    whole, exactly = int((spare >= 0).sum()), int((spare == 0).sum())
    assert 0 < exactly < whole < len(spare)
    assert choice_shares(run, played).tolist() == pytest.approx([0, 1 - exactly / whole, exactly / whole, 0])


def test_candidates_are_scored_without_an_updates_noise(run, played, monkeypatch):
    scores, choose = [], run.learner.choose
    monkeypatch.setattr(run.learner, "choose", lambda values, pick: scores.append(values) or choose(values, pick))
    for updates in (0, 7):
        monkeypatch.setattr(run.learner, "updates", updates)
        choice_shares(run, played)
    assert scores[0].any() and torch.equal(*scores)


def test_shares_are_empty_where_nobody_lives_long_enough():
    with small_run(horizon=200) as made:
        assert choice_shares(made, play_tests(made, A)).isnan().all()


def own_states(batch):
    """What the learners' seats really saw, instead of what they infer."""
    return omg.regroup(batch)["obs"]


def test_report_of_a_guess_that_repeats_the_present(run, played, monkeypatch):
    monkeypatch.setattr(measures, "inferred_states", lambda run, batch: own_states(batch))
    report = subgoal_report(run, GROUPS * A)
    ratios, ahead, distinct = [], [], []
    for row in range(len(played)):
        seat, living = living_steps(played, row)
        cells = [str(c.tolist()) for c in mate_cells(played["obs"][row, :living, seat], run.env.options.sight)]
        ratios.append(len(set(cells[:-1])) / living)
        ahead.append(len(set(cells[1:])) / living)
        distinct.append(len(set(cells)) / living)
    assert report.hit_ratio == pytest.approx(np.mean(ratios)) and 0 < report.hit_ratio < 1
    assert report.ceiling == pytest.approx(np.mean(ahead))
    assert report.distinct == pytest.approx(np.mean(distinct)) and report.ceiling <= report.distinct
    assert report.trajectories == GROUPS * A
    assert report.shares == pytest.approx(choice_shares(run, played).tolist()) and sum(report.shares) == pytest.approx(
        1
    )


def test_report_of_a_guess_of_the_final_state_is_one_hit_a_battle(run, played, monkeypatch):
    def final(run, batch):
        obs = own_states(batch)
        for row in range(len(batch)):
            seat, living = living_steps(batch, row)
            obs[row // A, :, seat] = obs[row // A, living - 1, seat].clone()
        return obs

    monkeypatch.setattr(measures, "inferred_states", final)
    lengths = [living_steps(played, row)[1] for row in range(len(played))]
    assert subgoal_report(run, GROUPS * A).hit_ratio == pytest.approx(np.mean([1 / n for n in lengths]))


def test_a_prior_that_loses_nothing_repeats_the_present_as_well_as_can_be(run, monkeypatch):
    monkeypatch.setattr(run.learner, "prior", Lossless())
    monkeypatch.setattr(measures, "choice_shares", lambda run, batch: torch.zeros(H))
    monkeypatch.setattr(measures, "inferred_states", lambda run, batch: own_states(batch))
    report = subgoal_report(run, GROUPS * A)
    assert report.present == report.hit_ratio > 0 and report.kept == 1


class Lossless:
    """Replaces the prior: the embedding is the state itself."""

    decoder = staticmethod(lambda z: z)

    def __call__(self, obs):
        return obs, torch.zeros_like(obs)


def test_where_all_seats_learn_each_of_them_is_a_trajectory():
    with small_run(teammates="none") as made:
        report = subgoal_report(made, 2)
        assert report.trajectories == 2 * A
        assert inferred_states(made, play_tests(made, 2)).shape[0] == 2


# --- bad input ---


@pytest.mark.parametrize("measure", [inferred_states, choice_shares, lambda run, batch: subgoal_report(run, A)])
def test_another_learner_is_refused(played, measure):
    with small_run(learner="liam") as made, pytest.raises(ConfigError, match="learner='liam'"):
        measure(made, played)


def test_another_game_is_refused():
    with small_run(env="foraging") as made:
        with pytest.raises(ConfigError, match="env='foraging'"):
            subgoal_report(made, A)
        assert choice_shares(made, play_tests(made, A)).shape == (H,)


@pytest.mark.parametrize("episodes", [0, 2, 4, 2.5, True])
def test_seats_must_play_equally_many(run, episodes):
    with pytest.raises(ConfigError, match="episodes="):
        play_tests(run, episodes)
