"""Run in a notebook's kernel before its first cell: every question leaves its answer for the page to check.

`__main__.py` runs this file's text and calls `_listen`, so that nothing but that name is added to the notebook's.
"""


def _listen(mime: str) -> None:
    """Wrap the checks, so that each first displays what is right, as an output of this MIME type."""
    import sys
    from functools import wraps
    from importlib import import_module
    from inspect import getsource

    from IPython.display import display

    def tap(module, name, truth):
        check = getattr(import_module(f"omg_lib.{module}"), name)

        @wraps(check)
        def heard(*words, **named):
            display({mime: truth(*words, **named), "text/plain": ""}, raw=True)
            return check(*words, **named)

        for one in list(sys.modules.values()):  # those that have imported it by its name, too
            if getattr(one, "__name__", "").startswith("omg_lib") and vars(one).get(name) is check:
                setattr(one, name, heard)

    def numbers(guess, truth, names, labels, wanted):
        return {"numbers": [int(n) for n in truth], "labels": list(labels)}

    def choice(guess, right, facts):
        return {"right": right, "facts": {name: str(fact) for name, fact in facts.items()}}

    tap("checks", "_check", numbers)
    tap("checks", "check_choice", choice)

    from omg_lib.lessons.museum import exhibit
    from omg_lib.lessons.regroup_answers import ANSWERS
    from omg_lib.lessons.strangers import STRANGERS

    tap("lessons.museum", "fix", lambda key, line, cfg: {"code": exhibit(key).right})
    tap("lessons.strangers", "repair", lambda key, line: {"code": STRANGERS[key].right})
    tap("lessons.regroup_answers", "check_regrouping", lambda mine: {"code": getsource(ANSWERS[7].apply)})
