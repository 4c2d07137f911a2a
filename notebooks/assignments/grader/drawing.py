"""Rebuild the pictures of a submission: keep what a browser draws, without what could run, load or never end."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from io import BytesIO
from xml.etree.ElementTree import Element, ParseError, register_namespace, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from PIL import Image

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
register_namespace("", SVG[1:-1])
register_namespace("xlink", XLINK[1:-1])
ELEMENTS = set(
    "circle clipPath defs desc ellipse g image line linearGradient path pattern polygon polyline"
    " radialGradient rect stop style svg text title tspan use".split()
)
ATTRIBUTES = set(
    "class clip-path clip-rule clipPathUnits cx cy d dx dy fill fill-opacity fill-rule font-family font-size font-style"
    " font-weight fx fy gradientTransform gradientUnits height id letter-spacing offset opacity patternTransform"
    " patternUnits points preserveAspectRatio r rotate rx ry spreadMethod stop-color stop-opacity stroke"
    " stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width"
    " style text-anchor textLength transform type viewBox width x x1 x2 y y1 y2".split()
)
LINKS = {"href", f"{XLINK}href"}
INSIDE = re.compile(r"url\(\s*[\"']?#([^\"')]+)", re.IGNORECASE)
PLAIN = re.compile(r"[\w.:-]+")
"""An id that can be written in one way only: browsers also read escapes, such as %61 or \\61 for a."""
SHEET = re.compile(r"(?:[\w\s.*#,>-]*\{[\w\s:;.,#%-]*\})*+\s*")
"""A style sheet of plain rules, without a function, a string, an escape or an at-rule."""
VALUE = re.compile(r"[\w\s.,#%+-]*|rgba?\([\d\s.,%]*\)|url\(\s*[\"']?#[\w.:-]+[\"']?\s*\)", re.IGNORECASE)
"""What a style may set a property to: no picture, gradient or filter made on the spot, and nothing from elsewhere."""
FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
MOST_SVG, MOST_PIXELS, MOST_DRAWN = 5_000_000, 8_000, 200_000
"""Largest drawing (characters), largest side of a picture (pixels), and most elements drawn by references: what a
teacher's browser can show without a long wait."""


def drawings(html: str) -> Iterator[str]:
    """Yield the drawing of each `<svg>` element in HTML, as a separate SVG."""
    for part in re.split(r"(?=<svg\b)", html)[1:]:
        made = drawing(part.partition("</svg>")[0] + "</svg>")
        if made:
            yield made


def drawing(svg: str) -> str | None:
    """Return the same drawing for an `<img>`, with only elements and attributes that draw; None if `svg` is not one."""
    try:
        root = fromstring(svg) if len(svg) <= MOST_SVG else Element("")
        if root.tag != f"{SVG}svg":
            return None
        keep_what_draws(root)
        if drawn_by_references(root) > MOST_DRAWN:
            return None
        box = root.get("viewBox", "").replace(",", " ").split()
        if len(box) == 4 and "width" not in root.attrib:
            root.attrib |= {"width": box[2], "height": box[3]}
        return tostring(root, encoding="unicode")
    except (ParseError, DefusedXmlException, ValueError, RecursionError):
        return None


def keep_what_draws(root: Element) -> None:
    """Remove everything else from a drawing, and references to elements that contain references: ten lines of nested
    `<use>` would draw a thousand million shapes.
    """
    parents = {child: parent for parent in root.iter() for child in parent}
    referring: set[Element | None] = {None}
    for element in list(root.iter()):
        if references(element):
            while element not in referring:
                referring.add(element)
                element = parents.get(element)
    nested = {element.get("id") for element in referring if element is not None}
    for element in list(root.iter()):
        for name, value in list(element.attrib.items()):
            allowed = name in ATTRIBUTES or (name in LINKS and (value.startswith("#") or is_picture(value)))
            if name == "style":
                value = element.attrib[name] = plain_style(value)
            plain = "\\" not in value and all(map(PLAIN.fullmatch, targets(name, value)))
            if not (allowed and plain and nested.isdisjoint(targets(name, value))):
                del element.attrib[name]
        for child in list(element):
            if str(child.tag).removeprefix(SVG) not in ELEMENTS or styled_from_outside(child):
                element.remove(child)


def drawn_by_references(root: Element) -> int:
    """Return how many elements a browser draws because something refers to them, after `keep_what_draws`."""
    sizes: dict[Element, int] = {}
    for element in reversed(list(root.iter())):
        sizes[element] = 1 + sum(sizes[child] for child in element)
    largest: dict[str, int] = {}
    for element, size in sizes.items():
        largest[element.get("id", "")] = max(size, largest.get(element.get("id", ""), 0))
    every = (target for one in sizes for name, value in one.items() for target in targets(name, value))
    return sum(largest.get(target, 0) for target in every)


def targets(name: str, value: str) -> list[str]:
    """Return the ids that an attribute refers to."""
    return [value[1:]] if name in LINKS and value.startswith("#") else INSIDE.findall(value)


def references(element: Element) -> bool:
    return any(targets(name, value) for name, value in element.attrib.items())


def plain_style(style: str) -> str:
    """Return a style's declarations that only draw."""
    pairs = ((name.strip(), value.strip()) for name, _, value in (one.partition(":") for one in style.split(";")))
    return "; ".join(f"{name}: {value}" for name, value in pairs if name in ATTRIBUTES and VALUE.fullmatch(value))


def styled_from_outside(element: Element) -> bool:
    """Whether an element is a style sheet with more than plain rules that only draw."""
    if element.tag != f"{SVG}style":
        return False
    sheet = element.text or ""
    names = re.findall(r"[{;]\s*([\w-]+)\s*:", sheet)
    return SHEET.fullmatch(sheet) is None or not ATTRIBUTES.issuperset(names)


def is_picture(link: str) -> bool:
    """Whether a `data:` link holds pixels."""
    kind, _, data = link.partition(";base64,")
    return kind.startswith("data:") and picture(kind.removeprefix("data:"), data) is not None


def picture(kind: str, data: object) -> str | None:
    """Return the base64 of a PNG or a JPEG, or None if it is not one or is too large to show."""
    if kind not in FORMATS:
        return None
    try:
        pixels = b64decode("".join(str(data).split()), validate=True)
        with Image.open(BytesIO(pixels), formats=[FORMATS[kind]]) as image:
            fits = max(image.size) <= MOST_PIXELS
    except (ValueError, OSError, Image.DecompressionBombError):
        return None
    return b64encode(pixels).decode() if fits else None
