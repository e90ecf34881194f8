"""The words that plain English does without stay out of the folders that were revised."""

import re
from pathlib import Path

import pytest

import aps_async

PACKAGE = Path(aps_async.__file__).parent
REVISED = [
    "transport", "downloads", "simulator", "resources", "polling.py", "filesystem.py", "text.py", "errors.py",
    "links.py", "ids.py", "exports/kinds.py", "exports/project.py", "exports/uploads.py", "exports/bulk.py",
    "exports/bulk_run.py",
]  # fmt: skip
HUNTED = re.compile(
    r"\b(tells?|told|whoever|whosoever|for whom|blanks?|signs|nobody|somebody|pacers?)\b"
    r"|(?<!there )\bis no (?!longer\b|more\b)|\bcomes? to (its|their) end\b|\bstands?\b(?! for\b)",
    re.IGNORECASE,
)
ALLOWED = re.compile(r"""file\.tell\(|"tell"|"spreads? """)


def sources() -> list[Path]:
    found = [PACKAGE / each for each in REVISED]
    return sorted(path for each in found for path in ([each] if each.is_file() else each.glob("*.py")))


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_hunted_word_is_left(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    found = {number: line.strip() for number, line in enumerate(lines, 1) if HUNTED.search(ALLOWED.sub("", line))}
    assert found == {}
