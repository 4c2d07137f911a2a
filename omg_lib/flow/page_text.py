"""What the page says, in one place: the module holds no sentence of its own.

The page replaces `{name}` by a value. `omg_lib.flow.reasons` says why each stage has its shape.
"""

from omg_lib.lessons.regroup_answers import MOVED
from omg_lib.words import N_, _

CONTROLS = {
    "env": N_("environment"),
    "learner": N_("learner"),
    "runner": N_("runner"),
    "device": N_("device"),
    "seed": N_("seed"),
    "folder": N_("folder"),
    "slider": N_("{name} slider"),
    "episode_runner": N_("episode (R = 1)"),
    "parallel_runner": N_("parallel (R = n_agents)"),
    "other_runner": "R = {R}",
    "run": N_("Run"),
    "stop": N_("Stop"),
    "reset": N_("Reset"),
    "save": N_("Save"),
    "offer": N_("set {name} to {value}"),
    "progress": N_("progress"),
    "computes": N_("computes on: {device}; a full buffer takes {buffer}"),
    "list": N_("list every field of every stage"),
    "fields": N_("fields"),
}
TRANSPORT = {
    "transport": N_("one update, stage by stage"),
    "back": N_("step back"),
    "forward": N_("step forward"),
    "play": N_("Play"),
    "pause": N_("Pause"),
    "stage": N_("stage"),
    "speed": N_("speed"),
    "sort": N_("sort by seat"),
    "unfold": N_("unfold time"),
    "compact": N_("compact"),
    "follow": N_("follow"),
    "example": "group 3 slot 5",  # the box reads these words
    "flow": N_("the flow: Space plays, left and right step, up and down follow an episode"),
    "before": N_("before the first stage"),
    "whole": N_("the whole update"),
}
STATUS = {
    "predicted": N_("Predicted: the runner steps {runner}, the sample holds {sample}, the learner sees {learner}."),
    "measured": N_("Measured: update {update} on {device}."),
    "other_plan": N_("The measurements are of another plan: the plan is shown."),
    "lost": N_("The kernel is gone: the picture keeps what it has. Run the cell again."),
    "missing": N_("{name}: a number is missing, the last one is kept"),
    "choices": N_("{name}={value}: allowed are {choices}"),
    "teams": N_("n_agents={n_agents}: {env} allows {low} to {high}"),
    "batch": N_("batch_size={batch_size}: allowed is 1 or more"),
    "buffer": N_(
        "batch_size={batch_size}: one sample needs {needed} episodes but the buffer holds {B}; "
        "allowed here is at most {most}"
    ),
    "width": N_("batch_size_run={R}: with teammates it must divide n_agents={A}"),
}
PICTURE = {
    "runner_steps": N_("the runner steps"),
    "times": N_("R, {calls} times"),
    "sample_holds": N_("the sample holds"),
    "learner_sees": N_("the learner sees"),
    "network_sees": N_("the network sees"),
    "rows": N_("{G} × {A} rows"),
    "calls": N_("{calls} calls"),
    "also": N_("also"),
    "wider": N_("drawn {factor} × as wide"),
    "stays": N_("cpu: it stays where it is"),
    "may_move": N_("cpu → the learner's device: copied if that is a GPU"),
    "moves": N_("cpu → {device}: every field is copied"),
    "each_ring": N_("each ring keeps {capacity}"),
    "one_ring": N_("the ring keeps {capacity}"),
    "one_mark": N_("one mark: one seat of one episode, the same size everywhere"),
    "marks": N_("one mark: one seat of {each} episodes"),
    "colours": N_("{mark}; coloured: the learner's seat, grey: its teammates"),
    "all_learn": N_("{mark}; all seats learn"),
    "elsewhere": N_("your regrouping is drawn at n_agents {A} and batch_size {G}: set these to see it"),
}
FOLLOWED = {
    "cell": N_("episode {episode}: seat {seat} learns; group {group}, slot {slot}; row {row} of {rows}"),
    "cell_whole": N_("episode {episode}, seat {seat}: one of {A} seats that learn; row {row} of {rows}"),
    "slot": N_("slot {slot}: seat {slot} of {G} groups, from {G} episodes; {G} of {rows} rows"),
    "slot_whole": N_("slot {slot}: seat {slot} of all {G} episodes; {G} of {rows} rows"),
    "group": N_("group {group}: episodes {episodes}, one of each seat; rows {row} to {last} of {rows}"),
    "group_whole": N_("episode {group}: all {A} seats learn; rows {row} to {last} of {rows}"),
    "place": N_("; {steps} steps; place {place} of its ring"),
    "place_whole": N_("; {steps} steps; place {place} of the ring"),
    "plan": N_(" (the plan; nothing has run yet)"),
    "held": N_("group {group}, slot {slot}: episode {episode}, seat {seat}: {what}"),
    "used": N_("episode {episode}: seat {seat} learns; this regrouping puts it into {count} of {rows} slots"),
    "limit": N_("{asked}: allowed is 0 to {last}"),
    "search": N_('{asked}: allowed is for example "episode 13" or "group 3 slot 5"'),
}
SPOKEN = {
    "picture": N_("Flow of tensors for n_agents {A}, batch_size {G}. {headline}"),
    "one_call": N_("1 call"),
    "equal": N_("equal"),
    "different": N_("different"),
    "predicted": N_("predicted"),
    "was_measured": N_("measured"),
}
"""The whole picture as text, for screen readers."""


def texts() -> dict[str, dict[str, str]]:
    """Return every text of the page in the language in use, by the part that shows it."""
    parts = {
        "controls": CONTROLS,
        "transport": TRANSPORT,
        "status": STATUS,
        "picture": PICTURE,
        "followed": FOLLOWED,
        "spoken": SPOKEN,
        "moved": MOVED,
    }
    return {part: {name: _(text) for name, text in said.items()} for part, said in parts.items()}
