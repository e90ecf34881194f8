"""`sync_project`: makes a folder agree with a project, and reports on every sheet."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from aps_async.ahead import ReadAhead
from aps_async.downloads.storage import Storage
from aps_async.errors import InputError
from aps_async.exports.batches import batch_for
from aps_async.exports.bulk import BulkProgress, export_many
from aps_async.exports.targets import ledger_for, target_for
from aps_async.models import ExportOptions, Project
from aps_async.policies import Policy
from aps_async.resources import files
from aps_async.resources.projects import find_project
from aps_async.session import Session
from aps_async.sync.alongside import requests
from aps_async.sync.joined import JoinedSet
from aps_async.sync.outcomes import SyncOutcome
from aps_async.sync.rebuild import rebuild
from aps_async.sync.run import SyncOptions, SyncRun
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

    Exports begin while the list goes on, those last that need a new file name in a folder with files already.
    What is new or revised is exported, what has another name is renamed, and what is unchanged stays. Every sheet that
    the folder has and the project no longer shows is asked for by its id: only an answer about that very sheet makes
    it withdrawn. A run that was stopped, by whatever, goes on where it was when it is begun again.

    A changed file is never overwritten: when the sheet is exported again, it is moved to `superseded` under its own
    name. Leaving the loop early needs `contextlib.aclosing` around it.

    Args:
        session: the session; scope `data:read`, and for ACC `data:write`.
        project: a `Project`, its id or its name.
        folder: where the files are; it is made when it is missing. Or `s3://bucket/prefix`, `gs://bucket/prefix` or
            `az://container/prefix`, with the extra `s3`; or a `ReadableStorage`.
        how: which sheets, how they are named, and what happens to those that give way.
        state: for a storage: the folder on this machine that the ledger is kept in; None: see `state_folder`. If it is
            lost, it is made again from the register.
        command: any text that describes how to run the same again; `ledger_status` gives it back.
        max_concurrent_downloads: None: `Settings.max_concurrent_downloads`.
        timeout: as `export_many`.
        policy: as `export_many`.
        on_progress: called with the state of the exports.
        on_selected: called with what the selection chose, once that is known: of a selection of all sheets when the
            list has ended, of any other before anything is exported.
        on_listed: called with the number of sheets that are listed and chosen so far, as the list goes on.
        on_total: called with that number once it is known.
        on_joined: called with what became of the PDF that `how.merge` names.

    Raises:
        InputError: the selection, the pattern or an option cannot be used with this project; or ACC needs a user.
        NotFoundInProjectError: there is no such project, folder, set or sheet.
        EmptyProjectError: neither the project nor the folder has any sheet.
        PruneLimitError: at the end, if more sheets are withdrawn than may be moved; then none was moved.
        MergeError: at the end, if the sheets cannot be joined; everything else is done.
        FolderInUseError: another run works in the folder.
        LedgerError: the folder's ledger cannot be used.
        APSError: as `list_sheets`; failures of single exports are outcomes.
    """
    target = target_for(folder)
    how.selection.check_address(project)
    found = project if isinstance(project, Project) else await find_project(session, project, user_id=how.user_id)
    if found.is_acc:
        session.check_user(files.SERVICE.start, how.user_id)
    elif how.options != ExportOptions(markups=how.options.markups, hyperlinks=how.options.hyperlinks):
        raise InputError(f"{found.name} is not an ACC project: only published markups and hyperlinks are supported")
    how.selection.check(found)
    how.pattern.check(found)
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
            await wanted.ready()  # a project that cannot be listed is an error before all else
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
