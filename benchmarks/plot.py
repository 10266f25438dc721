"""The ratios as a picture: SVG with colours for light and dark, and nothing to install."""

import math
from html import escape

from results import RATIO, Results, Row

_WIDTH, _LEFT, _RIGHT, _LINE, _TOP, _FOOT = 880, 450, 70, 22, 74, 44
_TITLE = "Time of mkiso over that of the programs beside it"
_STYLE = """
 .page{fill:#ffffff;stroke:#d0d7de} text{fill:#1f2328;font:12px system-ui,sans-serif}
 .head{font-weight:600;font-size:14px} .small,.tick{fill:#59636e;font-size:11px}
 .grid{stroke:#d0d7de;stroke-width:1} .one{stroke:#59636e;stroke-width:1.5}
 .span{stroke-width:2} .good{fill:#0969da;stroke:#0969da} .bad{fill:#ffffff;stroke:#bc4c00}
 .plain{fill:#818b98;stroke:#818b98} .wanted{stroke:#1f2328;stroke-width:2.5} .mark{stroke-width:2}
 @media (prefers-color-scheme:dark){
 .page{fill:#0d1117;stroke:#3d444d} text{fill:#f0f6fc} .small,.tick{fill:#9198a1}
 .grid{stroke:#3d444d} .one{stroke:#9198a1} .good{fill:#4493f8;stroke:#4493f8}
 .bad{fill:#0d1117;stroke:#f0883e} .plain{fill:#9198a1;stroke:#9198a1} .wanted{stroke:#f0f6fc}}
"""


def svg(results: Results) -> str:
    """Return the picture: a line for each ratio, on a logarithmic scale, with what is wanted."""
    rows = [
        (part.number, row)
        for part in results.in_order
        for row in part.rows
        if row.kind == RATIO and row.ratios and row.wanted is not None
    ]
    values = [value for _, row in rows for value in (*row.ratios, row.wanted or 1)]
    scale = _Scale(min([0.5, *values]), max([2.0, *values]))
    height = _TOP + _LINE * len(rows) + _FOOT
    bottom = _TOP + _LINE * len(rows)
    machine = results.machine
    about = f"{machine.get('cores')} cores, {machine.get('memory_gib')} GiB"
    noisy = any(not part.quiet or part.quick for part in results.in_order)
    if noisy:
        about += "; measured beside other work or with small sizes: trials only"
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{_TITLE}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" x=".5" y=".5" width="{_WIDTH - 1}" height="{height - 1}" rx="6"/>',
        _text(16, 26, _TITLE, "head"),
        _text(16, 44, f"Medians, with the least and the most of the rounds; {about}.", "small"),
    ]
    for tick in scale.ticks:
        x = scale.at(tick)
        kind = "one" if tick == 1 else "grid"
        parts.append(f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP - 8}" y2="{bottom}"/>')
        parts.append(_text(x, _TOP - 13, f"{tick:g}", "tick", "middle"))
    for line, (number, row) in enumerate(rows):
        parts += _row(number, row, scale, _TOP + _LINE * line + _LINE / 2)
    parts += [*_legend(height - 18), "</svg>"]
    return "\n".join(parts) + "\n"


class _Scale:
    """Ratios to places, logarithmic."""

    def __init__(self, least: float, most: float) -> None:
        self._low, self._high = math.log(least * 0.9), math.log(most * 1.1)
        steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
        self.ticks = [step for step in steps if self._low <= math.log(step) <= self._high]

    def at(self, ratio: float) -> float:
        share = (math.log(ratio) - self._low) / (self._high - self._low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _row(number: int, row: Row, scale: _Scale, y: float) -> list[str]:
    figure = row.figure or 1.0
    kind = {True: "good", False: "bad", None: "plain"}[row.is_reached]
    low, high = scale.at(min(row.ratios)), scale.at(max(row.ratios))
    wanted = scale.at(row.wanted or 1)
    label = f"{number}. {row.what} / {row.peer.split(',')[0]}"
    told = f"{figure:.3f}" if figure < 0.1 else f"{figure:.2f}"
    return [
        _text(_LEFT - 12, y + 4, _cut(label), "", "end"),
        f'<line class="span {kind}" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>',
        f'<line class="wanted" x1="{wanted}" x2="{wanted}" y1="{y - 7}" y2="{y + 7}"/>',
        f'<circle class="mark {kind}" cx="{scale.at(figure)}" cy="{y}" r="4.5"/>',
        _text(_WIDTH - 14, y + 4, told, "", "end"),
    ]


def _legend(y: float) -> list[str]:
    return [
        f'<circle class="mark good" cx="22" cy="{y - 4}" r="4.5"/>',
        _text(34, y, "as wanted or better"),
        f'<circle class="mark bad" cx="172" cy="{y - 4}" r="4.5"/>',
        _text(184, y, "not yet"),
        f'<line class="wanted" x1="252" x2="252" y1="{y - 11}" y2="{y + 3}"/>',
        _text(262, y, "wanted at most"),
    ]


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _cut(label: str, most: int = 68) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"
