"""Gathers the pages of the site in `build/site/`: README, guides, one for each public module, changelog.

    python -m pip install -r .github/site/requirements.txt
    python .github/site/pages.py
    python -m zensical build --clean --config-file build/site/mkdocs.yml

The site is then in `build/site/html/`. The folder is not committed.
"""

import json
import re
import shutil
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGE = ROOT / "aps_async"
SITE = ROOT / "build" / "site"
PAGES = SITE / "pages"
INTERNAL = ("cli", "simulator")
"""Packages of which only the top is for other programs."""
_GUIDE = re.compile(r"^- \[([^\]]+)\]\((\w+)\.md\)", re.MULTILINE)


def modules() -> dict[str, str]:
    """The page of each public module, by the module's name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if "__all__" not in path.read_text("utf-8") or (parts[0] in INTERNAL and parts[1:] != ("__init__",)):
            continue
        name = ".".join(["aps_async", *parts]).removesuffix(".__init__")
        found[name] = f"api/{name}.md"
    return found


def guides() -> dict[str, str]:
    """The title of each guide by its name, in the order of `llms.txt`."""
    listed = (PACKAGE / "guides" / "llms.txt").read_text("utf-8")
    return {name: title for title, name in _GUIDE.findall(listed)}


def front_page() -> str:
    """The README. In its own table the guides have no links, which would lead nowhere on a package index."""
    text = (ROOT / "README.md").read_text("utf-8")
    for name in guides():
        text = text.replace(f"\n| `{name}` |", f"\n| [{name}]({name}.md) |")
    return text


def navigation() -> list[dict[str, object]]:
    """The front page, the guides, the modules and the changelog."""
    return [
        {"Start": "index.md"},
        {"Guides": [{title.partition(":")[0]: f"{name}.md"} for name, title in guides().items()]},
        {"Modules": [{name.removeprefix("aps_async."): page} for name, page in modules().items()]},
        {"Changes": "changelog.md"},
    ]


def main() -> None:
    """Writes everything, and the configuration with the navigation in it."""
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(PACKAGE / "guides", PAGES)
    (PAGES / "index.md").write_text(front_page(), "utf-8")
    shutil.copyfile(ROOT / "CHANGELOG.md", PAGES / "changelog.md")
    (PAGES / "api").mkdir()
    for name, page in modules().items():
        (PAGES / page).write_text(f"# {name}\n\n::: {name}\n", "utf-8")
    settings = (HERE / "settings.yml").read_text("utf-8")
    (SITE / "mkdocs.yml").write_text(f"{settings}\nnav: {json.dumps(navigation())}\n", "utf-8")


if __name__ == "__main__":
    main()
