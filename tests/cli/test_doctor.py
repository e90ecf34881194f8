"""`aps-async doctor`, when all is well and when one thing is not."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from aps_async.cli.doctor import Check, Doctor
from aps_async.ledger.lock import FolderLock
from tests.certificates import company
from tests.cli.support import Ran, Simulation

Cli = Callable[..., Ran]


def checks(ran: Ran) -> dict[str, dict[str, Any]]:
    """The checks of `--json` by name."""
    return {each["name"]: each for each in json.loads(ran.out)["checks"]}


def marks(ran: Ran) -> dict[str, bool | None]:
    """What each check found."""
    return {name: each["ok"] for name, each in checks(ran).items()}


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


ALL_WELL = {
    "versions": True,
    "write access": True,
    "credentials": True,
    "proxy": True,
    "network": True,
    "certificate": None,
    "clock": True,
    "token": True,
    "scopes": True,
    "hubs": True,
    "user id": None,
}


def test_nothing_is_wrong(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    ran = cli("doctor", "--out", tmp_path / "new" / "folder", "--json", env=service.env)
    assert (ran.code, marks(ran), json.loads(ran.out)["ok"]) == (0, ALL_WELL, True)
    shown = cli("doctor", "--out", tmp_path, env=service.env)
    assert shown.code == 0
    assert "\N{CHECK MARK}  clock        agrees with the service\n" in shown.out
    assert shown.out.endswith("\nnothing is wrong\n")
    assert "--user-id" in shown.out
    secret = service.env["APS_CLIENT_SECRET"]
    assert secret not in ran.out + ran.err + shown.out + shown.err


def test_a_user_of_the_app_is_recognized(cli: Cli, service: Simulation) -> None:
    assert checks(cli("doctor", "--json", "--user-id", "USER1", env=service.env))["user id"]["ok"] is True


@pytest.mark.parametrize(
    ("env", "wrong", "code", "words"),
    [
        ({"APS_CLIENT_SECRET": "not-its-secret"}, "token", 3, "APS_CLIENT_SECRET"),
        ({"APS_CLIENT_ID": ""}, "credentials", 3, "APS_CLIENT_ID"),
        ({"APS_SCOPES": "viewables:read"}, "scopes", 5, "data:read"),
        (
            {"APS_CLIENT_ID": "stranger", "APS_CLIENT_SECRET": "secret-of-a-stranger"},
            "hubs",
            5,
            "Custom Integrations",
        ),
        ({"APS_BASE_URL": f"http://127.0.0.1:{closed_port()}"}, "network", 6, "APS_BASE_URL"),
        ({"APS_BASE_URL": "http://user:hunter2@127.0.0.1:1"}, "network", 4, "APS_BASE_URL"),
        ({"APS_BASE_URL": "ftp://127.0.0.1"}, "network", 4, "APS_BASE_URL"),
        ({"APS_CA_FILE": os.devnull}, "network", 4, "PEM"),
        ({"APS_SPEED": "never"}, "token", 2, "APS_SPEED"),
        ({"APS_SCOPES": "data:reed"}, "token", 3, "correct APS_SCOPES"),
        ({"APS_CLIENT_ID": '"app-of-this-account"'}, "token", 3, "quotation marks"),
        ({"APS_BASE_URL": "https://aps.invalid", "HTTPS_PROXY": "socks5://127.0.0.1:9"}, "network", 4, "//HOST:PORT"),
        ({"APS_BASE_URL": "https://aps.invalid", "HTTPS_PROXY": "http://[::1"}, "network", 4, "//HOST:PORT"),
        ({"APS_PROFILE": "nowhere"}, "credentials", 4, "nowhere"),
    ],
)
def test_the_first_fault_is_named_with_its_remedy(
    cli: Cli, service: Simulation, env: dict[str, str], wrong: str, code: int, words: str
) -> None:
    ran = cli("doctor", "--json", env=service.env | env)
    found = checks(ran)
    assert next(name for name, each in found.items() if each["ok"] is False) == wrong
    assert words in found[wrong]["detail"] + found[wrong]["remedy"]
    assert ran.code == found[wrong]["exitCode"] == code
    for secret in ("not-its-secret", "hunter2", "secret-of-a-stranger", service.env["APS_CLIENT_SECRET"]):
        assert secret not in ran.out + ran.err


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("../../etc/passwd", None, 2, "is not a valid profile name"),
        ("own", b"\x00\xff", 4, "is not text in UTF-8"),
        ("own", b"client_id = ", 4, "cannot be read"),
        ("own", b"colour = 'red'", 4, "'colour' is not a valid key"),
        ("own", b"", 3, "no credentials"),
    ],
)
def test_a_profile_that_cannot_be_read_is_one_fault(
    cli: Cli, tmp_path: Path, name: str, content: bytes | None, code: int, words: str
) -> None:
    if content is not None:
        place = tmp_path / "aps-async" / "profiles" / f"{name}.toml"
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
    address = {"APS_BASE_URL": f"http://127.0.0.1:{closed_port()}"} if content == b"" else {}
    ran = cli("doctor", "--json", env={"APS_PROFILE": name, "XDG_CONFIG_HOME": str(tmp_path), **address})
    found = checks(ran)
    wrong = [name for name, each in found.items() if each["ok"] is False]
    assert wrong == (["credentials", "network"] if address else ["credentials"])
    assert words in found["credentials"]["detail"]
    assert found.keys() >= {"network", "token", "user id"}
    assert ran.code == code


def test_what_depends_on_a_fault_is_not_checked(cli: Cli, service: Simulation) -> None:
    ran = cli("doctor", "--json", env=service.env | {"APS_CLIENT_SECRET": "not-its-secret"})
    after = [each["detail"] for name, each in checks(ran).items() if name in ("scopes", "hubs", "user id")]
    assert after == ["not checked: there is no token"] * 3
    ran = cli("doctor", env=service.env | {"APS_BASE_URL": f"http://127.0.0.1:{closed_port()}"})
    assert ran.out.count("not checked: the service was not reached") == 4
    assert ran.out.endswith("\nto fix: network\n")


@pytest.mark.parametrize(("offset", "words"), [(3600, "ahead of"), (-3600, "behind"), (20, None)])
async def test_the_clock(service: Simulation, tmp_path: Path, offset: float, words: str | None) -> None:
    doctor = Doctor(user_id=None, target=tmp_path, environ=service.env, clock=lambda: time.time() + offset)
    [clock] = [each async for each in doctor.checks() if each.name == "clock"]
    assert clock.ok is (words is None)
    if words:
        assert words in clock.detail
        assert "3,6" in clock.detail or "3,59" in clock.detail
        assert "clock" in clock.remedy


async def test_a_service_that_does_not_answer(service: Simulation, tmp_path: Path) -> None:
    with service.faults({"endpoint": "hubs", "kind": "hang"}):
        doctor = Doctor(user_id=None, target=tmp_path, environ=service.env)
        found = dict[str, Check]()
        async for each in doctor.checks():
            found[each.name] = each
            if each.name == "token":
                doctor.timeout = 0.1  # only for what hangs: a busy machine may need longer for what is before it
    assert (found["token"].ok, found["hubs"].ok, found["hubs"].exit_code) == (True, False, 6)


async def test_a_host_that_no_packet_reaches(
    tmp_path: Path, service: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aps_async.cli.doctor.CONNECT_TIMEOUT", 0.2)
    with socket.socket() as deaf, contextlib.ExitStack() as waiting:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):  # more than its queue holds
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        address = {"APS_BASE_URL": f"http://127.0.0.1:{deaf.getsockname()[1]}"}
        doctor = Doctor(user_id=None, target=tmp_path, environ=service.env | address)
        found = {each.name: each async for each in doctor.checks()}
    assert found["network"].ok is False
    assert "no connection in time" in found["network"].detail


@pytest.mark.parametrize(
    ("fault", "wrong", "code", "words"),
    [
        ({"endpoint": "hubs", "status": 403, "times": 5}, "hubs", 5, "(client id app-of-this-account)"),
        ({"endpoint": "hubs", "status": 403, "nth": [2]}, "user id", 5, "a member of the project"),
        ({"endpoint": "token", "status": 503, "times": 50}, "token", 6, "try again in a few minutes"),
    ],
)
def test_a_service_that_refuses(
    cli: Cli, service: Simulation, fault: dict[str, Any], wrong: str, code: int, words: str
) -> None:
    with service.faults(fault):
        ran = cli("doctor", "--json", "--user-id", "USER1", env=service.env)
    found = checks(ran)
    assert ran.code == code
    assert [name for name, each in found.items() if each["ok"] is False] == [wrong]
    assert words in found[wrong]["remedy"]


@pytest.mark.skipif(os.name == "nt", reason="asks for a folder that only this user cannot write to")
@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("/proc/aps-async", ""),
        ("file", "it is a file, not a folder"),
        ("file/plans", "its folder is a file, not a folder"),
        ("dangling", "it is a link to something that does not exist"),
        ("dangling/plans", "its folder is a link to something that does not exist"),
        ("x" * 300, "the name is too long"),
        (f"{'x' * 300}/plans", "the name is too long"),
    ],
)
def test_a_folder_that_cannot_be_written_to(
    cli: Cli, service: Simulation, tmp_path: Path, folder: str, words: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    ran = cli("doctor", "--json", "--out", tmp_path / folder, env=service.env)
    assert (ran.code, checks(ran)["write access"]["ok"], checks(ran)["hubs"]["ok"]) == (7, False, True)
    assert words in checks(ran)["write access"]["detail"]
    assert "--out" in checks(ran)["write access"]["remedy"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may enter every folder")
def test_a_folder_that_may_not_be_entered(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    (tmp_path / "theirs" / "deep").mkdir(parents=True)
    (tmp_path / "theirs").chmod(0)
    try:
        ran = cli("doctor", "--json", "--out", tmp_path / "theirs" / "deep" / "plans", env=service.env)
    finally:
        (tmp_path / "theirs").chmod(0o700)
    assert (ran.code, checks(ran)["hubs"]["ok"]) == (7, True)
    assert "it is not writable" in checks(ran)["write access"]["detail"]


def test_a_folder_that_another_run_uses(cli: Cli, service: Simulation, tmp_path: Path) -> None:
    lock = FolderLock(tmp_path).acquire()
    try:
        ran = cli("doctor", "--json", "--out", tmp_path, env=service.env)
    finally:
        lock.release()
    assert (ran.code, checks(ran)["write access"]["ok"]) == (0, None)
    assert "another run" in checks(ran)["write access"]["detail"]


def test_a_proxy_is_shown_without_its_password(cli: Cli, service: Simulation) -> None:
    proxy = f"http://ada:hunter2@127.0.0.1:{closed_port()}"
    ran = cli("doctor", "--json", env=service.env | {"HTTPS_PROXY": proxy, "APS_BASE_URL": "https://aps.invalid"})
    found = checks(ran)
    assert (found["network"]["ok"], "(HTTPS_PROXY)" in found["network"]["remedy"]) == (False, True)
    assert found["proxy"]["detail"] == proxy.replace("ada:hunter2@", "")
    assert "hunter2" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("status", "base", "proxy", "words"),
    [
        (407, "https://aps.invalid", "http://ada:hunter2@{}", "USER:PASSWORD@HOST:PORT"),
        (403, "https://aps.invalid", "http://{}", "lets this host through"),
        (200, "https://aps.invalid", "https://ada:hunter2@{}", "begin HTTPS_PROXY with http:// instead of https://"),
        (200, "https://{}", "", "begin it with http://"),
    ],
)
async def test_what_answers_in_place_of_the_service(
    service: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, base: str, proxy: str, words: str
) -> None:
    """A proxy that wants a password, one that refuses, one that does not speak TLS, and a service that does not."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    async with RawTestServer(answer, host="127.0.0.1") as server:
        address = f"127.0.0.1:{server.port}"
        monkeypatch.setenv("HTTPS_PROXY", proxy.format(address))
        env = service.env | {"APS_BASE_URL": base.format(address)}
        doctor = Doctor(user_id=None, target=tmp_path, environ=env)
        found = {each.name: each async for each in doctor.checks()}
    assert (found["network"].ok, found["network"].exit_code) == (False, 6)
    assert words in found["network"].remedy
    assert "hunter2" not in "".join(each.detail + each.remedy for each in found.values())


def test_a_token_is_not_shown(cli: Cli, service: Simulation) -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzY29wZSI6WyJkYXRhOnJlYWQiXX0.canary"
    ran = cli("doctor", env=service.env | {"APS_ACCESS_TOKEN": token})
    assert "hubs" in ran.out
    assert "canary" not in ran.out + ran.err
    assert "eyJ" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("certificate", "named", "words"),
    [
        ({}, False, "APS_CA_FILE"),
        ({}, True, None),
        ({"ended": True}, True, "clock"),
        ({"host": "portal.example"}, True, "another server"),
    ],
)
async def test_a_certificate(
    service: Simulation, tmp_path: Path, certificate: dict[str, Any], named: bool, words: str | None
) -> None:
    """A network that re-signs TLS, whose CA has to be named; a wrong clock; a hotel's sign-in page."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=404)

    ca, context = company(tmp_path, **certificate)
    server = RawTestServer(answer, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    env = service.env | {"APS_BASE_URL": str(server.make_url("")).rstrip("/")}
    try:
        doctor = Doctor(user_id=None, target=tmp_path, environ=env | ({"APS_CA_FILE": str(ca)} if named else {}))
        found = {each.name: each async for each in doctor.checks() if each.name in ("certificate", "network")}
    finally:
        await server.close()
    assert found["certificate"].ok is (words is None)
    assert ("network" in found) is (words is None)
    if words:
        assert words in found["certificate"].remedy
        assert "APS_CA_FILE" not in found["certificate"].detail


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"APS_BASE_URL": "/aps"}, "correct APS_BASE_URL: there is no token service at this address"),
        ({"APS_CLIENT_SECRET": "-wrong"}, "compare APS_CLIENT_ID and APS_CLIENT_SECRET with the app's page"),
    ],
    ids=["address", "secret"],
)
def test_what_keeps_a_token_back(
    cli: Cli, service: Simulation, tmp_path: Path, change: dict[str, str], remedy: str
) -> None:
    env = service.env | {name: service.env[name] + more for name, more in change.items()}
    ran = cli("doctor", "--out", tmp_path, env=env)
    assert ran.code == 3
    assert f"to do: {remedy}" in ran.out
