"""The language changes words only: a run's files are the same, byte for byte, but for the seconds that it took."""

import csv
import json
import re

import pytest

from omg_lib.__main__ import main

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
