"""Warnings about files that are complete but irregular: in the lines of `--json`, on standard error, in the summary."""

import asyncio
import json
from pathlib import Path

import pytest

from aps_async.simulator import Behaviour, JobPolls, Simulator, World
from tests.cli.support import COMMAND, clean_environment
from tests.documents import lying_in


async def command(simulator: Simulator, *argv: str) -> tuple[int | None, str, str]:
    app = {"APS_CLIENT_ID": simulator.client_id, "APS_CLIENT_SECRET": simulator.client_secret}
    env = clean_environment({"APS_BASE_URL": simulator.url, **app})
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *argv, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("as_json", [False, True])
async def test_an_entry_that_cannot_be_unpacked(tmp_path: Path, as_json: bool) -> None:
    world = World.acc(files=3)
    behaviour = Behaviour(job_time=JobPolls(0), acc_zip="deflate64")
    async with Simulator(world, behaviour=behaviour) as simulator:
        project, user = world.hubs[0].projects[0], next(iter(world.users))
        argv = ["export", project.id, "--files", "--unpack", "--user-id", user, "--out", str(tmp_path)]
        argv += ["--json"] if as_json else []
        code, out, err = await command(simulator, *argv)
        again = await command(simulator, *argv)
    assert (code, again[0]) == (0, 0), err
    [archive] = [name for name in lying_in(tmp_path) if name.endswith(".zip")]
    words = "the archive's entry 'F-0003.pdf' is compressed by Deflate64, which cannot be read here; keep the ZIP"
    for said in (err, again[2]):
        assert f"warning: {archive}: {words}\n" in said
    assert "1 result, unpacked to 2 files (1 with warnings), " in (err if as_json else out)
    assert {"F-0001.pdf", "F-0002.pdf", archive} <= set(lying_in(tmp_path))
    if as_json:
        [line] = [json.loads(each) for each in out.splitlines()]
        assert line["warnings"] == [words]
        assert [Path(each).name for each in line["unpacked"]] == ["F-0001.pdf", "F-0002.pdf", archive]
        then = json.loads(again[1])
        assert (then["reused"], then["path"], then["warnings"]) == (True, line["path"], [words])
        assert then["unpacked"] == line["unpacked"]
