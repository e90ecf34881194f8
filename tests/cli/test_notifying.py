"""The summary that a chat gets."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aps_async.cli.notifying import notify
from tests.cli.support import Ran, Simulation

SECRET = "canary-of-a-webhook"


class Chat(ThreadingHTTPServer):
    """Keeps what it is sent, and answers with a status; with 0 it does not answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.messages: list[dict[str, Any]] = []
        self.done = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/{SECRET}?key={SECRET}"


class _Handler(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append(json.loads(body))
        if not self.server.status:
            self.server.done.wait(10)
            return
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def chat() -> Iterator[Chat]:
    with Chat() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            found.done.set()
            found.shutdown()
            thread.join()


def test_a_finished_run_is_reported(cli: Callable[..., Ran], service: Simulation, tmp_path: Path, chat: Chat) -> None:
    env = service.env | {"APS_NOTIFY_URL": chat.address}
    good = cli("sync", "Riverside", "--folder", "Good", "--out", tmp_path / "good", env=env)
    bad = cli("export", "Riverside", "--folder", "Broken", "--out", tmp_path / "bad", env=env)
    assert (good.code, bad.code) == (0, 1)
    first, second = chat.messages
    assert first["text"].startswith("sync of Riverside: 3 new; ")
    assert first["ok"] is True
    assert second["text"].startswith("export from Riverside: 1 of 2 PDFs")
    assert second["ok"] is False
    assert SECRET not in good.out + good.err + bad.out + bad.err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, None),
        (204, None),
        (302, "status 302"),
        (404, "status 404"),
        (500, "status 500"),
        (0, "no response in 0.2 s"),
    ],
)
async def test_one_attempt_and_a_warning(
    chat: Chat,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    words: str | None,
) -> None:
    chat.status = status
    monkeypatch.setenv("APS_NOTIFY_URL", chat.address)
    await notify("a <!channel> of \ud83d", ok=True, timeout=0.2 if not status else 10)
    assert [each["text"] for each in chat.messages] == ["a \u2039!channel\u203a of \ufffd"]
    said = capsys.readouterr().err
    assert said == (
        "" if words is None else f"warning: the summary was not delivered to the address in APS_NOTIFY_URL: {words}\n"
    )


@pytest.mark.parametrize(
    "address",
    [
        f"http://chat.example/{SECRET}",
        f"http://127.0.0.1.example/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"{SECRET}",
        f"https://[{SECRET}",
        f"http://[{SECRET}",
        f"https://127.0.0.1:99999/{SECRET}",
        f"https://user:{SECRET}@",
    ],
)
async def test_an_address_that_cannot_be_used_is_a_warning_without_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    monkeypatch.setenv("APS_NOTIFY_URL", address)
    await notify("done", ok=True)
    said = capsys.readouterr().err
    assert said.startswith("warning: the summary was not delivered")
    assert SECRET not in said


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"https://127.0.0.1:1/{SECRET}", "no connection"),
        (f"https://unknown.invalid/{SECRET}", "unknown host"),
        ("https://", "it is not a valid address"),
        (f"https://127.0.0.1:99999/{SECRET}", "it is not a valid address"),
        (f"ftp://127.0.0.1/{SECRET}", "it does not begin with https://"),
    ],
)
async def test_why_a_summary_was_not_delivered_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, words: str
) -> None:
    monkeypatch.setenv("APS_NOTIFY_URL", address)
    await notify("done", ok=True)
    said = capsys.readouterr().err
    assert f"in APS_NOTIFY_URL: {words}" in said
    assert SECRET not in said


async def test_a_chat_that_is_out_of_reach_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("APS_NOTIFY_URL", f"https://127.0.0.1:{port}/{SECRET}")
    await notify("done", ok=True)
    said = capsys.readouterr().err
    assert "ClientConnectorError" in said
    assert SECRET not in said


async def test_without_an_address_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("APS_NOTIFY_URL", raising=False)
    await notify("done", ok=True)
    assert capsys.readouterr().err == ""
