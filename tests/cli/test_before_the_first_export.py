"""A run that ends before its first export: `status` says so, and `resume` repeats its command."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from signal import SIGINT, SIGKILL, Signals
from typing import Any

import pytest
from attrs import frozen

from aps_async.ledger import LEDGER_NAME
from tests.cli.support import Ran, Simulation, start

Cli = Callable[..., Ran]


@frozen(kw_only=True)
class Case:
    """How a run ends, and what is said of it later."""

    command: tuple[str, ...]
    code: int
    fault: dict[str, Any] | None = None
    sent: Signals | None = None
    """Sent while the project is being listed."""
    status: str = "stopped before its first export"
    resumed: int = 0


_HUNG = {"endpoint": "folder_contents", "kind": "hang", "nth": [2]}
CASES = {
    "killed in the list": Case(command=("Riverside",), code=-9, fault=_HUNG, sent=SIGKILL),
    "Ctrl-C in the list": Case(command=("Riverside",), code=130, fault=_HUNG, sent=SIGINT),
    "a list that is refused": Case(
        command=("Riverside",), code=5, fault={"endpoint": "folder_contents", "status": 403, "nth": [1]}
    ),
    "nothing that can be listed": Case(command=("Bare",), code=4, resumed=4),
    "a project without sheets": Case(command=("Tower", "--user-id", "USER1"), code=4, status="ended ", resumed=4),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_status_and_resume(cli: Cli, service: Simulation, tmp_path: Path, case: Case) -> None:
    folder = ("--folder", "Plans/Good") if "Riverside" in case.command else ()
    with service.faults(*([case.fault] if case.fault else [])):
        command = ("sync", *case.command, *folder, "--out", str(tmp_path), "-vv")
        with start(*command, env=service.env) as process:
            assert process.stderr is not None
            if case.sent is not None:
                assert any("/contents: 200" in line for line in process.stderr)
                process.send_signal(case.sent)
            _, err = process.communicate(timeout=30)
        assert process.returncode == case.code, err
    status = cli("status", tmp_path)
    assert status.out.startswith(f"0 of 0 exports done, 0 bytes: {tmp_path}\nstarted 2"), "not in 1970"
    assert case.status in status.out
    is_complete = case.status.startswith("ended")
    assert (status.code == 0, f"resume {tmp_path}" in status.out) == (is_complete, not is_complete)
    resumed = cli("resume", tmp_path, env=service.env)
    assert resumed.code == case.resumed, resumed.err
    assert "ledger" not in resumed.err


def test_the_last_command_counts_and_no_earlier_run_is_hidden(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    refused = {"endpoint": "folder_contents", "status": 403}
    command = ("sync", "Riverside", "--sheet", "A-101", "--out", tmp_path)
    with service.faults(refused):
        assert cli(*command, "--name", "{title}", env=service.env).code == 5
        assert cli(*command, "--name", "{number}", env=service.env).code == 5
    assert cli("resume", tmp_path, env=service.env).out.startswith("1 new; ")
    assert (tmp_path / "A-101.pdf").is_file()
    with service.faults(refused):
        assert cli(*command, env=service.env).code == 5
    assert cli("status", tmp_path).out.startswith("1 of 1 export done, ")
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_a_ledger_of_an_older_version_without_a_run(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    assert cli("sync", "Bare", "--out", tmp_path, env=service.env).code == 4
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME, isolation_level=None)) as connection:
        connection.execute("DELETE FROM runs")
    words = f"the run into {tmp_path} was stopped before its first export: run the original command again\n"
    for command in ("status", "resume"):
        ran = cli(command, tmp_path, env=service.env)
        assert (ran.code, ran.err) == (8, f"aps-async: error: {words}")


def test_a_project_that_was_never_begun_is_named(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    several = ("sync", "Riverside", "Tower", "Bare", "--sheet", "A-101", "--out", tmp_path)
    ran = cli(*several, env=service.env)
    assert (ran.code, "3 projects (2 failed): 1 new" in ran.out) == (4, True)
    status = cli("status", tmp_path)
    assert status.code == 1, "Tower needs a user"
    assert status.out.startswith("1 of 1 export done, ")
    never = f"Tower: nothing has been exported to {tmp_path / 'Tower'} yet\nto continue: "
    assert never in status.out
    found = [json.loads(line) for line in cli("status", tmp_path, "--json").out.splitlines()]
    assert [Path(each["folder"]).name for each in found] == ["Riverside", "Tower", "Bare"]
    assert [each["complete"] for each in found] == [True, False, False]
    assert set(found[1]) == {*found[0], "problem"}
    register = cli("register", tmp_path)
    assert register.code == 0
    for name in ("Tower", "Bare"):
        assert f"{name}: no register: no sheet of it has been synced yet\n" in register.err

    (tmp_path / "Riverside" / LEDGER_NAME).write_text("not a database")
    status = cli("status", tmp_path)
    assert status.code == 8, "the worst of them"
    assert "Riverside: " in status.out
    assert "is damaged" in status.out
    assert never in status.out, "one that is damaged hides no other"
