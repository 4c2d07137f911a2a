"""What the page says, in one place: the module holds no sentence of its own.

`{name}` is replaced by a value when the page shows the text. Why each stage has its shape is in `omg_lib.plots.words`.
"""

CONTROLS = {
    "env": "environment",
    "learner": "learner",
    "runner": "runner",
    "device": "device",
    "seed": "seed",
    "folder": "folder",
    "slider": "{name} slider",
    "episode_runner": "episode (R = 1)",
    "parallel_runner": "parallel (R = n_agents)",
    "other_runner": "R = {R}",
    "run": "Run",
    "stop": "Stop",
    "reset": "Reset",
    "save": "Save",
    "offer": "set {name} to {value}",
    "progress": "progress",
    "computes": "computes on: {device}",
    "list": "list every field of every stage",
    "fields": "fields",
}
TRANSPORT = {
    "transport": "one update, stage by stage",
    "back": "step back",
    "forward": "step forward",
    "play": "Play",
    "pause": "Pause",
    "stage": "stage",
    "speed": "speed",
    "sort": "sort by seat",
    "unfold": "unfold time",
    "compact": "compact",
    "follow": "follow",
    "example": "group 3 slot 5",
    "flow": "the flow: Space plays, left and right step, up and down follow an episode",
    "before": "before the first stage",
    "whole": "the whole update",
}
STATUS = {
    "predicted": "Predicted: the runner steps {runner}, the sample holds {sample}, the learner sees {learner}.",
    "measured": "Measured: update {update} on {device}.",
    "other_plan": "The measurements are of another plan: the plan is shown.",
    "lost": "The kernel is gone: the picture keeps what it has. Run the cell again.",
    "missing": "{name}: a number is missing, the last one is kept",
    "choices": "{name}={value}: allowed are {choices}",
    "teams": "n_agents={n_agents}: {env} allows {low} to {high}",
    "batch": "batch_size={batch_size}: allowed is 1 or more",
    "buffer": "batch_size={batch_size}: one sample needs {needed} episodes but the buffer holds {B}; "
    "allowed here is at most {most}",
    "width": "batch_size_run={R}: with teammates it must divide n_agents={A}",
}
PICTURE = {
    "runner_steps": "the runner steps",
    "times": "R, {calls} times",
    "sample_holds": "the sample holds",
    "learner_sees": "the learner sees",
    "network_sees": "the network sees",
    "rows": "{G} × {A} rows",
    "calls": "{calls} calls",
    "also": "also",
    "wider": "drawn {factor} × as wide",
    "stays": "cpu: it stays where it is",
    "may_move": "cpu → the learner's device: copied if that is a GPU",
    "moves": "cpu → {device}: every field is copied",
    "each_ring": "each ring keeps {capacity}",
    "one_ring": "the ring keeps {capacity}",
    "one_mark": "one mark: one seat of one episode, the same size everywhere",
    "marks": "one mark: one seat of {each} episodes",
    "colours": "{mark}; coloured: the learner's seat, grey: its teammates",
    "all_learn": "{mark}; all seats learn",
    "elsewhere": "your regrouping is drawn at n_agents {A} and batch_size {G}: set these to see it",
}
FOLLOWED = {
    "cell": "episode {episode}: seat {seat} learns; group {group}, slot {slot}; row {row} of {rows}",
    "cell_whole": "episode {episode}, seat {seat}: one of {A} seats that learn; row {row} of {rows}",
    "slot": "slot {slot}: seat {slot} of {G} groups, from {G} episodes; {G} of {rows} rows",
    "slot_whole": "slot {slot}: seat {slot} of all {G} episodes; {G} of {rows} rows",
    "group": "group {group}: episodes {episodes}, one of each seat; rows {row} to {last} of {rows}",
    "group_whole": "episode {group}: all {A} seats learn; rows {row} to {last} of {rows}",
    "place": "; {steps} steps; place {place} of its ring",
    "place_whole": "; {steps} steps; place {place} of the ring",
    "plan": " (the plan; nothing has run yet)",
    "held_right": "group {group}, slot {slot}: episode {episode}, seat {seat}: the learner's own data, in its place",
    "held_teammate": "group {group}, slot {slot}: episode {episode}, seat {seat}: what a teammate saw",
    "held_slot": "group {group}, slot {slot}: episode {episode}, seat {seat}: the learner's, in another seat's slot",
    "held_time": "group {group}, slot {slot}: episode {episode}, seat {seat}: from another time step",
    "used": "episode {episode}: seat {seat} learns; this regrouping puts it into {count} of {rows} slots",
    "limit": "{asked}: allowed is 0 to {last}",
    "search": '{asked}: allowed is for example "episode 13" or "group 3 slot 5"',
}
SPOKEN = {
    "picture": "Flow of tensors for n_agents {A}, batch_size {G}. {headline}",
    "one_call": "1 call",
    "equal": "equal",
    "different": "different",
    "predicted": "predicted",
    "was_measured": "measured",
}
"""The whole picture as text, for screen readers."""


def texts() -> dict[str, dict[str, str]]:
    """Return every text of the page, by the part that shows it."""
    return {
        "controls": CONTROLS,
        "transport": TRANSPORT,
        "status": STATUS,
        "picture": PICTURE,
        "followed": FOLLOWED,
        "spoken": SPOKEN,
    }
