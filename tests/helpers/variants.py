"""Many answers to one task, and the verdicts of the hidden tests.

They run in this process, through the child's own function and encoding; starting processes is tested elsewhere.
"""

import ast
import importlib
import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from grader import child
from grader.process import Failed, Question
from grader.tasks import Task, judged, question

from omg_lib.lessons.assignments.cells import FUNCTIONS


def task_of(grade_id: str) -> Task:
    tasks = importlib.import_module(f"grader.{grade_id[:2]}").tasks(Path())
    return next(task for task in tasks if task.grade_id == grade_id)


def cell(reference: str, name: str, body: str) -> str:
    """Return a cell in which the function `name` has another body, with the reference solution's result in `r`."""
    function = next(node for node in ast.parse(reference).body if isinstance(node, ast.FunctionDef))
    names = ", ".join(arg.arg for arg in function.args.args)
    head = f"def {name}({names}):"
    body = textwrap.dedent(body).strip()
    body = body if re.match(r"return |.*\n", body) else f"return {body}"
    if re.search(r"\br\b", body):
        body = f"import copy\nr = reference(*copy.deepcopy([{names}]))\n{body}"
    own = re.sub(rf"\bdef {name}\(", "def reference(", reference)
    return f"{own}\n\n\n{head}\n{textwrap.indent(body, '    ')}\n"


def points(grade_id: str, sources: Iterable[dict[str, str]], seed: int = 1) -> list[str]:
    """Return the points of each criterion for each submission's answer cells: "021"."""
    task = task_of(grade_id)
    cases = task.cases(Random(f"{seed} {grade_id}"))
    given = [answers(question(task, cases, one)) for one in sources]
    return ["".join(str(mark.points) for mark in judged(task, cases, told)) for told in given]


def answers(asked: Question) -> list[object]:
    """Return what `grader.process.ask` returns for one question, without a process."""
    calls = [json.loads(json.dumps(child.encode(list(args)))) for args in asked.calls]
    made = child.answers({"sources": list(asked.sources), "function": asked.function, "calls": calls})
    if "error" in made:
        return [Failed(made["error"])] * len(calls)
    told = json.loads(json.dumps(made["answers"]))
    return [Failed(one["error"]) if "error" in one else child.decode(one["value"]) for one in told]


def with_body(answer: str, references: dict[str, str], bodies: Sequence[str]) -> list[dict[str, str]]:
    """Return the reference solution's cells with each of the bodies for this answer."""
    return [references | {answer: cell(references[answer], FUNCTIONS[answer], body)} for body in bodies]
