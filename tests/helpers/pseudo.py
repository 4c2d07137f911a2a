"""A language that nobody speaks: every letter of a message is changed, so what is still English was not marked."""

import re
from gettext import NullTranslations
from html import unescape

import ipywidgets as W

from omg_lib import words
from omg_lib.config import ENVIRONMENTS, OMGConfig
from omg_lib.contract import contract
from omg_lib.registry import learner_names

PATH = re.compile(r"[\w/]+\.py")
PLACEHOLDER = re.compile(r"(\{[^{}]*\})")
OTHER = {code: code + 0xFF41 - ord("a") for code in range(ord("a"), ord("z") + 1)}
OTHER |= {code: code + 0xFF21 - ord("A") for code in range(ord("A"), ord("Z") + 1)}
"""ASCII letters -> full-width ones."""
UNITS = set("B kB MB GB GiB ms s nats cpu auto cuda CPU GPU nan inf".split())
CODE = set("dtype obs seat state seats Q KL t e g R omg iql float32 float64 int64 bool shape n_agents x".split())


class Pseudo(NullTranslations):
    """Gives every message back in full-width letters, a third longer; placeholders stay."""

    def gettext(self, message: str) -> str:
        parts = PLACEHOLDER.split(message)
        made = "".join(part if i % 2 else part.translate(OTHER) for i, part in enumerate(parts))
        return made + "～" * (len(message) // 3)

    def ngettext(self, one: str, many: str, n: int) -> str:
        return self.gettext(one if n == 1 else many)


def speak(monkeypatch) -> None:
    """Let the library speak the pseudo-language, on figures too."""
    from omg_lib.system import fonts

    monkeypatch.setattr(words, "_catalogue", lambda language: Pseudo())
    monkeypatch.setattr(fonts, "find_font", lambda base: "any")


def names_of_code() -> set[str]:
    """Return words that are the same in every language: settings, stages, fields, axes, games, learners, units."""
    config = OMGConfig()
    stages = contract(config)
    fields = {key: axes for _, made in stages.values() for key, axes in made.items()}
    told = [*config.to_dict(), *stages, *fields, *(axis for axes, *_ in fields.values() for axis in axes.split())]
    told += [*ENVIRONMENTS, *learner_names()]
    return UNITS | CODE | {part for name in told for part in re.findall(r"[A-Za-z]\w*", name)}


def texts(widget: W.Widget) -> list[str]:
    """Return everything that a widget and its children show or name: labels, options, HTML, titles, drawings."""
    said = [str(getattr(widget, name, "") or "") for name in ("description", "tooltip", "placeholder")]
    if isinstance(widget, W.HTML):
        said += visible(widget.value)
    if hasattr(widget, "options"):
        said += [str(option[0] if isinstance(option, tuple) else option) for option in widget.options]
    return said + [text for child in getattr(widget, "children", ()) for text in texts(child)]


def visible(html: str) -> list[str]:
    """Return what HTML shows, without code and style, and the accessible names in it."""
    html = re.sub(r"<(style|script|code|pre|svg:style)\b.*?</\1>", " ", html, flags=re.S)
    named = re.findall(r'(?:aria-label|alt|title)="([^"]*)"', html)
    return [unescape(text) for text in [*named, *re.sub(r"<[^>]*>", "\n", html).split("\n")] if text.strip()]


def english(said: list[str]) -> list[str]:
    """Return the texts in which a word of small letters is still English."""
    known = names_of_code()
    return [text for text in said if set(re.findall(r"(?<![\w./-])[A-Za-z][A-Za-z_]\w*", PATH.sub("", text))) - known]
