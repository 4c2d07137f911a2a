"""`shapes`: predict every shape of one update, and run nothing."""

from __future__ import annotations

import argparse

from omg_lib.commands.options import (
    Output,
    add_config,
    add_settings,
    given_settings,
    read_config,
    with_options,
)
from omg_lib.config import OMGConfig
from omg_lib.flow import handover, save_page
from omg_lib.flow.svg import flow_svg
from omg_lib.predict import predict
from omg_lib.trace import ShapeTrace
from omg_lib.words import _, listing

OPTIONS = ("env", "n_agents", "batch_size", "learner", "batch_size_run", "horizon")


def add_options(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, OPTIONS)
    add_config(parser)
    parser.add_argument("--json", metavar="FILE", help=_("also write the trace here"))
    parser.add_argument(
        "--html", metavar="FILE", help=_("also write a page that shows the flow and needs nothing else")
    )


def run(args: argparse.Namespace) -> int:
    given = given_settings(args)
    config = OMGConfig.from_dict(with_options(read_config(args, given), given))
    trace = predict(config)
    json, html = Output("json", args.json), Output("html", args.html)
    json.write(trace.save)
    html.write(lambda path: save_page(path, handover(config), flow_svg(trace)))
    print(table(trace))
    return 0


def table(trace: ShapeTrace) -> str:
    """Format a trace as text: one line per field, with its axes by name and by size."""
    sizes = listing(f"{letter} = {size}" for letter, size in trace.sizes.items())
    lines = [
        sizes,
        f"{'stage':<28}{'calls':>5}  {'field':<15}{'axes':<24}{'shape':<26}{'dtype':<9}{'bytes':>13}",
    ]
    for entry in trace.stages:
        head = f"{entry.name:<28}{entry.calls:>5}"
        for key, f in entry.fields.items():
            axes, shape = f"[{', '.join(f.axes)}]", str(list(f.shape))
            lines.append(f"{head:<33}  {key:<15}{axes:<24}{shape:<26}{f.dtype:<9}{f.bytes:>13,}")
            head = ""
        if not entry.fields:
            lines.append(head)
    return "\n".join(lines)
