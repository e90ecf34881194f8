"""SVG charts that are readable on light and dark backgrounds."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

WAITING: dict[str, str] = {}
"""Charts that are drawn but not written yet, by name."""
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: bold }
.bar { fill: #2f6fde } .axis { stroke: #8c959f }
.goal { stroke: #bc4c00; stroke-dasharray: 4 3 } .word { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .bar { fill: #6ea8ff } .goal { stroke: #ffa657 } .word { fill: #ffa657 } }
"""


def bars(
    name: str,
    title: str,
    values: Mapping[str, float],
    *,
    start: float = 0.0,
    goal: float | None = None,
    word: str = "goal",
    digits: int = 2,
) -> str:
    """Draws horizontal bars from `start` on, each with its name and value; returns the Markdown that shows them."""
    left, width, step = 380, 360, 24
    height = 56 + step * len(values)
    longest = max(max(values.values()), goal or start) - start or 1e-9
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="8" y="22">{escape(title)}</text>',
        f'<line class="axis" x1="{left}" y1="36" x2="{left}" y2="{height - 8}"/>',
    ]
    for place, (label, value) in enumerate(values.items()):
        y = 56 + step * place
        length = max((value - start) / longest * width, 1)
        lines.append(f'<text x="{left - 8}" y="{y}" text-anchor="end">{escape(label)}</text>')
        lines.append(f'<rect class="bar" x="{left}" y="{y - 12}" width="{length:.1f}" height="15"/>')
        lines.append(f'<text x="{left + length + 6:.1f}" y="{y}">{value:.{digits}f}</text>')
    if goal is not None:
        x = left + (goal - start) / longest * width
        lines.append(f'<line class="goal" x1="{x:.1f}" y1="36" x2="{x:.1f}" y2="{height - 8}"/>')
        lines.append(f'<text class="word" x="{x:.1f}" y="34" text-anchor="middle">{word} {goal:g}</text>')
    WAITING[name] = "\n".join([*lines, "</svg>", ""])
    return f"![{title}]({name}.svg)"


def written(folder: Path) -> None:
    """Writes the drawn charts."""
    for name, text in WAITING.items():
        (folder / f"{name}.svg").write_text(text)
    WAITING.clear()
