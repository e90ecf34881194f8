"""Charts as SVG that read on white and on black."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

RESULTS = Path(__file__).with_name("results")
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f } .bar { fill: #2f6fde } .axis { stroke: #8c959f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .bar { fill: #6ea8ff } .axis { stroke: #8c959f } }
"""


def bars(name: str, title: str, values: Mapping[str, float], *, start: float = 0.0) -> None:
    """Writes horizontal bars, each with its name and value, to `results/<name>.svg`."""
    left, width, step = 380, 360, 24
    height = 50 + step * len(values)
    longest = max(max(values.values()) - start, 1e-9)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 70} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text x="8" y="22" font-weight="bold">{escape(title)}</text>',
        f'<line class="axis" x1="{left}" y1="34" x2="{left}" y2="{height - 8}"/>',
    ]
    for place, (label, value) in enumerate(values.items()):
        y = 52 + step * place
        length = max((value - start) / longest * width, 1)
        lines.append(f'<text x="{left - 8}" y="{y}" text-anchor="end">{escape(label)}</text>')
        lines.append(f'<rect class="bar" x="{left}" y="{y - 12}" width="{length:.1f}" height="15"/>')
        lines.append(f'<text x="{left + length + 6:.1f}" y="{y}">{value:.2f}</text>')
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.svg").write_text("\n".join([*lines, "</svg>", ""]))
