"""Sheets joined into one PDF: time and memory of `merge_pdfs` beside what pikepdf does by itself."""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from warnings import simplefilter

import pikepdf

from aps_async.sync.merge import MergeSheet, merge_pdfs
from benchmarks.charts import bars
from benchmarks.children import figure, run, spread
from benchmarks.memory import resident_mib

SHEETS = 1000
NOISE = 283  # pixels of the raster's edge: with all the rest, 1,000 sheets are 232 MiB and more
DISCIPLINES = ("A", "S", "M", "E", "P")


def draw_sheet(number: str, dice: random.Random) -> bytes:
    """A sheet with 400 lines, a raster of noise, text, two links and a markup."""
    lines = "".join("{} {} m {} {} l S\n".format(*(dice.randrange(800) for _ in range(4))) for _ in range(400))
    content = f"{lines}q 200 0 0 200 50 50 cm /Im0 Do Q BT /F1 18 Tf 600 30 Td ({number} Plan) Tj ET".encode()
    noise = dice.randbytes(NOISE * NOISE * 3)
    image = b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8" % (NOISE, NOISE)
    parts = [
        b"<</Type/Catalog/Pages 2 0 R/Names<</Dests<</Names[(detail)[3 0 R/Fit]]>>>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 842 595]/Contents 4 0 R/Annots[7 0 R 8 0 R 9 0 R]"
        b"/Resources<</Font<</F1 5 0 R>>/XObject<</Im0 6 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<<%s/Length %d>>stream\n%s\nendstream" % (image, len(noise), noise),
        b"<</Type/Annot/Subtype/Link/Rect[0 0 50 20]/A<</S/URI/URI(https://example.com)>>>>",
        b"<</Type/Annot/Subtype/Link/Rect[60 0 90 20]/Dest(detail)>>",
        b"<</Type/Annot/Subtype/Square/Rect[100 100 200 200]/C[1 0 0]/Contents(check)>>",
    ]
    pdf, places = b"%PDF-1.7\n", []
    for index, part in enumerate(parts, 1):
        places.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (index, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, len(pdf))
    return pdf + b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1) + table + end


def make_sheets(folder: Path, count: int) -> int:
    """Draws sheets into a folder; gives their bytes."""
    dice = random.Random(1)
    return sum(Path(folder, f"{number}.pdf").write_bytes(draw_sheet(_number(number), dice)) for number in range(count))


def _number(index: int) -> str:
    return f"{DISCIPLINES[index % len(DISCIPLINES)]}-{index}"


simplefilter("ignore", pikepdf.PageCopyWarning)  # the plain way loses links and fields, as it says itself


def ours(files: list[Path], target: Path) -> None:
    """With labels, bookmarks, links by name, and what layers there are."""
    sheets = [MergeSheet(each, _number(index), "Plan") for index, each in enumerate(files)]
    done = merge_pdfs(sheets, target)
    assert (done.pages, done.warnings) == (len(files), ())


def extend(files: list[Path], target: Path, **saving: Any) -> None:
    """The plain way: pages only."""
    with pikepdf.new() as pdf:
        for each in files:
            with pikepdf.open(each) as source:
                pdf.pages.extend(source.pages)
        pdf.save(target, **saving)


def extend_raw(files: list[Path], target: Path) -> None:
    """The same with streams left as they are."""
    extend(files, target, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none)


WAYS: dict[str, tuple[Callable[[list[Path], Path], None], str]] = {
    "ours": (ours, "`merge_pdfs`, everything on"),
    "extend_raw": (extend_raw, "`Pdf.pages.extend`, streams as they are"),
    "extend": (extend, "`Pdf.pages.extend`, default save"),
}


def _child(way: str, at: str, count: int) -> dict[str, float]:
    files = [Path(at, f"{number}.pdf") for number in range(count)]
    target = Path(at, f"{way}.pdf")
    began, cpu = time.perf_counter(), time.process_time()
    WAYS[way][0](files, target)
    results = {
        "wall": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak": resident_mib("VmHWM"),
        "mib": target.stat().st_size / 2**20,
    }
    with pikepdf.open(target) as pdf:
        assert len(pdf.pages) == count
    target.unlink()
    return results


def measure(rounds: int, count: int = SHEETS) -> str:
    """A table: seconds and peak memory of a process that joins the set, each way."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        size = make_sheets(Path(folder), count) / 2**20
        for _ in range(rounds):
            for way, rows in found.items():
                rows.append(run("benchmarks.merge", way=way, at=folder, count=count))
    lines = []
    for way, results in found.items():
        wall = figure(f"s, {way}", [row["wall"] for row in results])
        peak = figure(f"peak MiB, {way}", [row["peak"] for row in results], 0)
        lines.append(f"| {WAYS[way][1]} | {wall} | {spread([row['cpu'] for row in results])} | {peak} |")
    chart = {way: median([row["peak"] for row in results]) for way, results in found.items()}
    return "\n".join(
        [
            f"{count} made sheets of one page, {size:.0f} MiB: 400 lines, a raster of noise, text, two links (one by",
            "name) and a markup each. Each way in a process of its own, its memory with Python and the library; the",
            "file is synced by ours only. Goal for 1,000 sheets: 3 s and 120 MiB.",
            "",
            bars("merge", "Peak memory, MiB", chart, goal=120.0),
            "",
            "| | s | CPU s | peak, MiB |",
            "|---|---|---|---|",
            *lines,
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_child(**json.loads(sys.argv[1]))) + "\n")
