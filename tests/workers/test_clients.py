"""Several client ids in one worker process: a file names their credentials, and each takes only its own runs."""

from pathlib import Path

import pytest

from aps_async import AuthError, InputError, bim360
from aps_async.cli.clients import clients_of, open_sessions
from aps_async.cli.workers import _run_all
from aps_async.simulator import Behaviour, JobTime, World
from aps_async.workers import Database, Folder, RunStore, SharedQuotas, Worker
from aps_async.workers.owners import Owner
from tests.support import service

PAIR = '[[client]]\nclient_id_env = "{0}_ID"\nclient_secret_env = "{0}_SECRET"\n'
WORLD = {
    "apps": [
        {"id": "north-app", "secret": "north-secret"},
        {"id": "south-app", "secret": "south-secret"},
        {"id": "stranger", "secret": "strange-secret", "provisioned": False},
    ],
    "hubs": [
        {
            "name": "Northlight",
            "projects": [
                {"name": "Clinic", "folders": [{"name": "Plans", "items": [{"number": f"A-{n}"} for n in range(16)]}]}
            ],
        }
    ],
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one"),
        ("[client]\nprofile = 'x'", "at least one"),
        ("client = ['x']", "needs either profile"),
        ("[[client]]", "needs either profile"),
        ("[[client]]\nprofile = 'x'\nclient_id_env = 'Y'", "needs either profile"),
        ("[[client]]\nclient_id_env = 'Y'", "needs either profile"),
        ("[[client]]\nclient_id = 'x'\nclient_secret = 'canary'", "'client_id' is not a valid key"),
        ("[[client]]\nclient_secret = 'canary'", "secrets do not belong in this file"),
        ("[[client]]\nprofile = 7", "text in quotation marks"),
        ("[[client]]\nprofile = 'x'\n[[client]]\nprofile = 'x'", "twice"),
        ("[[client", "cannot be read"),
        ("token = 'canary'\n" + PAIR.format("NORTH"), "only [[client]]"),
        (
            "[[client]]\nclient_id_env = 'HERE'\nclient_secret_env = 'canary'",
            "variable for the secret of HERE, which the file of clients names, is not set",
        ),
        (PAIR.format("MISSING"), "MISSING_ID, which the file of clients names, is not set"),
    ],
)
def test_a_file_that_cannot_be_used_is_reported_without_its_values(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "clients.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        open_sessions(clients_of(file), None, {"HERE": "app"}, SharedQuotas(Database("")))
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        clients_of(tmp_path / "none.toml")


async def test_each_client_id_takes_its_own_runs_and_one_without_access_stops_alone(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "clients.toml"
    file.write_text("".join(map(PAIR.format, ("NORTH", "SOUTH", "STRANGE"))))
    names = {"NORTH": "north-app", "SOUTH": "south-app", "STRANGE": "stranger"}
    environ = {f"{name}_ID": app for name, app in names.items()} | {"APS_CLIENT_ID": "unused", "APS_SPEED": "60"}
    environ |= {f"{name}_SECRET": f"{name.lower()}-secret" for name in names}
    behaviour = Behaviour(job_time=JobTime.fixed(5))
    async with service(World.from_json(WORLD), speed=60.0, behaviour=behaviour) as simulator:
        project, store = simulator.world.hubs[0].projects[0].id, RunStore(database)
        requests = [bim360.make_request(project, each.tip.id, name=each.name) for each in simulator.world.sheets]
        for app, part in (("north-app", requests[:4]), ("south-app", requests[4:8]), ("stranger", requests[8:])):
            await store.enqueue(part, app, owner=Owner(app))
        quotas = SharedQuotas(database)
        sessions = open_sessions(clients_of(file), None, environ | {"APS_BASE_URL": simulator.url}, quotas)
        workers = [Worker(each, database, Folder(tmp_path / "out")) for each in sessions]
        for each in sessions:
            await each.open()
        with pytest.raises(AuthError, match="client id stranger"):
            await _run_all(workers, until_done=True)
        for each in sessions:
            await each.close()
        await quotas.close()
    assert "one worker of 3 has stopped" in capsys.readouterr().err
    states = {each.name: (each.done, each.waiting, each.failed) for each in await store.runs()}
    assert states == {"north-app": (4, 0, 0), "south-app": (4, 0, 0), "stranger": (0, 8, 0)}
    owners = await database.fetch("SELECT DISTINCT owner FROM aps_quota WHERE endpoint = 'bim360.export_start'")
    assert {row[0].split(" ")[1] for row in owners} == set(names.values())
