"""A short run of the fuzzers: the content of a file is only data. The long run is `tests/fuzz/run.py`."""

import json
import os
import random
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

import omg_lib as omg
from tests.helpers.fuzzing import damaged, json_values
from tests.helpers.readers import Readers

NAMES = (
    "state", "weights", "segment", "metrics", "trace", "pool", "pool_weights", "prior", "config", "run_config",
    "answers", "gpu", "recording", "results", "cost", "table",
)  # fmt: skip
HARMLESS = ("cost", "table")
"""They skip entries that are not theirs; and a single line is a table without rows."""
NOT_JSON = ("weights", "segment", "metrics", "pool_weights", "prior", "answers", "table")
LENIENT = ("metrics", "answers")
"""They leave out what they cannot read, and keep a copy of it."""


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    readers = Readers(tmp_path_factory.mktemp("readers"))
    yield readers
    readers.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_file_itself_is_taken(readers, name):
    assert readers.names == NAMES and readers.read(name, readers.seeds[name]) == "taken"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_damage_of_any_kind_is_refused_in_one_sentence_or_harmless(readers, name):
    chance, taken = random.Random(0), 0
    for _ in range(120):
        taken += readers.read(name, damaged(readers.seeds[name], chance)) == "taken"
    assert name in LENIENT or taken < 120, "some damage must be noticed"
    assert readers.read(name, readers.seeds[name]) == "taken", "nothing of it is left behind"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_JSON])
def test_any_json_in_any_place_is_refused_or_harmless(readers, name):
    original = json.loads(readers.seeds[name])

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
    @given(st.data())
    def check(data):
        readers.read(name, json.dumps(data.draw(json_values(original))).encode())

    check()


def header(text: str, data: bytes = b"") -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw + data


HOSTILE = {
    "a header of 2**60 bytes": struct.pack("<Q", 2**60) + b"{}",
    "a header of 100 MB": struct.pack("<Q", 10**8) + b" " * 10**5,
    "a tensor of 2**60 numbers": header('{"x":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4]}}'),
    "no numbers by many": header('{"agent.fc1.weight":{"dtype":"F32","shape":[4294967296,0],"data_offsets":[0,0]}}'),
    "a shape that overflows": header(
        '{"x":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}}'
    ),
    "offsets that cross": header('{"x":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}', b"0000"),
    "deep": b"[" * 10**6,
    "deep in a header": header("[" * 10**5),
    "a number of a million digits": b'{"update": ' + b"1" * 10**6 + b"}",
    "infinity": b'{"update": 1e999, "schema": NaN}',
    "many entries": json.dumps({str(k): 0 for k in range(10**4)}).encode(),
    "text that is none": b'{"n_agents": "\\ud800", "env": "\\u0000"}',
    "a name of a megabyte": json.dumps({"teammates": "a" * 10**6, "prior": "b/" * 10**5}).encode(),
    "a horizon without end": json.dumps({"horizon": 2**62, "subgoal_choice": "t+0"}).encode(),
    "another dtype": save({"agent.fc1.weight": np.zeros(3, np.float16)}),
    "a pickle": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0etouch pickled\x85R.",
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_made_to_harm_is_refused(readers, name, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = readers.read(name, HOSTILE[what])
    assert name in LENIENT or name in HARMLESS or said != "taken"
    assert list(tmp_path.iterdir()) == [], "nothing was run"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "answers"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link", "hole"])
def test_only_plain_files_of_a_sensible_size_are_read(readers, name, kind, tmp_path):
    path = readers.files[name]
    path.unlink()
    (tmp_path / "same").write_bytes(readers.seeds[name])
    make = {
        "pipe": os.mkfifo,
        "device": lambda p: p.symlink_to("/dev/zero"),
        "folder": os.mkdir,
        "link": lambda p: p.symlink_to(tmp_path / "same"),
        "hole": lambda p: (p.touch(), os.truncate(p, 100 * 2**30)),  # 100 GB of zeros, which take no disk space
    }
    try:
        make[kind](path)
        # endless data has no checksum
        forged = {"state": "restore", "weights": "restore", "segment": "restore", "pool_weights": "pool"}
        with pytest.raises(omg.ConfigError):
            getattr(readers, f"_{forged.get(name, name)}")(path)
    finally:
        path.rmdir() if path.is_dir() else path.unlink()
        path.write_bytes(readers.seeds[name])


def test_a_name_in_a_checkpoint_cannot_leave_its_folder(readers, tmp_path):
    for name in ("../../../etc/passwd", "/etc/passwd", "..", "", "0.safetensors/../x.safetensors", "\x00.safetensors"):
        state = readers.state | {"segments": {name: "0" * 64}}
        assert "not the name of a segment" in readers.read("state", json.dumps(state).encode())


def test_what_a_file_says_cannot_break_a_sentence_or_colour_a_terminal(readers):
    state = readers.state | {"config": readers.state["config"] | {"env": "two\nlines \x1b[31m"}}
    said = readers.read("state", json.dumps({key: x for key, x in state.items() if key != "sha256"}).encode())
    assert "env=echo here and two lines  [31m there" in said


def test_a_configuration_is_searched_for_below_the_run_only(readers):
    (readers.folder.parent / "outside").mkdir()
    (readers.folder.parent / "outside" / "pool.json").write_text("{}")
    values = json.loads(readers.seeds["run_config"]) | {"teammates": "../outside"}
    assert readers.read("run_config", json.dumps(values).encode()).startswith("teammates='../outside': allowed are")
