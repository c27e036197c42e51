"""This is where a report becomes charts: a page of them, one file without scripts, for the screen (light and dark) and paper;
and pictures for a mail, since mail clients show no SVG.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from pygal import Bar, Line
from pygal.style import Style

from maild.outbound.words import duration

# pygal leaves a finder of the old kind behind, for plugins that we have not: Python would warn of it at every import.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]

_COMMON = {
    "colors": ("#2f6fd0", "#d9822b", "#2f9e6e", "#a4508b"), "opacity": ".85", "label_font_size": 17,
    "major_label_font_size": 17, "legend_font_size": 17, "font_family": "system-ui, sans-serif", "stroke_width": 2,
}  # fmt: skip
_PAGE = Style(
    background="transparent", plot_background="transparent", foreground="currentColor", foreground_strong="currentColor",
    foreground_subtle="currentColor", guide_stroke_color="rgba(128, 128, 128, .35)",
    major_guide_stroke_color="rgba(128, 128, 128, .5)", **_COMMON,
)  # fmt: skip
# A picture has its own ground: dark mail clients turn text, not pictures.
_PICTURE = Style(
    background="#ffffff", plot_background="#ffffff", foreground="#333333", foreground_strong="#222222",
    foreground_subtle="#666666", guide_stroke_color="#dddddd", major_guide_stroke_color="#bbbbbb", **_COMMON,
)  # fmt: skip
_SCRIPT = re.compile(r"<script\b.*?</script>|<!--.*?-->", re.DOTALL)
_LINES = ("by_group", "by_agent", "by_organisation")
_MOST = 12  # bars of one chart


def page(report: dict[str, Any]) -> str:
    """The whole report as HTML; ``report`` is what `figures.report` gives."""
    return _template().render(report=report, charts=drawn(report, _PAGE), lines=_LINES, duration=duration)


def pictures(report: dict[str, Any]) -> list[tuple[str, bytes]]:
    """(title, PNG) of each chart, twice as large as shown. Labels need a font on this machine; figures stand in the mail too."""
    import resvg_py

    return [
        (title, bytes(resvg_py.svg_to_bytes(svg_string=svg, background="#ffffff", zoom=2, sans_serif_family="DejaVu Sans")))
        for title, svg in drawn(report, _PICTURE)
    ]


def drawn(report: dict[str, Any], style: Style) -> list[tuple[str, str]]:
    """(title, SVG) of each chart that has something to show."""
    charts = [("Mail and cases a day", _by_day(report["by_day"], style))]
    for name in _LINES:
        rows = [row for row in report[name] if row["name"]][:_MOST]
        if rows:
            charts.append((f"First answer, hours, {name.replace('_', ' ')}", _bars(rows, "first_response_median", 3600, style)))
            charts.append((f"Promises kept, %, {name.replace('_', ' ')}", _bars(rows, "sla_kept", 0.01, style)))
    if any(report["ratings"].values()):
        charts.append(("Ratings", _ratings(report["ratings"], style)))
    return charts


def _by_day(days: list[dict[str, Any]], style: Style) -> str:
    chart = _made(Line, style, show_dots=len(days) < 62, show_minor_x_labels=False)
    every = max(len(days) // 10, 1)
    chart.x_labels = [day["day"][5:] for day in days]
    chart.x_labels_major = [day["day"][5:] for day in days[::every]]
    for label, key in (("mail in", "in"), ("mail out", "out"), ("cases made", "created"), ("resolved", "resolved")):
        chart.add(label, [day[key] for day in days])
    return _svg(chart)


def _bars(rows: list[dict[str, Any]], key: str, unit: float, style: Style) -> str:
    chart = _made(Bar, style, show_legend=False, range=(0, 100) if key == "sla_kept" else None, include_x_axis=True)
    chart.x_labels = [row["name"] for row in rows]
    chart.add("", [None if row[key] is None else round(row[key] / unit, 1) for row in rows])
    return _svg(chart)


def _ratings(ratings: dict[str, int], style: Style) -> str:
    chart = _made(Bar, style, show_legend=False)
    chart.x_labels = list(ratings)
    chart.add("", list(ratings.values()))
    return _svg(chart)


def _made(kind: Any, style: Style, **options: Any) -> Any:
    return kind(
        style=style, js=[], height=340, max_scale=6, width=760, margin=8, print_values=False, legend_at_bottom=True,
        truncate_label=18, x_label_rotation=20, no_data_text="nothing yet", **options,
    )  # fmt: skip


def _svg(chart: Any) -> str:
    # what is left of pygal's tooltips: the page runs no script
    return _SCRIPT.sub("", str(chart.render(is_unicode=True, disable_xml_declaration=True)))


@cache
def _template() -> Template:
    text = files("maild").joinpath("report.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
