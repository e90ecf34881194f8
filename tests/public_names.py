"""The names of every public module: those it defines, not those it imports.

Each public module lists its names in `__all__`, and `__dir__` shows no others, so that completion in an editor or a
notebook offers ours only. `python -m tests.public_names` adds the names that are missing.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import aps_async

PACKAGE = Path(aps_async.__file__).parent
APPLICATIONS = ("cli", "simulator")
"""Packages of which only the names in their `__init__` are public."""


def public_modules() -> Iterator[Path]:
    """The file of every public module of the library but the top level, whose names have a test of their own."""
    for path in sorted(PACKAGE.rglob("*.py")):
        *folders, name = path.relative_to(PACKAGE).parts
        is_public = name == "__init__.py" if folders and folders[0] in APPLICATIONS else True
        if is_public and path.relative_to(PACKAGE).as_posix() not in ("__init__.py", "__main__.py"):
            yield path


def own_names(tree: ast.Module) -> set[str]:
    """What a module defines under a public name. Type variables are left out."""
    found = set[str]()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign) and not ast.unparse(node.value).startswith("TypeVar("):
            targets = [each for target in node.targets for each in ast.walk(target)]
            found |= {each.id for each in targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {name for name in found if not name.startswith("_")}


def listed_names(tree: ast.Module) -> list[str]:
    """A module's `__all__`, which may offer names of other modules as well."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(each) for each in ast.literal_eval(node.value)]
    return []


def write(path: Path) -> None:
    """Adds what is missing from `__all__`, and `__dir__`."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    old = [
        node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in ast.unparse(node)
    ]
    names = sorted(own_names(tree) | set(listed_names(tree)))
    block = [f"__all__ = {names}\n".replace("'", '"'), "__dir__: object = __all__.copy\n"]
    if (names == sorted(listed_names(tree)) and len(old) == len(block)) or not names:
        return
    at = old[0].lineno - 1 if old else max(map(_end_of_imports, tree.body), default=1)
    for node in reversed(old):
        del lines[node.lineno - 1 : node.end_lineno]
    path.write_text("".join([*lines[:at], "" if old else "\n", *block, *lines[at:]]), "utf-8")


def _end_of_imports(node: ast.stmt) -> int:
    is_import = isinstance(node, ast.Import | ast.ImportFrom)
    is_guarded = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    is_docstring = isinstance(node, ast.Expr) and node.lineno == 1
    return (node.end_lineno or 0) if is_import or is_guarded or is_docstring else 0


if __name__ == "__main__":
    for each in public_modules():
        write(each)
