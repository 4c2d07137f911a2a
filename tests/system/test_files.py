"""The safetensors library reads what is written here, and vice versa; tables are complete or refused."""

import json
import os
import stat
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from omg_lib.config import ConfigError
from omg_lib.system.files import (
    DEEPEST,
    DTYPES,
    open_tensors,
    parse_json,
    read_json,
    read_rows,
    read_table,
    sha256,
    short_text,
    write_rows,
    write_tensors,
    write_text,
)

ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=20).filter(lambda name: name != "__metadata__" and name.isprintable()),
    st.sampled_from(list(DTYPES.values())).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=4,
)
QUICK = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def finite(arrays):
    return {key: np.asarray(np.nan_to_num(x)) if x.dtype.kind == "f" else x for key, x in arrays.items()}


def layout(arrays):
    return {key: (x.dtype.name, x.shape) for key, x in arrays.items()}


def same(one, other):
    assert one.keys() == other.keys()
    for key, x in one.items():
        assert x.dtype == other[key].dtype and x.shape == other[key].shape and x.tobytes() == other[key].tobytes(), key


@pytest.mark.slow
@QUICK
@given(ARRAYS, st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=2))
def test_the_library_reads_what_is_written_here(tmp_path, arrays, metadata):
    path = tmp_path / "a.safetensors"
    assert write_tensors(path, arrays, metadata) == sha256(path)
    same(load_file(path), arrays)
    with safe_open(path, "np") as file:
        assert (file.metadata() or {}) == metadata


@QUICK
@given(ARRAYS, st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=2))
def test_what_the_library_writes_is_read_here(tmp_path, arrays, metadata):
    arrays = finite(arrays)
    save_file(arrays, tmp_path / "a.safetensors", metadata or None)  # the library writes no JSON for {}
    with open_tensors(tmp_path / "a.safetensors") as file:
        assert file.layout == layout(arrays) and file.metadata == metadata
        same(file.arrays(layout(arrays)), arrays)


def test_what_does_not_lie_in_order_in_memory_is_written_as_it_looks(tmp_path):
    x = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)
    arrays = {"turned": x.transpose(2, 0, 1), "every other": x[:, ::2], "one": np.array(3, np.int64)}
    write_tensors(tmp_path / "a.safetensors", arrays)
    same(load_file(tmp_path / "a.safetensors"), arrays)


def forged(path, entries, data=b""):
    head = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)


U8 = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("entries", "data"),
    [
        ({"x": U8}, b"123"),
        ({"x": U8}, b"12345"),
        ({"x": U8, "y": U8}, b"1234"),
        ({"x": U8, "y": U8 | {"data_offsets": [5, 9]}}, b"123456789"),
        ({"x": U8 | {"data_offsets": [4, 0]}}, b"1234"),
        ({"x": U8 | {"data_offsets": [0, 4, 4]}}, b"1234"),
        ({"x": U8 | {"data_offsets": [-4, 4]}}, b"1234"),
        ({"x": U8 | {"shape": "4"}}, b"1234"),
        ({"x": {"dtype": "U8"}}, b""),
        ({"x": []}, b""),
        ({"__metadata__": 3}, b""),
    ],
)
def test_a_header_that_does_not_fit_its_file_is_refused(tmp_path, entries, data):
    forged(tmp_path / "a.safetensors", entries, data)
    with pytest.raises(ValueError), open_tensors(tmp_path / "a.safetensors"):
        pass


def test_a_shape_that_does_not_fit_its_bytes_is_refused_before_memory_is_taken(tmp_path):
    forged(tmp_path / "a.safetensors", {"x": U8 | {"shape": [2**40]}}, b"1234")
    with pytest.raises(ValueError, match="x has 4 bytes"), open_tensors(tmp_path / "a.safetensors"):
        pass


def test_a_tensor_larger_than_its_shape_is_refused_before_anything_reads_the_whole_file(tmp_path):
    forged(tmp_path / "a.safetensors", {"x": U8 | {"data_offsets": [0, 100 * 2**30]}}, b"")
    header = (tmp_path / "a.safetensors").stat().st_size
    os.truncate(tmp_path / "a.safetensors", header + 100 * 2**30)  # a hole: it takes no room
    with pytest.raises(ValueError, match="too few or too many"), open_tensors(tmp_path / "a.safetensors"):
        pass


def test_a_table_holds_no_formula_and_keeps_its_numbers(tmp_path):
    write_rows(tmp_path / "a.csv", [{"name": "=cmd()", "low": "-0.5", "high": -1.5}], ["name", "low", "high"])
    assert read_rows(tmp_path / "a.csv") == [{"name": "'=cmd()", "low": "-0.5", "high": "-1.5"}]
    write_rows(tmp_path / "b.csv", [{"@name": 1}], ["@name"])
    assert (tmp_path / "b.csv").read_text().splitlines()[0] == "'@name"


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX here")
def test_tensors_texts_and_tables_have_one_mode(tmp_path):
    before = os.umask(0o027)
    try:
        write_tensors(tmp_path / "a", {"x": np.zeros(2, np.float32)})
        write_text(tmp_path / "b", "text")
        write_rows(tmp_path / "c", [{"x": 1}], ["x"])
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}


def test_a_table_comes_back_as_it_was_written(tmp_path):
    rows = [{"a": "1", "b": 'x, "y"\nz'}, {"a": "", "b": "é"}]
    write_rows(tmp_path / "table.csv", rows, ["a", "b"])
    assert read_rows(tmp_path / "table.csv") == rows == read_table(tmp_path / "table.csv")


@pytest.mark.parametrize("text", ["a,b\n1\n", "a,b\n1,2,3\n", 'a\n"1', "a\n" + "x" * 200_000 + "\n"])
def test_a_torn_table_is_one_sentence(tmp_path, text):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ConfigError, match="is not a readable table"):
        read_table(tmp_path / "table.csv")


@pytest.mark.parametrize(
    "text", ["[" * 10**5, '{"a": ' * 10**5, "NaN", '{"a": 1e999}', '{"a": 1' + "0" * 30 + "}", "[]", ""]
)
def test_json_that_is_no_object_of_sensible_numbers_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    for read in (lambda: parse_json(text), lambda: read_json(tmp_path / "a.json")):
        with pytest.raises(ValueError):
            read()


@pytest.mark.parametrize("shape", ['{"a": [', '{"a": {"b": '])
def test_nesting_is_refused_long_before_python_runs_out_of_stack(shape):
    opening, closing = shape[6:], {"[": "]", '{"b": ': "}"}[shape[6:]]
    text = '{"a": ' + opening * DEEPEST + "1" + closing * DEEPEST + "}"
    assert parse_json('{"a": ' + opening * (DEEPEST - 2) + "1" + closing * (DEEPEST - 2) + "}")
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(text)


@pytest.mark.parametrize("text", ["a\x1b[2J", "two\nlines", "\u202eabc", "a" * 201, 3, None])
def test_a_name_that_a_terminal_would_act_on_is_none(text):
    assert short_text("王小明 x_1") == "王小明 x_1"
    with pytest.raises(ValueError, match="is not a name"):
        short_text(text)


@pytest.mark.slow
def test_a_name_that_is_there_twice_is_found_without_comparing_each_with_each():
    names = [f"n{k}" for k in range(200_000)]  # pairs: 20 thousand million
    text = "{" + ", ".join(f'"{name}": 1' for name in [*names, names[-1]]) + "}"
    with pytest.raises(ValueError, match="^n199999 is there twice$"):
        parse_json(text)
