"""Planted faults: each exchanges one piece of a learner's source. All run without an error, and the loss falls."""

from typing import NamedTuple


class Fault(NamedTuple):
    """`kinds`: the verdicts that name it."""

    what: str
    where: str
    old: str
    new: str
    kinds: tuple[str, ...]


PLAIN = [
    Fault(
        "observation of the next seat",
        "",
        'obs = batch["obs"][rows, :, own]',
        'obs = batch["obs"][rows, :, (own + 1) % agents]',
        ("seat", "teammate"),
    ),
    Fault(
        "first episodes of the block",
        "",
        'reward = batch["reward"][rows]',
        'reward = batch["reward"][torch.arange(episodes).reshape(groups, agents)]',
        ("episode",),
    ),
    Fault(
        "agent-major reward",
        "",
        "reward, ended = reward.flatten(0, 1).T",
        "reward, ended = reward.transpose(0, 1).flatten(0, 1).T",
        ("episode",),
    ),
    Fault(
        "time and batch reshaped, not turned",
        "",
        "x = x.flatten(0, 1).transpose(0, 1)",
        "x = x.reshape(steps, groups * agents, -1)",
        ("episode", "time"),
    ),
    Fault("mask of the step before", "", "mask = filled[1:].float()", "mask = filled[:-1].float()", ("padding",)),
    Fault("no mask", "", "error = (chosen - y) * mask", "error = chosen - y", ("padding",)),
    Fault(
        "bootstrap from the same step",
        "",
        "ahead = q_target[1:].gather(-1, best)",
        "ahead = q_target[:-1].gather(-1, best)",
        ("time",),
    ),
    Fault(
        "last action of another episode",
        "",
        "last = functional.one_hot(before, actions).float()",
        "last = functional.one_hot(before, actions).float().roll(1, 0)",
        ("episode",),
    ),
    Fault(
        "last action of this step",
        "",
        "last = functional.one_hot(before, actions).float()",
        "last = functional.one_hot(acts, actions).float()",
        ("time",),
    ),
    Fault("action of the next step chosen", "", "acts[:-1].unsqueeze(-1)", "acts[1:].unsqueeze(-1)", ("time",)),
    Fault("end of the next step", "", "(1 - ended[:-1])", "(1 - ended[1:])", ("time",)),
    Fault(
        "broadcast [B, 1] against [B]",
        "",
        "error = (chosen - y) * mask",
        "error = (chosen.reshape(-1, 1) - y.flatten()) * mask.flatten()",
        ("episode", "time"),
    ),
    Fault(
        "shuffled after the labels",
        "",
        "error = (chosen - y) * mask",
        "error = (chosen - y[:, torch.arange(episodes).roll(3)]) * mask",
        ("episode",),
    ),
    Fault(
        "hidden state of other sequences",
        "",
        "q_target = target(x)",
        "q_target = target(x, net.rnn(torch.relu(net.first(x)))[1].roll(1, 1).detach())",
        ("episode",),
    ),
    Fault(
        "padding in a mean",
        "",
        "loss = (error**2).sum() / mask.sum()",
        "loss = ((chosen - y) ** 2).mean()",
        ("padding",),
    ),
    Fault(
        "view over mixed axes",
        "",
        "x = x.flatten(0, 1).transpose(0, 1)",
        "x = x.view(groups * agents, -1, steps).permute(2, 0, 1)",
        ("time",),
    ),
    Fault(
        "availability of another episode",
        "",
        'avail = batch["avail_actions"][rows, :, own]',
        'avail = batch["avail_actions"][rows.flip(0), :, own]',
        ("episode",),
    ),
    Fault("reward of the next step", "", "y = reward[:-1]", "y = reward[1:]", ("time",)),
    Fault(
        "mask of another episode",
        "",
        "mask = filled[1:].float()",
        "mask = filled[1:].float().flip(1)",
        ("episode",),
    ),
]  # fmt: skip

PYMARL = [
    Fault(
        "mask of another episode",
        "learner.train",
        "mask = mask.expand_as(td_error)",
        "mask = mask.roll(1, 0).expand_as(td_error)",
        ("episode",),
    ),
    Fault(
        "mask one step late",
        "learner.train",
        "mask[:, 1:] = mask[:, 1:] * (1 - terminated[:, :-1])",
        "mask[:, 1:] = mask[:, 1:] * (1 - terminated[:, 1:])",
        ("padding",),
    ),
    Fault(
        "mask keeps the row after the end",
        "learner.train",
        "mask[:, 1:] = mask[:, 1:] * (1 - terminated[:, :-1])",
        "pass",
        ("padding",),
    ),
    Fault(
        "reward of the next step",
        "learner.train",
        'rewards = batch["reward"][:, :-1]',
        'rewards = batch["reward"][:, 1:]',
        ("time",),
    ),
    Fault(
        "bootstrap from the same step",
        "learner.train",
        "th.stack(target_mac_out[1:], dim=1)",
        "th.stack(target_mac_out[:-1], dim=1)",
        ("time",),
    ),
    Fault(
        "reward reshaped, not turned",
        "learner.train",
        'rewards = batch["reward"][:, :-1]',
        'rewards = batch["reward"][:, :-1].reshape(batch.max_seq_length - 1, batch.batch_size, 1).transpose(0, 1)',
        ("episode", "time"),
    ),
    Fault(
        "actions of the next seat",
        "learner.train",
        "index=actions).squeeze(3)",
        "index=actions.roll(1, 2)).squeeze(3)",
        ("seat",),
    ),
    Fault(
        "agent-major outputs",
        "mac.forward",
        "return agent_outs.view(ep_batch.batch_size, self.n_agents, -1)",
        "return agent_outs.view(self.n_agents, ep_batch.batch_size, -1).transpose(0, 1)",
        ("episode", "seat"),
    ),
    Fault(
        "last action of another episode",
        "mac._build_inputs",
        'inputs.append(batch["actions_onehot"][:, t-1])',
        'inputs.append(batch["actions_onehot"][:, t-1].roll(1, 0))',
        ("episode",),
    ),
    Fault(
        "last action of this step",
        "mac._build_inputs",
        'inputs.append(batch["actions_onehot"][:, t-1])',
        'inputs.append(batch["actions_onehot"][:, t])',
        ("time",),
    ),
    Fault(
        "observation of the next seat",
        "mac._build_inputs",
        'inputs.append(batch["obs"][:, t])',
        'inputs.append(batch["obs"][:, t].roll(1, 1))',
        ("seat",),
    ),
    Fault(
        "target gathered by another seat",
        "learner.train",
        "th.gather(target_mac_out, 3, cur_max_actions)",
        "th.gather(target_mac_out, 3, cur_max_actions.roll(1, 2))",
        ("seat",),
    ),
    Fault(
        "end of another episode",
        "learner.train",
        "(1 - terminated) * target_max_qvals",
        "(1 - terminated.flip(0)) * target_max_qvals",
        ("episode",),
    ),
    Fault(
        "hidden state kept of other episodes",
        "mac.forward",
        "self.agent(agent_inputs, self.hidden_states)",
        "self.agent(agent_inputs, self.hidden_states.reshape(ep_batch.batch_size, self.n_agents, -1).roll(1, 0))",
        ("episode",),
    ),
    Fault(
        "availability one step late",
        "learner.train",
        "target_mac_out[avail_actions[:, 1:] == 0] = -9999999",
        "target_mac_out[avail_actions[:, :-1] == 0] = -9999999",
        ("time",),
    ),
    Fault(
        "padding in a mean",
        "learner.train",
        "loss = (masked_td_error ** 2).sum() / mask.sum()",
        "loss = (td_error ** 2).mean()",
        ("padding",),
    ),
]  # fmt: skip

QMIX = [
    Fault(
        "state of the next step",
        "learner.train",
        'self.mixer(chosen_action_qvals, batch["state"][:, :-1])',
        'self.mixer(chosen_action_qvals, batch["state"][:, 1:])',
        ("time",),
    ),
    Fault(
        "state of another episode",
        "mixer.forward",
        "states = states.reshape(-1, self.state_dim)",
        "states = states.roll(1, 0).reshape(-1, self.state_dim)",
        ("episode",),
    ),
    Fault(
        "seats and steps mixed by a view",
        "mixer.forward",
        "agent_qs = agent_qs.view(-1, 1, self.n_agents)",
        "agent_qs = agent_qs.transpose(1, 2).reshape(-1, 1, self.n_agents)",
        ("time", "episode"),
    ),
]  # fmt: skip

OURS = [
    Fault(
        "iql",
        "read",
        'rows.pack(batch["obs"]), one_hot',
        'rows.pack(batch["obs"].roll(1, 2)), one_hot',
        ("seat", "episode"),
    ),
    Fault(
        "iql",
        "read",
        'rows.pack(per_seat(batch["reward"], agents))',
        'rows.pack(per_seat(batch["reward"].roll(1, 0), agents))',
        ("episode",),
    ),
    Fault(
        "iql",
        "read",
        'rows.pack(batch["last_actions"])',
        'rows.pack(batch["last_actions"].roll(1, 0))',
        ("episode",),
    ),
    Fault(
        "iql",
        "td_target",
        "greedy(next_online, steps.rows.following(steps.avail_actions))",
        "greedy(next_online, steps.avail_actions)",
        ("time", "episode"),
    ),
    Fault(
        "iql",
        "td_loss",
        "steps.actions.unsqueeze(1)",
        "steps.rows.following(steps.actions).unsqueeze(1)",
        ("time",),
    ),
    Fault(
        "iql",
        "td_loss",
        "masked_mean(squared, steps.real)",
        "((chosen - target) ** 2).mean()",
        ("padding",),
    ),
    Fault("iql", "next_q", 'steps.rows.following(self.target.q(target))', "self.target.q(target)", ("time",)),
    Fault(
        "iql",
        "returns",
        "target = steps.reward + discount * bootstrap",
        "target = steps.rows.following(steps.reward) + discount * bootstrap",
        ("time",),
    ),
    Fault(
        "iql",
        "q_values",
        "self.agent.read(steps.inputs, goal)",
        "self.agent.read(steps.inputs.flip(0), goal)",
        ("time", "episode"),
    ),
    Fault(
        "omg",
        "omg_loss",
        "target_mu, target_log_var = mu[target],",
        "target_mu, target_log_var = mu[target].roll(1, 0),",
        ("seat", "episode", "time"),
    ),
    Fault(
        "omg",
        "td_loss",
        "steps.actions.unsqueeze(1)",
        "steps.actions.roll(1, 0).unsqueeze(1)",
        ("episode", "seat", "time"),
    ),
    Fault("vdn", "joint", '"(m a) -> m a", a=agents', '"(a m) -> m a", a=agents', ("episode", "time")),
    Fault("qmix", "read", "next_state=episodes.following(state)", "next_state=state", ("time",)),
    Fault(
        "qmix",
        "read",
        'rearrange(batch["state"], "g t s -> g t 1 s")',
        'rearrange(batch["state"].flip(0), "g t s -> g t 1 s")',
        ("episode",),
    ),
]  # fmt: skip

OURS_LATER = [
    Fault("iql", "read", 'per_seat(batch["terminated"], agents)', 'per_seat(batch["terminated"].roll(1, 1), agents)',
          ("time",)),
    Fault("iql", "read", 'rows.pack(batch["avail_actions"])', 'rows.pack(batch["avail_actions"].flip(2))',
          ("seat", "episode", "teammate")),
    Fault("qmix", "joint", "(self.target_mixer, steps.next_state)", "(self.target_mixer, steps.state)", ("time",)),
    Fault("qmix", "td_target", "steps.rows.following(steps.avail_actions)",
          "steps.rows.previous(steps.avail_actions)", ("time", "episode")),
    Fault("omg", "omg_loss", "self.rebuilds(steps.obs)", "self.rebuilds(steps.obs.roll(1, 0))",
          ("episode", "seat", "teammate")),
    Fault("liam", "ask_model", "rows.following(steps.last)", "steps.last", ("time",)),
    Fault("liam", "ask_model", 'co_players(sample, "obs")', 'co_players(sample, "obs").roll(1, 0)', ("episode",)),
    Fault("iql", "next_q", "self.target.read(steps.inputs, goal)",
          "self.target.read(steps.rows.following(steps.inputs), goal)", ("time",)),
]  # fmt: skip
"""Written when the engine was done."""
