"""Runs the examples of the README; `.ci/run` runs the two lines that set up an environment, exactly as written."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aps_async import bim360, cost, files, sheets
from aps_async.cli.failures import EXIT_CODES
from aps_async.exports.kinds import KINDS
from aps_async.models import ExportKind
from aps_async.simulator import World
from aps_async.simulator.demo import demo
from tests.auth.support import free_port
from tests.cli.support import Simulation, clean_environment, pdf_with, run, simulation, text_of
from tests.documents import lying_in, pages_in

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
PYTHON = [text for language, text in BLOCKS if language == "python"]
SET_UP = [text for text in SHELL if "-m venv" in text]
PROJECT = "5c0a2f9e-1b7d-4e83-a6c4-9d2e7f0b3a18"
SHEET = "urn:adsk.wipprod:fs.file:vf.s3GqvKmTQ7WpZ0hYdXcR1A?version=1"
UPLOAD = "urn:adsk.wipprod:fs.file:vf.PqW3mKfTSZ2aL9xNcVbE7g?version=1"
CALLBACK = f"http://127.0.0.1:{free_port()}/callback"
BUDGET = "18d97ae0-9484-11e8-a7ec-7ddae203e404"


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """An account with the names and ids that the README uses."""
    world = demo(12)
    world["apps"] = [
        {"id": "your-client-id", "secret": "your-client-secret"},
        {"id": "your-desktop-app", "redirectUris": [CALLBACK]},
    ]
    riverside = world["hubs"][0]["projects"][0]
    assert riverside["name"] == "Riverside Clinic"
    riverside["id"] = PROJECT
    architecture = riverside["folders"][0]["folders"][0]
    sheets = [item for item in architecture["items"] if item.get("number")]
    sheets[0]["versions"] = [SHEET]
    next(item for item in architecture["items"] if item.get("type") == "file")["versions"] = [UPLOAD]
    tower = next(each for each in world["hubs"][0]["projects"] if each["name"] == "Harbour Tower")
    tower["cost"]["budgets"][1]["id"] = BUDGET
    World.from_json(world)
    file = tmp_path_factory.mktemp("account") / "world.json"
    file.write_text(json.dumps(world))
    with simulation("--world", str(file), "--speed", "20") as running:
        yield running


def test_every_block_is_of_a_kind_that_is_run_here() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "python"}
    assert README.count("```") == 2 * len(BLOCKS)
    assert len(SET_UP) == 2
    assert all(text.count("\n") == 1 for text in SET_UP), "one line each"


def test_the_set_up_lines_are_run_by_ci() -> None:
    """`.ci/run` takes them out of the README by their headings, and runs them."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    source = script[script.index("readme_command() {") : script.index("find_python() {")]
    for heading, wanted in zip(("Try it", "Run the tests"), SET_UP, strict=True):
        found = subprocess.run(  # noqa: S603
            ["bash", "-c", f"{source}\nreadme_command {shlex.quote(heading)}"],  # noqa: S607
            capture_output=True, text=True, cwd=ROOT, check=True,
        )  # fmt: skip
        assert found.stdout == wanted
        assert f'$(readme_command "{heading}")' in script
    assert 'bash -c "$test_command"' in script
    assert 'bash -c "$demo_command"' in script


def test_the_first_command_ends_in_pdfs(tmp_path: Path) -> None:
    last = SET_UP[0].split("&&")[-1].split()
    assert last == [".venv/bin/aps-async", "demo"]
    ran = run(*last[1:], cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert len([text_of(file) for file in (tmp_path / "aps-async-demo").glob("*.pdf")]) >= 12


def test_the_simulator_line(tmp_path: Path) -> None:
    [line] = [text for text in SHELL if text.startswith("aps-async simulate")]
    (tmp_path / "plans.pdf").write_bytes(pdf_with("one", "two"))
    argv = [str(tmp_path / word) if word.endswith(".pdf") else word for word in shlex.split(line)[2:]]
    with simulation(*argv) as service:
        ran = run("sheets", "Riverside Clinic", "--json", env=service.env)
    assert [each["title"] for each in json.loads(ran.out)] == ["plans page 1", "plans page 2"]


def run_block(beginning: str, folder: Path, variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """The one shell block that begins so, with the command taken from this environment."""
    [block] = [text for text in SHELL if text.startswith(beginning)]
    function = f'set -e\naps-async() {{ {shlex.quote(sys.executable)} -m aps_async "$@"; }}\n'
    ran = subprocess.run(  # noqa: S603
        ["bash", "-c", function + block],  # noqa: S607
        capture_output=True, text=True, cwd=folder, env=clean_environment(variables), check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran


def test_the_lines_for_the_real_service(account: Simulation, tmp_path: Path) -> None:
    ran = run_block("export APS_CLIENT_ID", tmp_path, {"APS_BASE_URL": account.url, "APS_SPEED": "20"})
    assert "Riverside Clinic" in ran.stdout
    assert len(list((tmp_path / "plans").glob("A-*.pdf"))) == 5


def test_the_lines_for_going_on(account: Simulation, tmp_path: Path) -> None:
    env = account.env
    assert (
        run(
            "export", "Riverside Clinic", "--folder", "Plans/Architecture", "--out", "plans", cwd=tmp_path, env=env
        ).code
        == 0
    )
    ran = run_block("aps-async status plans", tmp_path, env)
    assert ran.stdout.startswith("5 of 5 exports done, ")
    assert "5 PDFs (5 already there), " in ran.stdout
    for option in ("--keep-older", "--again"):
        assert option in README
        assert option in run("export", "--help", env={"COLUMNS": "200"}).out


def test_the_lines_for_a_folder_that_matches(account: Simulation, tmp_path: Path) -> None:
    ran = run_block('aps-async sync "Riverside Clinic"', tmp_path, account.env)
    assert "12 new, 1 left out; " in ran.stdout
    assert "12 renamed, 1 left out; " in ran.stdout
    assert "Plans/Architecture/A-101 - " in ran.stdout
    assert len(list((tmp_path / "clinic" / "Plans").rglob("*.pdf"))) == 12


def test_the_lines_for_acc(account: Simulation, tmp_path: Path) -> None:
    run_block("export APS_USER_ID", tmp_path, account.env)
    assert len([text_of(file) for file in (tmp_path / "tower").glob("*.pdf")]) == 12
    assert lying_in(tmp_path / "tower-files") == ["Core.pdf", "T-01.pdf"]


def test_the_lines_for_signing_in(account: Simulation, tmp_path: Path) -> None:
    variables = {
        "APS_BASE_URL": account.url,
        "APS_SPEED": "20",
        "APS_CALLBACK_URL": CALLBACK,
        "BROWSER": f"{sys.executable} -m tests.auth.browser %s",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    ran = run_block("aps-async login", tmp_path, variables)
    assert "Ada" in ran.stdout
    assert len(list((tmp_path / "tower").glob("*.pdf"))) == 14
    assert [path for path in (tmp_path / "data").rglob("*.json") if "refresh" in path.read_text()] == []


def test_the_line_for_cost_documents(account: Simulation, tmp_path: Path) -> None:
    token = account.control("user-token", "POST", {})["access_token"]
    ran = run_block("aps-async cost ", tmp_path, {**account.env, "APS_ACCESS_TOKEN": token})
    assert "18d97ae0-9484-11e8-a7ec-7ddae203e404" in ran.stdout
    assert lying_in(tmp_path / "budget") == [
        f"05 12 00 Tower Structural Steel - Budget Summary{each}.docx" for each in (" 2", "")
    ]


def test_the_line_for_downloads(account: Simulation, tmp_path: Path) -> None:
    ran = run_block("aps-async files", tmp_path, account.env)
    assert "urn:adsk.wipprod:fs.file:vf.PqW3mKfTSZ2aL9xNcVbE7g?version=1" in ran.stdout
    assert pages_in(tmp_path / "plans.pdf") == 5


def test_every_shell_block_is_run_by_one_of_these() -> None:
    run_here = (
        "aps-async simulate",
        "export APS_CLIENT_ID",
        "export APS_USER_ID",
        "aps-async login",
        "aps-async cost",
        "aps-async files",
        "aps-async status",
        "aps-async sync",
        "export APS_DATABASE_URL",  # in tests/workers, where there is a database
    )
    assert [text for text in SHELL if not text.startswith(run_here) and text not in SET_UP] == []


def test_the_table_of_kinds() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|.*\| ([\d,]+) / ([\d,]+) \|$", README, re.MULTILINE)
    starts = {
        ExportKind.BIM360: bim360.START, ExportKind.SHEETS: sheets.SERVICE.start, ExportKind.FILES: files.SERVICE.start,
        ExportKind.COST: cost.ATTACHMENTS,
    }  # fmt: skip
    assert {kind: (start, polls) for kind, start, polls in rows} == {
        str(kind): (f"{starts[kind].budget:,}", f"{KINDS[kind].status.budget:,}") for kind in ExportKind
    }


def test_the_python_blocks(account: Simulation, tmp_path: Path) -> None:
    """In their order, in one folder: the third and the fourth are two halves."""
    env = clean_environment({name: value for name, value in account.env.items() if name != "APS_SPEED"})
    printed = []
    for block in PYTHON:
        argv = [sys.executable, "-W", "error", "-c", block]
        ran = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)  # noqa: S603
        assert (ran.returncode, ran.stderr) == (0, "")
        printed.append(ran.stdout)
    assert len(PYTHON[0].splitlines()) <= 13
    assert len(list((tmp_path / "plans").glob("*.pdf"))) == 12
    told = "5 ['ERR_NO_PROCESSABLE_FILES']\nuploaded.pdf\n"
    assert printed[1:4] + printed[5:] == ["A-101.pdf\n", "", "later.pdf\n", told]
    assert min(printed[4].splitlines()) == "A-101 - Ground Floor General Arrangement new"
    assert len(printed[4].splitlines()) == 5
    assert pages_in(tmp_path / "uploaded.pdf") == 5
    assert "A-101" in text_of(tmp_path / "A-101.pdf")
    assert "A-101" in text_of(tmp_path / "later.pdf")


def test_the_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE)
    assert {int(code): words for code, words in rows} == EXIT_CODES


def test_the_variables_are_those_that_the_help_names() -> None:
    rows = set(re.findall(r"`(APS_\w+|HTTPS_PROXY)`", README))
    assert rows == set(re.findall(r"APS_\w+|HTTPS_PROXY", " ".join(run("--help").out.split())))
