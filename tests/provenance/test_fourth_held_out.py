"""A fourth table, written before the engine saw any of it: sequences, lambda returns, minibatches, joint critics."""

import pytest
import torch

from omg_lib.provenance import follow, inputs_of, small_batch
from tests.helpers.provenance.peers import judged, planted
from tests.helpers.provenance.schools import SCHOOLS

FAULTS = [
    ("sequences", "x = x.permute(0, 2, 1, 3).reshape(episodes * agents, steps, -1)",
     "x = x.reshape(episodes * agents, steps, -1)", "seat time"),
    ("sequences", "q = net.head(memory).reshape(episodes, agents, steps, count)",
     "q = net.head(memory).reshape(agents, episodes, steps, count).transpose(0, 1)", "seat episode"),
    ("sequences", "before = torch.cat((torch.zeros_like(before[:, :1]), before[:, :-1]), dim=1)", "pass", "time"),
    ("sequences", "best = free[:, 1:].argmax", "best = free[:, :-1].argmax", "time"),
    ("sequences", "torch.gather(q, -1, acts).squeeze(-1)[:, :-1]",
     "torch.gather(q, -1, acts.flip(2)).squeeze(-1)[:, :-1]", "seat"),
    ("sequences", "net.mix(ahead, state[:, 1:]).detach()", "net.mix(ahead, state[:, :-1]).detach()", "time"),
    ("sequences", "mask = batch[\"filled\"][:, 1:, 0].float()", "mask = torch.ones(episodes, steps - 1)", "padding"),
    ("lambdas", "seats = [[obs[:, t, a] for t in range(steps)]", "seats = [[obs[:, t, a - 1] for t in range(steps)]",
     "seat"),
    ("lambdas", "rows = torch.stack(seats[a], dim=1)", "rows = torch.stack(seats[a][::-1], dim=1)", "time"),
    ("lambdas", "returns.reverse()", "pass", "time"),
    ("lambdas", "pick = functional.one_hot(acts[:, :, a, 0], q.shape[-1])",
     "pick = functional.one_hot(acts[:, :, 0, 0], q.shape[-1])", "seat"),
    ("lambdas", "open_ = batch[\"avail_actions\"][:, :, a]",
     "open_ = batch[\"avail_actions\"][torch.arange(episodes) - 1, :, a]", "episode"),
    ("lambdas", "blend = (1 - LAMBDA) * ahead[:, t + 1]", "blend = (1 - LAMBDA) * ahead[:, t]", "time"),
    ("lambdas", "1 - ended[:, t]", "1 - ended[:, t + 1]", "time"),
    ("minibatches", "gain = advantages[:, :-1].flatten()[keep]", "gain = advantages[:, :-1].T.flatten()[keep]",
     "episode time"),
    ("minibatches", "weight = gain[rows].unsqueeze(-1)", "weight = gain[: len(rows)].unsqueeze(-1)", "episode time"),
    ("minibatches", "old[rows]", "old[order[: len(rows)]]", "episode time seat"),
    ("minibatches", "goal = returns[:, :-1].flatten()[keep]", "goal = returns[:, 1:].flatten()[keep]", "time"),
    ("minibatches", "state = batch[\"state\"][:, :-1].flatten(0, 1)[keep]",
     "state = batch[\"state\"][:, 1:].flatten(0, 1)[keep]", "time"),
    ("minibatches", "guess[:, t + 1] - guess[:, t]", "guess[:, t - 1] - guess[:, t]", "time"),
    ("joint", "everything = obs.flatten(start_dim=2)", "everything = obs.roll(1, 0).flatten(start_dim=2)", "episode"),
    ("joint", "net.actors[a](obs[:, :, a])", "net.actors[a](obs[:, :, a].roll(-1, 1))", "time"),
    ("joint", "target = reward + GAMMA * then[:, 1:] * going",
     "target = reward + GAMMA * then[:, :-1] * going", "time"),
    ("joint", "num_classes=count).float()", "num_classes=count).float().roll(1, 1)", "time"),
    ("joint", "error = now[:, :-1][real] - target[real]", "error = now[:, :-1][real] - target[real].flip(0)",
     "episode time"),
    ("looks", "diagonal=1)", "diagonal=2)", "time"),
    ("looks", "pairs[..., 0] + GAMMA * alive * pairs[..., 1]", "pairs[..., 1] + GAMMA * alive * pairs[..., 1]", "time"),
    ("looks", "(steps + 2, 1), 2)", "(steps + 2, 1), 0)", "time"),
    ("looks", "pick(batch[\"obs\"]), pick", "pick(batch[\"obs\"].transpose(0, 1).reshape(batch[\"obs\"].shape)), pick",
     "episode time teammate seat"),
    ("looks", "(chosen - target)[:, :-1][real])", "(chosen - target)[:, :-1].T[real.T])", "episode time padding"),
    ("looks", "net.encoder(net.inputs(obs), mask=past)", "net.encoder(net.inputs(obs).transpose(0, 1)).transpose(0, 1)",
     "episode"),
    ("rescaled", "in_dims=(0, 2), out_dims=2)(weights, obs)",
     "in_dims=(0, 2), out_dims=0)(weights, obs).reshape(*acts.shape[:3], -1)",
     "episode seat time"),
    ("rescaled", "target[rows, columns]).abs()", "target[rows, columns - 1]).abs()", "time episode"),
    ("rescaled", "target[rows, columns]).abs()", "target[rows.flip(0), columns]).abs()", "episode padding"),
    ("rescaled", "ahead = free.max(-1).values[:, 1:]", "ahead = free.max(-1).values.unfold(1, 7, 1)[:, 0].mT",
     "time"),
    ("rescaled", "torch.take_along_dim(q, acts, -1)", "torch.take_along_dim(q, acts.roll(1, 0), -1)", "episode"),
]  # fmt: skip
"""Whose, what, what instead, the verdicts that name it."""

HARMLESS = [
    ("sequences", "x = x.permute(0, 2, 1, 3).reshape(episodes * agents, steps, -1)",
     "x, _ = einops.pack([x[:, :, a] for a in range(agents)], 'e t *'); "
     "x = einops.rearrange(x, 'e t (a f) -> (e a) t f', a=agents)"),
    ("sequences", "q = q.permute(0, 2, 1, 3)", "q = torch.stack(q.unbind(1), dim=2)"),
    ("sequences", "taken = torch.gather(q, -1, acts).squeeze(-1)[:, :-1]",
     "taken = (q * torch.zeros_like(q).scatter(-1, acts, 1.0)).sum(-1)[:, :-1]"),
    ("sequences", "memory, _ = net.gru(net.norm(net.inputs(x)))",
     "memory = torch.cat([net.gru(part)[0] for part in net.norm(net.inputs(x)).split(4)])"),
    ("sequences", "delta.pow(2).sum() / mask.sum()", "torch.linalg.vector_norm(delta) ** 2 / mask.sum()"),
    ("sequences", "total_ahead = net.mix(ahead, state[:, 1:]).detach()",
     "total_ahead = net.mix(*(x.contiguous() for x in (ahead, state[:, 1:]))).detach()"),
    ("sequences", "who = torch.eye(agents).expand(episodes, steps, agents, agents)",
     "who = functional.one_hot(torch.arange(agents)).float().repeat(episodes, steps, 1, 1)"),
    ("lambdas", "rows = torch.stack(seats[a], dim=1)", "rows = torch.cat([x[:, None] for x in seats[a]], 1)"),
    ("lambdas", "returns.reverse()", "returns = returns[::-1]"),
    ("lambdas", "chosen.append((q * pick).sum(dim=-1))", "chosen.append(torch.einsum('etc,etc->et', q, pick.float()))"),
    ("lambdas", "ahead = sum(chosen), torch.stack(ahead).sum(dim=0)",
     "ahead = torch.stack(chosen, 0).sum(0), einops.reduce(ahead, 'a e t -> e t', 'sum')"),
    ("lambdas", "loss.masked_fill(~real, 0.0).sum()", "torch.where(real, loss, 0).sum()"),
    ("lambdas", "last = ahead[:, -1]", "last = ahead.select(1, steps - 1).clone()"),
    ("minibatches", "order = torch.randperm(len(obs))",
     "order = torch.cat(list(torch.utils.data.DataLoader(torch.arange(len(obs)), 8, shuffle=True)))"),
    ("minibatches", "order.split(16)",
     "[torch.tensor(x) for x in torch.utils.data.BatchSampler(order.tolist(), 16, False)]"),
    ("minibatches", "keep = batch[\"filled\"][:, 1:, 0].flatten()",
     "keep = batch['filled'][:, 1:, 0].flatten().nonzero().squeeze(-1)"),
    ("minibatches", "obs = batch[\"obs\"][:, :-1].flatten(0, 1)[keep]",
     "obs = torch.cat([x[m] for x, m in zip(batch['obs'][:, :-1], batch['filled'][:, 1:, 0])])"),
    ("minibatches", "advantages[:, t] = running", "advantages.select(1, t).copy_(running)"),
    ("minibatches", "advantages[:, t] = running",
     "advantages.index_put_((torch.arange(len(reward)), torch.tensor(t)), running)"),
    ("minibatches", "ratio.clamp(0.8, 1.2)", "torch.clip(ratio, 0.8, 1.2)"),
    ("joint", "everything = obs.flatten(start_dim=2)", "everything = torch.cat(obs.unbind(2), -1)"),
    ("joint", "done = torch.nn.functional.one_hot(acts, num_classes=count).float()",
     "done = torch.zeros(*acts.shape, count).scatter_add(-1, acts.unsqueeze(-1), torch.ones(*acts.shape, 1))"),
    ("joint", "(error * error).mean()", "functional.mse_loss(error, torch.zeros_like(error))"),
    ("joint", "torch.stack(losses).sum()", "sum(losses)"),
    ("looks", "pick = lambda x: x[torch.arange(len(x)), :, seat]",
     "pick = lambda x: torch.stack([one[:, a] for one, a in zip(x, seat)])"),
    ("looks", "seen = net.encoder(net.inputs(obs), mask=past)",
     "seen = net.encoder(net.inputs(obs), nn.Transformer.generate_square_subsequent_mask(steps), is_causal=True)"),
    ("looks", "(steps + 2, 1), 2)", "(steps + 2, 1), 2).clone()"),
    ("looks", "error.pow(2).sum()", "error[real].norm() ** 2"),
    ("looks", "chosen = q.gather(2, acts).squeeze(2)",
     "chosen = -functional.nll_loss(q.transpose(1, 2), acts.squeeze(2), reduction='none')"),
    ("rescaled", "q = torch.func.vmap(one, in_dims=(0, 2), out_dims=2)(weights, obs)",
     "q = torch.stack([net.parts[a](obs[:, :, a]) for a in range(obs.shape[2])], 2)"),
    ("rescaled", "torch.nonzero(batch[\"filled\"][:, 1:, 0], as_tuple=True)",
     "batch['filled'][:, 1:, 0].nonzero().unbind(1)"),
    ("rescaled", "free.max(-1).values[:, 1:]", "torch.topk(free, 1).values[:, 1:, :, 0]"),
    ("rescaled", "chosen[rows, columns] - target[rows, columns]",
     "chosen.index_select(0, rows)[torch.arange(len(rows)), columns] - target[rows, columns]"),
]  # fmt: skip
"""Whose, what, and another way to write the same."""


def traced(name, function=None):
    """What `follow` finds in one update of a learner, or of a changed one."""
    own, net, policy = SCHOOLS[name]
    batch = small_batch(groups=3 if name == "looks" else 6, seats=name == "looks")
    episodes, steps, agents, width = batch["obs"].shape
    torch.manual_seed(0)
    net = net(width, batch["state"].shape[-1], batch["avail_actions"].shape[-1], agents)
    inputs = inputs_of(batch)
    if name in ("lambdas", "joint", "looks", "rescaled"):
        inputs.pop("state")
    with follow(inputs, seat=batch.get("seat"), policy=policy) as found:
        loss = (function or own)(batch, net)
        if loss is not None:
            loss.backward()
    return found


@pytest.mark.slow
def test_faults_of_six_schools_are_named():
    """On the first run 29 were named, 1 elsewhere, and 6 unclear: there was no rule for masked_scatter."""
    results = judged(FAULTS, {name: own for name, (own, *_) in SCHOOLS.items()}, traced)
    assert set(results) <= {"named", "elsewhere"}, results  # a mask that is missing has no line
    assert results.count("named") >= len(FAULTS) - 1, results


@pytest.mark.parametrize("name", SCHOOLS)
def test_six_schools_are_clean(name):
    found = traced(name)
    assert found.verdict is None, str(found.verdict)
    assert found.unknown == []


@pytest.mark.parametrize(("name", "old", "new"), HARMLESS)
def test_another_way_to_write_it_is_no_alarm(name, old, new):
    verdict = traced(name, planted(SCHOOLS[name][0], old, new)[0]).verdict
    assert verdict is None, str(verdict)
