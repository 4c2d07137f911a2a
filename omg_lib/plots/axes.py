"""What each axis of the contract counts, and its look: one colour and one hatch in every picture."""

from collections.abc import Sequence

from omg_lib.words import N_

KINDS = {
    N_("episodes"): ("#dd7011", "M0 6L6 0"),
    N_("groups"): ("#d6418a", "M0 0L6 6M0 6L6 0"),
    N_("time"): ("#3b82d6", "M3 0V6"),
    N_("agents"): ("#1f9a68", "M0 3H6"),
    N_("features"): ("#9166d6", "M2 3H4M3 2V4"),
}
"""What an axis counts -> colour and hatch. The colours have a contrast of 3 on white and on black."""


def axis_kind(axis: str, grouped: bool) -> str:
    """Return what an axis of a contract counts; G counts groups if there is regrouping, else episodes."""
    if axis in ("R", "G*A", "G"):
        return "groups" if axis == "G" and grouped else "episodes"
    return {"T": "time", "T-1": "time", "L+1": "time", "A": "agents"}.get(axis, "features")


def kinds_of(axes: Sequence[str], grouped: bool) -> dict[str, str]:
    """Return what each of these axes counts."""
    return {axis: axis_kind(axis, grouped) for axis in axes}
