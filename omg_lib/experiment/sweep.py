"""A sweep: the same training at many sizes, learners and seeds, scheduled by Ray Tune.

Each trial is the ordinary loop in its own folder, with checkpoints; every node of the cluster must be able to reach the
sweep's folder. Ray is imported only when a sweep runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from omg_lib.config import ConfigError, OMGConfig, RunError
from omg_lib.distributed.ray_runner import OwnCode, adopt, connect, elsewhere, extra, own_code
from omg_lib.envs import env_info
from omg_lib.runs.claims import Claim, claimed
from omg_lib.runs.folder import SECONDS_BETWEEN, RunFolder, saved_config
from omg_lib.runs.metrics import last_row
from omg_lib.settings.words import flat
from omg_lib.system.files import finite, read_json, read_rows, reason, write_rows, write_text
from omg_lib.system.limits import resident_bytes
from omg_lib.system.places import Place, check_target, make_folder, names, refuse_links
from omg_lib.training import Training
from omg_lib.words import ENGLISH, N_, _, speaking

Row = dict[str, Any]
COLUMNS = (
    "trial", "env", "learner", "n_agents", "batch_size", "seed", "settings", "state", "update", "t_env", "seconds",
    "peak_bytes",
    "loss", "train_return", "train_win_rate", "win_rate", "error",
)  # fmt: skip
NAMED = ("learner", "n_agents", "batch_size", "seed")
"""Settings that every trial's name has."""
FINISHED, STOPPED, FAILED = N_("finished"), N_("stopped early"), N_("failed")
REPORTS = 20
"""A trial reports and writes a checkpoint at least this often; more often when its checkpoints are due."""
RETRIES = 3
"""How often a trial that fails, or whose node is lost, restarts from its checkpoint."""
SHOWN = ("update", "t_env", "loss", "train_win_rate", "win_rate")
TUNE_FOLDER = ".tune"
"""Folder for Ray's own files; Ray would follow a link there."""
ASHA = dict(grace_period=0.1, reduction_factor=3)
"""One in three trials continues, first after a tenth of the budget, then each time that share has tripled."""
TUNE = {
    "RAY_AIR_NEW_OUTPUT": "0",  # one table that is updated, not one per event
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "600",
}


def grid(
    common: Mapping[str, object],
    n_agents: Sequence[object],
    batch_size: Sequence[object],
    learner: Sequence[object],
    seeds: int,
    vary: Mapping[str, Sequence[object]] | None = None,
) -> list[OMGConfig]:
    """Return every combination, with seeds 0 to `seeds` - 1 of each; `vary` are more settings and their values.
    ConfigError for any that is not allowed.
    """
    axes = {"learner": learner, "n_agents": n_agents, "batch_size": batch_size, "seed": range(seeds)} | dict(vary or {})
    made = [
        OMGConfig.from_dict(dict(common) | dict(zip(axes, values, strict=True))) for values in product(*axes.values())
    ]
    for config in made:
        if config.runner != "local":
            raise ConfigError("runner", config.runner, _("a sweep's trial plays its own episodes: allowed is local"))
    return list(dict.fromkeys(made))


def trial_name(config: OMGConfig) -> str:
    """Return the name of a trial's folder, from learner, sizes and seed."""
    return f"{config.learner}-n{config.n_agents}-b{config.batch_size}-seed{config.seed}"


def named(configs: Iterable[OMGConfig], vary: Iterable[str] = ()) -> dict[str, OMGConfig]:
    """Return trials by folder name. The settings in `vary` are appended, `-lr0.001`, and others where `trial_name` is
    the same. A folder or file is named by its last part, or by more of its path where that is the same.
    """
    alike: dict[str, list[OMGConfig]] = {}
    for config in dict.fromkeys(configs):
        alike.setdefault(trial_name(config), []).append(config)
    found: dict[str, OMGConfig] = {}
    for name, same in alike.items():
        settings = {config: flat(config.to_dict()) for config in same}
        told = {key: _words(each[key] for each in settings.values()) for key in settings[same[0]] if key not in NAMED}
        told = {key: words for key, words in told.items() if key in vary or len(words) > 1}
        for config, values in settings.items():
            found[name + "".join(f"-{key}{words[values[key]]}" for key, words in told.items())] = config
    return found


def settings_in(name: str) -> str:
    """Return the settings in a trial's name besides learner, sizes and seed, such as `lr0.001`."""
    return re.sub(r"^.*?-seed\d+-?", "", name)


def _words(each: Iterable[Any]) -> dict[object, str]:
    """Return how each value of a setting is written in a folder's name; no two values look the same."""
    values = list(dict.fromkeys(each))
    paths = {value: Path(str(value)).parts or ("",) for value in values}
    for length in range(1, max(map(len, paths.values())) + 1):
        words = {value: _word("/".join(parts[-length:])) for value, parts in paths.items()}
        if len(set(words.values())) == len(values):
            return words
    return {value: f"{word}.{number}" for number, (value, word) in enumerate(words.items())}


def _word(text: str) -> str:
    """Write a setting as part of a folder's name."""
    return re.sub(r"[^\w.+-]", "_", text)


# --- one trial -------------------------------------------------------------------------------------------------------


def train_in(folder: Path, config: OMGConfig) -> Iterator[Row]:
    """Train in a folder, from its latest checkpoint if it has one; yield a row of COLUMNS after each checkpoint.

    `seconds` is the mean wall-clock time of an update, from its trace: episodes, sample and step, without tests and
    warm-up. `peak_bytes` is the process's peak memory.
    """
    place = Place(folder.parent) / folder.name
    with Training(config) as run, contextlib.closing(_opened(place, run)) as out:
        cost = _cost(place)
        share, saved_at = _share(run), time.monotonic()
        for report in run:
            cost["seconds"] += sum(stage.seconds for stage in run.trace.stages)
            cost["updates"] += 1
            out.record(report)
            due = run.finished or run.update == 1 or int(_share(run) * REPORTS) > int(share * REPORTS)
            if due or time.monotonic() - saved_at >= SECONDS_BETWEEN:
                share, saved_at = _share(run), time.monotonic()
                cost["peak_bytes"] = max(cost["peak_bytes"], resident_bytes(peak=True) or 0)
                out.save(run)
                write_text(place / "cost.json", json.dumps(cost) + "\n")
                yield _row(place, run, cost)
        if run.finished:  # when opened, or now
            yield _row(place, run, cost)


def _opened(folder: Place, run: Training) -> RunFolder:
    if (folder / "config.json").is_file():
        return RunFolder.resume(folder, run)
    return RunFolder.create(folder, run.config)


def _cost(folder: Place) -> dict[str, float]:
    """Read the cost of a trial so far. ConfigError if its file holds impossible values."""
    cost = {"seconds": 0.0, "updates": 0, "peak_bytes": 0}
    if not any(name.startswith("update-") for name in names(folder / "checkpoints")):
        return cost
    try:
        return {name: finite(value) for name, value in (cost | read_json(folder / "cost.json")).items() if name in cost}
    except FileNotFoundError:
        return cost
    except (OSError, ValueError) as error:
        raise ConfigError(
            "out", str(folder.path), _("its cost.json cannot be read ({reason})").format(reason=reason(error))
        ) from None


def _share(run: Training) -> float:
    """Return the fraction of the budget spent, 0 to 1."""
    done, total = (run.update, run.config.updates) if run.config.updates else (run.runner.t_env, run.config.t_max_total)
    return min(1.0, done / total)


def _row(folder: Place, run: Training, cost: Mapping[str, float]) -> Row:
    last = last_row(folder / "metrics.csv")
    config = run.config
    row = {key: getattr(config, key) for key in ("env", "learner", "n_agents", "batch_size", "seed")}
    row |= {key: float(last[key]) if last[key] else None for key in COLUMNS if key in last}
    row |= {"win_rate": run.win_rate}  # the latest test's: the last row may have none
    row |= {"trial": trial_name(config), "update": run.update, "t_env": run.runner.t_env, "share": _share(run)}
    return row | {"seconds": cost["seconds"] / max(1, cost["updates"]), "peak_bytes": int(cost["peak_bytes"])}


def run_trial(parameters: Row, code: OwnCode | None = None) -> None:
    """Run a trial under Ray Tune on any node; RunFolder ensures that only one process writes a folder at a time."""
    from ray import tune

    adopt(code)
    settings = parameters["trial"]
    folder = Path(settings["folder"])
    with speaking(ENGLISH):  # the sentence of an error goes into results.csv
        if not folder.is_dir():  # the sweep made it
            raise RunError(_("{folder} was removed, or the sweep's folder was").format(folder=folder))
        for row in train_in(folder, OMGConfig.from_dict(settings["config"])):
            tune.report(row)


# --- all of them -----------------------------------------------------------------------------------------------------


class Results:
    """`DIR/results.csv`: one row per trial, rewritten after every change, while the claim holds if there is one."""

    def __init__(self, out: Path, claim: Claim | None = None) -> None:
        self.path, self.rows, self.fault = out / "results.csv", {}, ""
        self._claim = claim
        try:
            self.rows = {row["trial"]: {"settings": settings_in(row["trial"])} | row for row in read_rows(self.path)}
            self.rows = {name: {key: row[key] for key in COLUMNS} for name, row in self.rows.items()}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError) as error:
            allowed = _("its results.csv cannot be read ({reason}); allowed is a new folder, or a sweep's").format(
                reason=reason(error)
            )
            raise ConfigError("out", str(out), allowed) from None

    def lacks(self, name: str, config: OMGConfig) -> bool:
        """Return whether a trial has not ended yet. ConfigError if its folder holds other settings."""
        folder = self.path.parent / name
        if (folder / "config.json").is_file():
            saved = saved_config(folder).to_dict()
            other = [key for key, value in config.to_dict().items() if saved[key] != value]
            if other:
                reason = _("{name} was trained there with {other}={saved!r}; allowed is a new folder").format(
                    name=name, other=other[0], saved=saved[other[0]]
                )
                raise ConfigError("out", str(self.path.parent), reason)
        return self.rows.get(name, {}).get("state") not in (FINISHED, STOPPED)

    def add(self, row: Row) -> None:
        told = {"settings": settings_in(row["trial"])}
        self.rows[row["trial"]] = {key: (row | told).get(key) for key in COLUMNS}
        with self.checked():
            write_rows(self.path, self.rows.values(), COLUMNS)

    @contextlib.contextmanager
    def checked(self) -> Iterator[None]:
        """Check that the folder is still the sweep's. RunError, kept as `fault`, if not, or if writing fails."""
        try:
            if self._claim:
                self._claim.check()
            yield
        except OSError as error:
            said = _("{path} could not be written ({reason})")
            self.fault = said.format(path=self.path, reason=reason(error))
            raise RunError(self.fault) from None


def sweep(
    configs: Iterable[OMGConfig],
    out: str | Path,
    asha: bool = False,
    gpus: float = 0.0,
    table: bool = True,
    vary: Iterable[str] = (),
) -> list[Row]:
    """Run the trials missing in `out`, on the cluster that RAY_ADDRESS names or here; return all rows of `results.csv`.

    `asha` stops trials early that are worse than others at the same share of their budget, by `train_win_rate` (or
    `train_return` if the game has no winner). `gpus` is the share of a GPU per trial; each takes one CPU. `vary` are
    settings that every trial's name shows, see `named`.
    """
    out = Path(out).absolute()
    with claimed(out) as claim:
        results, trials = Results(out, claim), named((elsewhere(c, device=c.device) for c in configs), vary)
        missing = {name: config for name, config in trials.items() if results.lacks(name, config)}
        if missing:
            try:
                refuse_links(Place(out) / TUNE_FOLDER)
                check_target(out / "results.svg")
                for name in missing:
                    make_folder(Place(out) / name)
            except OSError as error:
                allowed = _("cannot be written ({reason}); allowed is a writable folder").format(reason=reason(error))
                raise ConfigError("out", str(out), allowed) from None
            _tune(missing, out, results, asha, gpus, table)
        return list(results.rows.values())


def recorder(kind: type, results: Results) -> Any:
    """Create a Tune callback (its base class is `kind`) that writes a trial's row as soon as the trial ends."""

    class Recorder(kind):
        def on_step_begin(self, iteration: int, trials: list, **info: Any) -> None:
            with results.checked():
                pass

        def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
            row = trial.last_result
            results.add(row | {"trial": _name_of(trial), "state": FINISHED if row["share"] >= 1 else STOPPED})

        def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
            settings = trial.config["trial"]["config"]
            row = {key: settings[key] for key in ("env", "learner", "n_agents", "batch_size", "seed")}
            said = str(trial.get_error() or "no reason given").strip().splitlines()[-1]
            results.add(row | trial.last_result | {"trial": _name_of(trial), "state": FAILED, "error": said})

    return Recorder()


def _name_of(trial: Any) -> str:
    return Path(trial.config["trial"]["folder"]).name


def _tune(configs: Mapping[str, OMGConfig], out: Path, results: Results, asha: bool, gpus: float, table: bool) -> None:
    os.environ.update(TUNE)
    tune, schedulers = extra("ray.tune"), extra("ray.tune.schedulers")
    connect()

    known = all(env_info(config.env, config.n_agents).has_winner for config in configs.values())
    judged = "train_win_rate" if known else "train_return"
    trials = [{"folder": str(out / name), "config": config.to_dict()} for name, config in configs.items()]
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(run_trial, code=own_code()), {"cpu": 1, "gpu": gpus}),
        param_space={"trial": tune.grid_search(trials)},
        tune_config=tune.TuneConfig(
            scheduler=schedulers.ASHAScheduler("share", judged, "max", max_t=1.0, **ASHA) if asha else None,
            trial_name_creator=_name_of,
            trial_dirname_creator=_name_of,
        ),
        run_config=tune.RunConfig(
            name=TUNE_FOLDER,
            storage_path=str(out),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            callbacks=[recorder(tune.Callback, results)],
            progress_reporter=tune.CLIReporter(
                metric_columns=list(SHOWN),
                parameter_columns={"trial/config/updates": "of updates"},
                max_report_frequency=5 if sys.stderr.isatty() else 60,
            ),
            verbose=1 if table else 0,
        ),
    )
    with contextlib.redirect_stdout(sys.stderr):
        try:
            tuner.fit()
        except Exception:  # of Ray's own kind, whatever a callback raised
            if results.fault:
                raise RunError(results.fault) from None
            raise
