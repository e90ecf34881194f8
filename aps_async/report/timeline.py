"""The picture of a run: one line for each export, from its start to its end."""

from collections.abc import Iterable, Iterator

from aps_async.report.entries import ReportSheet
from aps_async.sync.outcomes import SheetState
from aps_async.text import count

__all__ = ["in_words", "timeline"]
__dir__: object = __all__.copy

_WIDTH, _TALLEST, _ROW = 1000, 240, 12
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)


def timeline(sheets: Iterable[ReportSheet], seconds: float) -> str:
    """A figure with all exports of the run in the order of their starts; empty if there were none."""
    exported = sorted((each for each in sheets if each.ended is not None), key=_start)
    if not exported or seconds <= 0:
        return ""
    height = min(_TALLEST, max(2, len(exported)) * _ROW)
    row = height / len(exported)
    paths = {"done": "", "bad": ""}
    for at, each in enumerate(exported):
        left, right = (_WIDTH * min(1.0, time / seconds) for time in (_start(each), each.ended or 0.0))
        shape = f"M{left:.1f} {at * row:.2f}h{max(right - left, 1):.1f}v{row * 0.75:.2f}H{left:.1f}z"
        paths["bad" if each.state is SheetState.FAILED else "done"] += shape
    failed = sum(each.state is SheetState.FAILED for each in exported)
    words = f"{count(len(exported), 'export')} in {in_words(seconds)}"
    words += ", one line each in the order of their starts" if len(exported) > 1 else ""
    words += f"; {failed:,} of them failed" if failed else ""
    shapes = "".join(f'<path class="{name}" d="{path}"/>' for name, path in paths.items() if path)
    ticks = list(_ticks(seconds))
    grid = "".join(f"M{_WIDTH * each / seconds:.1f} 0V{height}" for each in ticks)
    labels = "".join(
        f'<text x="{100 * each / seconds:.2f}%" y="14">{in_words(each)}</text>'
        for each in ticks
        if each < seconds * 0.95
    )
    return (
        f'<section aria-labelledby="timeline"><h2 id="timeline">Timeline</h2><figure>'
        f'<svg role="img" aria-label="{words}" class="chart" viewBox="0 0 {_WIDTH} {height}" height="{height}" '
        f'preserveAspectRatio="none"><path class="grid" d="{grid}"/>{shapes}</svg>'
        f'<svg aria-hidden="true" class="axis" height="18">{labels}</svg>'
        f"<figcaption>{words}.</figcaption></figure></section>"
    )


def _start(sheet: ReportSheet) -> float:
    return max(0.0, (sheet.ended or 0.0) - sheet.seconds)


def _ticks(seconds: float) -> Iterator[float]:
    step = next((each for each in _STEPS if seconds / each <= 8), _STEPS[-1] * (1 + seconds // (8 * _STEPS[-1])))
    for at in range(int(seconds / step) + 1):
        yield at * step


def in_words(seconds: float) -> str:
    """A duration such as `4.2 s`, `12 min 5 s` or `2 h 3 min`."""
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"
