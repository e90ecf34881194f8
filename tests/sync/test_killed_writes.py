"""What a killed run leaves while it writes the joined PDF or the register is gone after the next run."""

import signal
import subprocess
from pathlib import Path

import pytest

from aps_async.children import python_command
from aps_async.ledger import Ledger
from aps_async.sync.joined import SetSheet, join_set
from tests.sync.sheets import make_pdf

RUN = """
import asyncio, os, signal
from pathlib import Path
from aps_async.ledger import Ledger
from aps_async.sync import merge
from aps_async.sync.joined import SetSheet, join_set

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def parts():
    yield b"half of it"
    die()

async def join(ledger):
    merge._child_result = die
    await join_set(ledger, [SetSheet("1.pdf", "A-1")], Path("{target}"))

async def write(ledger):
    await ledger.place.write("register.json", parts())

async def main():
    async with Ledger("{folder}") as ledger:
        await {what}(ledger)

asyncio.run(main())
"""


def parts_in(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*.part"))


@pytest.mark.parametrize(
    ("what", "target"), [("join", "plans/set.pdf"), ("join", "elsewhere/set.pdf"), ("write", "plans/set.pdf")]
)
async def test_no_part_is_left_of_a_run_that_was_killed(tmp_path: Path, what: str, target: str) -> None:
    folder, file = tmp_path / "plans", tmp_path / target
    for each in (folder, file.parent):
        each.mkdir(exist_ok=True)
    make_pdf(folder / "1.pdf")
    foreign = file.parent / ".set-0123456789abcdef01234567.part"
    foreign.write_bytes(b"of another ledger")
    code = f"exec({RUN.format(folder=folder, target=file, what=what)!r})"
    assert subprocess.run(python_command(code), check=False).returncode == -signal.SIGKILL  # noqa: S603, ASYNC221
    assert len(parts_in(tmp_path)) == 2
    async with Ledger(folder) as ledger:
        found = await join_set(ledger, [SetSheet("1.pdf", "A-1")], file)
    assert found.merged is not None
    assert parts_in(tmp_path) == [foreign.relative_to(tmp_path).as_posix()]
