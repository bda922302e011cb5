"""Draws a forecast: the end of the history, the median, bands that fan out, and some paths."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.cli.outlook import Outlook

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf")
PANELS = 8  # channels that are drawn
LONGEST = 48  # letters of a name
PATHS = 4  # of a channel, drawn
LEAST = 48  # steps of history, if there are as many
BANDS = ((0.1, 0.9, 0.16, "80 %"), (0.25, 0.75, 0.26, "50 %"))  # levels, opacity, name
INK, MUTED, LINE, BLUE = "#23303d", "#7b8794", "#e4e7eb", "#1f6f9f"
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.edgecolor": "#c4cbd3",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.parse_math": False,  # a channel may be called a$b$
}


def draw(outlook: Outlook, path: Path, kind: str) -> None:
    """Write the picture.

    Args:
        outlook: what is drawn, one panel per channel.
        path: of the picture.
        kind: png, svg or pdf.
    """
    import matplotlib
    from matplotlib.figure import Figure

    shown = min(len(outlook.series.channels), PANELS)
    columns = 1 if shown <= 3 else 2
    rows = -(-shown // columns)
    size = (9.0 if columns == 1 else 13.0, 1.5 + 2.1 * rows)
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # letters that the font lacks become boxes
        figure = Figure(size, layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
        for channel, axes in enumerate(panels):
            if channel < shown:
                _panel(axes, outlook, channel)
            else:
                axes.remove()
                panels[channel - columns].tick_params(labelbottom=True)
        _label(figure, panels[0], outlook)
        figure.savefig(path, format=kind, dpi=150)


def _label(figure: Figure, axes: Axes, outlook: Outlook) -> None:
    """Title, legend, and below what to know."""
    steps = f"{outlook.horizon:,} step" + "s" * (outlook.horizon > 1)
    title = f"{_short(outlook.series.name)}: the next {steps}, forecast by {outlook.model}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    channels = len(outlook.series.channels)
    cut = f"{PANELS} of {channels} channels are drawn." if channels > PANELS else ""
    notes = textwrap.fill(f"{cut} {outlook.forecast.note}".strip(), 110)
    handles, names = axes.get_legend_handles_labels()
    look: dict[str, Any] = {"ncols": len(names), "frameon": False, "labelcolor": MUTED}
    legend = figure.legend(handles, names, loc="outside lower left", title=notes, **look)
    legend.set_alignment("left")
    legend.get_title().set(fontsize=8, color=MUTED)


def _panel(axes: Axes, outlook: Outlook, channel: int) -> None:
    """One channel."""
    values, found = outlook.series.values[:, channel], outlook.forecast
    end = len(values)
    first = max(0, end - max(2 * outlook.horizon, LEAST))
    axes.set_title(_short(outlook.series.channels[channel]), loc="left", fontsize=9.5, color=INK)
    past, tail = outlook.times(first, end), values[first:]
    axes.plot(past, tail, color=INK, linewidth=1.0, label="history")
    alone = _isolated(tail)
    axes.plot(past[alone], tail[alone], ".", color=INK, markersize=2.5)
    # from the last value on, so that nothing hangs in the air
    ahead = outlook.times(end - 1, end + outlook.horizon)

    def joined(future: np.ndarray) -> np.ndarray:
        return np.concatenate([values[-1:], future])

    axes.axvline(ahead[0], color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)))
    for low, high, opacity, name in BANDS:
        lower, upper = (joined(bound[channel]) for bound in outlook.band(low, high))
        look: dict[str, Any] = {"color": BLUE, "alpha": opacity, "linewidth": 0, "label": name}
        axes.fill_between(ahead, lower, upper, **look)
    if outlook.paths is not None:
        for k, path in enumerate(outlook.paths[channel, :PATHS]):
            name = "" if k else "some paths"
            axes.plot(ahead, joined(path), color=BLUE, alpha=0.4, linewidth=0.6, label=name)
    axes.plot(ahead, joined(found.median[channel]), color=BLUE, linewidth=1.4, label="median")
    if found.status[channel]:
        _say(axes, "no forecast: no value is known at the end")
    axes.set_xlim(past[0], ahead[-1])
    _scale(axes, outlook)


def _say(axes: Axes, text: str) -> None:
    """Write over a panel."""
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}
    axes.text(0.5, 0.9, text, transform=axes.transAxes, ha="center", color=MUTED, bbox=box)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _isolated(values: np.ndarray) -> np.ndarray:
    """Known values between missing ones, which a line does not show."""
    missing = np.isnan(values)
    before = np.concatenate([[True], missing[:-1]])
    after = np.concatenate([missing[1:], [True]])
    alone: np.ndarray = ~missing & before & after
    return alone


def _scale(axes: Axes, outlook: Outlook) -> None:
    """A few ticks; dates where the file has times."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4))
    if outlook.series.start:
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.tick_params(length=0)
