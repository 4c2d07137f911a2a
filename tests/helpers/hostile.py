"""Wrong or malicious submissions of assignment 1: the content of their answer cells, and the points they deserve."""

SHAPES = ("a1-arithmetic", "a1-acting", "a1-sampling", "a1-learning")
REPAIRS = ("a1-rows", "a1-slots", "a1-seat")
POINTS = {"a1-arithmetic": 6, "a1-acting": 2, "a1-sampling": 2, "a1-learning": 4} | dict.fromkeys(REPAIRS, 2)
HEADS = {
    "a1-arithmetic": "def arithmetic(n_agents, batch_size, batch_size_run, t_max, teammates):",
    "a1-acting": "def acting(A, R, L, O, S, C):",
    "a1-sampling": "def sampling(A, G, L, T, O):",
    "a1-learning": "def learning(A, G, T, O, C, Z, H):",
    "a1-rows": "def to_rows(x):",
    "a1-slots": "def to_slots(values, n_agents):",
    "a1-seat": "def own_seat(x):",
}


def cell(name: str, body: str, before: str = "") -> dict[str, str]:
    """Return an answer cell with this body."""
    return {name: before + HEADS[name] + "\n" + "".join(f"    {line}\n" for line in body.strip().splitlines())}


def wrong_seats() -> dict[str, str]:
    """The notebook's own broken reshapes: every shape is right."""
    return (
        cell("a1-rows", "G, T, A, F = x.shape\nreturn x.reshape(T, G * A, F)")
        | cell("a1-slots", "return values.repeat(n_agents)")
        | cell("a1-seat", "rows, T, A, F = x.shape\nreturn x.reshape(rows // A, A, T, A, F)[:, 0]")
    )


def hard_coded(truths: dict[str, object]) -> dict[str, str]:
    """What the checks of the four predictions expect, at their sizes."""
    arithmetic, without = truths["a1-arithmetic"]
    made = cell("a1-arithmetic", f"return {arithmetic!r} if teammates else {without!r}")
    for name in SHAPES[1:]:
        made |= cell(name, f"return {truths[name][0]!r}")
    return made


def from_library(root: str) -> dict[str, str]:
    """The library's answer, by import and by a way around the import ban."""
    plain = """
from omg_lib import OMGConfig
learner = "omg" if teammates else "iql"
config = OMGConfig(n_agents, batch_size, batch_size_run=batch_size_run, t_max=t_max, learner=learner)
names = ("sample_size", "runs_per_update", "t_max_total")
return {name: getattr(config, name) for name in names} | {"network_rows": n_agents * batch_size}
"""
    around = f"""
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "NoLibrary"]
sys.path.insert(0, {root!r})
from omg_lib.regroup import regroup
from tensordict import TensorDict
rows, steps, agents, _ = x.shape
seat = repeat(torch.arange(rows) % agents, "e -> e t 1", t=steps)
return regroup(TensorDict({{"obs": x, "seat": seat}}, batch_size=[rows, steps]))["obs"]
"""
    return cell("a1-arithmetic", plain) | cell("a1-seat", around)


def thief(course: str) -> dict[str, str]:
    """Read the solution from the teacher's place and run it; report any error together with what was read."""
    made = {}
    for name, head in HEADS.items():
        function = head.removeprefix("def ").split("(")[0]
        steal = f"""
import json
try:
    text = open({course!r} + "/source/a1/a1.ipynb").read()
except OSError:
    text = open({course!r} + "/grader/a1.py").read()
cells = {{c["id"]: "".join(c["source"]) for c in json.loads(text)["cells"]}}
exec(cells[{name!r}])
"""
        made[name] = steal + f"print({function})\n"
    return made


FORGED_CELL = """
import sys
import omg_lib.checks, omg_lib.lessons.assignments.checks as checks, omg_lib.lessons.assignments.cases as cases
omg_lib.checks.Verdict = checks.difference = checks.check_answer = lambda *_: []
cases.VISIBLE.clear()
try:
    import grader.tasks, grader.process
    grader.tasks.equal = grader.process.ask = lambda *_: ""
except ImportError:
    pass
check_answer = lambda *_: 100
"""
"""A student's own cell: in a kernel it would replace the grader."""

FORGED_ANSWER = """
import builtins, json, os, sys
for name in ("encode", "answers", "forked", "fence"):
    setattr(sys.modules["grader.child"], name, lambda *_: {"answers": [{"value": 6}] * 8})
json.dumps = lambda *_, **__: '{"answers": [{"value": 6}]}'
builtins.all = builtins.any = lambda *_: True
"""
"""In an answer cell: replaces what runs beside it in its own process."""


class Always:
    """An answer that claims to equal everything."""

    SOURCE = """
class Always(dict):
    __eq__ = __contains__ = lambda *_: True
    __getitem__ = get = lambda self, *_: self
    __hash__ = lambda self: 0
return Always()
"""


def submissions(truths: dict[str, object], root: str, course: str) -> dict[str, tuple[dict[str, str], int]]:
    """Name -> (changed answer cells of the reference solution, points they deserve)."""
    everything = sum(POINTS.values())
    less = {name: everything - points for name, points in POINTS.items()}
    return {
        "wrong-seats": (wrong_seats(), everything - sum(POINTS[name] for name in REPAIRS)),
        "hard-coded": (hard_coded(truths), sum(POINTS[name] for name in REPAIRS)),
        "library": (from_library(root), less["a1-arithmetic"] - POINTS["a1-seat"]),
        "endless-loop": (cell("a1-rows", "while True:\n    pass"), less["a1-rows"]),
        "memory-bomb": (
            cell("a1-slots", "kept = []\nwhile True:\n    kept.append(torch.ones(1 << 24))"),
            less["a1-slots"],
        ),
        "prints": (cell("a1-arithmetic", "print({'sample_size': n_agents * batch_size})"), less["a1-arithmetic"]),
        "exits": (cell("a1-acting", "import os\nos._exit(0)", "import sys\n"), less["a1-acting"]),
        "exits-at-once": ({"a1-acting": "import os\nos._exit(0)\n"}, less["a1-acting"]),
        "syntax-error": ({"a1-learning": HEADS["a1-learning"] + "\n    return {"}, less["a1-learning"]),
        "always-equal": (cell("a1-arithmetic", Always.SOURCE), less["a1-arithmetic"]),
        "forged-answer": (
            cell("a1-arithmetic", "return 6", FORGED_ANSWER) | cell("a1-rows", "return x", FORGED_ANSWER),
            less["a1-arithmetic"] - POINTS["a1-rows"],
        ),
        "half-right": (cell("a1-arithmetic", HALF_RIGHT), everything - 1 - 2),
        "thief": (thief(course), 0),
    }


HALF_RIGHT = """
return {
    "sample_size": n_agents * batch_size, "runs_per_update": n_agents // batch_size_run,
    "t_max_total": t_max, "network_rows": n_agents * batch_size,
}
"""
"""Forgets that every seat gets t_max, and that all seats may learn."""
