"""The simulator's modules: one direction of imports, and nothing of the rest of the library."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import aps_async.simulator

FOLDER = Path(aps_async.simulator.__file__).parent
MODULES = {path.stem: ast.parse(path.read_text("utf-8")) for path in FOLDER.glob("*.py") if path.stem != "__init__"}


def imported(tree: ast.Module) -> set[str]:
    """Modules of the simulator that a module imports anywhere, also in functions and for type checkers alone."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= {node.module.partition(".")[0]} if node.module else {alias.name for alias in node.names}
    return found


def test_there_is_no_import_cycle() -> None:
    try:
        order = list(TopologicalSorter({name: imported(tree) for name, tree in MODULES.items()}).static_order())
    except CycleError as error:
        pytest.fail(f"modules that import each other: {' -> '.join(error.args[1])}")
    assert order[-2:] == ["app", "threads"]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_nothing_is_imported_for_type_checkers_alone_or_from_the_library(name: str) -> None:
    for node in ast.walk(MODULES[name]):
        assert not (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING"), name
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        assert not any(one.partition(".")[0] == "aps_async" for one in names), name


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_stay_small(name: str) -> None:
    assert len((FOLDER / f"{name}.py").read_text("utf-8").splitlines()) <= 400
