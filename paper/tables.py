"""Tables and figures from what the pieces wrote. Nothing is trained here: you can remake them at any time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from omg_lib.experiment import gridworld
from omg_lib.experiment.evaluate import interval
from omg_lib.experiment.gridworld import CONDITIONS
from omg_lib.experiment.intervals import RATES
from omg_lib.experiment.scores import write_rows
from omg_lib.plots.gridworld import gridworld_figure
from omg_lib.plots.results import bars_figure, learning_figure
from omg_lib.plots.subgoals import choice_figure
from paper.coverage import TABLES, coverage_rows
from paper.plan import METHODS, RELEASED, Plan
from paper.report import write_report
from paper.run import scores_of

PROMISED = ("env", "n_agents", "kind", "method", "mode", "seed", "win_rate")
"""Columns of unseen.csv."""
SIX = ("omg", "naive_om", "liam", "iql", "iql_actions", "oracle")
FIVE_SEEDS = 5
PLAIN_OMG = "omg optimistic"
KINDS = ("seen", "homologue", "non_homologue")


def write_all(plans: Sequence[Plan], quick: bool) -> None:
    """Write every table and figure of the existing results."""
    folder = plans[0].data / "results"
    folder.mkdir(parents=True, exist_ok=True)
    rows, tuned = flat(plans), flat(plans, "tuned")
    write_rows(folder / "teammates.csv", rows)
    write_rows(folder / "paper_runs.csv", budgets(plans))
    unseen = complete_groups(rows, 1 if quick else FIVE_SEEDS)
    write_rows(folder / "unseen.csv", unseen or [dict.fromkeys(PROMISED)])
    if tuned:
        write_rows(folder / "fine_tuned.csv", tuned)
        write_rows(folder / "fine_tuned_summary.csv", summary(tuned))
    write_rows(folder / "subgoals.csv", subgoals(plans))
    write_rows(folder / "selection.csv", summary([row for row in rows if row["group"] == "selection"]))
    write_rows(folder / "summary.csv", summary([row for row in rows if row["group"] not in ("selection", "released")]))
    if costs := costs_of([row for row in rows if row["group"] in ("methods", "ablations", "released")]):
        write_rows(folder / "released.csv", costs)
    gaps = differences([row for row in rows if row["group"] in ("methods", "questions", "ablations")])
    write_rows(folder / "differences.csv", gaps)
    pictures(plans, rows, folder)
    grid_world(folder, 4_000 if quick else 100_000)
    write_rows(folder / "coverage.csv", coverage_rows(100 if quick else TABLES))
    write_report(folder)


def method_of(arm: str) -> tuple[str, str]:
    """Split an arm's name into method and mode: ("omg", "optimistic"), ("iql", "")."""
    method, _, mode = arm.partition(" ")
    return method, mode


def flat(plans: Sequence[Plan], name: str = "scores") -> list[dict]:
    """Return one row for each arm, seed and set of teammates."""
    rows = []
    for plan in plans:
        for piece in scores_of(plan, name):
            method, mode = method_of(piece["arm"])
            about = {"env": plan.env, "n_agents": plan.n_agents, "group": piece["group"], "arm": piece["arm"]}
            about |= {"method": method, "mode": mode, "seed": piece["seed"]}
            rows += [about | score for score in piece["scores"]]
    return rows


def budgets(plans: Sequence[Plan]) -> list[dict]:
    """Return what each run was, and what it cost."""
    keys = ("arm", "group", "seed", "updates", "t_env", "cpu_seconds", "commit")
    return [{"env": plan.env} | {key: piece[key] for key in keys} for plan in plans for piece in scores_of(plan)]


def complete_groups(rows: Sequence[dict], least_seeds: int) -> list[dict]:
    """Return the rows of unseen.csv: means over the test sets of a kind, if all six methods have their seeds."""
    mine = [r for r in rows if r["group"] == "methods" and r["split"] == "test" and r["arm"] != "omg random"]
    found = []
    for env, n_agents, kind in dict.fromkeys((r["env"], r["n_agents"], r["kind"]) for r in mine):
        group = [r for r in mine if (r["env"], r["n_agents"], r["kind"]) == (env, n_agents, kind)]
        seeds = {arm: sorted({r["seed"] for r in group if r["arm"] == arm}) for arm in {r["arm"] for r in group}}
        kept = [arm for arm in METHODS if len(seeds.get(arm, ())) >= least_seeds]
        if {method_of(arm)[0] for arm in kept} != set(SIX):
            continue
        for arm in kept:
            for seed in seeds[arm]:
                rates = [r["win_rate"] for r in group if r["arm"] == arm and r["seed"] == seed]
                values = (env, n_agents, kind, *method_of(arm), seed, round(float(np.mean(rates)), 4))
                found.append(dict(zip(PROMISED, values, strict=True)))
    return found


def subgoals(plans: Sequence[Plan]) -> list[dict]:
    """Return the hit ratios and which k is chosen, for each OMG run."""
    rows = []
    for plan in plans:
        for piece in scores_of(plan):
            if piece["subgoals"]:
                report = piece["subgoals"]
                shares = " ".join(f"{share:.4f}" for share in report["shares"])
                ratios = {key: report[key] for key in ("hit_ratio", "present", "ceiling", "trajectories")}
                rows.append({"env": plan.env, "arm": piece["arm"], "seed": piece["seed"]} | ratios | {"shares": shares})
    return rows


def kind_of(row: dict) -> str:
    """Return "seen" or the kind of the unseen teammates; validation sets keep their split's name."""
    return {"train": "seen", "test": row["kind"]}.get(row["split"], f"{row['split']} {row['kind']}")


def grid(rows: Sequence[dict], arm: str, kind: str, seeds: Sequence[int] | None = None) -> np.ndarray:
    """Return the win rates [seeds, sets] of an arm with one kind of teammates."""
    mine = [r for r in rows if r["arm"] == arm and kind_of(r) == kind]
    seeds = sorted({r["seed"] for r in mine}) if seeds is None else seeds
    sets = list(dict.fromkeys(r["teammates"] for r in mine))
    values = {(r["seed"], r["teammates"]): r["win_rate"] for r in mine}
    return np.array([[values[seed, name] for name in sets] for seed in seeds])


def summary(rows: Sequence[dict]) -> list[dict]:
    """Return mean and 95 % interval over seeds and sets of each arm with each kind of teammates."""
    table = []
    for env in dict.fromkeys(r["env"] for r in rows):
        here = [r for r in rows if r["env"] == env]
        for arm in dict.fromkeys(r["arm"] for r in here):
            for kind in dict.fromkeys(kind_of(r) for r in here if r["arm"] == arm):
                values = grid(here, arm, kind)
                mean, low, high = interval(values, within=RATES)
                sizes = {"seeds": values.shape[0], "sets": values.shape[1]}
                spread = {"mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4)}
                table.append({"env": env, "arm": arm, "kind": kind} | spread | sizes)
    return table


def differences(rows: Sequence[dict]) -> list[dict]:
    """Return each arm minus `iql` and minus `iql_actions`, paired by seed and set, with 95 % intervals; and the share
    of the gap between `iql` and the oracle that it closes.
    """
    table = []
    for arm in dict.fromkeys(r["arm"] for r in rows):
        for kind in [kind for kind in KINDS if any(kind_of(r) == kind for r in rows)]:
            seeds = sorted({r["seed"] for r in rows if r["arm"] == arm})
            others = {name: {r["seed"] for r in rows if r["arm"] == name} for name in ("iql", "iql_actions", "oracle")}
            seeds = [s for s in seeds if all(s in have for have in others.values())]
            if not seeds:
                continue
            values = {name: grid(rows, name, kind, seeds) for name in (arm, *others)}
            line = {"arm": arm, "kind": kind, "seeds": len(seeds)}
            for other in ("iql", "iql_actions"):
                spread = interval(values[arm] - values[other], within=(-1.0, 1.0))
                for name, value in zip(("", "_low", "_high"), spread, strict=True):
                    line[f"minus_{other}{name}"] = round(value, 4)
            gap = float((values["oracle"] - values["iql"]).mean())
            line["share_of_gap"] = round(float((values[arm] - values["iql"]).mean()) / gap, 3) if gap > 0 else None
            table.append(line)
    return table


def costs_of(rows: Sequence[dict]) -> list[dict]:
    """Return each of the released code's choices minus `omg optimistic`, paired by seed and set, with 95 % intervals.
    Only an arm with all of its seeds has a row.
    """
    table = []
    for arm in RELEASED:
        mine = [r for r in rows if r["arm"] == arm]
        seeds = sorted({r["seed"] for r in mine} & {r["seed"] for r in rows if r["arm"] == PLAIN_OMG})
        if len(seeds) < len({r["seed"] for r in rows if r["group"] == "ablations"}):
            continue
        for kind in KINDS:
            values, plain = (grid(rows, name, kind, seeds) for name in (arm, PLAIN_OMG))
            mean, low, high = interval(values - plain, within=(-1.0, 1.0))
            spread = {"mean": round(float(values.mean()), 4), "minus_omg": round(mean, 4)}
            spread |= {"low": round(low, 4), "high": round(high, 4)}
            table.append({"arm": arm, "kind": kind, "seeds": len(seeds), "sets": values.shape[1]} | spread)
    return table


def curves(plans: Sequence[Plan]) -> list[dict]:
    """Return the test win rate with the training teammates against environment steps."""
    return [
        {"env": plan.env, "arm": piece["arm"], "seed": piece["seed"], "t_env": t_env, "win_rate": rate}
        for plan in plans
        for piece in scores_of(plan)
        for t_env, rate in piece["tests"]
    ]


def pictures(plans: Sequence[Plan], rows: Sequence[dict], folder: Path) -> None:
    """Draw unseen.svg, curves.svg and choices.svg."""
    reported = [r for r in rows if r["group"] == "methods" and r["arm"] != "omg random"]
    lines = [dict(zip(("method", "mode"), method_of(row["arm"]), strict=True)) | row for row in summary(reported)]
    bars = [line for line in lines if line["kind"] in KINDS]
    write_rows(folder / "bars.csv", bars)
    save(bars_figure(bars), folder / "unseen.svg")
    along = [row for row in curves(plans[:1]) if row["arm"] in {r["arm"] for r in reported}]
    write_rows(folder / "curves.csv", curves(plans))
    points = []
    for arm, t_env in dict.fromkeys((row["arm"], row["t_env"]) for row in along):
        rates = np.array([[r["win_rate"]] for r in along if (r["arm"], r["t_env"]) == (arm, t_env)])
        mean, low, high = interval(rates, within=RATES)
        spread = {"mean": mean, "low": low, "high": high}
        points.append(dict(zip(("method", "mode"), method_of(arm), strict=True)) | {"t_env": t_env} | spread)
    if points:
        write_rows(folder / "curve_points.csv", points)
        save(learning_figure(points), folder / "curves.svg")
    shares = {}
    for row in subgoals(plans[:1]):
        if row["arm"] in ("omg optimistic", "omg conservative"):
            shares.setdefault(row["arm"], []).append([float(share) for share in row["shares"].split()])
    means = {arm: np.mean(values, axis=0).tolist() for arm, values in shares.items()}
    save(choice_figure(means), folder / "choices.svg")


def grid_world(folder: Path, steps: int) -> None:
    """Remake the paper's Fig. 3 as learning curves; it takes seconds, so every call does."""
    learned = [gridworld.learn(condition, steps, state=state) for state in gridworld.STATES for condition in CONDITIONS]
    write_rows(folder / "gridworld.csv", gridworld.table(learned))
    save(gridworld_figure(learned), folder / "gridworld.svg")


def save(figure: Figure, path: Path) -> None:
    """Save as SVG without ids or dates that would change between calls."""
    with rc_context({"svg.hashsalt": path.name}):
        figure.savefig(path, transparent=True, metadata={"Date": None})
