"""Logins in files and keyrings: readable by their owner only, never half written, shared by processes."""

import asyncio
import builtins
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import evolve

from aps_async import AuthError, InputError, Session
from aps_async.auth import FileStore, KeyringStore, Login, ServiceAccount, ThreeLegged, TokenStore
from aps_async.auth.provider import AccessToken
from aps_async.simulator import Behaviour, Simulator, World
from benchmarks import logins
from tests.auth.support import PUBLIC, login_of, stored_files

ROOT = Path(__file__).parents[2]


def some_login(**changes: Any) -> Login:
    login = Login(
        client_id="app",
        service="https://x.example",
        scopes=("data:read",),
        refresh_token="r",
        access_token="a",
        issued_at=1.0,
        expires_at=2.0,
        signed_in_at=1.0,
    )
    return evolve(login, **changes)


async def test_a_login_in_a_file(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "deep" / "er" / "login.json")
    assert await store.load() is None
    old = os.umask(0)
    try:
        async with store.lock():
            await store.save(some_login())
    finally:
        os.umask(old)
    # Before it is loaded, which closes it to others.
    assert stored_files(tmp_path / "deep" / "er") == {"login.json": "600", "login.json.lock": "600"}
    assert await store.load() == some_login()
    assert {f"{each.stat().st_mode & 0o777:o}" for each in (tmp_path / "deep" / "er",)} == {"700"}
    assert await store.load() == some_login()
    await store.delete()
    await store.delete()
    assert await store.load() is None


async def test_a_file_that_others_could_read_is_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FileStore(tmp_path / "login.json")
    await store.save(some_login())
    store.path.chmod(0o644)
    assert await store.load() == some_login()
    assert stored_files(tmp_path) == {"login.json": "600"}
    assert "was readable by other users" in caplog.text


@pytest.mark.parametrize("planted", ["link", "file"])
async def test_nothing_that_another_one_planted_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    """A file or a link appears under the unfinished file's name in the instant before it is made."""
    victim, store = tmp_path / "victim", FileStore(tmp_path / "logins" / "login.json")
    await store.save(some_login(refresh_token="old"))
    real = os.open

    def late(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            if planted == "link":
                Path(path).symlink_to(victim)
            else:
                Path(path).write_text("planted")
                Path(path).chmod(0o644)
        return real(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(AuthError, match="cannot be stored"):
        await store.save(some_login(refresh_token="canary"))
    monkeypatch.undo()
    assert not victim.exists()
    login = await store.load()
    assert login is not None
    assert login.refresh_token == "old"


async def test_what_a_crash_has_left_is_swept_away(tmp_path: Path) -> None:
    for name in ("login.json", "lo[g]in.json"):
        (tmp_path / f".{name}.123.part").write_text("half")
        (tmp_path / ".other.json.123.part").write_text("somebody else's")
        await FileStore(tmp_path / name).save(some_login())
        assert set(stored_files(tmp_path)) == {name, ".other.json.123.part"}
        (tmp_path / name).unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
async def test_a_store_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FileStore(tmp_path / "file" / "login.json")
    with pytest.raises(AuthError, match="cannot be stored"):
        await store.save(some_login())
    with pytest.raises(AuthError, match="cannot be locked"):
        async with store.lock():
            pass
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(AuthError, match="cannot be read"):
        await FileStore(tmp_path / "folder.json").load()


async def test_one_holds_the_lock_and_the_loop_runs_on(tmp_path: Path) -> None:
    first, second = FileStore(tmp_path / "login.json"), FileStore(tmp_path / "login.json", patience=0.05)
    async with first.lock():
        with pytest.raises(AuthError, match="another program has held"):
            async with second.lock():
                pass
        waiting = asyncio.create_task(enter(FileStore(tmp_path / "login.json")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with second.lock():
        pass


async def enter(store: TokenStore) -> None:
    async with store.lock():
        pass


@pytest.mark.parametrize(
    ("instant", "survives"),
    [
        ("half written 1", True),
        ("synced 1", True),
        ("before rename 1", True),
        ("after rename 1", True),
        ("before the form", True),
        ("after the answer", False),
        ("half written 2", False),
        ("synced 2", False),
        ("before rename 2", False),
        ("after rename 2", True),
    ],
)
async def test_a_crash_at_any_instant(tmp_path: Path, instant: str, survives: bool) -> None:
    """Either the login goes on, or it is over with a word that says so; between them lies the one write that counts."""
    async with Simulator(World.demo(1), behaviour=Behaviour(quotas=False)) as simulator:
        store = FileStore(tmp_path / "login.json")
        tokens = ThreeLegged(PUBLIC, store=store)
        async with Session(tokens, base_url=simulator.url) as session:
            login = await login_of(session, tokens)
            await store.save(attrs.evolve(login, expires_at=time.time()))
            argv = [sys.executable, "-m", "tests.auth.crasher", simulator.url, str(store.path), instant]
            process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT)
            assert await process.wait() == -signal.SIGKILL
            assert await store.load() is not None
            if survives:
                assert isinstance(await tokens.token(session), AccessToken)
                assert simulator.counts()["refresh_reuses"] == 0
            else:
                with pytest.raises(AuthError, match=r"response to the last renewal was lost.*aps-async login"):
                    await tokens.token(session)
            left = [name for name in stored_files(tmp_path) if name.endswith(".part")]
            assert left == []


async def test_processes_share_one_login_through_kills() -> None:
    """The short form of `python -m benchmarks.logins`."""
    async with asyncio.timeout(100):
        report = await logins.run(seconds=4, kills=4, processes=4, tasks=10, life=1.0, pause=0.3, calls=100, renewals=4)
    assert report.failures == []
    assert (report.kills, report.stores_unreadable) == (4, 0)
    assert report.renewals_too_early <= report.lost
    assert report.reuses == report.lost


class FakeKeyring:
    """A keyring's backend in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, text: str) -> None:
        self.kept[service, name] = text

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


async def test_a_login_in_the_keyring(tmp_path: Path) -> None:
    store = KeyringStore("work", lock_file=tmp_path / "work")
    store._keyring = FakeKeyring()
    async with store.lock():
        assert await store.load() is None
        await store.save(some_login())
        assert await store.load() == some_login()
        await store.delete()
        await store.delete()
        assert await store.load() is None
    assert set(stored_files(tmp_path)) == {"work.lock"}


class PyWinError(Exception):
    """As pywin32's, which is no KeyringError."""


class Windows(FakeKeyring):
    """It keeps 2,560 bytes of UTF-16."""

    def set_password(self, service: str, name: str, text: str) -> None:
        if len(text.encode("utf-16-le")) > 2560:
            raise PyWinError(1783, "CredWrite", "The stub received bad data")
        super().set_password(service, name, text)


@pytest.mark.parametrize("size", [100, 800, 1100, 5000])
async def test_a_long_login_in_the_keyring_of_windows(tmp_path: Path, size: int) -> None:
    backend, login = Windows(), some_login(access_token="a" * size, user_id="U", renewals=3, expires_at=99.0)
    stores = [KeyringStore("work", lock_file=tmp_path / "work") for _ in range(2)]
    for store in stores:
        store._keyring = backend
    await stores[0].save(login)
    assert await stores[0].load() == login
    # Another process has to renew a login that was too long for its access token, and may.
    found = await stores[1].load()
    if size < 1000:
        assert found == login
    else:
        assert found == attrs.evolve(login, access_token="", expires_at=login.issued_at)
        renewed = attrs.evolve(login, refresh_token="r2", renewals=4)
        await stores[1].save(renewed)
        assert await stores[1].load() == renewed
        left = await stores[0].load()
        assert left is not None
        assert (left.refresh_token, left.access_token) == ("r2", "")  # and not the token that it had itself


async def test_processes_renew_a_login_whose_access_token_the_keyring_has_no_room_for(tmp_path: Path) -> None:
    async with Simulator(World.demo(1), behaviour=Behaviour(quotas=False)) as simulator:
        backend = Windows()
        providers = [ThreeLegged(PUBLIC, store=KeyringStore("work", lock_file=tmp_path / "work")) for _ in range(2)]
        for tokens in providers:
            tokens.store._keyring = backend  # type: ignore[attr-defined]
        async with Session(providers[0], base_url=simulator.url) as session:
            login = await login_of(session, providers[0])
            await providers[0].store.save(attrs.evolve(login, access_token="a" * 2000, expires_at=login.issued_at))
            for _ in range(2):
                for tokens in providers:
                    assert (await tokens.token(session)).value
        assert simulator.counts()["refresh_reuses"] == 0


async def test_a_login_that_no_keyring_of_windows_holds_says_what_to_use(tmp_path: Path) -> None:
    store = KeyringStore("work", lock_file=tmp_path / "work")
    store._keyring = Windows()
    with pytest.raises(AuthError, match="use the file, which is the default") as caught:
        await store.save(some_login(refresh_token="canary" * 300))
    assert "1,280" in caught.value.__notes__[0]
    assert "canary" not in f"{caught.value} {caught.value.__notes__}"


async def test_a_machine_without_a_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    import keyring.backends.fail

    monkeypatch.setattr(keyring.core, "_keyring_backend", keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(AuthError, match="use the file, which is the default"):
        await KeyringStore("work", lock_file=tmp_path / "work").load()


@pytest.mark.parametrize(
    ("module", "extra", "make"),
    [
        ("platformdirs", "auth", FileStore.for_profile),
        ("keyring", "keyring", KeyringStore),
        (
            "joserfc",
            "auth",
            lambda: ServiceAccount("id", "secret", account_id="A", key_id="K", private_key="x"),
        ),
    ],
)
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, module: str, extra: str, make: Any) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def missing(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **options)

    monkeypatch.setattr("aps_async.extras.import_module", lambda name: missing(name))
    if module != "keyring":
        monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(
        InputError, match=rf"needs {module}, which is not installed: pip install 'aps-async\[{extra}\]'"
    ):
        make()


def test_the_library_imports_none_of_it() -> None:
    unwanted = {"joserfc", "platformdirs", "keyring", "cryptography", "aiohttp.web", "webbrowser"}
    code = f"import sys, aps_async; print(sorted({unwanted} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "[]\n"


async def test_a_cancelled_write_keeps_the_lock_until_its_thread_has_ended(tmp_path: Path) -> None:
    goes = threading.Event()

    class SlowStore(FileStore):
        def _save(self, data: bytes) -> None:
            assert goes.wait(5)
            super()._save(data)

    async def write(store: FileStore) -> None:
        async with store.lock():
            await store.save(some_login())

    path = tmp_path / "login.json"
    writing = asyncio.create_task(write(SlowStore(path)))
    await asyncio.sleep(0)
    writing.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not writing.done()
    with pytest.raises(AuthError, match="has held"):
        async with FileStore(path, patience=0).lock():
            pass
    goes.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await FileStore(path).load() == some_login()
