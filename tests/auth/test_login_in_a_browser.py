"""`aps-async login` end to end: the command, the simulator's pages and a real browser."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from aps_async.simulator import Simulator
from tests.auth.support import ADA, Terminal, stored_files, world_with
from tests.browser import browser, in_browser, playwright
from tests.support import free_port

__all__ = ["browser"]  # a fixture

pytestmark = in_browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Any) -> AsyncIterator[Any]:
    context = await browser.new_context(viewport={"width": 900, "height": 640})
    yield await context.new_page()
    await context.close()


@pytest.fixture
def callback() -> str:
    return f"http://127.0.0.1:{free_port()}/callback"


@pytest_asyncio.fixture(loop_scope="module")
async def terminal(callback: str, tmp_path: Path) -> AsyncIterator[Terminal]:
    async with Simulator(world_with(callback)) as simulator:
        yield Terminal(simulator, tmp_path, {"APS_CALLBACK_URL": callback})


async def sign_in(page: Any, address: str, decision: str) -> None:
    await page.goto(address)
    await page.fill("#email", ADA)
    await page.fill("#password", "simulator")
    await page.click("button")
    await page.wait_for_selector("main:has-text('Ada Brandt')")  # not before the browser has read that far
    await page.click(f"button[value={decision}]")


async def test_agreeing_signs_in_and_out_again(page: Any, terminal: Terminal, tmp_path: Path) -> None:
    seen: list[str] = []
    page.on("console", lambda message: seen.append(message.text))
    async with terminal.start("login") as command:
        await sign_in(page, await command.address(), "allow")
        await page.wait_for_selector("h1:has-text('You are signed in')")
        await page.screenshot(path=tmp_path / "signed-in.png")
        assert (tmp_path / "signed-in.png").stat().st_size > 5000
        assert "code=" not in page.url  # nor in the browser's history
        code, out, err = await command.ended()
    assert (code, seen) == (0, [])
    assert out == f"Signed in as Ada Brandt <{ADA}>. Profile: default (by default).\n"
    assert stored_files(terminal.logins)["default.json"] == "600"
    assert f"{terminal.logins.stat().st_mode & 0o777:o}" == "700"
    plain = {"APS_CLIENT_ID": "", "APS_BASE_URL": ""}  # the profile knows both
    code, out, _ = await terminal.run("projects", **plain)
    assert (code, "Riverside Clinic" in out) == (0, True)
    code, out, _ = await terminal.run("whoami", **plain)
    assert re.search(rf"User +Ada Brandt <{ADA}>\n", out)
    assert re.search(r"Acts as +a user who has signed in\nConfigured by +profile default\n", out)
    code, out, _ = await terminal.run("logout", **plain)
    assert (code, out) == (0, "Signed out of profile default.\n")
    code, _, err = await terminal.run("projects", **plain)
    assert (code, "not logged in; log in: aps-async login" in err) == (3, True)


async def test_denying_stores_nothing(page: Any, terminal: Terminal) -> None:
    async with terminal.start("login") as command:
        await sign_in(page, await command.address(), "deny")
        await page.wait_for_selector("h1:has-text('Not signed in')")
        await page.wait_for_selector("main:has-text('access was denied')")
        code, out, err = await command.ended()
    assert (code, out) == (3, "")
    assert "access was denied on the sign-in page; nothing was stored" in err
    assert not terminal.logins.exists()


async def test_a_wrong_state_is_refused_and_the_right_one_still_taken(
    page: Any, terminal: Terminal, callback: str
) -> None:
    async with terminal.start("login") as command:
        address = await command.address()
        other = await page.context.new_page()
        async with other.expect_response(f"{callback}?*") as refused:
            with pytest.raises(playwright.Error):  # an empty refusal is all that there is to show
                await other.goto(f"{callback}?code=stolen&state=wrong")
        assert (await refused.value).status == 400
        await sign_in(page, address, "allow")
        await page.wait_for_selector("h1:has-text('You are signed in')")
        code, _, _ = await command.ended()
    assert code == 0


async def test_a_page_of_another_origin_is_refused_whatever_it_knows(
    page: Any, terminal: Terminal, callback: str
) -> None:
    """It has stolen the state, which it never should; its scripts, images and forms still do not get through."""

    async def evil(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="<!DOCTYPE html><p>evil</p>", content_type="text/html")

    async with RawTestServer(evil) as elsewhere, terminal.start("login") as command:
        state = re.search(r"state=([\w-]+)", await command.address())
        assert state is not None
        target = f"{callback}?code=stolen&state={state[1]}"
        await page.goto(str(elsewhere.make_url("/")))
        statuses: list[int] = []
        page.on("response", lambda answer: statuses.append(answer.status))
        posted = asyncio.ensure_future(page.wait_for_event("response", lambda answer: answer.request.method == "POST"))
        await page.evaluate(
            """async target => {
                await fetch(target, {mode: 'no-cors'}).catch(() => 0);
                await fetch(target).catch(() => 0);
                await new Promise(done => {
                    const image = new Image(); image.onload = image.onerror = done; image.src = target; });
                await new Promise(done => {
                    const frame = document.createElement('iframe'); frame.onload = done; frame.src = target;
                    document.body.append(frame); });
                const form = document.createElement('form'); form.method = 'post'; form.action = target;
                document.body.append(form); form.submit();
            }""",
            target,
        )
        await posted
        assert command.process.returncode is None
        assert len(statuses) >= 4
        assert set(statuses) == {400, 404}


async def test_a_closed_browser_ends_in_a_clear_word(page: Any, terminal: Terminal) -> None:
    async with terminal.start("login", "--timeout", "1.5") as command:
        await page.goto(await command.address())
        await page.close()
        code, _, err = await command.ended()
    assert code == 3
    assert "no sign-in within 2 s" in err or "no sign-in within 1.5 s" in err


async def test_a_port_in_use_is_reported_with_what_to_do(terminal: Terminal, callback: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(callback.split(":")[2].partition("/")[0])))
        taken.listen()
        code, _, err = await terminal.run("login")
    assert code == 4
    assert "end the program that uses this port" in err
    assert "--no-browser" in err


async def test_without_a_browser_of_its_own(page: Any, terminal: Terminal) -> None:
    async with terminal.start("login", "--no-browser") as command:
        address = await command.address()
        ended: list[str] = []
        page.on("request", lambda request: ended.append(request.url))
        await page.goto(address)
        await page.fill("#email", ADA)
        await page.fill("#password", "simulator")
        await page.click("button")
        await page.click("button[value=allow]", no_wait_after=True)
        await page.wait_for_event("requestfailed")  # nobody listens there, and need not
        code, out, _ = await command.ended(ended[-1] + "\n")
    assert (code, "Signed in as Ada Brandt" in out) == (0, True)
