"""`python -m deploy.editions messages | make | check | todo NOTEBOOK`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.editions import cells, messages, readme, rules, texts
from deploy.editions.notebooks import english, make, sources


def everything(edition: texts.Edition) -> dict[str, dict[str, texts.Section]]:
    return {path.stem: texts.read(edition.texts / f"{path.stem}.md") for path in sources()}


def faults(edition: texts.Edition) -> list[str]:
    """Return every fault of an edition: its texts', and notebooks that differ from what the texts make."""
    found = everything(edition)
    said = [f"{path.stem} {fault}" for path in sources()
            for fault in rules.faults(english(path), found[path.stem], edition)]  # fmt: skip
    for path, text in make(edition, found).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            said.append(f"{path.relative_to(texts.ROOT)} is not what its texts make: run `make notebooks-zh`")
    said += messages.faults(edition)
    return said + [fault for source in readme.SOURCES for fault in readme.faults(edition, source)]


def todo(path: Path) -> str:
    """Return the sections that a translator still has to write for a notebook, in English; old ones too."""
    said = []
    for edition in texts.EDITIONS:
        found = texts.read(edition.texts / f"{path.stem}.md")
        for cell in english(path).cells:
            now = texts.digest(cell.source)
            needed = cell.cell_type == "markdown" or cells.needs_text(cell.source)
            if needed and (cell.id not in found or found[cell.id].digest != now):
                said.append(f"<!-- {cell.id} {now} -->\n{cell.source}\n")
    return "\n".join(said)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main(arguments: Sequence[str]) -> int:
    match list(arguments):
        case ["messages"]:
            for edition in texts.EDITIONS:
                write(messages.path_of(edition), messages.po(messages.updated(edition)))
            return 0
        case ["make"]:
            for edition in texts.EDITIONS:
                edition.notebooks.mkdir(exist_ok=True)
                for path, text in make(edition, everything(edition)).items():
                    path.write_text(text, encoding="utf-8")
                write(messages.path_of(edition).with_suffix(".mo"), messages.mo(messages.read(edition)))
            return 0
        case ["check"]:
            said = [fault for edition in texts.EDITIONS for fault in faults(edition)]
            print("\n".join(said) or "Every cell and every message has its translation.")
            return bool(said)
        case ["todo", name] if found := [path for path in sources() if path.stem == name]:
            print(todo(found[0]))
            return 0
    print("allowed are messages, make, check and todo NOTEBOOK, such as 01_three_batch_sizes or a1", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
