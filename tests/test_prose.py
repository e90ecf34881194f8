"""The words that plain English does without stay out of the folders that were revised."""

import re
from pathlib import Path

import pytest

import aps_async

PACKAGE = Path(aps_async.__file__).parent
REVISED = [
    *["auth", "cli", "downloads", "ledger", "transport", "workers"],
    *["errors.py", "extras.py", "filesystem.py", "links.py", "polling.py", "session.py", "settings.py", "text.py"],
]
HUNTED = re.compile(
    r"\b(tells?|told|whoever|whosoever|for whom|blanks?|signs|nobody|somebody|everybody|anybody|pacers?)\b"
    r"|(?<!there )\bis no (?!longer\b|more\b)"
    r"|\bcomes? to (its|their) end\b|\bstands? (in|on|under|at)\b",
    re.IGNORECASE,
)
ALLOWED = re.compile(r"""file\.tell\(|"tell"|"spreads? |\bsigns (a user )?in\b|\bkey signs\b""", re.IGNORECASE)


def sources() -> list[Path]:
    found = [PACKAGE / each for each in REVISED]
    return sorted(path for each in found for path in ([each] if each.is_file() else each.glob("*.py")))


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_hunted_word_is_left(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    found = {number: line.strip() for number, line in enumerate(lines, 1) if HUNTED.search(ALLOWED.sub("", line))}
    assert found == {}
