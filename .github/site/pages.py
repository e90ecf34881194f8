"""Gathers the pages of the site in `build/site/`: README, guides, one for each public module, changelog.

    python -m pip install -r .github/site/requirements.txt
    python .github/site/pages.py
    python -m zensical build --clean --config-file build/site/mkdocs.yml

The site is then in `build/site/html/`. The folder is not committed.
"""

import ast
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


def modules() -> dict[str, list[str]]:
    """The public names of each public module."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names = public_names(path)
        if names and (parts[0] not in INTERNAL or parts[1:] == ("__init__",)):
            found[".".join(["aps_async", *parts]).removesuffix(".__init__")] = names
    return found


def public_names(path: Path) -> list[str]:
    """What `__all__` has."""
    for line in ast.parse(path.read_text("utf-8")).body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(line.value)]
    return []


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


def reference() -> list[dict[str, object]]:
    """The modules, those of one package under its name."""
    found: dict[str, list[dict[str, str]]] = {}
    for name in modules():
        package, *rest = name.removeprefix("aps_async.").split(".")
        found.setdefault(package, []).append({".".join(rest) or package: f"api/{name}.md"})
    return [{name: pages if len(pages) > 1 else next(iter(pages[0].values()))} for name, pages in found.items()]


def navigation() -> list[dict[str, object]]:
    """The front page, the guides, the modules and the changelog."""
    return [
        {"Start": "index.md"},
        {"Guides": [{title.partition(":")[0]: f"{name}.md"} for name, title in guides().items()]},
        {"Modules": reference()},
        {"Changes": "changelog.md"},
    ]


def main() -> None:
    """Writes everything, and the configuration with the navigation in it."""
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(PACKAGE / "guides", PAGES)
    (PAGES / "index.md").write_text(front_page(), "utf-8")
    shutil.copyfile(ROOT / "CHANGELOG.md", PAGES / "changelog.md")
    (PAGES / "api").mkdir()
    for name, names in modules().items():
        options = f"    options: {json.dumps({'members': names})}\n"
        (PAGES / "api" / f"{name}.md").write_text(f"# {name}\n\n::: {name}\n{options}", "utf-8")
    settings = (HERE / "settings.yml").read_text("utf-8")
    (SITE / "mkdocs.yml").write_text(f"{settings}\nnav: {json.dumps(navigation())}\n", "utf-8")


if __name__ == "__main__":
    main()
