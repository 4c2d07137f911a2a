"""The command `sweep` around the trials."""

from omg_lib.__main__ import main
from omg_lib.commands import sweep


def test_a_drawing_that_cannot_be_written_is_one_sentence_after_the_trials(tmp_path, capsys, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweep, "sweep", lambda *_, **options: [])
    monkeypatch.setattr(sweep, "sweep_figure", lambda rows: None)
    monkeypatch.setattr(sweep, "picture", lambda *_: b"")
    monkeypatch.setattr(sweep, "write_bytes", full)
    assert main(["sweep", "--learner", "iql", "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "results.svg cannot be written: No space left on device" in err and "Traceback" not in out + err
