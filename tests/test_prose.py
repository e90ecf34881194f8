"""Words that plain English avoids stay out of the package, its guides and the benchmarks."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "aps_async"
REVISED = [
    PACKAGE,
    *[path for path in (ROOT / "benchmarks").iterdir() if path.suffix == ".py" and path.stem != "kills"],
    *[ROOT / "benchmarks" / "results", ROOT / ".github", ROOT / "README.md"],
]
HUNTED = re.compile(
    r"\b(tells?|told|whoever|whosoever|for whom|blanks?|signs|nobody|somebody|pacers?)\b"
    r"|(?<!there )\bis no (?!longer\b|more\b)|\bcomes? to (its|their) end\b|\bstands?\b(?! for\b)",
    re.IGNORECASE,
)
ALLOWED = re.compile(
    r"""\.tell\(|"tell"|"told":|"spreads? |\bno pacer\b|blank_issues|\bre-signs\b|\bsigns (a user )?in\b|"""
    r"""\bkey signs\b""",
    re.IGNORECASE,
)


def sources() -> list[Path]:
    return sorted(
        path
        for each in REVISED
        for path in ([each] if each.is_file() else each.rglob("*"))
        if path.suffix in (".py", ".md", ".yml")
    )


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_hunted_word_is_left(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    found = {number: line.strip() for number, line in enumerate(lines, 1) if HUNTED.search(ALLOWED.sub("", line))}
    assert found == {}
