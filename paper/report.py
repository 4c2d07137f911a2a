"""`report.md`: our tables beside the paper's figures. Ours come from the CSV files in the same folder, the paper's from
`published.csv` (Fig. 7's conservative column is Eq. 8's mix with H = 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from omg_lib.system.files import read_table, write_text

PUBLISHED = Path(__file__).with_name("published.csv")
TABLE_3 = ("paper, Table 3 and Fig. 8(a), Foraging", "", "35.4 20.0 22.8 19.3 2.5", "0.126", "", "")
KINDS = {"seen": "seen", "homologue": "unseen, homologue", "non_homologue": "unseen, non-homologue"}
Rows = Sequence[dict[str, str]]


def write_report(folder: Path) -> None:
    """Remake report.md from the CSV files of a folder."""
    summary, gaps = (rows_of(folder / name) for name in ("summary.csv", "differences.csv"))
    lines = ["# Results beside the paper's", "", "Written by `python -m paper`, not by hand.", ""]
    for env in dict.fromkeys(row["env"] for row in summary):
        mine = [row for row in summary if row["env"] == env and row["kind"] in KINDS]
        lines += win_rates(f"{env}: win rate", mine)
    lines += cross_play(rows_of(folder / "cross_play.csv"))
    lines += win_rates("What the settings were chosen on: win rate", rows_of(folder / "selection.csv"))
    if (tuned := folder / "fine_tuned_summary.csv").exists():
        lines += win_rates("skirmish:partners: win rate after fine-tuning with each test set", rows_of(tuned))
    for other in ("iql", "iql_actions"):
        lines += differences(other, gaps)
    if (released := folder / "released.csv").exists():
        lines += costs(rows_of(released))
    lines += published(rows_of(PUBLISHED))
    lines += choices(rows_of(folder / "subgoals.csv")) + budget(rows_of(folder / "paper_runs.csv"))
    write_text(folder / "report.md", "\n".join(lines) + "\n")


def rows_of(path: Path) -> Rows:
    return read_table(path)


def win_rates(title: str, rows: Rows) -> list[str]:
    """Tabulate the mean and 95 % interval of each arm for each kind of teammates."""
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    found = {(row["arm"], row["kind"]): row for row in rows}
    body = [
        [arm, found[arm, kinds[0]]["seeds"], *(spread(found[arm, kind], "mean", "low", "high") for kind in kinds)]
        for arm in dict.fromkeys(row["arm"] for row in rows)
    ]
    names = [KINDS.get(kind, kind) for kind in kinds]
    sets = ", ".join(f"{row['sets']} {name}" for row, name in zip(rows, names, strict=False))
    note = " The oracle also trains on the test teammates." if "homologue" in kinds else ""
    head = [f"## {title}, mean [95 % interval over seeds and sets of teammates]", ""]
    return [*head, *table(["arm", "seeds", *names], body), "", f"Sets: {sets}.{note}", ""]


def cross_play(rows: Rows) -> list[str]:
    """Tabulate whether partners matter: every member of the pool takes one seat of each team in turn."""
    names = [row["in one seat"] for row in rows]
    rates = [[float(row[name]) for name in names] for row in rows]
    own = sum(rates[i][i] for i in range(len(names))) / len(names)
    every = [(sum(row) / len(names), name) for row, name in zip(rates, names, strict=True)]
    best = sum(max(column) for column in zip(*rates, strict=True)) / len(names)
    single, champion = max(every)
    return [
        "## Do partners matter? Cross-play of the pool's members, without any learner",
        "",
        f"A team of copies of one member wins {own:.2f} on average. Then one member takes one seat of every team: the",
        f"best of the {len(names)} ({champion}) wins {single:.2f} on average. With the best member for each team it is",
        f"{best:.2f}. Table: `cross_play.csv`.",
        "",
    ]


def differences(other: str, rows: Rows) -> list[str]:
    """Tabulate each arm minus another, on the same seeds and sets."""
    found = {(row["arm"], row["kind"]): row for row in rows}
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    names = (f"minus_{other}", f"minus_{other}_low", f"minus_{other}_high")
    body = [
        [arm, found[arm, kinds[0]]["seeds"], *(spread(found[arm, kind], *names) for kind in kinds)]
        for arm in dict.fromkeys(row["arm"] for row in rows)
        if arm != other
    ]
    title = f"## skirmish:partners: each arm minus {other}, on the same seeds and sets [95 % interval]"
    return [title, "", *table(["arm", "seeds", *(KINDS[kind] for kind in kinds)], body), ""]


def costs(rows: Rows) -> list[str]:
    """Tabulate what the released code's choices cost, each alone and all of them."""
    found = {(row["arm"], row["kind"]): row for row in rows}
    body = [
        [arm, found[arm, "seen"]["seeds"], *(spread(found[arm, kind], "minus_omg", "low", "high") for kind in KINDS)]
        for arm in dict.fromkeys(row["arm"] for row in rows)
    ]
    title = "## The released code's choices: each arm minus omg optimistic, on the same seeds and sets [95 % interval]"
    return [title, "", *table(["arm", "seeds", *KINDS.values()], body), ""]


def published(rows: Rows) -> list[str]:
    """Tabulate the paper's figures: other games and teammates, so only the order of methods is comparable."""
    title = "## The paper's figures: other games, other teammates; only the order of methods is comparable"
    return [title, "", *table(list(rows[0]), [list(row.values()) for row in rows]), ""]


def choices(rows: Rows) -> list[str]:
    """Tabulate which k is chosen, and the hit ratio with its two controls."""
    body = [TABLE_3]
    for name, mine in grouped(rows):
        shares = zip(*([float(x) for x in row["shares"].split()] for row in mine), strict=True)
        mean = " ".join(f"{100 * sum(column) / len(mine):.1f}" for column in shares)
        ratios = [sum(float(row[key]) for row in mine) / len(mine) for key in ("hit_ratio", "present", "ceiling")]
        body.append((name, str(len(mine)), mean, *(f"{ratio:.3f}" for ratio in ratios)))
    head = ["arm", "runs", "share of k = 1..H, %", "hit ratio", "of repeating the present", "of the true next state"]
    title = "## Which of the next H states is chosen, and how often the inferred subgoal is reached"
    return [title, "", *table(head, body), ""]


def budget(rows: Rows) -> list[str]:
    """Tabulate the cost of each arm's runs."""
    body = []
    for name, mine in grouped(rows):
        seconds = [float(row["cpu_seconds"]) for row in mine if row["cpu_seconds"]]
        spent = f"{min(seconds):.0f} to {max(seconds):.0f}" if seconds else ""
        steps, updates = (max(int(row[key]) for row in mine) for key in ("t_env", "updates"))
        body.append([name, str(len(mine)), str(steps), str(updates), spent])
    head = ["arm", "runs", "environment steps", "updates", "CPU seconds per run"]
    return ["## Budgets (CPU seconds on a machine shared with other work)", "", *table(head, body)]


def grouped(rows: Rows) -> Iterable[tuple[str, Rows]]:
    """Yield a name and the rows of each arm and environment."""
    for env, arm in dict.fromkeys((row["env"], row["arm"]) for row in rows):
        yield f"{arm} ({env})", [row for row in rows if (row["env"], row["arm"]) == (env, arm)]


def spread(row: dict[str, str], mean: str, low: str, high: str) -> str:
    return f"{float(row[mean]):.2f} [{float(row[low]):.2f}, {float(row[high]):.2f}]"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *body)]
