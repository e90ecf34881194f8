"""The package's promises: its public names, one direction of imports, few dependencies, and an example that runs."""

import ast
import inspect
import subprocess
import sys
import textwrap
import types
from importlib import import_module
from pathlib import Path

import pypdfium2
import pytest

import aps_async
from aps_async.simulator import Behaviour, JobPolls, Simulator, World
from tests.docstrings import programs
from tests.public_names import listed_names, own_names, public_modules

PACKAGE = Path(aps_async.__file__).parent
ROOT = PACKAGE.parent

# ------------------------------------------------------------- public names


def public() -> dict[str, object]:
    return {name: getattr(aps_async, name) for name in aps_async.__all__}


LAZY = ["aps_async", "aps_async.auth", "aps_async.models", "aps_async.transport.hooks"]


@pytest.mark.parametrize("package", LAZY)
def test_what_type_checkers_see_of_a_lazy_module_is_what_is_imported(package: str) -> None:
    module = import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    [checked] = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    lines = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    imported = {alias.asname or alias.name: node.module for node in lines for alias in node.names}
    assert imported == {name: home for home, names in module._HOMES.items() for name in names.split()}
    assert set(imported) <= set(module.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing


def _arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    given = function.args
    return [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]


def test_every_overload_takes_all_arguments_of_its_function() -> None:
    """A type checker only sees the overloads, and so refuses what they leave out."""
    lacking = []
    for path in PACKAGE.rglob("*.py"):
        functions: dict[str, list[list[str]]] = {}
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                is_overload = any(ast.unparse(each) == "overload" for each in node.decorator_list)
                if is_overload or node.name in functions:
                    functions.setdefault(node.name, []).append(_arguments(node))
        for name, (*overloads, implementation) in functions.items():
            lacking += [f"{path.name}: {name}" for each in overloads if each != implementation]
    assert not lacking


def test_all_names_what_the_package_imports_and_nothing_else() -> None:
    names = {name for names in aps_async._HOMES.values() for name in names.split()}
    assert set(aps_async.__all__) == {*names, "__version__"}
    assert len(aps_async.__all__) == len(set(aps_async.__all__))


def test_the_top_level_has_what_most_programs_need_and_no_more() -> None:
    assert len(aps_async.__all__) <= 50  # all else has a module of its own to be imported from
    assert dir(aps_async) == sorted(aps_async.__all__)


def test_all_is_in_order_constants_classes_functions() -> None:
    def place(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2), name

    assert aps_async.__all__ == sorted(aps_async.__all__, key=place)


@pytest.mark.parametrize("path", list(public_modules()), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_public_module_shows_its_own_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    listed = set(listed_names(tree))
    assert own_names(tree) <= listed, "run: python -m tests.public_names"
    assert set(dir(module)) == (listed or set(vars(module)))
    for name in listed:
        home = getattr(getattr(module, name), "__module__", "aps_async")  # constants have none
        is_constant = not isinstance(getattr(module, name), type | types.FunctionType)
        assert is_constant or home.startswith("aps_async"), name
    ours = {each.name for node in ast.walk(tree) for each in getattr(node, "names", ()) if "aps_async" in _home(node)}
    assert listed - own_names(tree) <= ours


def _home(node: ast.AST) -> str:
    return ("aps_async" if node.level else node.module or "") if isinstance(node, ast.ImportFrom) else ""


def members(owner: type) -> dict[str, object]:
    return {name: each for name, each in vars(owner).items() if not name.startswith("_")}


def test_every_public_thing_says_what_it_is() -> None:
    silent = []
    for name, thing in public().items():
        if isinstance(thing, type):
            if not thing.__doc__:
                silent.append(name)
            for part, each in members(thing).items():
                function = each.fget if isinstance(each, property) else getattr(each, "__func__", each)
                if isinstance(function, types.FunctionType) and not inspect.getdoc(getattr(thing, part)):
                    silent.append(f"{name}.{part}")
        elif (inspect.isfunction(thing) or inspect.ismodule(thing)) and not thing.__doc__:
            silent.append(name)
    assert silent == []


def test_every_module_and_its_public_functions_say_what_they_are() -> None:
    silent = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        place = path.relative_to(PACKAGE).as_posix()
        if not ast.get_docstring(tree):
            silent.append(place)
        silent += [
            f"{place}: {node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and not any(ast.unparse(each) == "overload" for each in node.decorator_list)
            and not ast.get_docstring(node)
        ]
    assert silent == []


def test_public_functions_take_the_session_first_and_options_by_name() -> None:
    wrong = []
    for name, thing in public().items():
        if not inspect.isfunction(thing):
            continue
        parameters = list(inspect.signature(thing).parameters.values())
        if "session" in [each.name for each in parameters] and parameters[0].name != "session":
            wrong.append(name)
        optional = [each for each in parameters if each.default is not each.empty]
        wrong += [f"{name}({each.name})" for each in optional if each.kind is not each.KEYWORD_ONLY]
    assert wrong == []


# -------------------------------------------------------------- dependencies

EXTRAS = {"orjson", "uvloop", "typer", "rich", "click", "reportlab", "pypdf", "pypdfium2", "joserfc", "keyring"}
EXTRAS |= {"PIL", "asyncpg", "obstore", "opentelemetry", "pgqueuer", "pikepdf", "platformdirs"}


def run_python(code: str) -> str:
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_without_any_extra_the_library_imports_and_reads_json() -> None:
    run_python(
        f"""
        import sys
        for name in {sorted(EXTRAS)}:
            sys.modules[name] = None
        import aps_async
        from aps_async.transport.response import Answer, json_of
        assert json_of("GET", "/", Answer(200, {{}}, b'{{"a": "\\xc3\\xa9"}}')) == {{"a": "\\u00e9"}}
        for body in (b"[" * 200_000, b"", b"<html>", b"{{"):
            try:
                json_of("GET", "/", Answer(200, {{}}, body))
            except aps_async.DecodeError as problem:
                assert problem.garbled
            else:
                raise AssertionError(body)
        """
    )


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("aps_async.integrations.opentelemetry", "otel"),
        ("aps_async.simulator", "simulator"),
        ("aps_async.auth", None),
        ("aps_async.downloads.object_storage", None),
        ("aps_async.pdf.splitting", None),
        ("aps_async.report.page", None),
        ("aps_async.sync.merge", None),
        ("aps_async.workers", None),
    ],
)
def test_without_its_extra_a_module_is_imported_or_names_the_extra(module: str, extra: str | None) -> None:
    run_python(
        f"""
        import importlib, sys
        for name in {sorted(EXTRAS)}:
            sys.modules[name] = None
        try:
            importlib.import_module({module!r})
        except ModuleNotFoundError as problem:
            assert "pip install 'aps-async[{extra}]'" in str(problem), problem
        else:
            needed = {extra!r}
            assert needed is None
        """
    )


def test_importing_the_library_starts_none_of_the_heavy_things() -> None:
    bare = run_python("import aps_async, sys; print(*sys.modules)").split()
    assert [name for name in bare if name.startswith(("aps_async.", "aiohttp", "cattrs"))] == []
    loaded = run_python("import sys; from aps_async import *; print(*sys.modules)").split()
    assert {"aps_async.session", "aiohttp"} <= set(loaded)
    assert set(loaded) & (EXTRAS - {"orjson"}) == set()
    assert not any(name.startswith(("aps_async.simulator", "aps_async.cli")) for name in loaded)


# ---------------------------------------------------------------- the example


@pytest.mark.looptime
async def test_the_example_of_the_package_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = programs(aps_async.__doc__)
    example = example.rstrip()
    assert example.count("\n") == 2
    async with Simulator(World.demo(1), behaviour=Behaviour(job_time=JobPolls(3))) as simulator:
        sheet = simulator.world.sheets[0]
        monkeypatch.setenv("APS_BASE_URL", simulator.url)
        monkeypatch.setenv("APS_CLIENT_ID", simulator.client_id)
        monkeypatch.setenv("APS_CLIENT_SECRET", simulator.client_secret)
        monkeypatch.chdir(tmp_path)
        names = {**public(), "project_id": sheet.folder.project.id, "version_urn": sheet.tip.id}
        code = f"async def main():\n{textwrap.indent(example, '    ')}\n    return pdf"
        exec(compile(code, "example", "exec"), names)  # noqa: S102
        pdf = await names["main"]()  # type: ignore[operator]
        assert pdf == Path("A-101.pdf")
        delivered = simulator.pages.content(sheet.tip, markups=True, hyperlinks=False)
        assert (tmp_path / pdf).read_bytes() == delivered.head
    document = pypdfium2.PdfDocument(tmp_path / "A-101.pdf")
    try:
        assert len(document) == 1
    finally:
        document.close()
