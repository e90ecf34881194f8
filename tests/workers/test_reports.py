"""What the hooks see of a worker: each export from its start to its file, or its way to another worker."""

import asyncio
from pathlib import Path

import pytest
from attrs import evolve

from aps_async import ExportStatus, Settings
from aps_async.integrations.opentelemetry import OpenTelemetryHook
from aps_async.simulator import Fault, World
from aps_async.transport.hooks import Event, ExportBegan, ExportEnded, ExportHandedOver, Hook, Polled
from aps_async.workers import Database, Folder, RunStore, SharedQuotas, Worker, reports
from tests.integrations.telemetry import Providers
from tests.support import service, session_for
from tests.workers.working import QUICK, SPEED, requests_of, work


async def test_a_worker_has_one_span_for_each_export(database: Database, tmp_path: Path) -> None:
    providers, events = Providers(), list[Event]()
    hooks: list[Hook] = [OpenTelemetryHook(providers.traces(), providers.meters()), events.append]
    fault = Fault(endpoint="export_status", status=503, nth=(1,))
    items = [{"number": "A"}, {"number": "B"}, {"number": "C", "fails": True}]
    project = {"name": "P", "projectType": "BIM360", "folders": [{"name": "Plans", "items": items}]}
    world = World.from_json({"hubs": [{"name": "H", "projects": [project]}]})
    async with service(world, speed=SPEED, behaviour=QUICK, faults=[fault]) as simulator:
        store = await RunStore.opened(database)
        await store.enqueue(requests_of(simulator), name="mine")
        quotas = SharedQuotas(database)
        async with session_for(simulator, Settings().scaled(SPEED), quotas=quotas, hooks=hooks) as session:
            await work(session, database, tmp_path)
            token = await session._tokens.token(session)
        await quotas.close()
        secrets = [simulator.client_secret, token.value, "X-Amz", "Signature", "Bearer"]
    spans = [span for span in providers.tracer.spans if span.name == "aps.export"]
    assert sorted(str(span.attributes.get("error.type")) for span in spans) == ["ExportFailedError", "None", "None"]
    for span in spans:
        inside = [each.attributes["aps.endpoint"] for each in providers.tracer.spans if each.parent is span]
        assert inside.count("bim360.export_start") == 1
        assert inside.count("bim360.export_status") >= 1
        assert inside.count("storage") == (not span.failed)
        assert span.ended is not None
        assert span.attributes["aps.export.id"]
    assert len([each for each in events if isinstance(each, ExportBegan)]) == 3
    assert len([each for each in events if isinstance(each, ExportEnded)]) == 3
    polls = [each for each in events if isinstance(each, Polled)]
    assert {each.export_number for each in polls} == {each.export_number for each in events} - {None}
    assert {each.status for each in polls} >= {ExportStatus.SUCCEEDED, ExportStatus.FAILED}
    text = repr(events) + repr([span.attributes for span in providers.tracer.spans]) + repr(providers.values)
    assert not [secret for secret in secrets if secret in text]


async def test_exports_that_others_go_on_with_are_handed_over(database: Database, tmp_path: Path) -> None:
    events: list[Event] = []
    stop = asyncio.Event()
    async with service(World.single_folder(3), speed=SPEED, behaviour=evolve(QUICK, quotas=False)) as simulator:
        store = await RunStore.opened(database)
        await store.enqueue(requests_of(simulator), name="mine")
        quotas = SharedQuotas(database)

        def hook(event: Event) -> None:
            events.append(event)
            if sum(isinstance(each, ExportBegan) for each in events) == 3:
                stop.set()

        async with session_for(simulator, Settings().scaled(SPEED), quotas=quotas, hooks=[hook]) as session:
            async with asyncio.timeout(30):
                await Worker(session, database, Folder(tmp_path)).run(stop=stop)
        await quotas.close()
    began = {each.export_number for each in events if isinstance(each, ExportBegan)}
    left = [each.export_number for each in events if isinstance(each, ExportEnded | ExportHandedOver)]
    assert began == {*left}
    assert len(left) == 3
    assert any(isinstance(each, ExportHandedOver) for each in events)


async def test_an_export_that_does_not_come_back_is_forgotten(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Event] = []
    async with service(World.single_folder(1)) as simulator:
        store = await RunStore.opened(database)
        await store.enqueue(requests_of(simulator), name="mine")
        [entry] = [await store.entry(row["id"]) for row in await database.fetch("SELECT id FROM aps_export")]
        assert entry is not None
        async with session_for(simulator, hooks=[events.append]) as session:
            known = reports.Reports(session)
            with known.working_on(entry):
                known.hand_over()
            assert [type(each) for each in events] == [ExportBegan]
            monkeypatch.setattr(reports, "_FORGOTTEN", -1.0)  # an hour later
            known.hand_over()
    assert [type(each) for each in events] == [ExportBegan, ExportHandedOver]
