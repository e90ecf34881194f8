"""What is made from the guides and the source: `llms.txt`, the picture of how one export travels, the list of modules.

`python -m tests.docs.generated` writes them; a test compares them.
"""

import ast
import re
from html import escape
from pathlib import Path

from tests.docs.markdown import README, ROOT
from tests.test_layers import PACKAGE, graph

FOLDER = ROOT / "aps_async" / "guides"
ORDER = ("manager", "developer", "operator", "troubleshooting", "reference", "migration", "travel")
STEP = re.compile(r"^ +- `(aps_async[\w.]+)` ", re.MULTILINE)
_ROW, _TOP, _WIDTH, _BOX = 34, 12, 560, 250
_STYLE = """<style>
text { font: 13px ui-monospace, monospace; fill: #1f2937; }
rect { fill: #f3f4f6; stroke: #9ca3af; }
path { fill: none; stroke: #2563eb; stroke-width: 1.3; opacity: 0.7; }
marker path { fill: #2563eb; opacity: 1; }
@media (prefers-color-scheme: dark) { text { fill: #e5e7eb; } rect { fill: #1f2937; stroke: #6b7280; }
  path { stroke: #60a5fa; } marker path { fill: #60a5fa; } }
</style>"""
_ARROW = (
    '<marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z"/></marker>'
)

_START = """\
Install with `pip install 'aps-async[cli,simulator]'`, or `'.[cli,simulator]'` in a copy of the repository. Without an
account, `aps-async simulate --speed 60` serves a demo project and prints the variables for other commands and programs.
In Python, begin with `Session`, `TwoLegged` and `export_project` of `aps_async`; docstrings describe every public name,
`aps-async COMMAND --help` every option."""


def llms_text() -> str:
    """The index of the guides for programs that read them."""
    summary = README.read_text("utf-8").splitlines()[2]
    lines = ["# aps-async", "", f"> {summary}", "", _START, "", "## Guides", ""]
    for name in ORDER:
        title, _, body = (FOLDER / f"{name}.md").read_text("utf-8").partition("\n")
        sentence = " ".join(re.split(r"(?<=\.)\s", body.strip(), maxsplit=1)[0].split())
        lines.append(f"- [{title.removeprefix('# ')}]({name}.md): {sentence}")
    return "\n".join([*lines, ""])


def picture() -> str:
    """The modules of the guide `travel` in their order, with the imports between them."""
    steps = STEP.findall((FOLDER / "travel.md").read_text("utf-8"))
    height = 2 * _TOP + _ROW * len(steps)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>The modules of an export, from top to bottom, and the imports between them</title>",
        _STYLE,
        f"<defs>{_ARROW}</defs>",
    ]
    for row, module in enumerate(steps):
        y = _TOP + _ROW * row
        name = escape(f"{row + 1:2}  {module.removeprefix('aps_async.')}")
        lines.append(f'<rect x="8" y="{y}" width="{_BOX}" height="26" rx="5"/><text x="18" y="{y + 18}">{name}</text>')
        lines += [_arc(row, steps.index(other)) for other in _next(module, set(steps))]
    return "\n".join([*lines, "</svg>", ""])


def _next(module: str, steps: set[str]) -> list[str]:
    """Which of the steps it imports, without those that it also reaches through another step."""
    imported = graph()[module] & steps
    return sorted(each for each in imported if not any(each in _reached(other, steps) for other in imported - {each}))


def _reached(module: str, steps: set[str]) -> set[str]:
    imported = graph()[module] & steps
    return imported.union(*(_reached(each, steps) for each in imported))


def _arc(start: int, end: int) -> str:
    """An arrow at the right of the boxes; the farther it leads, the wider it swings."""
    x, wide = _BOX + 8, _BOX + 40 + 20 * abs(end - start)
    y1, y2 = (_TOP + _ROW * row + (9 if row == end else 17) for row in (start, end))
    return f'<path d="M{x} {y1}C{wide} {y1} {wide} {y2} {x + 2} {y2}" marker-end="url(#end)"/>'


_MODULES = """\
# Modules

The first paragraph of each module's docstring. `python -m tests.docs.generated` writes this file.
"""


def modules_text() -> str:
    """Every module of the package with the first paragraph of its docstring, folder by folder."""
    lines = [_MODULES]
    for folder in [PACKAGE, *sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))]:
        lines += [f"## `{folder.relative_to(ROOT).as_posix()}/`", ""]
        lines += [f"{_purpose(folder / '__init__.py')}", "", "| module | purpose |", "|---|---|"]
        rest = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        lines += [f"| `{path.name}` | {_purpose(path)} |" for path in rest]
        lines.append("")
    return "\n".join(lines)


def _purpose(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


FILES = {
    FOLDER / "llms.txt": llms_text,
    FOLDER / "travel.svg": picture,
    ROOT / ".github" / "MODULES.md": modules_text,
}

if __name__ == "__main__":
    for path, make in FILES.items():
        path.write_text(make(), "utf-8")
