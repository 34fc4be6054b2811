"""The growth rows as a chart for the documentation; drawn with matplotlib, where that is installed."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from bench.growth import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "xserv": "tab:blue",
    "compiled": "tab:cyan",
    "floor": "tab:grey",
    "ejabberd": "tab:red",
    "Prosody": "tab:orange",
}
HEADROOM = 1.3  # for the legend


class NoChart(Exception):
    """There is nothing to draw with; the text says what to install."""


def draw(series: Sequence[Series], path: Path) -> None:
    """Write an SVG with a panel for each kind of growth. Raises NoChart."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoChart("No chart: that takes matplotlib, in this project's extra `bench`.") from error
    if not series:
        raise NoChart("No chart: there are no growth rows.")
    matplotlib.rcParams["svg.hashsalt"] = "xserv"  # the same figures make the same file
    panels = [list(group) for _, group in groupby(series, lambda each: each.title)]
    figure = Figure(figsize=(4 * len(panels), 3.2), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw_panel(axes, panel)
    figure.savefig(path, metadata={"Date": None})


def _draw_panel(axes: "Axes", panel: Sequence[Series]) -> None:
    sizes = sorted({size for each in panel for size, _ in each.points})
    axes.set_title(panel[0].title, fontsize=10)
    axes.set_ylabel(f"server CPU, {panel[0].unit}")
    axes.set_xscale("log")
    for each in panel:
        axes.plot(*zip(*each.points, strict=True), marker="o", label=each.server, color=COLOURS.get(each.server))
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(0, HEADROOM * max(cost for each in panel for _, cost in each.points))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
