"""What the README and the guides state agrees with the code, and their links lead somewhere."""

import configparser
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped] # comes with moto
from typer.main import get_command

from aps_async import bim360, cost, errors, files, sheets
from aps_async.cli.app import app
from aps_async.cli.exit_codes import EXIT_CODES
from aps_async.cli.guides import read_guides
from aps_async.exports.kinds import row_of
from aps_async.models import ExportKind
from tests.cli.support import run
from tests.docs.generated import FILES, FOLDER, STEP
from tests.docs.markdown import GUIDES, PAGES, README, ROOT, anchors, blocks, links, prose, shell_blocks
from tests.docs.stories import EXTRAS

REFERENCE = (FOLDER / "reference.md").read_text("utf-8")
OTHER_PROGRAMS = {"pip", "python", "pytest", "curl", "docker", "psql", "kubectl", "systemctl"}
"""Whose options the pages show as well."""


def test_the_set_up_lines_are_run_by_ci() -> None:
    """`.ci/run` takes them out of the README by their headings, and runs them."""
    set_up = [text for text in shell_blocks(README) if "-m venv" in text]
    assert all(text.count("\n") == 1 for text in set_up), "one line each"
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    source = script[script.index("readme_command() {") : script.index("find_python() {")]
    for heading, wanted in zip(("Try it", "Run the tests"), set_up, strict=True):
        found = subprocess.run(  # noqa: S603
            ["bash", "-c", f"{source}\nreadme_command {shlex.quote(heading)}"],  # noqa: S607
            capture_output=True, text=True, cwd=ROOT, check=True,
        )  # fmt: skip
        assert found.stdout == wanted
        assert f'$(readme_command "{heading}")' in script
    assert 'bash -c "$test_command"' in script
    assert 'bash -c "$demo_command"' in script


def test_the_readme_is_short_and_begins_with_what_people_search_for() -> None:
    lines = README.read_text("utf-8").splitlines()
    assert len(lines) <= 120
    assert "Autodesk BIM 360 and ACC (Forma)" in lines[2]


def test_the_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", REFERENCE, re.MULTILINE)
    assert {int(code): words for code, words in rows} == EXIT_CODES


def test_the_variables_are_those_that_the_code_reads() -> None:
    table = set(re.findall(r"`(APS_\w+)`", REFERENCE.partition("## Kinds")[0]))
    read = {
        name
        for path in (ROOT / "aps_async").rglob("*.py")
        for name in re.findall(r"""["'](APS_[A-Z_]+)["']""", path.read_text("utf-8"))
    }
    assert table == read
    named_by_the_help = set(re.findall(r"APS_\w+", run("--help").out))
    assert table - named_by_the_help == {"APS_WAITING"}  # for tests of programs only


def test_the_extras() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    table = README.read_text("utf-8").partition("## Extras")[2].partition("##")[0]
    assert {name for name in re.findall(r"`(\w+)`", table) if name != "aps"} == set(declared)


@pytest.mark.parametrize("name", EXTRAS)
def test_a_guide_names_the_extras_that_it_needs(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text("utf-8")
    named = {extra for words in re.findall(r"pip install 'aps-async\[([\w,]+)\]'", text) for extra in words.split(",")}
    assert named >= set(EXTRAS[name])


def test_the_table_of_kinds() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|.*\| ([\d,]+) / ([\d,]+) \|$", REFERENCE, re.MULTILINE)
    starts = {
        ExportKind.BIM360: bim360.START, ExportKind.SHEETS: sheets.SERVICE.start, ExportKind.FILES: files.SERVICE.start,
        ExportKind.COST: cost.ATTACHMENTS,
    }  # fmt: skip
    assert {kind: (start, polls) for kind, start, polls in rows} == {
        str(kind): (f"{starts[kind].budget:,}", f"{row_of(kind).status.budget:,}") for kind in ExportKind
    }


def test_the_messages_in_troubleshooting_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (.+?) \|", (FOLDER / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    quoted = {words for row in rows for words in re.findall(r"`([^`]+)`", row) if words.count(" ") > 1}
    source = "".join(path.read_text("utf-8") for path in sorted((ROOT / "aps_async").rglob("*.py")))
    source = re.sub(r'"\s+f?"', "", source)  # texts that are written in several parts
    assert len(quoted) >= 4
    assert {words for words in quoted if words not in source} == set()


def test_the_errors() -> None:
    listed = re.findall(r"`(\w+Error)`", REFERENCE.partition("## Errors")[2])
    assert sorted(set(listed)) == sorted(name for name in errors.__all__ if name.endswith("Error"))


def options_of_the_commands() -> set[str]:
    command = get_command(app)
    every = [*command.params, *(param for each in command.commands.values() for param in each.params)]  # type: ignore[attr-defined]
    return {"--help", *(word for param in every for word in param.opts if word.startswith("--"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_and_command_exists(page: Path) -> None:
    pieces = [*re.findall(r"`([^`\n]+)`", prose(page)), *"".join(shell_blocks(page)).splitlines()]
    ours = "\n".join(each for each in pieces if not OTHER_PROGRAMS & set(re.split(r"[\s/]+", each)))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours)) - options_of_the_commands() == set()
    names = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"aps-async ([a-z][a-z-]+)", "\n".join(pieces))) - names == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Those to other hosts are only listed: `test_links_to_other_hosts_are_known`."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        if re.match(r"https?://", path):
            continue
        assert page != README, f"{link}: relative links lead nowhere in what a package index shows"
        target = (page.parent / path).resolve() if path else page
        assert target.parent == FOLDER, f"{link}: the guides are installed without the rest of the repository"
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_links_to_other_hosts_are_known() -> None:
    found = {link for page in PAGES for link in links(page) if re.match(r"https?://", link)}
    assert {link.split("/")[2] for link in found} <= {"aps.autodesk.com", "127.0.0.1:8765"}, found


def in_powershell(line: str) -> list[str]:
    """The same in PowerShell, whose older version lacks `&&`."""
    line = line.replace("python3 -m venv", "py -m venv").replace(". .venv/bin/activate", r".venv\Scripts\Activate.ps1")
    line = re.sub(r"^export (\w+)=(.+)$", lambda match: f'$env:{match[1]} = "{match[2]}"', line)
    return [re.sub(r"^\.venv/bin/", lambda _: ".venv\\Scripts\\", each) for each in line.split(" && ")]


def test_powershell_blocks_say_the_same_as_the_shell_blocks_before_them() -> None:
    seen = 0
    for page in PAGES:
        shell = ""
        for block in blocks(page):
            if block.language == "sh":
                shell = block.text
            elif block.language == "powershell":
                seen += 1
                assert block.text.splitlines() == [each for line in shell.splitlines() for each in in_powershell(line)]
    assert seen >= 2


def parsed_ini(text: str) -> object:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser.sections()


PARSERS: dict[str, Callable[[str], object]] = {
    "toml": tomllib.loads, "json": json.loads, "yaml": yaml.safe_load, "ini": parsed_ini,
}  # fmt: skip


@pytest.mark.parametrize("language", PARSERS)
def test_files_are_well_formed(language: str) -> None:
    texts = [block.text for page in PAGES for block in blocks(page) if block.language == language]
    assert texts
    assert all(PARSERS[language](text) for text in texts)


def test_the_guides_are_listed_everywhere() -> None:
    names = {path.stem for path in GUIDES}
    assert names == set(read_guides())
    table = README.read_text("utf-8").partition("## Where to read on")[2]
    assert names == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    listed = re.findall(r"^- \[.+\]\((\w+)\.md\)", (FOLDER / "llms.txt").read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(names)


def test_the_command_lists_and_shows_them() -> None:
    ran = run("guide")
    assert ran.code == 0
    assert [line.split()[0] for line in ran.out.splitlines()[1:]] == list(read_guides())
    assert run("guide", "Manager").out == (FOLDER / "manager.md").read_text("utf-8")
    ran = run("guide", "manger")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no guide 'manger'; did you mean 'manager'?" in ran.err


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_generated_is_current(path: Path) -> None:
    assert path.read_text("utf-8") == FILES[path](), "run python -m tests.docs.generated"


def not_in(paths: list[Path], text: str) -> list[str]:
    """The names in a text that none of these files contains."""
    source = " ".join(path.read_text("utf-8") for path in paths)
    names = re.findall(r"`([A-Za-z_][\w.]*)`", text)
    return [name for name in names if not all(re.search(rf"\b{word}\b", source) for word in name.split("."))]


def test_the_walkthrough_names_what_its_modules_contain() -> None:
    text = (FOLDER / "travel.md").read_text("utf-8")
    stops = re.split(r"^(?=\d+\. )", text.partition("\nEverything is built")[0], flags=re.MULTILINE)[1:]
    assert 5 < len(stops) < 10
    for step in (step for stop in stops for step in re.split(r"^(?= +- )", stop, flags=re.MULTILINE)[1:]):
        module = STEP.match(step)
        assert module, step
        path = (ROOT / module[1].replace(".", "/")).with_suffix(".py")
        assert not_in([path], step[module.end() :]) == [], step


def contributors() -> list[str]:
    """Each row and each item of the parts that say where something is."""
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    parts = (text.partition("## Where is ...?")[2].partition("##")[0], text.partition("## Add a kind of export")[2])
    found = [item for part in parts for item in re.split(r"^(?=\| |\d+\. |- )", part, flags=re.MULTILINE)]
    return [item for item in found if re.search(r"`[\w/]+/[\w.]*`|`\w+\.(py|md)`", item) and "NAME" not in item]


def test_contributors_find_what_they_are_sent_to() -> None:
    items = contributors()
    assert len(items) > 35
    for item in items:
        found = re.findall(r"`([\w/]+/[\w.]*|\w+\.(?:py|md))`", item)
        paths = [ROOT / each if (ROOT / each).exists() else ROOT / "aps_async" / each for each in found]
        assert all(path.exists() for path in paths), item
        files = [file for path in paths for file in ([path] if path.is_file() else path.glob("*.py"))]
        assert not_in(files, re.sub(r"`[\w/]+\.(py|md)`", "", item)) == [], item


def test_they_are_shipped() -> None:
    """A wheel has every file below the packages that it names."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"] == {"packages": ["aps_async"]}
    assert "/aps_async" in build["sdist"]["include"]
