"""The GRU with compiled gates equals torch's, its gradient too, and steps aside where it cannot run."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omg_lib import OMGConfig, Training
from omg_lib.episodes import PackedRows
from omg_lib.gru import branched_gru, fits, packed_gru
from omg_lib.networks import AGENTS, unroll_gru
from omg_lib.runs.folder import RunFolder
from omg_lib.system import compiling

pytest.importorskip("numba", reason="numba is not installed")
gates = pytest.importorskip("omg_lib.gates", reason="numba does not work here")
SMALL = OMGConfig(n_agents=3, batch_size=2, updates=3, device="cpu")


@pytest.fixture
def form(monkeypatch):
    """Choose who computes the gates."""

    def choose(compiled: bool) -> None:
        monkeypatch.setattr(compiling, "loadable", lambda: compiled)

    return choose


def stepwise(x, counts, hidden, weights):
    """torch's own cell."""
    states = []
    for piece in x.split(counts):
        hidden = torch.gru_cell(piece, hidden[: len(piece)], *weights)
        states.append(hidden)
    return torch.cat(states)


def drawn(seed, lengths, inputs, width, scale=1.0):
    """Counts, and [x, hidden, *weights] that need gradients."""
    generator = torch.Generator().manual_seed(seed)
    counts = [sum(length > t for length in lengths) for t in range(max(lengths))]
    shapes = [(sum(counts), inputs), (len(lengths), width), (3 * width, inputs), (3 * width, width)]
    made = [torch.randn(*shape, generator=generator) * scale for shape in (*shapes, (3 * width,), (3 * width,))]
    return counts, [x.requires_grad_() for x in made]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=7),
    inputs=st.integers(1, 20),
    width=st.integers(1, 37),
    scale=st.sampled_from([0.1, 1.0]),
    seed=st.integers(0, 99),
)
def test_states_and_every_gradient_are_those_of_torchs_cell(lengths, inputs, width, scale, seed):
    counts, leaves = drawn(seed, lengths, inputs, width, scale)

    def learnt(unroll, dtype):
        """The states, and the gradient of every leaf."""
        own = [x.detach().to(dtype).requires_grad_() for x in leaves]
        states = unroll(own[0], counts, own[1], own[2:])
        pull = torch.randn(states.shape, generator=torch.Generator().manual_seed(seed + 1))
        states.backward(pull.to(dtype))
        return [states.detach(), *(x.grad for x in own)]

    found, torchs = learnt(packed_gru, torch.float32), learnt(stepwise, torch.float32)
    for ours, theirs, true in zip(found, torchs, learnt(stepwise, torch.float64), strict=True):
        rounding = max(float((theirs - true).abs().max()), 2e-6 * max(1.0, float(true.abs().max())))
        assert float((ours - true).abs().max()) <= 8 * rounding


@settings(max_examples=40, deadline=None)
@given(
    n=st.sampled_from([1, 3, 255, 256, 257, 600]),
    k=st.integers(1, 5),
    inputs=st.integers(1, 20),
    width=st.integers(1, 37),
    seed=st.integers(0, 99),
)
def test_a_branch_is_one_step_with_each_input(n, k, inputs, width, seed):
    generator = torch.Generator().manual_seed(seed)
    gru = torch.nn.GRU(inputs, width)
    x, hidden = torch.randn(n, k, inputs, generator=generator), torch.randn(n, width, generator=generator)
    before = x.clone(), hidden.clone()
    with torch.no_grad():
        found = branched_gru(x, hidden, gru.all_weights[0])
        wanted = torch.gru_cell(x.flatten(0, 1), hidden.repeat_interleave(k, 0), *gru.all_weights[0])
    assert torch.allclose(found, wanted.unflatten(0, (n, k)), atol=2e-6)
    assert torch.equal(x, before[0]) and torch.equal(hidden, before[1])


@pytest.mark.parametrize("network", ["rnn", "mlp"])
def test_an_agent_branches_and_steps_alike_in_both_forms(form, network):
    agent = AGENTS[network](6, 4, 8)
    read, hidden = torch.randn(5, 3, agent.fc1.out_features), torch.randn(5, 8)
    found = {}
    for compiled in (True, False):
        form(compiled)
        with torch.no_grad():
            found[compiled] = agent.branch(read, hidden), agent.step(read[:, 0], hidden)
    for ours, theirs in zip(found[True], found[False], strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)
    assert agent.step(read[:, 0].requires_grad_(), hidden).requires_grad


def test_each_gate_saturates_as_torchs():
    """exp is a polynomial: over all sizes of its argument, one step is right to 3 units in the last place of 1."""
    weights = [torch.zeros(3, 3), torch.zeros(3, 1), torch.zeros(3), torch.zeros(3)]
    weights[0].fill_diagonal_(1.0)
    sizes = torch.cat([-torch.logspace(-6, 5, 300), torch.zeros(1), torch.logspace(-6, 5, 300)])
    x = torch.cartesian_prod(sizes, torch.tensor([-3.0, 0.0, 3.0]), sizes[::7])
    hidden = torch.full((len(x), 1), 0.5)
    found = packed_gru(x, [len(x)], hidden, weights)
    wanted = torch.gru_cell(x.double(), hidden.double(), *(w.double() for w in weights))
    assert float((found - wanted).abs().max()) < 4e-7


def test_without_a_gradient_the_states_are_the_same_bits():
    counts, (x, hidden, *weights) = drawn(0, [5, 3, 3, 1], 6, 8)
    with torch.no_grad():
        states = packed_gru(x, counts, hidden, weights)
    assert torch.equal(states, packed_gru(x, counts, hidden, weights))


def test_a_gradient_can_be_taken_twice():
    counts, leaves = drawn(1, [4, 2], 3, 5)
    total = packed_gru(leaves[0], counts, leaves[1], leaves[2:]).square().sum()
    first = torch.autograd.grad(total, leaves, retain_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(first, torch.autograd.grad(total, leaves), strict=True))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_stays_in_its_row_and_shows(bad):
    counts, (x, hidden, *weights) = drawn(2, [3, 3], 2, 4)
    with torch.no_grad():
        x[0, 0] = bad
        states, wanted = packed_gru(x, counts, hidden, weights), stepwise(x, counts, hidden, weights)
    assert torch.equal(states.isnan(), wanted.isnan())
    assert states[1::2].isfinite().all() and torch.allclose(states, wanted, equal_nan=True, atol=1e-5)


def test_it_takes_single_precision_on_a_cpu_only():
    assert fits(torch.zeros(1, 1)) == compiling.loadable()
    assert not fits(torch.zeros(1, 1, dtype=torch.float64))
    assert not fits(torch.zeros(1, 1, device="meta"))


@pytest.mark.skipif(not compiling.ready(), reason="nothing is compiled")
def test_a_numba_that_does_not_import_is_as_good_as_none(monkeypatch):
    def broken(name):
        raise SystemError("no llvmlite for this system")

    assert compiling.loadable.__wrapped__()
    monkeypatch.setattr(compiling, "import_module", broken)
    assert not compiling.loadable.__wrapped__()


def test_both_forms_unroll_alike(form):
    filled = torch.tensor([[1, 1, 1], [1, 0, 0]], dtype=torch.bool).T.reshape(1, 3, 2)
    rows, gru = PackedRows(filled), torch.nn.GRU(4, 6)
    x, hidden = torch.randn(4, 4), torch.zeros(2, 6)
    form(True)
    ours = unroll_gru(gru, x, rows, hidden)
    form(False)
    assert "PackedGRU" in type(ours.grad_fn).__name__
    assert torch.allclose(ours, unroll_gru(gru, x, rows, hidden), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["omg", "iql", "liam"])
def test_a_run_learns_the_same_in_both_forms(form, learner):
    losses = []
    for compiled in (True, False):
        form(compiled)
        with Training(replace(SMALL, learner=learner)) as run:
            losses.append([report.metrics["loss"] for report in run])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(not compiling.ready(), reason="nothing is compiled")
def test_a_run_compiles_nothing_anew():
    """Another order in memory would be another form, compiled for seconds in the middle of a run."""
    for at_once in (1, 3):
        with Training(replace(SMALL, learner="omg", batch_size_run=at_once)) as run:
            assert len(list(run)) == SMALL.updates
    for kernel in (gates.forward, gates.branch, gates.backward):
        assert len(kernel.signatures) == 1 and not kernel.stats.cache_misses


@pytest.mark.slow
def test_a_run_that_goes_on_in_another_form_says_so(form, tmp_path):
    form(True)
    with Training(SMALL) as run:
        folder = RunFolder.create(tmp_path / "run", run.config)
        folder.record(next(iter(run)))
        folder.save(run)
        folder.close()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["versions"]["gru"] == "numba"
    for compiled, said in ((True, ""), (False, "gru numba -> torch. From here on, results may differ")):
        form(compiled)
        with Training(SMALL) as run:
            folder = RunFolder.resume(tmp_path / "run", run)
            folder.close()
        assert said in folder.notice and bool(said) == bool(folder.notice)
