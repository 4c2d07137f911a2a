import pytest
import torch
from torch import nn

from omg_lib.episodes import PackedRows
from omg_lib.networks import FeedForwardAgent, RecurrentAgent, gru_step, one_hot, unroll_gru

LENGTHS = [[3, 7], [7, 1], [2, 5]]
FILLED = torch.arange(7).reshape(1, -1, 1) < torch.tensor(LENGTHS).unsqueeze(1)


@pytest.fixture
def packed():
    torch.manual_seed(0)
    rows = PackedRows(FILLED)
    gru = nn.GRU(4, 5).double()
    x = torch.randn(len(rows.t), 4, dtype=torch.float64, requires_grad=True)
    hidden = torch.randn(rows.counts[0], 5, dtype=torch.float64, requires_grad=True)
    return rows, gru, x, hidden


def gradients(states, gru, x, hidden):
    weights = torch.randn(states.shape, dtype=states.dtype, generator=torch.Generator().manual_seed(1))
    return torch.autograd.grad((states * weights).sum(), [x, hidden, *gru.parameters()])


def test_a_step_is_torchs_gru_cell():
    gru, cell = nn.GRU(4, 5), nn.GRUCell(4, 5)
    for mine, other in zip(gru.parameters(), cell.parameters(), strict=True):
        other.data.copy_(mine)
    x, hidden = torch.randn(6, 4), torch.randn(6, 5)
    torch.testing.assert_close(gru_step(gru, x, hidden), cell(x, hidden))


def test_unrolling_is_torchs_gru_over_each_sequence_alone(packed):
    rows, gru, x, hidden = packed
    states = rows.unpack(unroll_gru(gru, x, rows, hidden))
    padded = rows.unpack(x)
    for n in range(rows.counts[0]):
        b, a = int(rows.b[n]), int(rows.a[n])
        alone, _ = gru(padded[b, : LENGTHS[b][a], a], hidden[n : n + 1])
        torch.testing.assert_close(states[b, : LENGTHS[b][a], a], alone)


def test_steps_on_a_cpu_and_whole_sequences_on_a_gpu_are_one_mathematics(packed):
    """The GPU form is one call of nn.GRU on padded sequences; here it runs on the CPU."""
    rows, gru, x, hidden = packed
    by_steps = unroll_gru(gru, x, rows, hidden)
    whole = rows.from_whole(gru(rows.whole(x), hidden.unsqueeze(0))[0])
    torch.testing.assert_close(by_steps, whole, rtol=1e-12, atol=1e-12)
    pairs = zip(gradients(by_steps, *packed[1:]), gradients(whole, *packed[1:]), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dueling", [False, True])
def test_the_agent_is_pymarls_with_a_subgoal_beside_its_input(dueling):
    torch.manual_seed(0)
    agent = RecurrentAgent(6, 3, hidden_dim=5, subgoal_dim=2, dueling=dueling)
    x, g, hidden = torch.randn(4, 6), torch.randn(4, 2), torch.randn(4, 5)
    read = agent.read(x, g)
    torch.testing.assert_close(read, agent.fc1(torch.cat([x, g], dim=1)))
    torch.testing.assert_close(read, agent.read(x) + agent.read_subgoal(g))
    torch.testing.assert_close(agent.step(read, hidden), gru_step(agent.rnn, torch.relu(read), hidden))
    q = agent.q(hidden)
    if dueling:
        torch.testing.assert_close(q.mean(dim=1, keepdim=True), agent.value(hidden))
    else:
        torch.testing.assert_close(q, agent.fc2(hidden))


@pytest.mark.parametrize("dueling", [False, True])
def test_the_feed_forward_agent_is_table_1s_and_remembers_nothing(dueling):
    """D3QN's [64, 32] on Foraging: 15 numbers, 6 actions and 2 seats in, and a subgoal of 2."""
    torch.manual_seed(0)
    agent = FeedForwardAgent(15 + 6 + 2, 6, hidden_dim=32, subgoal_dim=2, dueling=dueling)
    layers = agent.fc1, agent.middle, agent.fc2
    assert [tuple(layer.weight.shape) for layer in layers] == [(64, 25), (32, 64), (6, 32)]
    x, g, hidden = torch.randn(4, 23), torch.randn(4, 2), torch.randn(4, 32)
    after = torch.relu(agent.middle(torch.relu(agent.fc1(torch.cat([x, g], dim=1)))))
    read = agent.read(x, g)
    torch.testing.assert_close(agent.step(read, hidden), after)
    torch.testing.assert_close(agent.branch(read.unsqueeze(1).expand(4, 3, 64), hidden)[:, 2], after)
    rows = PackedRows(torch.ones(2, 2, 1, dtype=torch.bool))
    torch.testing.assert_close(agent.unroll(read, rows, hidden[:2]), after)
    advantage = agent.fc2(after)
    expected = agent.value(after) + advantage - advantage.mean(1, keepdim=True) if dueling else advantage
    torch.testing.assert_close(agent.q(after), expected)


def test_number_of_weights_is_the_released_codes():
    """8m: 36,558 with a subgoal of 64, 32,462 without."""
    for subgoal_dim, weights in [(64, 36_558), (0, 32_462)]:
        agent = RecurrentAgent(80 + 14 + 8, 14, subgoal_dim=subgoal_dim)
        assert sum(w.numel() for w in agent.parameters()) == weights


def test_one_hot_of_minus_one_is_nothing():
    assert one_hot(torch.tensor([[2, -1], [0, 1]]), 3).tolist() == [
        [[0, 0, 1], [0, 0, 0]],
        [[1, 0, 0], [0, 1, 0]],
    ]
    assert one_hot(torch.tensor([1]), 2).dtype == torch.get_default_dtype()
