"""Worker processes: killed, frozen, resumed, their database restarted; and commands beside them, in this process."""

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from aps_async.cli import main
from tests.cli.support import Ran, Simulation, clean_environment, run, simulation
from tests.documents import texts_of
from tests.postgres import Postgres
from tests.workers.fleet import Fleet

SHEETS = 60


@pytest.fixture(scope="module")
def service() -> Iterator[Simulation]:
    """Sixty sheets, a minute of which takes two seconds; downloads trickle, so that workers have them in hand."""
    with simulation("--sheets", str(SHEETS), "--speed", "30") as running:
        yield running


@pytest.fixture
def fleet(server: Postgres, url: str, service: Simulation, cli: Callable[..., Ran], tmp_path: Path) -> Iterator[Fleet]:
    service.control("reset", "POST")
    found = Fleet(server, url, service, tmp_path / "plans", cli)
    try:
        yield found
    finally:
        found.stop()


@pytest.mark.long
def test_workers_die_freeze_and_wake_and_the_database_restarts_yet_all_is_delivered_once(fleet: Fleet) -> None:
    slow = {"endpoint": "signed_get", "kind": "slow", "seconds": 60}
    with fleet.service.faults(slow):
        assert fleet.enqueue("Riverside Clinic")["total"] == SHEETS
        fleet.start(3)
        fleet.wait_for("SELECT count(*) FROM aps_pgqueuer WHERE entrypoint LIKE 'fetch%' AND status = 'picked'", 12, 60)
        fleet.signal(0, signal.SIGKILL)
        fleet.signal(1, signal.SIGSTOP)
        held = fleet.in_hand()
        time.sleep(0.5)
        fleet.server.restart()
    fleet.taken_over_in(held, 60)
    fleet.wait_until_done(60)
    fleet.signal(1, signal.SIGCONT)
    time.sleep(1.5)  # in which the woken one brings to an end what it had in hand
    rows = fleet.outcomes()
    assert [row["state"] for row in rows] == ["done"] * SHEETS
    for row in rows:
        file = Path(row["place"])
        assert hashlib.sha256(file.read_bytes()).hexdigest() == row["sha256"]
        assert file.stat().st_mtime <= row["finished"]  # nothing was put there after its outcome
    assert len({row["place"] for row in rows}) == len(list(fleet.out.rglob("*.pdf"))) == SHEETS
    counts = fleet.counts()
    for name, budget in {"export_start": 100, "export_status": 1000}.items():
        told = counts["endpoints"][name]
        assert (told["429"], told["most_in_a_window"] <= budget) == (0, True)
    codes = fleet.stop()
    assert codes == [-signal.SIGKILL, 130, 130]
    assert "Traceback" not in fleet.logs()


def test_the_commands_show_and_cancel_a_run(fleet: Fleet) -> None:
    assert json.loads(fleet.call("status", "--json").out) == []
    assert fleet.call("cancel", "first").code == 4
    assert fleet.query("SELECT to_regclass('aps_schema') AS made") == [{"made": None}]  # looking makes no tables
    fleet.enqueue("Riverside Clinic", "--run", "first", "--priority", "3")
    told = fleet.call("status", "--json")
    assert told.code == 0, told.err
    [first] = json.loads(told.out)
    assert (first["name"], first["priority"], first["pending"], first["state"]) == ("first", 3, SHEETS, "pending")
    client_id = fleet.env["APS_CLIENT_ID"]
    assert first["client_id"] == client_id
    assert first["waits_for"] == [f"no worker with client id {client_id} is running"]
    table = fleet.call("status", "--run", "first")
    assert table.out.splitlines()[0].split() == [
        "RUN", "NAME", "STATE", "PENDING", "RUNNING", "DONE", "FAILED", "CANCELLED", "SIZE"
    ]  # fmt: skip
    assert table.err.splitlines() == [f"run 1, 'first', waits: {first['waits_for'][0]}", "1 run"]
    raised = fleet.call("priority", "first", "7")
    assert (raised.code, raised.out) == (0, "run 1, 'first': the priority is now 7\n")
    ended = fleet.call("cancel", "first")
    assert (ended.code, ended.out) == (0, f"run 1, 'first': {SHEETS} exports cancelled, 0 were done\n")
    assert json.loads(fleet.call("status", "--json").out)[0]["state"] == "cancelled"
    fleet.enqueue("Riverside Clinic", "--run", "weekly plans")
    for name, words in (
        ("nowhere", "there are: weekly plans, first"),
        ("frist", "did you mean 'first'?"),
        ("weakly", "did you mean 'weekly plans'?"),
    ):
        for command in (
            ("cancel", name),
            ("priority", name, "7"),
            ("status", "--run", name),
            ("dead-letters", name),
        ):
            unknown = fleet.call(*command)
            assert (unknown.code, unknown.out) == (4, "")
            assert unknown.err == f"aps-async: error: there is no run {name!r} in this database; {words}\n"


def test_one_worker_ends_when_everything_is_done_and_dead_letters_are_listed(fleet: Fleet) -> None:
    sheets = json.loads(fleet.call("sheets", "Riverside Clinic", "--json").out)[:3]
    chosen = [word for sheet in sheets for word in ("--sheet", sheet["id"])]
    fleet.enqueue("Riverside Clinic", *chosen, "--markups", "--run", "three")
    refused = {"endpoint": "export_start", "kind": "status", "status": 404, "nth": [1]}
    with fleet.service.faults(refused):
        worked = run("worker", "--out", str(fleet.out), "--until-done", env=fleet.env)
    assert worked.code == 1
    assert worked.err.count("three: ") == 3
    assert worked.err.count(": failed: ") == 1
    assert re.search(r"^this worker has delivered 2 files, .* in \d+ s; 1 failed; 429s: 0$", worked.err, re.MULTILINE)
    assert len(list(fleet.out.rglob("*.pdf"))) == 2
    [letter] = [json.loads(line) for line in fleet.call("dead-letters", "--json").out.splitlines()]
    assert letter["error"] == "NotFoundError"
    table = fleet.call("dead-letters", "three")
    assert "NotFoundError" in table.out
    assert table.err == "1 dead letter\n"
    unasked = fleet.call("dead-letters", "--reason", "NotFoundError")
    assert (unasked.code, "add --retry" in unasked.err) == (2, True)
    other = fleet.call("dead-letters", "--retry", "--reason", "ServerError")
    assert (other.code, other.out, "no dead letter has that id or reason" in other.err) == (4, "", True)
    assert fleet.call("dead-letters", "--retry", "--id", "999999").code == 4
    again = fleet.call("dead-letters", "--retry", "--id", str(letter["id"]), "--reason", "NotFoundError")
    assert again.out == "1 export queued again\n"
    worked = run("worker", "--out", str(fleet.out), "--until-done", "--slots", "2", env=fleet.env)
    assert worked.code == 0, worked.err
    assert len(list((fleet.out / "three").glob("*.pdf"))) == 3


def test_a_key_that_was_used_enqueues_nothing_and_says_so(fleet: Fleet) -> None:
    argv = ("enqueue", "Riverside Clinic", "--folder", "Architecture", "--run", "keyed", "--key", "monday")
    first = fleet.call(*argv)
    assert (first.code, "exports enqueued" in first.out) == (0, True)
    fleet.service.control("reset", "POST")
    for other in ((), ("--folder", "Structure"), ("--run", "another")):
        again = fleet.call(*argv, *other)
        assert (again.code, again.err) == (0, "")
        assert re.fullmatch(
            r"run \d+, 'keyed', has the key 'monday', with \d+ exports: nothing more was enqueued\n", again.out
        )
    same = json.loads(fleet.call(*argv, "--json").out)
    assert (same["name"], same["total"]) == ("keyed", int(first.out.split()[3]))
    assert not fleet.service.control("counts")["endpoints"]
    assert fleet.call("cancel", "keyed").code == 0


def test_with_json_logs_every_line_is_an_object(fleet: Fleet) -> None:
    sheets = json.loads(fleet.call("sheets", "Riverside Clinic", "--json").out)[:3]
    chosen = [word for sheet in sheets for word in ("--sheet", sheet["id"])]
    fleet.enqueue("Riverside Clinic", *chosen, "--run", "three")
    faults = (
        {"endpoint": "export_start", "kind": "status", "status": 404, "nth": [1]},
        {"endpoint": "export_status", "kind": "status", "status": 429, "nth": [1]},
    )
    with fleet.service.faults(*faults):
        worked = run("-v", "worker", "--out", str(fleet.out), "--until-done", "--log-json", env=fleet.env)
    assert (worked.code, worked.out) == (1, "")
    lines = [json.loads(line) for line in worked.err.splitlines()]
    for line in lines:
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
        assert line["level"] in ("info", "warning", "error")
        assert line["message"]
    by_event = {
        name: [line for line in lines if line.get("event") == name] for name in ("delivered", "failed", "summary")
    }
    assert [line["error"] for line in by_event["failed"]] == ["NotFoundError"]
    for line in by_event["delivered"]:
        assert Path(line["location"]).stat().st_size == line["size"]
        assert line["run"] == "three"
    [summary] = by_event["summary"]
    assert (summary["delivered"], summary["failed"], summary["rate_limited"]) == (2, 1, 1)
    assert any(line.get("logger", "").startswith("aps_async") for line in lines)  # what -v adds
    wrong = fleet.call("worker", "--out", "http://x/y", "--log-json")
    line, *_ = [json.loads(line) for line in wrong.err.splitlines()]
    assert (wrong.code, line["level"]) == (2, "error")
    assert "not a path on this machine" in line["message"]


def test_what_is_enqueued_says_which_markups(fleet: Fleet) -> None:
    """They go into the queue with the request; what BIM 360 does not know is refused before anything is enqueued."""
    flags = ("--issue-markups", "--photo-markups", "--unpublished-markups")
    for flag in flags:
        refused = fleet.call("enqueue", "Riverside Clinic", flag)
        assert refused.code == 2
        assert "only published markups and hyperlinks" in refused.err
    nobody = fleet.call("enqueue", "Harbour Tower", *flags)
    assert nobody.code == 4
    assert "give --user-id or APS_USER_ID" in nobody.err
    assert json.loads(fleet.call("status", "--json").out) == []
    ada = ("--user-id", "BW9RM76WZBGL")
    sheet = json.loads(fleet.call("sheets", "Harbour Tower", *ada, "--json").out)[0]
    whole = fleet.call("enqueue", "Harbour Tower", "--sheet", sheet["id"], *flags, *ada)
    assert whole.code == 0, whole.err
    worked = run("worker", "--out", str(fleet.out), "--until-done", *ada, env=fleet.env)
    assert worked.code == 0, worked.err
    [path] = fleet.out.rglob("*.pdf")
    [text] = texts_of(path)
    for mark in ("Published issue", "Published photo", "Unpublished markup of Ada", "Unpublished issue of"):
        assert mark in text
    assert "Published markup:" not in text


def test_one_collection_is_enqueued_or_all(fleet: Fleet) -> None:
    ada = ("--user-id", "BW9RM76WZBGL", "--json")
    one = fleet.call("enqueue", "Harbour Tower", "--collection", "building services", *ada)
    assert (one.code, json.loads(one.out)["total"]) == (0, 2), one.err
    every = fleet.call("enqueue", "Harbour Tower", "--run", "all", *ada)
    assert (every.code, json.loads(every.out)["total"]) == (0, 14), every.err
    refused = fleet.call("enqueue", "Riverside Clinic", "--collection", "x", *ada)
    assert (refused.code, "is a BIM 360 project" in refused.err) == (4, True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("status",), 2, "--database"),
        (("status", "--database", "mysql://x/y"), 2, "postgresql://"),
        (("status", ".", "--database", "postgresql://x/y"), 2, "cannot be combined"),
        (("cancel", "1", "--database", "http://[broken"), 2, "postgresql://"),
        (("enqueue", "P", "--sheet", "x", "--files", "--database", "postgresql://x/y"), 2, "choose one"),
        (("enqueue", "P", "--no-partial", "--database", "postgresql://x/y"), 2, "--files"),
        (("worker", "--out", "http://x/y", "--database", "postgresql://x/y"), 2, "not a path on this machine"),
        (("worker", "--out", "x", "--metrics", "9464", "--database", "postgresql://x/y"), 2, "HOST:PORT"),
        (("status", ".", "--watch"), 2, "cannot be combined"),
        (("worker", "--out", "x", "--slots", "1", "--database", "postgresql://x/y"), 2, "slots"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(
    cli: Callable[..., Ran], words: tuple[str, ...], code: int, said: str
) -> None:
    ran = cli(*words)
    first, *rest = ran.err.splitlines()
    assert (ran.code, ran.out) == (code, "")
    assert said in first
    assert all(code == 2 and line.startswith("see: aps-async ") for line in rest), ran.err


def test_without_the_extra_the_commands_say_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(clean_environment()):
        if name.startswith("APS_"):
            monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "pgqueuer", None)
    assert main(["status", "--database", "postgresql://x/y"]) == 2
    assert "pip install 'aps-async[workers]'" in capsys.readouterr().err


def test_a_database_that_is_not_there_is_one_line(cli: Callable[..., Ran], tmp_path: Path) -> None:
    ran = cli("status", "--database", f"postgresql://me:canary@/plans?host={tmp_path}")
    assert ran.code == 6
    assert ran.err.startswith("aps-async: error: the database at ")
    assert "canary" not in ran.err
    assert ran.err.count("\n") == 1


def test_only_those_who_work_import_the_extras() -> None:
    words = (
        "import aps_async, aps_async.workers, sys; print(sorted({'asyncpg', 'pgqueuer', 'obstore'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout == "[]\n"
