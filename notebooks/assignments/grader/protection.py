"""What protects the teacher's machine from submitted answers, in one sentence, for `make grade` and the guide."""

from __future__ import annotations

from dataclasses import dataclass

CALLS = "a list of allowed system calls (any other call ends the answer)"
JAIL = (
    "Answers run in a bubblewrap jail (no network, no other process, no file but a read-only Python, 16 MB of space "
    f"that vanishes with the answer), and inside it behind {CALLS}"
)
LANDLOCK = (
    f"Answers run behind Landlock and {CALLS}: they open no file but Python's, write nothing and reach neither the "
    "network nor another process; they can still see whether a file of yours exists, its size, its date, and where a "
    "link points."
)
APART = f"Answers run apart from the course, where c.GradeAnswers.python starts Python, and behind {CALLS}"
NOTHING = "Nothing keeps answers from your files, your programs and your network"
REFUSED = (
    f"{NOTHING}, so none was run: grade on Linux 5.13 or newer (x86-64 or ARM) or in a container as GUIDE.md says; "
    "make grade MORE=--unsafe grades all the same."
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
            return f"{NOTHING}."
        if not (self.jail or self.apart):
            return LANDLOCK
        return (JAIL if self.jail else APART) + (" and Landlock." if self.files else ".")


STRONGEST = Protection(jail=True, files=True, calls=True, apart=True, enough=True)
PLATFORMS = {
    "Linux, any user, with bubblewrap": str(STRONGEST),
    "Linux without bubblewrap": LANDLOCK,
    "a container without user namespaces": LANDLOCK,
    "macOS": REFUSED,
}
"""For the guide. With neither bubblewrap nor Landlock, as in some containers, Linux is refused like macOS."""
