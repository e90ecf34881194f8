"""`export` continues a stopped run, `status` shows its progress, `resume` needs only the folder."""

import json
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.cli import resuming
from aps_async.cli.delivering import ledger_for
from aps_async.cli.export import ExportChoices
from aps_async.cli.fetching import DocumentChoices
from aps_async.models import ExportOptions
from tests.cli.support import SHEET, Ran, Simulation, paths_in, start
from tests.documents import lying_in

Cli = Callable[..., Ran]
EXPORT = ("export", "Riverside", "--folder")


def counts(service: Simulation, endpoint: str) -> int:
    return int(service.control("counts")["endpoints"].get(endpoint, {}).get("calls", 0))


def test_the_same_command_again_fetches_nothing(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    first = cli(*EXPORT, "Plans/Good", "--out", tmp_path, env=service.env)
    assert first.code == 0
    before = {path: path.read_bytes() for path in paths_in(tmp_path)}
    starts, fetches = counts(service, "export_start"), counts(service, "signed_get")
    again = cli(*EXPORT, "Plans/Good", "--out", tmp_path, env=service.env)
    assert again.code == 0
    assert again.out.startswith("3 PDFs (3 already there), ")
    assert again.err.count(", already there\n") == 3
    assert (counts(service, "export_start"), counts(service, "signed_get")) == (starts, fetches)
    assert {path: path.read_bytes() for path in paths_in(tmp_path)} == before


def test_again_exports_everything_anew(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    argv = ("export", "Riverside", "--sheet", SHEET, "--out", tmp_path)
    for extra, reused in (((), 0), (("--again",), 0), ((), 1)):
        ran = cli(*argv, *extra, env=service.env)
        assert (ran.code, ran.err.count("already there")) == (0, reused)
    assert cli("resume", tmp_path, env=service.env).err.count("already there") == 1
    assert lying_in(tmp_path) == ["A-101 - Ground.pdf"]


def test_json_reports_what_was_already_there(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    for reused in (False, True):
        ran = cli("export", "Riverside", "--sheet", SHEET, "--out", tmp_path, "--json", env=service.env)
        line = json.loads(ran.out)
        assert (line["ok"], line["reused"]) == (True, reused)
        assert line["ref"]["exportId"]
        assert Path(line["path"]).stat().st_size == line["bytes"]


def test_resume_goes_on_with_project_and_options_of_the_ledger(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    with start(*EXPORT, "Plans/Endless", "--markups", "--out", str(tmp_path), env=service.env) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[3/4]"):
                break
        while_running = cli("status", tmp_path, "--json")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    told = json.loads(while_running.out)
    assert while_running.code == 1
    assert (told["done"], told["started"], told["complete"], told["ended"]) == (3, 1, False, None)
    assert told["working"].startswith(f"process {process.pid} on ")

    stopped = cli("status", tmp_path)
    assert stopped.out.startswith("3 of 4 exports done, ")
    assert "1 started and not done\n" in stopped.out
    assert "stopped before it was complete" in stopped.out
    assert f"to continue: aps-async resume {tmp_path}\n" in stopped.out

    starts, fetches = counts(service, "export_start"), counts(service, "signed_get")
    with start("resume", str(tmp_path), env=service.env) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("[3/4]"):
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert sum("already there" in line for line in lines) == 3
    assert counts(service, "export_start") == starts, "what was started is waited for"
    assert counts(service, "signed_get") == fetches
    assert len(lying_in(tmp_path)) == 3
    with sqlite3.connect(tmp_path / ".aps-async.sqlite") as ledger:
        options = [json.loads(row[0])["options"] for row in ledger.execute("SELECT request FROM exports")]
    ledger.close()
    assert options == [{"markups": True}] * 4


def test_resume_of_a_run_that_was_done_finds_everything_there(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    assert cli(*EXPORT, "Plans/Good", "--out", tmp_path, env=service.env).code == 0
    done = cli("status", tmp_path)
    assert done.code == 0
    assert done.out.startswith("3 of 3 exports done, ")
    assert "ended" in done.out
    assert "to continue" not in done.out
    ran = cli("resume", tmp_path, "--json", env=service.env)
    assert ran.code == 0
    assert [json.loads(line)["reused"] for line in ran.out.splitlines()] == [True] * 3


def test_exit_codes_stay_in_the_status_and_are_tried_again(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    assert cli(*EXPORT, "Plans/Broken", "--out", tmp_path, env=service.env).code == 1
    told = cli("status", tmp_path)
    assert told.code == 1
    assert "1 failed\n" in told.out
    assert told.err.startswith("failed: B-1 - Sheet B-1: the service answers 'failed'")
    starts = counts(service, "export_start")
    assert cli("resume", tmp_path, env=service.env).code == 1
    assert counts(service, "export_start") == starts + 1


def test_two_commands_in_one_folder(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    with start(*EXPORT, "Plans/Endless", "--timeout", "36000", "--out", str(tmp_path), env=service.env) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[3/4]"):
                break
        before = service.control("counts")["endpoints"]
        for argv in ((*EXPORT, "Plans/Good", "--out", tmp_path), ("resume", tmp_path)):
            second = cli(*argv, env=service.env)
            assert second.code == 8
            assert second.err.startswith(f"aps-async: error: another run (process {process.pid} on ")
            assert second.err.count("\n") == 1
        now = service.control("counts")["endpoints"]
        assert {name: each["calls"] for name, each in now.items() if name != "export_status"} == {
            name: each["calls"] for name, each in before.items() if name != "export_status"
        }, "the second one asks nothing"
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    assert cli(*EXPORT, "Plans/Good", "--out", tmp_path, env=service.env).code == 0


def test_a_newer_version_is_kept_apart_when_that_is_asked_for(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    """Here other options stand for another version: the same place in the folder is at stake."""
    argv = ("export", "Riverside", "--sheet", SHEET, "--out", tmp_path)
    assert cli(*argv, env=service.env).code == 0
    before = (tmp_path / "A-101 - Ground.pdf").read_bytes()
    assert cli(*argv, "--markups", "--keep-older", env=service.env).code == 0
    assert lying_in(tmp_path) == ["A-101 - Ground (version 1).pdf", "A-101 - Ground.pdf"]
    assert (tmp_path / "A-101 - Ground.pdf").read_bytes() == before
    assert "1 other file of earlier runs" in cli("status", tmp_path).out.splitlines()
    assert json.loads(cli("status", tmp_path, "--json").out)["older"] == 1


@pytest.mark.parametrize("command", ["status", "resume"])
def test_a_folder_without_a_ledger(cli: Cli, service: Simulation, tmp_path: Path, command: str) -> None:
    ran = cli(command, tmp_path, env=service.env)
    assert (ran.code, ran.out) == (8, "")
    words = "has no ledger (.aps-async.sqlite): no export or sync has kept one in it"
    assert ran.err == f"aps-async: error: {tmp_path} {words}\n"
    assert lying_in(tmp_path) == []
    nowhere = tmp_path / "nowhere"
    assert cli(command, nowhere, env=service.env).err == f"aps-async: error: there is no folder {nowhere}\n"


@pytest.mark.parametrize("text", [None, "not json", "[]", '{"command": "dance"}', '{"command": "export"}'])
async def test_a_ledger_that_no_command_of_ours_wrote(tmp_path: Path, text: str | None) -> None:
    from aps_async import LedgerError
    from aps_async.ledger import Ledger

    async with Ledger(tmp_path, command=text) as ledger:
        await ledger.begin(0)
    with pytest.raises(LedgerError, match="run the original command again"):
        await resuming.resume(tmp_path, as_json=False)


@pytest.mark.parametrize(
    ("command", "choices"),
    [
        ("export", ExportChoices(project="P", out=Path("x"), sheets=("a", "b"), options=ExportOptions(markups=True))),
        (
            "export",
            ExportChoices(
                project="P", out=Path("x"), folder="Plans", slots=3, timeout=2.5, user_id="U", files=True, unpack=True,
                allow_partial=False, keep_older=True,
            ),
        ),
        ("cost-documents", DocumentChoices(project="P", out=Path("x"), type="Budget", ids=("1", "2"), region="EMEA")),
    ],
)  # fmt: skip
async def test_every_option_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, choices: ExportChoices | DocumentChoices
) -> None:
    monkeypatch.chdir(tmp_path)
    given = []

    async def note(found: object) -> int:
        given.append(found)
        return 0

    monkeypatch.setattr(resuming, "export", note)
    monkeypatch.setattr(resuming, "cost_documents", note)
    async with ledger_for(command, choices) as ledger:
        await ledger.begin(0)
    assert await resuming.resume(choices.out, as_json=False) == 0
    assert given == [choices]
