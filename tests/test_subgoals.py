import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omg_lib.networks import one_hot
from omg_lib.opponents import Seen
from omg_lib.subgoals import (
    SubgoalInference,
    SubgoalPrior,
    candidate_windows,
    choose,
    gaussian_kl,
    last_living,
    mean_available,
)


def test_kl_is_torchs():
    mu, log_var, other_mu, other_log_var = torch.randn(4, 3, 5, 8, dtype=torch.float64)
    one = torch.distributions.Normal(mu, (log_var / 2).exp())
    other = torch.distributions.Normal(other_mu, (other_log_var / 2).exp())
    expected = torch.distributions.kl_divergence(one, other).sum(-1)
    torch.testing.assert_close(gaussian_kl(mu, log_var, other_mu, other_log_var), expected, rtol=1e-12, atol=1e-12)
    assert gaussian_kl(mu, log_var, mu, log_var).abs().max() < 1e-12


@st.composite
def lives(draw):
    """Return (filled, living) of sequences: [groups][agents] -> (rows filled, rows lived)."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    row = st.integers(2, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
    return [[draw(row) for _ in range(shape[1])] for _ in range(shape[0])]


def observations(sequences):
    groups, agents = len(sequences), len(sequences[0])
    steps = max(n for row in sequences for n, _ in row)
    obs, filled = torch.zeros(groups, steps, agents, 2), torch.zeros(groups, steps, agents, dtype=torch.bool)
    for g, row in enumerate(sequences):
        for a, (n, lived) in enumerate(row):
            obs[g, :lived, a, 1] = -1.0  # a unit may see zeros in some places, but not in all
            obs[g, n:, a] = 7.0  # padding with any content
            filled[g, :n, a] = True
    return obs, filled


@settings(max_examples=60, deadline=None)
@given(lives(), st.integers(1, 12))
def test_windows_are_the_states_ahead_and_never_beyond_life_or_episode(sequences, horizon):
    obs, filled = observations(sequences)
    last = last_living(obs, filled)
    groups, steps, agents = filled.shape
    embedding = torch.arange(groups * steps * agents).reshape(groups, steps, agents, 1)
    windows = candidate_windows(embedding, last, horizon)
    assert windows.shape == (groups, steps - 1, agents, horizon, 1)
    for g, row in enumerate(sequences):
        for a, (_, lived) in enumerate(row):
            end = max(lived - 1, 0)
            assert int(last[g, a]) == end
            for t in range(steps - 1):
                ahead = [min(t + k, end) for k in range(1, horizon + 1)]
                assert windows[g, t, a, :, 0].tolist() == [int(embedding[g, i, a, 0]) for i in ahead]


def test_windows_take_no_memory_of_their_own():
    embedding = torch.randn(4, 100, 3, 64)
    windows = candidate_windows(embedding, torch.full((4, 3), 99), horizon=10)
    assert windows.numel() > 9 * embedding.numel()
    assert windows.untyped_storage().nbytes() < 1.2 * embedding.untyped_storage().nbytes()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-5, 5), min_size=4, max_size=4), min_size=1, max_size=5))
def test_choice_is_the_extreme_of_every_window(rows):
    values = torch.tensor(rows, dtype=torch.float32)
    for mode, extreme in [("optimistic", max), ("conservative", min)]:
        picked = choose(values, mode)
        assert [row[k] for row, k in zip(rows, picked.tolist(), strict=True)] == [extreme(row) for row in rows]


def test_value_is_the_mean_over_available_actions_only():
    q = torch.tensor([[1.0, float("inf"), 3.0], [float("nan"), 5.0, 7.0], [1.0, 2.0, 3.0]])
    available = torch.tensor([[1, 0, 1], [0, 0, 1], [0, 0, 0]]).bool()
    assert mean_available(q, available).tolist() == [2.0, 7.0, 0.0]


def test_condition_holds_previous_obs_others_and_own_action_in_blocks():
    agents, actions = 3, 4
    inference = SubgoalInference(2, agents, actions, subgoal_dim=5, feature_dim=6, context_dim=7)
    previous = torch.tensor([[0.5, -0.5]])
    played = torch.tensor([[3, 0, 2]])
    for seat in range(agents):
        identity = one_hot(torch.tensor([seat]), agents)
        read = inference.condition(Seen(torch.ones(1, 2), previous, played, identity, None))[0]
        assert len(read) == inference.rnn.input_size == 2 + (agents + 1) * actions
        assert read[:2].tolist() == previous[0].tolist()
        for j in range(agents):
            block = read[2 + j * actions : 2 + (j + 1) * actions]
            own = [0.0] * actions
            assert block.tolist() == (own if j == seat else one_hot(played[0, j], actions).tolist())
        assert read[-actions:].tolist() == one_hot(played[0, seat], actions).tolist()
    nothing = torch.full((1, agents), -1)
    start = inference.condition(Seen(torch.ones(1, 2), previous, nothing, one_hot(torch.tensor([0]), agents), None))
    assert not start[0, 2:].any()


def test_sizes_on_8m_are_the_released_codes():
    inference = SubgoalInference(80, 8, 14, subgoal_dim=64, feature_dim=32, context_dim=96)
    assert inference.rnn.input_size == 206 and inference.mu.in_features == 128
    assert sum(w.numel() for w in SubgoalPrior(80, 64).parameters()) == 78_544


@pytest.mark.slow
def test_prior_learns_its_states_and_is_then_frozen():
    torch.manual_seed(0)
    states = torch.randn(4, 6)[torch.randint(4, (500,))]
    prior, heard = SubgoalPrior(6, 3), []
    untouched = torch.get_rng_state()
    errors = prior.fit(
        states, torch.Generator().manual_seed(0), kl_weight=0.001, progress=lambda *done: heard.append(done)
    )
    assert torch.equal(torch.get_rng_state(), untouched)
    assert len(errors) == 300 and heard == [(i, 300) for i in range(1, 301)]
    assert sum(errors[-20:]) < 0.2 * sum(errors[:20])
    assert not any(weight.requires_grad for weight in prior.parameters())
    mu, log_var = prior(states * 1e6)
    assert mu.shape == log_var.shape == (500, 3)
    assert log_var.min() >= -8 and log_var.max() <= 4


@pytest.mark.parametrize("dim", [2, 5])
def test_inference_reparametrises_and_reconstructs_the_observation(dim):
    inference = SubgoalInference(dim, 2, 3, subgoal_dim=4, feature_dim=5, context_dim=6)
    obs, context = torch.randn(7, dim), torch.randn(7, 6)
    mu, log_var = inference(obs, context)
    assert mu.shape == log_var.shape == (7, 4)
    assert inference.reconstruct(mu, context).shape == obs.shape


def test_a_fit_that_is_broken_off_leaves_the_prior_as_it_was():
    prior = SubgoalPrior(5, 4)
    before = {key: x.clone() for key, x in prior.state_dict().items()}

    def progress(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prior.fit(torch.randn(20, 5), torch.Generator().manual_seed(0), 0.001, progress=progress)
    assert all(torch.equal(x, before[key]) for key, x in prior.state_dict().items())
    assert not any(weight.requires_grad for weight in prior.parameters())
