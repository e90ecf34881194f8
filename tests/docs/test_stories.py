"""Every command and program of the README and the guides, run as written."""

from pathlib import Path
from typing import Any

import pytest

from aps_async.simulator import Simulator, World
from tests.docs.markdown import GUIDES, PAGES, blocks
from tests.docs.stories import run_page
from tests.test_examples import call, environment_of

WITH_A_DATABASE = "operator"  # in tests/workers


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != WITH_A_DATABASE], ids=lambda page: page.stem)
def test_a_page_as_written(page: Path, environment: Path, tmp_path: Path) -> None:
    run_page(page, environment, tmp_path)


async def test_the_program_for_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without uvicorn, which is the only way that the guide's reader would start it."""
    [program] = [block.text for page in GUIDES for block in blocks(page) if block.title == "web_fastapi.py"]
    names: dict[str, object] = {}
    exec(compile(program, "web_fastapi.py", "exec"), names)  # noqa: S102
    app: Any = names["app"]
    async with Simulator(World.demo(1), speed=60) as simulator:
        for name, value in environment_of(simulator).items():
            monkeypatch.setenv(name, value)
        [sheet] = simulator.world.sheets
        async with app.router.lifespan_context(app):
            answer = await call(app, "GET", "/A-101.pdf", project=sheet.folder.project.id, version=sheet.tip.id)
            refused = await call(app, "GET", "/A-101.pdf", version="urn:else")
            missing = await call(app, "GET", "/A-101.pdf", version="urn:adsk.wipprod:fs.file:vf.none?version=1")
    assert (answer.status, answer.body[:5]) == (200, b"%PDF-")
    assert missing.status == 404
    assert refused.status == 422
    assert b"is not a version URN" in refused.body
