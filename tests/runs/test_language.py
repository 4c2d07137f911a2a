"""The language changes words only: a run's files are the same, byte for byte, but for the seconds that it took."""

import csv
import json
import re
import sys
from types import SimpleNamespace

import pytest

from omg_lib.__main__ import main
from omg_lib.config import OMGConfig
from omg_lib.experiment import sweep
from omg_lib.words import _ as word

ASKED = "train --n-agents 2 --batch-size 2 --updates 2 --learner iql --set test_nepisode=2 --out".split()


def files(folder) -> dict[str, object]:
    """Return what every file of a run holds; of metrics.csv all columns but `time`."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        if path.name == "metrics.csv":
            rows = csv.DictReader(path.read_text().splitlines())
            found[path.name] = [{name: value for name, value in row.items() if name != "time"} for row in rows]
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


@pytest.mark.slow
def test_a_run_leaves_the_same_files_in_every_language(tmp_path, monkeypatch, capsys):
    made, told = {}, {}
    for language in ("en", "zh_CN"):
        monkeypatch.setenv("OMG_LANG", language)
        folder, trace = tmp_path / language, tmp_path / f"{language}.json"
        assert main([*ASKED, str(folder), "--trace", str(trace)]) == 0
        made[language] = files(folder)
        told[language] = re.sub(r'"seconds": [^,}]+', "", json.dumps(json.loads(trace.read_text())))
    assert len(made["en"]) >= 6 and made["en"] == made["zh_CN"] and told["en"] == told["zh_CN"]
    assert "metrics.csv" in made["en"] and capsys.readouterr().out


def test_a_trial_of_a_sweep_speaks_english_because_its_errors_go_into_a_file(monkeypatch):
    reported: list[str] = []
    tune = SimpleNamespace(report=reported.append)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(tune=tune))
    monkeypatch.setattr(sweep, "train_in", lambda *_: (word("not a folder") for __ in range(1)))
    monkeypatch.setenv("OMG_LANG", "zh_CN")
    sweep.run_trial({"trial": {"folder": ".", "config": OMGConfig().to_dict()}})
    assert reported == ["not a folder"] and word("not a folder") == "不是文件夹"
