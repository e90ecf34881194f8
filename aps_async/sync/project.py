"""`sync_project`: makes a folder agree with a project, and reports on every sheet."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from aps_async.ahead import ReadAhead
from aps_async.arguments import check_functions, check_kind, check_not_async
from aps_async.downloads.storage import Storage
from aps_async.exports.batches import batch_for
from aps_async.exports.bulk import BulkProgress, export_many
from aps_async.exports.targets import ledger_for, target_for
from aps_async.models import Project
from aps_async.policies import Policy
from aps_async.resources.projects import as_project
from aps_async.session import Session
from aps_async.sync.alongside import requests
from aps_async.sync.joined import JoinedSet
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SyncOutcome
from aps_async.sync.rebuild import rebuild
from aps_async.sync.run import SyncRun
from aps_async.sync.selection import Selected

__all__ = ["sync_project"]
__dir__: object = __all__.copy

_DEFAULT = SyncOptions()


async def sync_project(
    session: Session,
    project: Project | str,
    folder: str | os.PathLike[str] | Storage,
    how: SyncOptions = _DEFAULT,
    *,
    state: str | os.PathLike[str] | None = None,
    command: str | None = None,
    max_concurrent_downloads: int | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    on_progress: Callable[[BulkProgress], object] | None = None,
    on_listed: Callable[[int], object] | None = None,
    on_total: Callable[[int], object] | None = None,
    on_selected: Callable[[Selected], object] | None = None,
    on_joined: Callable[[JoinedSet], object] | None = None,
) -> AsyncGenerator[SyncOutcome, None]:
    """Makes a folder agree with the sheets of a project, and yields one outcome for each sheet as it is known.

    New and revised sheets are exported, files whose sheets have another name now are renamed, and the rest is left
    alone. If the folder has a sheet that the project no longer lists, the service is asked for it by its id, and only a
    response about that sheet makes it withdrawn. Exports begin while the project is still being listed; if the folder
    has files, sheets that need a new file name come last. The same call continues a run that was stopped.

    A file that was changed since its export is never overwritten: if its sheet is exported again, the changed file is
    moved to `superseded` under its own name. To leave the loop early, put `contextlib.aclosing` around it.

    Args:
        session: the session; scope `data:read`, and for ACC `data:write`.
        project: a `Project`, its id or its name.
        folder: where the files are; it is created if it is missing. Or `s3://bucket/prefix`, `gs://bucket/prefix` or
            `az://container/prefix`, with the extra `s3`; or a `ReadableStorage`.
        how: which sheets are exported, how their files are named, and what happens to superseded files.
        state: for a storage: the folder on this machine that the ledger is kept in; None: see `state_folder`. If it is
            lost, the ledger is rebuilt from the register.
        command: any text that describes how to repeat the run; `ledger_status` returns it.
        max_concurrent_downloads: None: `Settings.max_concurrent_downloads`.
        timeout: as `export_many`.
        policy: as `export_many`.
        on_progress: called with the progress of the exports after every change.
        on_selected: called with what the selection chose, once that is known: if it is all sheets, at the end of the
            list, otherwise before anything is exported.
        on_listed: called with the number of sheets that were listed and chosen so far, repeatedly.
        on_total: called with the final number of chosen sheets.
        on_joined: called with the result of joining the sheets into `how.merge`.

    Raises:
        InputError: the selection, the pattern or an option cannot be used with this project; or `how.user_id` is
            missing, which ACC requires with two-legged tokens.
        NotFoundInProjectError: there is no such project, folder, set or sheet.
        EmptyProjectError: neither the project nor the folder has any sheet.
        NotFoundInProjectError: the folder has no sheets, and none of the project's is selected.
        PruneLimitError: at the end, if more sheets are withdrawn than one run may move; none was moved.
        RegisterError: at the end, if the register cannot be written; everything else is done.
        MergeError: at the end, if the sheets cannot be joined; everything else is done.
        TargetError: the folder, or `how.merge`, cannot be written.
        FolderInUseError: another run is using the folder.
        LedgerError: the folder's ledger cannot be used.
        APSError: as `list_sheets`; an export that fails is an outcome instead.
    """
    check_kind("how", how, SyncOptions)
    check_not_async(policy=policy)
    check_functions(
        on_progress=on_progress,
        on_listed=on_listed,
        on_total=on_total,
        on_selected=on_selected,
        on_joined=on_joined,
    )
    target = target_for(folder)
    how.selection.check_address(project)
    found = await as_project(session, project, user_id=how.user_id)
    how.check(session, found)
    batch = batch_for(found, how.batch, one_pdf=how.merge is not None)
    async with ledger_for(target, state, superseded=how.superseded, verify=how.verify, command=command) as ledger:
        await rebuild(ledger, found)
        run = SyncRun(session, found, ledger, how, viewer=await session.acting_as(how.user_id))
        if on_selected is not None:
            run.keep_selected()

        def listed(number: int) -> None:
            if on_listed is not None:
                on_listed(number)
            if run.is_listed and on_selected is not None:
                on_selected(run.selected)
            if run.is_listed and on_total is not None:
                on_total(number)

        async with aclosing(ReadAhead(requests(run, listed))) as wanted:
            await wanted.ready()  # if the project cannot be listed, that is raised first
            exports = export_many(
                session,
                wanted.items(),
                ledger.folder if ledger.storage is None else ledger.storage,
                max_concurrent_downloads=max_concurrent_downloads,
                timeout=timeout,
                policy=policy,
                ledger=ledger,
                batch=batch,
                on_progress=on_progress,
            )
            async with aclosing(exports) as outcomes:
                async for each in outcomes:
                    for outcome in run.left_out():
                        yield outcome
                    yield await run.exported(each)
        for outcome in [*run.left_out(), *await run.missing()]:
            yield outcome
        joined = await run.finish()
        if joined is not None and on_joined is not None:
            on_joined(joined)
