"""What callers pass by mistake is one InputError, before anything is stored."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from aps_async import Session, StaticToken
from aps_async.errors import InputError
from aps_async.models import ExportKind, ExportRequest
from aps_async.workers import Database, Folder, RunStore, Worker

REQUEST = ExportRequest(kind=ExportKind.BIM360, project_id="p", source_ids=("x",), name="n")
MISTAKES: dict[str, tuple[Callable[[Any], Awaitable[object]], str]] = {
    "one request": (lambda store: store.enqueue(REQUEST, "run"), r"write \[request\]"),
    "no requests": (lambda store: store.enqueue(None, "run"), "must be a list"),
    "a name that is a number": (lambda store: store.enqueue([REQUEST], 5), "name of a run must be a text"),
    "a priority that is a text": (lambda store: store.enqueue([REQUEST], "run", priority="5"), "whole number, not '5'"),
    "a fraction": (lambda store: store.enqueue([REQUEST], "run", priority=1.5), "whole number, not 1.5"),
    "a huge priority": (lambda store: store.enqueue([REQUEST], "run", priority=1 << 33), "at most 32 bits"),
    "an owner's client id": (lambda store: store.enqueue([REQUEST], "run", owner="id"), r"owner must be Owner\("),
    "a key that is a number": (lambda store: store.enqueue([REQUEST], "run", key=7), "key must be a text"),
    "a key with NUL": (lambda store: store.enqueue([REQUEST], "run", key="\0"), "no NUL"),
    "a key with half a character": (lambda store: store.find_key("\udce9"), "half a character"),
    "a long key": (lambda store: store.enqueue([REQUEST], "run", key="k" * 10_000), "at most 1,000 characters"),
    "a run that no text can be": (lambda store: store.run("\udce9"), "half a character"),
    "cancel by name": (lambda store: store.cancel("run"), "run must be a whole number, not 'run'"),
    "cancel a huge number": (lambda store: store.cancel(1 << 70), "at most 64 bits"),
    "a new priority in words": (lambda store: store.set_priority(1, "high"), "priority must be a whole number"),
    "retry by name": (lambda store: store.retry("run"), "run must be a whole number"),
    "retry huge ids": (lambda store: store.retry(exports=[1 << 70]), "id of an export must be a number"),
    "records by name": (lambda store: anext(store.records("run")), "run must be a whole number"),
    "an address as a database": (lambda store: RunStore.opened(store.database.url), r"database must be Database\("),
    "an address to look into": (lambda store: RunStore.existing(store.database.url), r"database must be Database\("),
    "an unset variable": (lambda _: Database(None).__aenter__(), "must be a text, such as postgresql://"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_one_input_error_and_leaves_no_run(database: Database, mistake: str) -> None:
    call, words = MISTAKES[mistake]
    store = RunStore(database)
    with pytest.raises(InputError, match=words):
        await call(store)
    assert await store.runs() == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("session", "token", r"session must be Session\("),
        ("database", "postgresql://host/name", r"database must be Database\("),
        ("storage", "plans", r"Folder\(path\)"),
        ("storage", Path("plans"), r"Folder\(path\)"),
    ],
)
def test_a_worker_takes_only_what_it_needs(tmp_path: Path, name: str, value: Any, words: str) -> None:
    right: dict[str, Any] = {
        "session": Session(StaticToken("t")),
        "database": Database("postgresql:///x"),
        "storage": Folder(tmp_path),
    }
    with pytest.raises(InputError, match=words):
        Worker(**(right | {name: value}))
