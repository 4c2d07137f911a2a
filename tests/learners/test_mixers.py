import pytest
import torch

from omg_lib.learners.mixers import QMixer, VDNMixer

N, A, S = 40, 3, 4


@pytest.fixture
def mixed():
    """Return a QMixer with weights of both signs, its input and its output."""
    generator = torch.Generator().manual_seed(0)
    mixer = QMixer(A, S, embed_dim=5).double()
    with torch.no_grad():
        for weight in mixer.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    q = torch.randn(N, A, generator=generator, dtype=torch.float64, requires_grad=True)
    state = torch.randn(N, S, generator=generator, dtype=torch.float64)
    return mixer, q, state, mixer(q, state)


def test_vdn_is_the_sum_over_the_seats():
    q = torch.tensor([[1.0, 2.0, -4.0], [0.5, 0.0, 0.25]])
    assert VDNMixer()(q, torch.full((2, S), torch.nan)).tolist() == [-1.0, 0.75]
    assert not list(VDNMixer().parameters())


@pytest.mark.parametrize(("q", "expected"), [([1.0, 1.0], 17.5), ([-1.0, 1.0], 2.5 + 3.0), ([0.0, -1.0], None)])
def test_qmix_of_two_seats_by_hand(q, expected):
    mixer = QMixer(n_agents=2, state_dim=1, embed_dim=1)
    values = {
        "hyper_w_1.weight": [[1.0], [-1.5]], "hyper_w_1.bias": [0.0, 0.0],  # at state -2: |-2|, |3|
        "hyper_b_1.weight": [[0.5]], "hyper_b_1.bias": [1.0],  # 0
        "hyper_w_final.weight": [[1.0]], "hyper_w_final.bias": [-1.0],  # |-3|
        "V.0.weight": [[-1.0]], "V.0.bias": [0.5], "V.2.weight": [[2.0]], "V.2.bias": [-2.5],  # 2 * relu(2.5) - 2.5
    }  # fmt: skip
    mixer.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    if expected is None:  # below zero the mixing network bends: elu(-3)
        expected = 3 * (torch.tensor(-3.0).exp().item() - 1) + 2.5
    assert mixer(torch.tensor([q]), torch.tensor([[-2.0]])).item() == pytest.approx(expected)


def test_a_better_seat_never_makes_the_team_worse(mixed):
    mixer, q, state, total = mixed
    (slope,) = torch.autograd.grad(total.sum(), q)
    assert (slope > 0).all()
    assert slope.std(dim=0).min() > 0.1, "the slopes must depend on the state"
    assert (mixer.hyper_w_1(state) < 0).any() and (mixer.hyper_w_final(state) < 0).any(), "abs had no effect"


def test_rows_do_not_mix_with_each_other(mixed):
    mixer, q, state, total = mixed
    order = torch.arange(N).flip(0)
    torch.testing.assert_close(mixer(q[order], state[order]), total[order])
    torch.testing.assert_close(mixer(q[:1], state[:1]), total[:1])


def test_the_state_may_shift_the_value_in_any_way(mixed):
    mixer, q, state, total = mixed
    nothing = mixer(torch.zeros_like(q), state)
    assert nothing.min() < 0 < nothing.max()
