"""Learners of one's own: registered by name, one hook each, and used like the library's everywhere."""

import dataclasses
import pickle

import pytest
import torch
from tensordict import TensorDict

import omg_lib as omg
from omg_lib import registry
from omg_lib.config import ConfigError, own_learner
from omg_lib.episodes import masked_mean
from omg_lib.flow.handover import handover
from omg_lib.learners import MixingLearner, ModellingLearner, OMGLearner, QLearner, register
from omg_lib.learners.q_learner import ModelOutput
from omg_lib.opponents import OpponentModel
from omg_lib.runs.folder import RunFolder, load
from omg_lib.runs.follow import follow
from omg_lib.runs.state import tensors_of
from omg_lib.trace import stage
from omg_lib.widgets.flow_model import FlowModel
from tests.helpers.batches import SMALL, short_pretraining

TINY = dict(env="skirmish:partners", n_agents=2, batch_size=2, updates=1, test_nepisode=2, device="cpu", **SMALL)


class Prioritised(QLearner):
    settings = {"alpha": 0.6}

    def td_weights(self, error, steps):
        return error.abs() ** self.config.extra["alpha"]


class Counts(OpponentModel):
    """How often each player did each action so far."""

    def __init__(self, info):
        super().__init__()
        self.width = self.context_dim = info.n_agents * info.n_actions
        self.scale = torch.nn.Parameter(torch.ones(self.width))

    def step(self, seen, context):
        done = torch.nn.functional.one_hot(seen.last.clamp(min=0), self.width // seen.last.shape[1])
        return context + (done * (seen.last >= 0).unsqueeze(-1)).flatten(1)

    def unroll(self, seen, rows):
        context, found = seen.obs.new_zeros(rows.counts[0], self.context_dim), []
        for last in rows.steps(seen.last):
            now = seen._replace(last=last)
            context = self.step(now, context[: len(last)])
            found.append(context)
        return torch.cat(found)

    def agent_input(self, seen, context, noise=None):
        return context / 10 * self.scale


class Counting(QLearner):
    @classmethod
    def make_model(cls, config, info, n_sets):
        return Counts(info)

    def own_metrics(self, batch, steps, online):
        return {"q_mean": online["q"].mean(), "rows": len(steps.obs)}


class Calm(OMGLearner):
    """OMG whose inferred subgoals change slowly."""

    settings = {"calm": 0.1}

    @classmethod
    def stages(cls, config):
        return {"learner.jumps": ("learner.td_loss", {"jumps": ("G T A", "float32")})}

    @stage("learner.jumps")
    def jumps(self, steps, goal):
        jump = ((steps.rows.following(goal) - goal) ** 2).mean(dim=1) * steps.real
        return jump, TensorDict({"jumps": steps.rows.unpack(jump.detach())}, batch_size=[steps.rows.shape[0]])

    def own_loss(self, batch, steps, online, goal):
        return self.config.extra["calm"] * masked_mean(self.jumps(steps, goal)[0], steps.real)


MINE = {"prioritised": Prioritised, "counting": Counting, "calm": Calm}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Register the three, and forget what a test registers."""
    monkeypatch.setattr(registry, "OWN", {})
    for name, cls in MINE.items():
        register(name, cls)
    with short_pretraining():
        yield


def config(learner, **changes):
    return omg.OMGConfig(**(TINY | {"learner": learner} | changes))


@pytest.mark.slow
@pytest.mark.parametrize("learner", MINE)
@pytest.mark.parametrize("teammates", ["none", "scripted"])
def test_predictions_hold_and_the_run_is_saved_resumed_and_loaded(learner, teammates, tmp_path):
    settings = config(learner, teammates=teammates, updates=2)
    with omg.Training(settings) as run:
        straight = list(follow(run, RunFolder.create(tmp_path / "straight", settings)))
        assert omg.compare(omg.predict(settings), run.trace) == []
        trained = {key: x.clone() for key, x in tensors_of(run).items()}
    one = dataclasses.replace(settings, updates=1)
    with omg.Training(one) as run:
        list(follow(run, RunFolder.create(tmp_path / "parts", one)))
    with omg.Training(settings) as run:
        resumed = list(follow(run, RunFolder.resume(tmp_path / "parts", run)))
        assert resumed[-1].metrics == straight[-1].metrics
        assert all(torch.equal(x, trained[key]) for key, x in tensors_of(run).items())
    with load(tmp_path / "parts") as loaded:
        assert loaded.config.extra == settings.extra and type(loaded.learner) is MINE[learner]
        assert all(torch.equal(x, trained[key]) for key, x in tensors_of(loaded).items())


def test_weights_change_the_loss_as_they_say():
    """With alpha = 0 all weigh 1, as in IQL; with alpha = 2 the loss is the mean of the errors to the power 4."""
    losses = {}
    for learner, alpha in (("iql", None), ("prioritised", 0.0), ("prioritised", 2.0)):
        errors = []

        class Watched(Prioritised):
            def td_weights(self, error, steps, errors=errors):
                errors.append(error[steps.real])
                return super().td_weights(error, steps)

        register("prioritised", Watched)
        with omg.Training(config(learner, extra={} if alpha is None else {"alpha": alpha})) as run:
            losses[alpha] = next(iter(run)).metrics["td_loss"]
    assert losses[None] == losses[0.0] != losses[2.0]
    assert losses[2.0] == pytest.approx(float((errors[0] ** 4).mean()))


def test_what_the_agent_reads_is_the_same_when_it_acts_and_when_it_learns():
    with omg.Training(config("counting", epsilon_start=0.0, epsilon_finish=0.0)) as run:
        before = run.learner.model.scale.clone()
        read = []
        inputs = Counts.agent_input

        class Watched(Counts):
            def agent_input(self, seen, context, noise=None):
                read.append(context.clone())
                return inputs(self, seen, context, noise)

        run.learner.model.__class__ = Watched
        batch = run.runner.run()
        acted = torch.stack(read)  # [steps, A, K]
        read.clear()
        steps = run.learner.read(batch)
        run.learner.ask_model(batch, batch, steps, 0)
        learnt = steps.rows.unpack(read[0])[0, : len(acted)]
        assert torch.equal(learnt, acted) and acted.sum() > 0
        list(run)
        assert not torch.equal(before, run.learner.model.scale), "the TD loss trains its weights"


def test_the_target_can_be_ones_own():
    class Myopic(QLearner):
        def td_target(self, steps, online, goal):
            return steps.reward

    register("myopic", Myopic)
    with omg.Training(config("myopic", gamma=0.99)) as run, omg.Training(config("iql", gamma=0.0)) as other:
        assert next(iter(run)).metrics["td_loss"] == next(iter(other)).metrics["td_loss"]


@pytest.mark.slow
@pytest.mark.parametrize("base", ["iql", "iql_actions", "oracle", "vdn", "qmix", "naive_om", "liam", "omg"])
def test_a_subclass_without_changes_is_its_base(base):
    kinds = {"vdn": MixingLearner, "qmix": MixingLearner, "naive_om": ModellingLearner, "liam": ModellingLearner}
    parent = OMGLearner if base == "omg" else kinds.get(base, QLearner)
    register("twin", type("Twin", (parent,), {"base": base}))
    one, other = config("twin"), config(base)
    assert (one.has_teammates, one.sees_actions, one.training_splits) == (
        other.has_teammates, other.sees_actions, other.training_splits,
    )  # fmt: skip
    with omg.Training(one) as mine, omg.Training(other) as theirs:
        assert list(mine) == list(theirs)
        assert mine.trace.stages[0].fields.keys() == theirs.trace.stages[0].fields.keys()


def test_settings_are_typed_complete_and_travel():
    assert config("prioritised").extra == {"alpha": 0.6}
    made = config("prioritised", extra={"alpha": 1})
    assert made.extra == {"alpha": 1.0} and type(made.extra["alpha"]) is float
    assert omg.OMGConfig.from_dict(made.to_dict()) == made == pickle.loads(pickle.dumps(made))
    assert omg.OMGConfig.from_dict(TINY | {"learner": "prioritised", "alpha": 1}) == made
    assert len({made, config("prioritised"), config("prioritised", extra={"alpha": 0.6})}) == 2
    with pytest.raises(TypeError, match="frozen"):
        made.extra["alpha"] = 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"learner": "prioritised", "extra": {"alhpa": 1}}, "extra.alhpa=1: .*learner=prioritised.*alpha"),
        ({"learner": "prioritised", "extra": {"alpha": "much"}}, "alpha='much': allowed is a finite number"),
        ({"learner": "prioritised", "extra": {"alpha": True}}, "alpha=True: allowed is a finite number"),
        ({"learner": "prioritised", "extra": [1]}, r"extra=\[1\]: allowed are names with values"),
        ({"learner": "iql", "extra": {"alpha": 1}}, "extra.alpha=1: .*learner=iql: it has none"),
        ({"learner": "iql", "alpha": 1}, "config='alpha': there is no such setting.*learner=iql has none of its own"),
        ({"learner": "prioritised", "alhpa": 1}, "did you mean alpha.*learner=prioritised has alpha of its own"),
        ({"learner": "unknown"}, "learner='unknown': allowed are iql.*prioritised, calm|counting.*, --import yours"),
    ],
)
def test_a_setting_that_is_not_declared_is_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        omg.OMGConfig.from_dict(TINY | settings)


class Clashing(QLearner):
    settings = {"gamma": 0.5}


class Untyped(QLearner):
    settings = {"widths": [1, 2]}


@pytest.mark.parametrize(
    ("name", "cls", "said"),
    [
        ("iql", Prioritised, "the library uses this name"),
        ("two words", Prioritised, "letters, digits"),
        (3, Prioritised, "letters, digits"),
        ("mine", dict, "subclass of omg_lib.learners.QLearner"),
        ("mine", "Prioritised", "subclass of omg_lib.learners.QLearner"),
        ("mine", type("Lost", (QLearner,), {"base": "ppo"}), "its base one of the library's"),
        ("mine", Clashing, "'gamma' is a field of OMGConfig"),
        ("mine", Untyped, "allowed is a default of type"),
    ],
)
def test_what_cannot_be_registered_is_refused(name, cls, said):
    with pytest.raises(ConfigError, match=said):
        register(name, cls)
    assert own_learner(name) is None


def hooked(**hooks):
    register("hooked", type("Hooked", (QLearner,), hooks))
    with omg.Training(config("hooked")) as run:
        return next(iter(run)).metrics


def declared(axes, dtype):
    return {"learner.x": ("learner.td_loss", {"f": (axes, dtype)})}


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        ({"td_weights": lambda self, error, steps: error.unsqueeze(1)}, r"Hooked.td_weights=.*, 1\]: allowed"),
        ({"td_target": lambda self, steps, online, goal: steps.reward.mean()}, r"Hooked.td_target=\[\]: allowed is"),
        ({"own_loss": lambda self, batch, steps, online, goal: online["q"]}, r"Hooked.own_loss=.*allowed.*shape \[\]"),
        ({"own_metrics": lambda self, batch, steps, online: {"loss": 1.0}}, "own_metrics='loss': the library has"),
        ({"own_metrics": lambda self, batch, steps, online: {"lr": 1.0}}, "own_metrics='lr': a setting has this name"),
        ({"settings": {"own": 1}, "own_metrics": lambda self, *given: {"own": 1.0}}, "'own': a setting has this"),
        ({"settings": {"win_rate": 0.5}}, "learner='hooked': its setting 'win_rate' is a column of metrics.csv"),
        ({"own_metrics": lambda self, batch, steps, online: {"q": online["q"]}}, r"Hooked.q=.*shape \[\]"),
        ({"stages": classmethod(lambda cls, c: {"learner.x": ("nowhere", {})})}, "learner.x after nowhere"),
        ({"stages": classmethod(lambda cls, c: declared("G T K", "float32"))}, "stages='f: G T K, float32': learner.x"),
        ({"stages": classmethod(lambda cls, c: declared("G T A", "float"))}, "stages='f: G T A, float': learner.x"),
    ],
)
def test_a_hook_that_gives_the_wrong_thing_is_named(hooks, said):
    with pytest.raises(ConfigError, match=said):
        hooked(**hooks)


def test_a_stage_that_is_declared_and_never_runs_is_a_difference():
    class Silent(Calm):
        def own_loss(self, batch, steps, online, goal):
            return None

    register("silent", Silent)
    with omg.Training(config("silent")) as run:
        list(run)
        (found,) = omg.compare(run.plan, run.trace)
    assert (found.stage, found.field, found.predicted, found.measured) == ("learner.jumps", "calls", 1, 0)


def test_a_model_that_a_subclass_asks_differently_still_works():
    class Deaf(Counting):
        def ask_model(self, sample, batch, steps, t_env):
            told = super().ask_model(sample, batch, steps, t_env)
            return ModelOutput(torch.zeros_like(told.goal))

    register("deaf", Deaf)
    with omg.Training(config("deaf")) as run:
        assert next(iter(run)).metrics["td_loss"] > 0


def test_the_panel_offers_and_trains_it():
    from omg_lib.widgets.flow_panel import FlowPanel

    panel = FlowPanel(**(TINY | {"learner": "calm"}) | {"extra": {"calm": 0.2}})
    assert {"calm", "prioritised", "omg"} <= set(panel.data["learners"])
    assert "learner.jumps" in [entry.name for entry in panel.model.plan.stages]


def test_another_learner_in_the_panel_does_not_inherit_its_settings():
    model = FlowModel(**TINY | {"learner": "calm", "extra": {"calm": 0.2}})
    model.set(learner="iql")
    assert (model.config.learner, model.config.extra) == ("iql", {}), model.status
    model.set(learner="calm", batch_size=3)
    assert (model.config.learner, model.config.extra) == ("calm", {"calm": 0.1}), model.status


def test_a_learner_whose_stages_are_wrong_is_not_in_the_panel_of_another():
    register("lost", type("Lost", (QLearner,), {"stages": classmethod(lambda cls, c: {"learner.x": ("nowhere", {})})}))
    learners = handover(config("calm"))["learners"]
    assert "lost" not in learners and "calm" in learners
