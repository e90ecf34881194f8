"""Forecasts what a run would do and how long it would take. Nothing is started, written, renamed or moved."""

import heapq
import math
import os
from collections.abc import Sequence
from contextlib import aclosing
from statistics import NormalDist

from attrs import evolve, field, frozen

from aps_async.downloads.storage import Storage
from aps_async.exports.batches import BatchPolicy, batch_for
from aps_async.exports.kinds import row_of
from aps_async.exports.learning import Durations, LearningPolicy
from aps_async.exports.targets import ledger_for, target_for
from aps_async.ledger import Ledger
from aps_async.ledger.journal import Record
from aps_async.ledger.places import Place
from aps_async.models import DeliveredExport, ExportKind, ExportRequest, Project, StoredExport
from aps_async.policies import PollPolicy, PollStatus
from aps_async.resources.projects import as_project
from aps_async.session import Session
from aps_async.sync import results
from aps_async.sync.compare import Planned
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SheetState, SyncCounts, SyncOutcome
from aps_async.sync.rebuild import rebuild
from aps_async.sync.run import SyncRun

__all__ = ["Forecast", "Work", "forecast", "forecast_exports", "forecast_work"]
__dir__: object = __all__.copy

_DEFAULT = SyncOptions()
_MEDIAN, _P95 = 20.0, 60.0
"""Assumed seconds for a job if the ledger has none to learn from: the service documents no figure."""
_STEP = 0.6180339887  # from the golden ratio: spreads any number of draws evenly


@frozen(kw_only=True)
class Work:
    """The expected number of jobs, calls and bytes of a run's exports."""

    there: int = 0
    """Files that are in the folder and unchanged."""
    starts: int = 0
    waits: int = 0
    """Jobs that an earlier run has started, and that only need status calls."""
    calls: int = 0
    """Starts and status calls; downloads are not counted."""
    seconds: float = 0.0
    size: int = 0
    """Bytes of those exports whose earlier files are in the ledger."""
    unknown: int = 0
    """Exports that are not in `size`, because the ledger has no earlier file."""


@frozen(kw_only=True)
class Forecast:
    """What a sync would do."""

    outcomes: tuple[SyncOutcome, ...]
    """The state of every sheet after the run, if no export fails; a file that is still to be exported has no path."""
    work: Work
    listing: int = 0
    """Calls to list the project and to ask about sheets that are not listed. The forecast itself has made them too."""
    listing_seconds: float = 0.0
    counts: SyncCounts = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "counts", SyncCounts.of(self.outcomes))

    @property
    def calls(self) -> int:
        """API calls of the whole run, without those for tokens and without downloads."""
        return self.listing + self.work.calls

    @property
    def minutes(self) -> float:
        """Minutes for the whole run at the published quotas, if the downloads keep up with the jobs."""
        return (self.listing_seconds + self.work.seconds) / 60


async def forecast(
    session: Session,
    project: Project | str,
    folder: str | os.PathLike[str] | Storage,
    how: SyncOptions = _DEFAULT,
    *,
    state: str | os.PathLike[str] | None = None,
) -> Forecast:
    """Forecasts what `sync_project` with the same arguments would do now.

    The project is listed, and the service is asked about sheets that are not listed, just as in the run. Calls and
    minutes of the exports are computed from the quotas, and from the duration of earlier jobs if the ledger has any.

    Raises:
        APSError: as `sync_project`, except `PruneLimitError` and `FolderInUseError`.
    """
    calls, began = session.calls, session.now()
    how.selection.check_address(project)
    found = await as_project(session, project, user_id=how.user_id)
    how.check(session, found)
    async with ledger_for(target_for(folder), state, verify=how.verify, preview=True) as ledger:
        await rebuild(ledger, found)
        viewer = await session.acting_as(how.user_id)
        batch = batch_for(found, how.batch, one_pdf=how.merge is not None)
        run = SyncRun(session, found, ledger, evolve(how, prune=False), viewer=viewer)
        async with aclosing(run.looking()) as parts:
            planned = [each async for part in parts for each in part]
        outcomes = run.left_out()
        known = {each.request: _size(each) for each in planned}
        records, work = await _work(session, ledger, list(known), known, batch)
        outcomes += [_expected(each, records.get(each.request), ledger.place) for each in planned]
        outcomes += await run.missing()
    return Forecast(
        outcomes=tuple(outcomes),
        work=work,
        listing=session.calls - calls,
        listing_seconds=max(0.0, session.now() - began),
    )


async def forecast_exports(
    session: Session,
    folder: str | os.PathLike[str] | Storage,
    requests: Sequence[ExportRequest],
    *,
    again: bool = False,
    verify: bool = False,
    state: str | os.PathLike[str] | None = None,
    batch: int | None = None,
) -> Work:
    """Forecasts what `export_many` with the ledger of this folder would do with these requests now.

    Args:
        session: the session, for its settings and quotas; no call is made.
        folder: the folder, which may be missing, or the storage.
        requests: what to export.
        again: as in `Ledger`.
        verify: as in `Ledger`.
        state: as in `sync_project`.
        batch: as in `export_many`; assumes that every page can be identified.

    Raises:
        LedgerError: the folder's ledger cannot be read.
    """
    known: dict[ExportRequest, int | None] = {}
    target = target_for(folder)
    async with ledger_for(target, state, verify=verify, preview=True) as ledger:
        if not again:
            return (await _work(session, ledger, requests, known, batch))[1]
        await ledger.begin(len(requests))
        records = await ledger.enter([(each, None) for each in requests])
    for request, record in zip(requests, records, strict=True):
        known[request] = sum(file.size for file in record.files) or None
    async with ledger_for(target, state, again=True, preview=True) as ledger:
        return (await _work(session, ledger, requests, known, batch))[1]


async def _work(
    session: Session,
    ledger: Ledger,
    requests: Sequence[ExportRequest],
    known: dict[ExportRequest, int | None],
    batch: int | None,
) -> tuple[dict[ExportRequest, Record], Work]:
    """Returns the records of the requests whose files are not there, and the work for them."""
    await ledger.begin(len(requests))
    records = await ledger.enter([(each, None) for each in requests])
    pairs = list(zip(requests, records, strict=True))
    rest = [(request, record) for request, record in pairs if not await ledger.holds(record)]
    sizes = [known.get(request) or sum(file.size for file in record.files) or None for request, record in rest]
    work = Work(
        there=len(pairs) - len(rest),
        starts=sum(record.ref is None for _, record in rest),
        waits=sum(record.ref is not None for _, record in rest),
        size=sum(each or 0 for each in sizes),
        unknown=sum(each is None for each in sizes),
    )
    for kind in {request.kind for request, _ in rest}:
        took = await ledger.job_seconds(next(request for request, _ in rest if request.kind is kind))
        of_kind = [record for request, record in rest if request.kind is kind]
        done = sum(record.ref is not None and record.done for record in of_kind)
        running = sum(record.ref is not None for record in of_kind) - done
        new = len(of_kind) - running - done
        in_batches = bool(batch and batch > 1 and kind is ExportKind.SHEETS)
        starts = math.ceil(new / batch) if batch and in_batches else new
        calls, seconds = forecast_work(session, kind, starts, running, done, took=took, in_batches=in_batches)
        work = evolve(work, calls=work.calls + calls, seconds=max(work.seconds, seconds))
    return dict(rest), work


def _size(planned: Planned) -> int | None:
    known = planned.known
    return sum(each.size for each in known.in_place) or None if known is not None else None


def _expected(planned: Planned, record: Record | None, place: Place) -> SyncOutcome:
    """The outcome of a sheet if nothing fails; without a record, its file is there."""
    known, is_there, lost = planned.known, record is None, record.lost if record else None
    before = known.in_place[0].name if known is not None and known.in_place else None
    name = before or planned.file_stem
    path = place.path(name)
    found = results.exported(
        planned,
        StoredExport(request=planned.request, size=0, names=(name,), reused=is_there, lost=lost)
        if path is None
        else DeliveredExport(request=planned.request, path=path, size=0, reused=is_there, lost=lost),
        place,
    )
    if is_there:
        return evolve(found, outcome=None)
    if before is not None and found.state in (SheetState.REVISED, SheetState.REFRESHED):
        return evolve(found, outcome=None, exported_at=None)
    return evolve(found, outcome=None, exported_at=None, file=None, path=None, location=None)


def forecast_work(
    session: Session,
    kind: ExportKind,
    starts: int,
    running: int = 0,
    done: int = 0,
    *,
    took: Sequence[float] = (),
    in_batches: bool = False,
) -> tuple[int, float]:
    """Calls and seconds of exports, by simulating the run: its starts in quota windows, its polls sharing their quota.

    Args:
        session: for its settings.
        kind: the kind of all exports.
        starts: jobs to start.
        running: jobs that were started before.
        done: jobs that were done before, whose files are missing.
        took: seconds of earlier jobs.
        in_batches: whether each start is for several sheets; that these jobs take longer is not accounted for.
    """
    numbers, service = session.settings, row_of(kind)
    start_budget = numbers.budgets.get(service.start_endpoint.name, service.start_endpoint.budget)
    status_budget = numbers.budgets.get(service.status.name, service.status.budget)
    window, scale = numbers.quota_window, 1 / numbers.time_scale
    batches = [running, *(min(start_budget, starts - first) for first in range(0, starts, start_budget))]
    durations = [each for count in batches for each in _durations(count, sorted(took), scale)] + [0.0] * done
    begins = [0.0] * running + [number // start_budget * window for number in range(starts)] + [0.0] * done
    is_known = [number < running or number >= running + starts for number in range(len(begins))]
    ahead = [(begin, number, 0) for number, begin in enumerate(begins)]
    heapq.heapify(ahead)
    interval = numbers.poll_interval * (1 + numbers.poll_jitter / 2)
    steady, learned = PollPolicy(interval=interval, jitter=0.0), Durations()
    learning, batch = LearningPolicy(steady, learned), BatchPolicy(interval=interval, jitter=0.0)
    calls, sharing, last = starts, 0, 0.0
    while ahead:
        now, number, turn = heapq.heappop(ahead)
        sharing += turn == 0
        if turn or is_known[number]:  # jobs of earlier runs are polled at once
            calls += 1
            if now >= begins[number] + durations[number]:
                sharing -= 1
                last = max(last, now)
                if not is_known[number]:
                    learned.learn(durations[number], durations[number])
                continue
        fair = sharing * window / status_budget
        ask = batch if in_batches and not is_known[number] else learning
        wait = ask(PollStatus(age=now - begins[number], fair_interval=fair * (1 + numbers.poll_jitter / 2)))
        heapq.heappush(ahead, (now + wait, number, turn + 1))
    return calls, last


def _durations(count: int, took: Sequence[float], scale: float) -> list[float]:
    """Durations distributed like those of earlier jobs, or by `_MEDIAN` and `_P95`, with long and short ones mixed."""
    order = sorted(range(count), key=lambda number: number * _STEP % 1.0)
    shares = [(number + 0.5) / count for number in order]
    if took:
        return [took[int(share * len(took))] for share in shares]
    sigma, normal = math.log(_P95 / _MEDIAN) / NormalDist().inv_cdf(0.95), NormalDist()
    return [_MEDIAN * math.exp(sigma * normal.inv_cdf(share)) * scale for share in shares]
