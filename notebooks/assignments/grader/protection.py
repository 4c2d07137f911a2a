"""What protects the teacher's machine from submitted answers, in one sentence, for `make grade` and the guide."""

from __future__ import annotations

from dataclasses import dataclass

from omg_lib.words import N_, _

CALLS = N_("a list of allowed system calls (any other call ends the answer)")
BOTH = N_("{calls} and Landlock")
JAIL = N_(
    "Answers run in a bubblewrap jail (no network, no other process, no file but a read-only Python, 16 MB of space "
    "that vanishes with the answer), and inside it behind {guards}."
)
LANDLOCK = N_(
    "Answers run behind Landlock and {calls}: they open no file but Python's, write nothing and reach neither the "
    "network nor another process; they can still see whether a file of yours exists, its size, its date, and where a "
    "link points."
)
APART = N_("Answers run apart from the course, where c.GradeAnswers.python starts Python, and behind {guards}.")
NOTHING = N_("Nothing keeps answers from your files, your programs and your network.")
REFUSED = N_(
    "Nothing keeps answers from your files, your programs and your network, so none was run: grade on Linux 5.13 or "
    "newer (x86-64 or ARM) or in a container as GUIDE.md says; make grade MORE=--unsafe grades all the same."
)


@dataclass(frozen=True)
class Protection:
    """The protection found: our jail, Landlock, seccomp, a Python apart from the course; and whether it is enough."""

    jail: bool
    files: bool
    calls: bool
    apart: bool
    enough: bool

    def __str__(self) -> str:
        if not self.enough:
            return _(NOTHING)
        if not (self.jail or self.apart):
            return _(LANDLOCK).format(calls=_(CALLS))
        guards = _(BOTH).format(calls=_(CALLS)) if self.files else _(CALLS)
        return _(JAIL if self.jail else APART).format(guards=guards)


def platforms() -> dict[str, str]:
    """Return what each system gives, for the guide. With neither bubblewrap nor Landlock, as in some containers, Linux
    is refused like macOS.
    """
    jail = str(Protection(jail=True, files=True, calls=True, apart=True, enough=True))
    landlock = str(Protection(jail=False, files=True, calls=True, apart=False, enough=True))
    return {
        _("Linux, any user, with bubblewrap"): jail,
        _("Linux without bubblewrap"): landlock,
        _("a container without user namespaces"): landlock,
        "macOS": _(REFUSED),
    }
