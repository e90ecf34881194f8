"""Imports run one way, make no cycles, and third-party packages are known in one place each."""

import ast
import re
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import aps_async

PACKAGE = Path(aps_async.__file__).parent
ROOT = PACKAGE.parent

# From the bottom up. A module may import from the rows below its own, and from its own row without a cycle.
# "package.module" places one module apart from its package.
LAYERS = [
    ["ahead", "children", "descriptors", "lazy", "narrowing", "reprs", "text", "threads", "transport.addresses"],
    ["links"],
    ["models"],
    ["errors"],
    [
        "arguments",
        "extras",
        "filesystem",
        "ids",
        "settings",
        "spool",
        "transport.converter",
        "transport.decoding",
        "transport.quotas",
        "user_folders",
    ],
    [
        "downloads.filenames",
        "downloads.sinks",
        "downloads.target_paths",
        "downloads.archives",
        "downloads.zip_directory",
        "downloads.pdf_head",
        "downloads.storage",
    ],
    ["transport", "pdf"],
    ["ledger"],
    ["auth"],
    ["session"],
    ["policies"],
    ["polling", "downloads", "resources"],
    ["sync"],
    ["exports"],
    ["sync"],
    ["report", "workers"],
    [""],
    ["cli", "__main__", "integrations"],
]
ROW = {name: row for row, names in enumerate(LAYERS) for name in names}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
LIBRARY = {name: path for name, path in MODULES.items() if not name.startswith("aps_async.simulator")}


def imports(module: str, path: Path) -> set[str]:
    """Every module that this one imports, anywhere in it, also for type checkers only; of a package, the module behind
    each name."""
    found = set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return {each for each in found if each in MODULES} - {module}


@cache
def graph() -> dict[str, set[str]]:
    """What each module imports."""
    return {name: imports(name, path) for name, path in MODULES.items()}


def row_of(module: str) -> int | None:
    name = module.removeprefix("aps_async").removeprefix(".")
    return ROW.get(name, ROW.get(name.partition(".")[0]))


def test_imports_make_no_cycle() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_part_has_its_row() -> None:
    assert sorted(name for name in LIBRARY if row_of(name) is None) == []


def test_the_map_for_contributors_names_every_module_and_no_other() -> None:
    rows = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `aps_async/")]
    listed = {name for cell in cells for name in re.findall(r"`(?:aps_async/)?([\w.]+)/?`", cell)}
    assert listed == {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__")} - {"py.typed"}


def test_the_map_for_contributors_names_every_module_of_the_exports() -> None:
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| `aps_async/exports/`"))
    modules = {path.stem for path in (PACKAGE / "exports").glob("*.py")} - {"__init__"}
    assert modules - set(re.findall(r"\w+", row)) == set()


def test_imports_run_one_way() -> None:
    rows = {name: row_of(name) or 0 for name in LIBRARY}
    upwards = [
        f"{module} imports {each}"
        for module in LIBRARY
        for each in graph()[module]
        if each in rows and rows[each] > rows[module]
    ]
    assert upwards == []


def test_links_models_and_errors_import_next_to_nothing() -> None:
    assert graph()["aps_async.lazy"] == graph()["aps_async.reprs"] == set()
    assert graph()["aps_async.text"] == graph()["aps_async.transport.addresses"] == {"aps_async.lazy"}
    assert graph()["aps_async.links"] == {"aps_async.reprs", "aps_async.transport.addresses"}
    models = {name for name in graph() if name.startswith("aps_async.models.")}
    assert models
    assert all(graph()[name] <= {"aps_async.links", "aps_async.reprs", *models} for name in models)
    assert graph()["aps_async.models"] == {"aps_async.lazy", *models}
    assert graph()["aps_async.errors"] <= {"aps_async.links", "aps_async.models", "aps_async.text"}


def test_the_simulator_imports_nothing_from_the_rest() -> None:
    """A wrong model of the service must not be able to agree with itself."""
    outside = {
        (name, each)
        for name in MODULES.keys() - LIBRARY.keys()
        for each in graph()[name]
        if not each.startswith("aps_async.simulator")
    }
    assert outside == set()
    users = {name for name in LIBRARY if any("simulator" in each for each in graph()[name])}
    plugin = {"aps_async.integrations.pytest_plugin", "aps_async.integrations.markers"}
    assert {name for name in users if not name.startswith("aps_async.cli")} == plugin


CORE = {"aiohttp", "attr", "attrs", "cattrs", "backoff", "yarl", "multidict"}


@cache
def roots(path: Path, *, guarded: bool) -> set[str]:
    """The packages that are imported when this module is; `guarded` adds imports in `try` blocks and
    functions, and optional packages (`needed`).
    """
    found, ahead = set[str](), list[ast.AST](ast.parse(path.read_text("utf-8")).body)
    while ahead:
        node = ahead.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
        elif guarded and isinstance(node, ast.Call) and getattr(node.func, "id", "") == "needed":
            found.add(str(ast.literal_eval(node.args[0])).partition(".")[0])
            ahead += ast.iter_child_nodes(node)
        elif guarded or not isinstance(node, ast.Try | ast.FunctionDef | ast.AsyncFunctionDef):
            ahead += ast.iter_child_nodes(node)
    return found


def test_the_library_needs_only_its_four_dependencies_and_what_they_bring() -> None:
    needed = {
        name: others
        for name, path in LIBRARY.items()
        if not name.startswith("aps_async.cli.")
        and not name.startswith("aps_async.integrations.")  # each is for the users of one other package
        and name != "aps_async.workers.claims"  # the one home of PgQueuer, itself imported by functions only
        and (others := roots(path, guarded=False) - CORE - {"aps_async"} - set(sys.stdlib_module_names))
    }
    assert needed == {}


@pytest.mark.parametrize(
    ("package", "homes"),
    [
        ("backoff", "transport.retry"),
        ("cattrs", "transport.converter"),
        ("asyncpg", "workers.database"),
        ("obstore", "downloads.object_storage"),
        ("pypdfium2", "report.thumbnails pdf.title_blocks"),
        ("PIL", "report.thumbnails"),
        ("pikepdf", "pdf.layers pdf.destinations pdf.annotations pdf.objects pdf.page_names pdf.splitting sync.merge"),
    ],
)
def test_some_packages_are_imported_in_one_place_only(package: str, homes: str) -> None:
    users = {name for name, path in LIBRARY.items() if package in roots(path, guarded=True)}
    assert users == {f"aps_async.{home}" for home in homes.split()}
