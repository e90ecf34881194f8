"""What the tests read out of the README and the guides: code blocks, headings and links.

`python -m tests.docs.markdown powershell FILE` writes the README's first block in that language.
"""

import re
import sys
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDES = sorted((ROOT / "aps_async" / "guides").glob("*.md"))
PAGES = [README, *GUIDES]
_BLOCK = re.compile(r'^```(\w*)(?: title="([^"\n]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]\n]*\]\(([^)\s]+)\)|<(https?://[^>\s]+)>")


@frozen
class Block:
    """A code block."""

    language: str
    title: str
    """The file that it is the content of, or empty."""
    text: str
    line: int
    """Where its text begins."""


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page."""
    text = page.read_text("utf-8")
    found = [
        Block(match[1], match[2] or "", match[3], text.count("\n", 0, match.start(3)) + 1)
        for match in _BLOCK.finditer(text)
    ]
    assert text.count("```") == 2 * len(found), f"{page.name}: a code block that is not closed, or is indented"
    return found


def shell_blocks(page: Path) -> list[str]:
    """The text of the page's shell blocks."""
    return [block.text for block in blocks(page) if block.language == "sh"]


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return _BLOCK.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """What links to a heading of the page may be, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """The targets of all links and pictures."""
    return [inline or bare for inline, bare in _LINK.findall(prose(page))]


if __name__ == "__main__":
    language, target = sys.argv[1:]
    Path(target).write_text(next(block.text for block in blocks(README) if block.language == language), "utf-8")
