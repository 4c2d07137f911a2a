"""Files of settings: the same settings from JSON, YAML and TOML, and one line for what cannot be read."""

import pytest

import omg_lib as omg
from omg_lib.settings.files import read_settings

SAME = {
    "a.json": '{"lr": 5e-4, "n_agents": 3, "dueling": true, "env": "skirmish", "updates": 7}',
    "a.yaml": "# note\nlr: 5e-4\nn_agents: 3\ndueling: true\nenv: skirmish\nupdates: 7\n",
    "a.yml": "{lr: 0.0005, n_agents: 3, dueling: yes, env: 'skirmish', updates: 7}",
    "a.toml": 'lr = 5e-4\nn_agents = 3\ndueling = true\nenv = "skirmish"\nupdates = 7\n',
}


@pytest.mark.parametrize("name", SAME)
def test_every_kind_of_file_says_the_same(tmp_path, name):
    (tmp_path / name).write_text(SAME[name])
    wanted = omg.OMGConfig(lr=0.0005, n_agents=3, dueling=True, updates=7)
    assert omg.OMGConfig.from_dict(read_settings(tmp_path / name)) == wanted


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_yaml_file_sets_nothing(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    assert read_settings(tmp_path / "a.yaml") == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"lr": 1, "lr": 2}', "lr is there twice"),
        ("a.yaml", "lr: 1\nlr: 2\n", "lr is there twice"),
        ("a.toml", "lr = 1\nlr = 2\n", "Cannot overwrite a value"),
        ("a.yaml", "a: &x [1, 2]\nb: *x\n", "aliases"),
        ("a.yaml", "lr: !!python/object/apply:os.system [exit]\n", "could not determine a constructor"),
        ("a.yaml", "- lr\n", "does not hold names with values"),
        ("a.yaml", "3: 4\n", "does not hold names with values"),
        ("a.yaml", "lr: [\n", "while parsing"),
        ("a.yaml", "lr: " + "[" * 5000, "nested too deeply"),
        ("a.toml", "lr = " + "[" * 5000, ""),
        ("a.yaml", "env_args: {a: {b: {c: {d: 1}}}}", "nested too deeply"),
        ("a.toml", "lr = nan", "lr=nan"),
        ("a.toml", "lr = 1979-05-27", "lr=datetime.date"),
        ("a.yaml", "lr: 2001-12-14", "lr=datetime.date"),
        ("a.yaml", "lr: .inf", "lr=inf"),
        ("a.yaml", "learner: [iql]", "learner=['iql']"),
        ("missing.yaml", None, "No such file"),
    ],
)
def test_what_is_no_plain_setting_is_one_sentence(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(omg.ConfigError) as error:
        omg.OMGConfig.from_dict(read_settings(tmp_path / name))
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "".join(f"a{i}: 1\n" for i in range(200_000))),
        ("a.toml", ".".join(["a"] * 30_000) + " = 1"),
        ("a.toml", "[" + ".".join(["a"] * 30_000) + "]"),
        ("a.toml", ".".join(["a"] * 2_000_000) + " = 1"),
    ],
    ids=["many names", "dotted name", "dotted table", "large"],
)
def test_what_would_take_a_parser_minutes_is_refused_before_it_starts(tmp_path, monkeypatch, name, text):
    def parse(*_):
        raise AssertionError("the parser was called")

    monkeypatch.setattr("tomllib.loads", parse)
    monkeypatch.setattr("yaml.load", parse)
    (tmp_path / name).write_text(text)
    with pytest.raises(omg.ConfigError, match="larger than the limit|nested too deeply"):
        read_settings(tmp_path / name)


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "seed: 0x"), ("a.toml", "seed = 0x")])
@pytest.mark.parametrize("digits", [16, 5000])  # Python does not write numbers of more than 4300 digits
def test_a_number_that_a_runs_folder_could_not_hold_is_refused(tmp_path, name, text, digits):
    (tmp_path / name).write_text(text + "F" * digits)
    with pytest.raises(omg.ConfigError, match="seed=.*is too large"):
        omg.OMGConfig.from_dict(read_settings(tmp_path / name))
