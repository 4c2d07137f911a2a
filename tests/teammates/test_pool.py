"""A pool on disk equals the pool that was saved, or is refused in one sentence before any training."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import omg_lib as omg
from omg_lib.config import ConfigError
from omg_lib.controller import Controller
from omg_lib.envs import env_info
from omg_lib.networks import AGENTS, input_widths
from omg_lib.system.files import sha256
from omg_lib.teammates import pool as pool_module
from omg_lib.teammates.pool import Pool
from tests.helpers.batches import CPU, Echo, config_with, echo_pool, echo_registered, short_pretraining


@pytest.fixture(autouse=True)
def echo(tmp_path, monkeypatch):
    """The game of the tests; and short names for files, as on a command line."""
    monkeypatch.chdir(tmp_path)
    with echo_registered(), short_pretraining():
        yield


@pytest.fixture
def folder(tmp_path):
    echo_pool().save("pool")
    return tmp_path / "pool"


# --- the round trip ---


@pytest.mark.parametrize("n_agents", [2, 3, 5])
def test_a_pool_comes_back_bit_for_bit(n_agents, tmp_path):
    pool = echo_pool(n_agents)
    pool.save(tmp_path / "new" / "pool")
    loaded = Pool.load(tmp_path / "new" / "pool", "echo", Echo.describe(n_agents))
    assert (loaded.env, loaded.n_agents, loaded.config) == (pool.env, pool.n_agents, pool.config)
    assert loaded.members == pool.members and loaded.sets == pool.sets
    assert loaded.on_disk and not pool.on_disk
    assert list(loaded.policies) == list(pool.policies)
    for name, agent in pool.policies.items():
        weights, found = agent.state_dict(), loaded.policies[name].state_dict()
        assert list(weights) == list(found) and all(torch.equal(weights[key], found[key]) for key in weights)
        assert not any(weight.requires_grad for weight in loaded.policies[name].parameters())
    assert hash(loaded.members) == hash(pool.members), "curves and members are tuples again"
    loaded.save(tmp_path / "again")
    for file in ("pool.json", "weights.safetensors"):
        assert (tmp_path / "new" / "pool" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.parametrize("network", AGENTS)
@pytest.mark.parametrize("dueling", [False, True])
def test_policies_of_another_kind_and_width_come_back_too(folder, network, dueling):
    info = Echo.describe(3)
    sizes = sum(input_widths(info)), info.n_actions, 9
    agents = {name: AGENTS[network](*sizes, dueling=dueling) for name in echo_pool().policies}
    weights = {f"{name}/{key}": x for name, agent in agents.items() for key, x in agent.state_dict().items()}
    write_weights(folder, weights)
    loaded = Pool.load(folder, "echo", info)
    for name, agent in agents.items():
        found = loaded.policies[name].state_dict()
        assert type(loaded.policies[name]) is AGENTS[network] and found.keys() == agent.state_dict().keys()
        assert all(torch.equal(x, agent.state_dict()[key]) for key, x in found.items())


def test_a_pool_of_scripts_alone_needs_no_weights(tmp_path):
    pool = echo_pool()
    scripts = Pool("echo", 3, pool.members[:2], (pool.sets[0], pool.sets[3]))
    scripts.save("scripts")
    loaded = Pool.load("scripts", "echo", Echo.describe(3))
    assert loaded.members == scripts.members and loaded.sets == scripts.sets and loaded.policies == {}


STEPS = ("write_tensors", "write_text", "rename")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "killed"])
@pytest.mark.parametrize("step", STEPS)
def test_a_pool_that_cannot_be_replaced_stays_one_whole_pool(folder, monkeypatch, step, error):
    """The new weights stood beside the old pool.json, which then called them damaged: both pools were lost."""
    new, info = echo_pool(), Echo.describe(3)
    for agent in new.policies.values():
        with torch.no_grad():
            next(agent.parameters()).add_(1)
    before = Pool.load(folder, "echo", info).digest

    def fail(*_):
        raise error

    monkeypatch.setattr(pool_module, step, fail)
    with pytest.raises((ConfigError, KeyboardInterrupt)):
        new.save(folder)
    monkeypatch.undo()
    left = Pool.load(folder, "echo", info).digest
    assert (left == before) == (step != "rename")
    new.save(folder)
    assert Pool.load(folder, "echo", info).digest != before
    assert sorted(path.name for path in folder.iterdir()) == ["pool.json", "weights.safetensors"]


def test_a_pool_that_cannot_be_written_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^out='file/pool': cannot be written \(Not a directory\); allowed is"):
        echo_pool().save("file/pool")


@pytest.mark.parametrize("learner", ["iql", "omg", "naive_om", "liam", "iql_actions", "oracle"])
def test_a_run_trains_with_a_pool_and_keeps_it_as_it_is(folder, learner):
    with omg.Training(config_with("pool", learner=learner, batch_size=2)) as run:
        (report,) = list(run)
        assert omg.compare(omg.predict(run.config), run.trace) == []
        policies = run.controller.coplayers.pool.policies
    for name, agent in echo_pool().policies.items():
        found = policies[name].state_dict()
        assert all(torch.equal(x, found[key]) for key, x in agent.state_dict().items())
    assert report.update == 1


# --- refusals ---


def refused(env="echo", n_agents=3):
    """Return the sentence that refuses the folder `pool`, alone and in a run that has not started."""
    with pytest.raises(ConfigError) as error:
        Pool.load("pool", env, env_info(env, n_agents))
    with pytest.raises(ConfigError) as of_run:
        omg.Training(config_with("pool", env, n_agents))
    sentence = str(error.value)
    assert str(of_run.value) == sentence
    assert sentence.startswith("teammates='pool': ") and "\n" not in sentence and len(sentence) < 300
    return sentence


def edit(folder, change):
    """Change the content of pool.json."""
    path = folder / "pool.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def write_weights(folder, weights):
    """Different weights with a matching digest: this is not damage."""
    save_file(weights, folder / "weights.safetensors")
    edit(folder, lambda values: values.update(weights_sha256=sha256(folder / "weights.safetensors")))


@pytest.mark.parametrize("n_agents", [2, 5])
def test_another_number_of_seats_is_refused_with_both_numbers(folder, n_agents):
    sentence = refused(n_agents=n_agents)
    assert "the pool is for n_agents=3" in sentence and f"this run has n_agents={n_agents}" in sentence


def test_another_environment_is_refused_with_both_names(folder):
    sentence = refused(env="skirmish:partners")
    assert "the pool is for env=echo" in sentence and "this run has env=skirmish:partners" in sentence
    assert "env=silent echo" in refused(env="silent echo")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "JSONDecodeError"),
        ("{", "JSONDecodeError"),
        ("no json at all", "JSONDecodeError"),
        ("[]", "ValueError"),
        ("[1, 2]", "ValueError"),
        ("3", "ValueError"),
        ("null", "ValueError"),
        ('"members"', "ValueError"),
        ("{}", "KeyError"),
        ('{"members": [], "sets": []}', "KeyError"),
        ('{"members": 1, "sets": []}', "ValueError"),
        ('{"members": {}, "sets": ["x"]}', "ValueError"),
    ],
)
def test_what_is_no_pool_is_refused(folder, text, why):
    (folder / "pool.json").write_text(text)
    sentence = refused()
    assert "pool.json is not a readable pool" in sentence and why in sentence


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_a_pool_json_that_was_cut_off_is_refused(folder, keep):
    text = (folder / "pool.json").read_text()
    (folder / "pool.json").write_text(text[: int(keep * len(text))])
    assert "pool.json is not a readable pool (JSONDecodeError" in refused()


@pytest.mark.parametrize("row", [None, "right", 3, ["right"]])
def test_a_member_that_is_no_record_is_refused(folder, row):
    edit(folder, lambda values: values["members"].append(row))
    with pytest.raises(ConfigError, match="teammates='pool': pool.json is not a readable pool"):
        Pool.load("pool", "echo", Echo.describe(3))


def test_a_pool_json_of_bytes_is_refused(folder):
    (folder / "pool.json").write_bytes(b"\xff\xfe\x00{")
    assert "pool.json is not a readable pool (UnicodeDecodeError" in refused()


@pytest.mark.parametrize("field", ["env", "n_agents", "members", "sets", "weights_sha256", "config"])
def test_a_pool_json_without_a_field_is_refused_by_its_name(folder, field):
    edit(folder, lambda values: values.pop(field))
    assert f"(KeyError: '{field}')" in refused()


def test_a_folder_without_pool_json_is_refused(folder):
    (folder / "pool.json").unlink()
    with pytest.raises(ConfigError, match=r"^teammates='pool': pool.json is not a readable pool \(FileNotFoundError"):
        Pool.load("pool", "echo", Echo.describe(3))


def test_a_member_that_is_neither_a_style_nor_a_policy_is_refused(folder):
    edit(folder, lambda values: values["members"][0].update(name="left"))
    assert "member 'left' is not a scripted style of echo" in refused()


@pytest.mark.parametrize(
    ("what", "change", "why"),
    [
        ("members", lambda row: row.pop("name"), "KeyError: 'name'"),
        ("members", lambda row: row.pop("win_rate"), "KeyError: 'win_rate'"),
        ("members", lambda row: row.update(curve="x"), "ValueError"),
        ("members", lambda row: row.update(curve=[["x", 1]]), "ValueError"),
        ("members", lambda row: row.update(curve=None), "ValueError"),
        ("sets", lambda row: row.pop("members"), "KeyError: 'members'"),
        ("sets", lambda row: row.pop("split"), "TypeError"),
        ("sets", lambda row: row.update(members=3), "ValueError"),
        ("sets", lambda row: row.update(colour="red"), "TypeError"),
    ],
)
def test_records_whose_fields_are_wrong_are_refused(folder, what, change, why):
    edit(folder, lambda values: change(values[what][0]))
    sentence = refused()
    assert "pool.json is not a readable pool" in sentence and why in sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(members=["right"]), ["'right'", "must name 2 members", "('right',)"]),
        (dict(members=["right"] * 3), ["'right'", "must name 2 members"]),
        (dict(members=[]), ["'right'", "must name 2 members", "()"]),
        (dict(members=["right", "nobody"]), ["'right'", "must name 2 members of the pool", "'nobody'"]),
        (dict(members=["right", None]), ["'right'", "None"]),
        (dict(members=["right", ["right"]]), ["'right'", "must name 2 members of the pool"]),
        (dict(split="training"), ["'right'", "'training'", "train, validation, test"]),
        (dict(kind="mixed"), ["'right'", "'mixed'", "homologue, non_homologue"]),
    ],
    ids=lambda x: str(x) if isinstance(x, dict) else "",
)
def test_a_set_that_cannot_be_seated_is_refused_by_its_name(folder, change, words):
    edit(folder, lambda values: values["sets"][0].update(change))
    sentence = refused()
    assert sentence.startswith("teammates='pool': set 'right'")
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize("what", ["members", "sets"])
def test_two_of_one_name_are_refused(folder, what):
    """Scores are stored under the names of sets, and sets name their members."""
    edit(
        folder,
        lambda values: values[what].append(values[what][0] | {"seed": 9} if what == "members" else values[what][0]),
    )
    assert f"two of its {what} are called 'right'" in refused()


def test_a_pool_without_sets_is_refused(folder):
    edit(folder, lambda values: values.update(sets=[]))
    assert "the pool has no sets of teammates" in refused()


@pytest.mark.parametrize("at", ["in the header", "in a weight", "at the end"])
def test_a_flipped_byte_is_noticed(folder, at):
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[{"in the header": 12, "in a weight": len(data) // 2, "at the end": -1}[at]] ^= 1
    path.write_bytes(data)
    assert "weights.safetensors does not match pool.json: it is damaged" in refused()


@pytest.mark.parametrize("keep", [0, 1, 7, -1, -100])
def test_cut_weights_are_noticed(folder, keep):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "weights.safetensors does not match" in refused()


@pytest.mark.parametrize("keep", [0, 7, 20, -1])
def test_cut_weights_are_refused_also_with_a_digest_that_fits(folder, keep):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    edit(folder, lambda values: values.update(weights_sha256=sha256(path)))
    assert "weights.safetensors cannot be read" in refused()


def test_weights_that_are_gone_are_refused(folder):
    (folder / "weights.safetensors").unlink()
    sentence = refused()
    assert "weights.safetensors cannot be read" in sentence and "No such file" in sentence


def test_a_policy_without_weights_is_refused_by_its_name(folder):
    weights = load_file(folder / "weights.safetensors")
    write_weights(folder, {key: x for key, x in weights.items() if not key.startswith("iql-0/")})
    assert "weights iql-0/fc1.weight are nothing, this run needs [1, 11]" in refused()


@pytest.mark.parametrize("key", ["fc1.weight", "fc1.bias", "rnn.weight_hh_l0", "fc2.weight", "fc2.bias"])
def test_weights_of_another_shape_are_refused_with_both_shapes(folder, key):
    weights = load_file(folder / "weights.safetensors")
    wanted = list(weights[f"qmix-0/{key}"].shape)
    weights[f"qmix-0/{key}"] = torch.zeros(64, *[4] * (len(wanted) - 1))
    found = list(weights[f"qmix-0/{key}"].shape)
    if found == wanted:
        weights[f"qmix-0/{key}"] = torch.zeros(63)
        found = [63]
    write_weights(folder, weights)
    assert f"weights qmix-0/{key} are {found}, this run needs {wanted}" in refused()


@pytest.mark.parametrize("key", ["fc1.weight", "rnn.bias_ih_l0"])
def test_a_number_in_the_place_of_weights_is_refused(folder, key):
    weights = load_file(folder / "weights.safetensors")
    weights[f"qmix-0/{key}"] = torch.tensor(1.0)
    write_weights(folder, weights)
    assert f"weights qmix-0/{key} are []" in refused()


def test_weights_of_an_environment_of_other_widths_are_refused(folder):
    """The name is right, but the game has changed since."""
    weights = load_file(folder / "weights.safetensors")
    for name in ("qmix-0", "iql-0"):
        weights[f"{name}/fc1.weight"] = torch.cat([weights[f"{name}/fc1.weight"], torch.zeros(64, 2)], dim=1)
    write_weights(folder, weights)
    assert "weights qmix-0/fc1.weight are [64, 13], this run needs [64, 11]" in refused()


@pytest.mark.parametrize("worst", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("key", ["fc1.weight", "fc2.bias"])
def test_weights_that_are_not_finite_are_refused(folder, worst, key):
    weights = load_file(folder / "weights.safetensors")
    weights[f"iql-0/{key}"].view(-1)[-1] = worst
    write_weights(folder, weights)
    assert f"weights iql-0/{key} contain NaN or infinity" in refused()


@pytest.mark.parametrize("kind", ["empty folder", "file", "nothing", "folder for pool.json"])
def test_a_place_that_holds_no_pool_is_refused_by_the_configuration(tmp_path, kind):
    place = tmp_path / "pool"
    if kind == "file":
        place.write_text("{}")
    if kind == "empty folder":
        place.mkdir()
    if kind == "folder for pool.json":
        (place / "pool.json").mkdir(parents=True)
    for learner in ("omg", "iql", "oracle"):
        with pytest.raises(ConfigError) as error:
            config_with("pool", learner=learner)
        assert str(error.value).startswith("teammates='pool': allowed are none")
        assert "scripted" in str(error.value) and "pool.json" in str(error.value)


# --- splits ---


def test_ids_are_the_positions_of_the_sets_of_these_splits():
    pool = echo_pool()
    assert pool.ids("train") == (0, 1, 2) and pool.ids("validation") == (3,) and pool.ids("test") == (4,)
    assert pool.ids("train", "test") == (0, 1, 2, 4) == pool.ids("test", "train")


def test_a_split_that_the_pool_lacks_is_refused_and_told_what_there_is(folder):
    edit(folder, lambda values: values.update(sets=values["sets"][:3]))
    with pytest.raises(ConfigError, match=r"^splits='test\+validation': the pool has no such set; it has train$"):
        Pool.load("pool", "echo", Echo.describe(3)).ids("test", "validation")
    with pytest.raises(ConfigError, match=r"^splits='test': the pool has no such set; it has train$"):
        omg.Training(config_with("pool", splits="test"))


@pytest.mark.parametrize(
    ("learner", "splits", "expected"),
    [
        ("omg", None, (0, 1, 2)),
        ("iql", None, (0, 1, 2)),
        ("oracle", None, (0, 1, 2, 4)),
        ("omg", "test", (4,)),
        ("oracle", "validation", (3,)),
        ("liam", "validation+test", (3, 4)),
    ],
)
def test_training_meets_the_sets_of_its_splits_only(folder, learner, splits, expected):
    found = config_with("pool", learner=learner, splits=splits)
    assert Controller(found, Echo.describe(3), CPU).coplayers.sets == expected
