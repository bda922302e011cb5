"""Pictures for the page: drawn by matplotlib, in the page's own fonts and colours.

    draw(axes) ── panel ──► <svg>, its colours CSS variables ── Figure ──► <figure> with a caption

Colours are placeholders that become variables of the page's style sheet, so that one picture
serves light, dark and paper.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from benchmarks.report.words import time

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, LINE, PAPER = "#010203", "#010204", "#010205", "#010206"
STUDENT, TEACHER, IDENTITY = "#010207", "#010208", "#010209"
VARIABLES = {
    **{INK: "ink", MUTED: "muted", LINE: "line", PAPER: "paper"},
    **{STUDENT: "student", TEACHER: "teacher", IDENTITY: "identity"},
}
COLOURS = {"student": STUDENT, "teacher": TEACHER, "identity": IDENTITY}
MARKS = {"student": "o", "teacher": "^", "identity": "D"}
WIDTH_IN = {2: 3.7, 3: 2.4}  # by columns: two, or three, side by side fill the page's column
STYLE: dict[Any, Any] = {
    "font.size": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.minor.visible": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "leanzoo",
}
STEPS = (  # ticks of a decade, and how many of them do: the first that do are taken
    ((1.0,), 3),
    ((1.0, 3.0), 3),
    ((1.0, 2.0, 5.0), 2),
    ((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), 0),
)
MOST_TICKS = 4
SVG = "http://www.w3.org/2000/svg"
LINK = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True)
class Figure:
    """Pictures that belong together.

    Attributes:
        ident: anchor on the page.
        panels: each an ``<svg>``.
        caption: one sentence that says what to see.
        key: what the marks mean: class of the style sheet, mark, text.
        columns: panels side by side, where there is room.
    """

    ident: str
    panels: Sequence[str]
    caption: str
    key: Sequence[tuple[str, str, str]] = ()
    columns: int = 2


ROLE_KEY = (("student", "●", "student"), ("teacher", "▲", "teacher"), ("identity", "◆", "identity"))
HOLLOW = ("muted", "○", "INVALID")


def panel(
    ident: str,
    title: str,
    about: str,
    draw: Callable[[Axes], None],
    height_in: float = 2.5,
    columns: int = 2,
) -> str:
    """One picture as an ``<svg>`` that a page can hold.

    Args:
        ident: unique on the page.
        title: shown above the axes, and read aloud.
        about: read aloud where the picture is not seen.
        draw: fills the axes.
        height_in: at its natural width.
        columns: how many such pictures fill the page's column.
    """
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    with matplotlib.rc_context(STYLE):
        canvas = Canvas((WIDTH_IN[columns], height_in), layout="constrained")
        axes = canvas.subplots()
        axes.tick_params(length=0, which="both")
        draw(axes)
        axes.set_title(title, loc="left", fontsize=9, fontweight="bold", pad=8)
        out = io.StringIO()
        canvas.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _for_page(out.getvalue(), ident, title, about)


def _for_page(text: str, ident: str, title: str, about: str) -> str:
    """Without what is not the page's: fonts, colours, size, ids that would repeat."""
    root = ElementTree.fromstring(text)
    for unwanted in ("metadata", "defs"):
        for found in root.findall(f"{{{SVG}}}{unwanted}"):
            if found.find(f"{{{SVG}}}clipPath") is None:  # a style sheet would be the whole page's
                root.remove(found)
    for node in root.iter():
        _claim(node, ident)
    width, _ = (float(root.attrib.pop(side).removesuffix("pt")) for side in SIDES)
    root.attrib.update({"role": "img", "aria-labelledby": f"{ident}-title {ident}-about"})
    root.attrib["style"] = f"--natural: {width * 4 / 3:.0f}px"
    for place, (tag, words) in enumerate((("title", title), ("desc", about))):
        said = ElementTree.Element(tag, {"id": f"{ident}-{'about' if place else 'title'}"})
        said.text = words
        root.insert(place, said)
    made = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    made = made.replace("ns0:", "").replace("xmlns:ns0=", "xmlns=")
    for placeholder, name in VARIABLES.items():
        made = made.replace(placeholder, f"var(--{name})")
    return made


SIDES = ("width", "height")


def _claim(node: ElementTree.Element, ident: str) -> None:
    """Make ids unique on the page, and fonts the page's."""
    if node.tag in (f"{{{SVG}}}g", f"{{{SVG}}}text"):
        node.attrib.pop("id", None)
    elif "id" in node.attrib:
        node.attrib["id"] = f"{ident}-{node.attrib['id']}"
    if LINK in node.attrib:
        node.attrib["href"] = f"#{ident}-{node.attrib.pop(LINK)[1:]}"
    if "clip-path" in node.attrib:
        node.attrib["clip-path"] = node.attrib["clip-path"].replace("#", f"#{ident}-")
    if "style" in node.attrib:
        node.attrib["style"] = re.sub(r"font-family:[^;]+;? ?", "", node.attrib["style"])
    if "d" in node.attrib:
        node.attrib["d"] = " ".join(node.attrib["d"].split())


def time_axis(axes: Axes, which: str) -> None:
    """Make an axis one of logarithmic time, with few ticks in words.

    Args:
        axes: whose values are in milliseconds.
        which: ``x`` or ``y``.
    """
    axis, set_scale = (
        (axes.xaxis, axes.set_xscale) if which == "x" else (axes.yaxis, axes.set_yscale)
    )
    set_scale("log")
    log_ticks(axis, time_tick)


def log_ticks(axis: Any, form: Callable[[float], str]) -> None:
    """Few ticks on a logarithmic axis, as text."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    axis.set_major_locator(FixedLocator(ticks(*axis.get_view_interval())))
    axis.set_major_formatter(FuncFormatter(lambda value, _: form(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two: powers of ten, or within decades where there are few of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    for steps, least in STEPS:
        all_of = [step * 10.0**power for power in range(first, last + 1) for step in steps]
        found = [value for value in all_of if low <= value <= high]
        if len(found) >= least:
            break
    return found[:: math.ceil(len(found) / MOST_TICKS)] if len(found) > MOST_TICKS else found


def time_tick(ms: float) -> str:
    """A time on an axis: no digits that say nothing."""
    text = time(ms)
    return re.sub(r"\.?0+(?= )", "", text) if "." in text else text


def label(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    offset: tuple[float, float] = (0, 0),
    look: tuple[str, str, str] = (MUTED, "left", "bottom"),
    across: str = "data",
) -> None:
    """Write on a picture.

    Args:
        axes: that are written on.
        text: that is written.
        at: the place.
        offset: from it, in points.
        look: colour, horizontal and vertical alignment.
        across: of which kind the first coordinate is, see matplotlib's ``xycoords``.
    """
    colour, side, up = look
    axes.annotate(
        text,
        at,
        offset,
        xycoords=(across, "data"),
        textcoords="offset points",
        color=colour,
        ha=side,
        va=up,
        fontsize=8,
    )


def mark(role: str, valid: bool, size: float = 4.5) -> dict[str, Any]:
    """How a point is drawn: by its role; hollow where it does not count."""
    colour = COLOURS[role]
    face = colour if valid else PAPER
    look: dict[str, Any] = {"marker": MARKS[role], "color": colour, "markerfacecolor": face}
    return {**look, "markersize": size, "markeredgewidth": 1.0}
