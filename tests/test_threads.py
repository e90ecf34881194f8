"""Work in threads: a cancellation makes it end soon, and goes on only then."""

import asyncio
import threading
import zipfile
from pathlib import Path

import pytest

from aps_async.downloads.archives import verify_archive
from aps_async.downloads.sinks import PartFile
from aps_async.errors import IncompleteDownloadError
from aps_async.threads import in_thread

PATIENCE = 20.0


class Work:
    """A thread's work that ends once it is asked to."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.began, self.ended = threading.Event(), threading.Event()
        self._problem = problem

    def __call__(self, stop: threading.Event) -> str:
        self.began.set()
        assert stop.wait(PATIENCE)
        self.ended.set()
        if self._problem is not None:
            raise self._problem
        return "done"

    async def cancelled(self, task: "asyncio.Task[object]") -> None:
        assert await asyncio.to_thread(self.began.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert self.ended.is_set()


@pytest.mark.parametrize("problem", [None, OSError("the disk")])
async def test_cancelled_work_is_asked_to_end_and_waited_for(problem: Exception | None) -> None:
    work, stop = Work(problem), threading.Event()
    await work.cancelled(asyncio.create_task(in_thread(work, stop, on_cancel=stop.set)))


@pytest.mark.parametrize("problem", [None, OSError("the disk")])
async def test_undisturbed_work_gives_its_result(problem: Exception | None) -> None:
    stop = threading.Event()
    stop.set()
    if problem is None:
        assert await in_thread(Work(), stop) == "done"
    else:
        with pytest.raises(OSError, match="the disk"):
            await in_thread(Work(problem), stop)


async def test_a_cancelled_download_stops_the_check_of_its_archive(tmp_path: Path) -> None:
    work = Work()
    sink = PartFile(tmp_path / "x.zip")
    await sink.write(0, b"PK")

    async def complete() -> None:
        try:
            await sink.complete(verify)
        finally:
            sink.discard()

    def verify(path: Path, stop: threading.Event) -> tuple[str, ...]:
        with path.open("rb"):
            work(stop)
        return ()

    await work.cancelled(asyncio.create_task(complete()))
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_check_verifies_nothing(tmp_path: Path) -> None:
    archive, stop = tmp_path / "x.zip", threading.Event()
    with zipfile.ZipFile(archive, "w") as new:
        new.writestr("a.bin", bytes(3 << 20))
    assert verify_archive(archive, stop=stop) == ()
    stop.set()
    with pytest.raises(IncompleteDownloadError, match="stopped"):
        verify_archive(archive, stop=stop)
