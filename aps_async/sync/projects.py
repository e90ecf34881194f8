"""`sync_projects`: syncs several projects, each into its own subfolder of one folder or storage."""

import os
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from attrs import evolve, frozen

from aps_async.arguments import check_functions, check_kind, check_not_async
from aps_async.downloads.storage import Storage
from aps_async.downloads.target_paths import made_folder
from aps_async.errors import APSError, DiskFullError, EmptyProjectError, InputError
from aps_async.exports.bulk import BulkProgress
from aps_async.ledger.lock import FolderLock
from aps_async.models import Project
from aps_async.narrowing import is_really
from aps_async.policies import Policy
from aps_async.resources.projects import find_projects
from aps_async.session import Session
from aps_async.sync.options import SyncOptions
from aps_async.sync.outcomes import SyncCounts, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.sync.subfolders import Root, check_is_for_several
from aps_async.threads import in_thread

__all__ = ["ProjectSynced", "SheetSynced", "sync_projects"]
__dir__: object = __all__.copy

_DEFAULT = SyncOptions()


@frozen(kw_only=True)
class SheetSynced:
    """The outcome of one sheet in a sync of several projects."""

    project: Project
    folder: Path
    """The project's subfolder; with a storage, the folder of its ledger."""
    location: str
    """Where the project's files are, to show to users: a path, or an address."""
    outcome: SyncOutcome


@frozen(kw_only=True)
class ProjectSynced:
    """The end of one project, after the outcomes of all its sheets."""

    project: Project
    folder: Path
    """The project's subfolder; with a storage, the folder of its ledger."""
    location: str
    """Where the project's files are, to show to users: a path, or an address."""
    counts: SyncCounts
    """All zero for a project without sheets."""
    error: Exception | None = None
    """Why the sync of the project failed as a whole; failures of single sheets are in their outcomes."""


async def sync_projects(
    session: Session,
    projects: Iterable[Project | str],
    folder: str | os.PathLike[str] | Storage,
    how: SyncOptions = _DEFAULT,
    *,
    state: str | os.PathLike[str] | None = None,
    command: str | None = None,
    project_command: Callable[[Project, str], str] | None = None,
    max_concurrent_downloads: int | None = None,
    timeout: float | None = None,
    policy: Policy | None = None,
    on_progress: Callable[[BulkProgress], object] | None = None,
    on_listed: Callable[[int], object] | None = None,
    on_total: Callable[[int], object] | None = None,
) -> AsyncGenerator[SheetSynced | ProjectSynced, None]:
    """Syncs projects one after the other, each into its own subfolder, and yields every outcome as it is known.

    A subfolder has the name of its project, made safe as a file name. `projects.json` in the folder records which one
    belongs to which project, so that a project that was renamed keeps its subfolder. A project that fails does not stop
    the others, unless the disk is full. A project without sheets is not a failure.

    To leave the loop early, put `contextlib.aclosing` around it.

    Args:
        session: as `sync_project`; all projects share its quotas.
        projects: projects, or texts for `find_projects`: a pattern or the beginning of a name may match several, and
            `*` matches all.
        folder: where the subfolders are; it is created if it is missing. Or a storage, as in `sync_project`.
        how: as `sync_project`, the same for all projects.
        state: for a storage: the folder on this machine that has a subfolder for each project's ledger; None: see
            `state_folder`.
        command: any text that describes how to repeat the run; `read_subfolders` returns it.
        project_command: returns such a text for one project, given the location of its files; `ledger_status` of its
            subfolder returns it.
        max_concurrent_downloads: as `sync_project`.
        timeout: as `sync_project`.
        policy: as `sync_project`.
        on_progress: called with the progress of the current project's exports after every change.
        on_listed: as `sync_project`, starting again at 0 for each project.
        on_total: called once for each project, with the number of its chosen sheets.

    Raises:
        InputError: `how.merge` is given, which is for a single project.
        NotFoundInProjectError: one of the texts matches no project; nothing was done.
        FolderInUseError: another sync of several projects is using the folder.
        LedgerError: `projects.json` cannot be used, or the folder is that of a single project.
        DiskFullError: the disk is full; the remaining projects were not synced.
        TargetError: the folder cannot be written to.
        APSError: as `find_projects`.
    """
    if isinstance(projects, str) or not is_really(projects, Iterable):
        raise InputError(f"projects must be a list of projects or of texts that name some, not {projects!r:.100}")
    check_kind("how", how, SyncOptions)
    check_not_async(policy=policy)
    check_functions(project_command=project_command, on_progress=on_progress, on_listed=on_listed, on_total=on_total)
    if how.merge is not None:
        raise InputError("merge names one PDF, and each project would replace it: sync the projects one by one")
    root = Root.of(folder, state)
    found = await _found(session, projects, how.user_id)
    async with _locked(root.folder):
        known = evolve(await root.subfolders(found.values()), command=command)
        await root.write(known)
        for project in found.values():
            name = known.of(project)
            run = sync_project(
                session,
                project,
                root.target(name),
                how,
                state=root.state(name),
                command=project_command(project, root.location(name)) if project_command else None,
                max_concurrent_downloads=max_concurrent_downloads,
                timeout=timeout,
                policy=policy,
                on_progress=on_progress,
                on_listed=on_listed,
                on_total=on_total,
            )
            async with aclosing(_one(run, project, root.folder / name, root.location(name))) as outcomes:
                async for each in outcomes:
                    yield each


async def _one(
    run: AsyncGenerator[SyncOutcome, None], project: Project, folder: Path, location: str
) -> AsyncGenerator[SheetSynced | ProjectSynced, None]:
    """Syncs one project: yields its outcomes and its end."""
    counts, problem = SyncCounts.of(()), None
    try:
        async with aclosing(run) as outcomes:
            async for each in outcomes:
                counts.by_state[each.state] += 1
                yield SheetSynced(project=project, folder=folder, location=location, outcome=each)
    except DiskFullError:
        raise
    except EmptyProjectError:
        pass
    except (APSError, OSError) as error:
        problem = error
    yield ProjectSynced(project=project, folder=folder, location=location, counts=counts, error=problem)


async def _found(session: Session, projects: Iterable[Project | str], user_id: str | None) -> dict[str, Project]:
    """Finds the projects; by their ids."""
    wanted = list(projects)
    found = {each.id: each for each in wanted if isinstance(each, Project)}
    texts = [each for each in wanted if isinstance(each, str)]
    return found | {each.id: each for each in await find_projects(session, *texts, user_id=user_id)}


@asynccontextmanager
async def _locked(root: Path) -> AsyncGenerator[None, None]:
    """Locks the folder against other syncs of several projects.

    Raises:
        LedgerError: the folder has a ledger of its own, so it is that of a single project.
    """
    await in_thread(made_folder, root)
    check_is_for_several(root)
    lock = FolderLock(root).acquire()
    try:
        yield
    finally:
        lock.release()
