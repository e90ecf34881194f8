"""Workers deliver a result that lacks something, and say so where people look."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.support import Ran, run, simulation

WORLD = {
    "users": [{"id": "ADA", "name": "Ada"}],
    "hubs": [{"projects": [{"name": "Tower", "projectType": "ACC", "folders": [{"name": "Project Files", "items": [
        {"type": "file", "name": "F-1.pdf"}, {"type": "file", "name": "M.rvt", "noViews": True}]}]}]}],
}  # fmt: skip


@pytest.mark.parametrize("zips", ["good", "deflate64"])
def test_what_a_delivery_lacks_is_said_by_the_worker_and_its_run(
    url: str, cli: Callable[..., Ran], tmp_path: Path, zips: str
) -> None:
    world = tmp_path / "world.json"
    world.write_text(json.dumps(WORLD), "utf-8")
    with simulation("--world", str(world), "--speed", "60", "--set", f"acc_zip={zips}") as service:
        env = {**service.env, "APS_DATABASE_URL": url, "APS_USER_ID": "ADA"}
        assert cli("enqueue", "Tower", "--files", "--run", "files", env=env).code == 0
        worked = run("worker", "--out", str(tmp_path / "out"), "--until-done", env=env)
        shown = cli("status", "--run", "files", env=env)
        [known] = json.loads(cli("status", "--run", "files", "--json", env=env).out)
    assert worked.code == 1, worked.err
    assert worked.err.count("missing: urn:adsk.wipprod:fs.file:") == 1
    assert ("warning: the archive's entry 'F-1.pdf' is compressed by Deflate64" in worked.err) is (zips != "good")
    assert "run 1, 'files': something is missing in 1 file" in shown.err
    assert (known["done"], known["partial"], known["failed"]) == (1, 1, 0)
