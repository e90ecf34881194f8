"""`--dry-run` of `export` and `sync`: what a run would do and cost, without doing it."""

from attrs import asdict, evolve

from aps_async.cli.delivering import RunChoices, check_folder
from aps_async.cli.environment import open_session
from aps_async.cli.exit_codes import exit_code, reason, worst
from aps_async.cli.export import ExportChoices, chosen_tasks
from aps_async.cli.output import print_conclusion, print_json, print_status
from aps_async.cli.results import Run
from aps_async.cli.syncing import SyncChoices, SyncView, as_json
from aps_async.cli.wanted import exportable_project
from aps_async.errors import APSError, EmptyProjectError
from aps_async.exports.batches import batch_for
from aps_async.ledger import refuse_if_in_use
from aps_async.models import ExportRequest, Project
from aps_async.resources.projects import find_projects
from aps_async.sync.forecast import Forecast, Work, forecast, forecast_exports
from aps_async.sync.outcomes import SheetState, SyncCounts
from aps_async.sync.subfolders import Root
from aps_async.text import count, size


async def export(choices: ExportChoices) -> int:
    """`aps-async export --dry-run`."""
    check_folder(choices)
    refuse_if_in_use(choices.out)
    run = Run()
    async with open_session(choices.user_id) as session:
        project = await exportable_project(session, choices.project, choices.options, choices.user_id)
        tasks = await chosen_tasks(session, project, choices, run)
        requests = [each.wanted for each in tasks if isinstance(each.wanted, ExportRequest)]
        work = await forecast_exports(
            session,
            choices.target,
            requests,
            again=choices.again,
            verify=choices.verify,
            state=choices.state,
            batch=None if choices.files else batch_for(project, choices.batch, one_pdf=choices.merge is not None),
        )
        work = evolve(work, calls=session.calls + work.calls)
    if choices.as_json:
        print_json(asdict(work) | {"seconds": round(work.seconds, 1)})
    words = f"{work.there:,} already there; {_in_words(work, work.calls, work.seconds / 60)}"
    _conclude(words, choices)
    return run.code


async def sync(choices: SyncChoices) -> int:
    """`aps-async sync --dry-run` of one project."""
    check_folder(choices)
    refuse_if_in_use(choices.out)
    async with open_session(choices.user_id) as session:
        project = await exportable_project(session, choices.project, choices.options, choices.user_id)
        found = await forecast(session, project, choices.target, choices.how(), state=choices.state)
        calls = session.calls + found.work.calls  # those to find the project, too
    _show(found, choices, project)
    _conclude(f"{_changes(found)}; {_in_words(found.work, calls, found.minutes)}", choices)
    return SyncView(counts=found.counts.by_state).code(strict=choices.strict)


async def sync_many(choices: SyncChoices) -> int:
    """`aps-async sync --dry-run` of several projects; one that cannot be forecast does not stop the others."""
    check_folder(choices)
    refuse_if_in_use(choices.out)
    view, work, minutes, codes = SyncView(), Work(), 0.0, [0]
    async with open_session(choices.user_id) as session:
        projects = await find_projects(session, *choices.projects, user_id=choices.user_id)
        root = Root.of(choices.target, choices.state)
        known = await root.subfolders(projects)
        for project in projects:
            try:
                name = known.of(project)
                found = await forecast(session, project, root.target(name), choices.how(), state=root.state(name))
            except EmptyProjectError:
                print_conclusion(f"{project.name}: nothing to do", as_json=choices.as_json)
                continue
            except APSError as problem:
                codes.append(exit_code(problem))
                print_status(f"{project.name}: failed: {reason(problem)}")
                continue
            view.counts += found.counts.by_state
            work, minutes = _sum(work, found.work), minutes + found.minutes
            _show(found, choices, project)
            words = f"{project.name}: {_changes(found)}; {_in_words(found.work, found.calls, found.minutes)}"
            print_conclusion(words, as_json=choices.as_json)
        calls = session.calls + work.calls
    failed = f" ({len(codes) - 1:,} failed)" if len(codes) > 1 else ""
    changes = str(SyncCounts(view.counts)) or "nothing to do"
    _conclude(f"{count(len(projects), 'project')}{failed}: {changes}; {_in_words(work, calls, minutes)}", choices)
    return worst([*codes, view.code(strict=choices.strict)])


def _sum(one: Work, other: Work) -> Work:
    return Work(
        there=one.there + other.there,
        starts=one.starts + other.starts,
        waits=one.waits + other.waits,
        calls=one.calls + other.calls,
        seconds=one.seconds + other.seconds,
        size=one.size + other.size,
        unknown=one.unknown + other.unknown,
    )


def _show(found: Forecast, choices: SyncChoices, project: Project) -> None:
    of_which = f"{project.name}: " if choices.is_for_several else ""
    for outcome in found.outcomes:
        if choices.as_json:
            print_json(as_json(outcome, project))
        elif outcome.state not in (SheetState.UNCHANGED, SheetState.NOT_LOOKED_AT):
            print_status(f"{of_which}{outcome.name}: {outcome.in_words}")


def _changes(found: Forecast) -> str:
    return str(found.counts) or "nothing to do"


def _conclude(words: str, choices: RunChoices) -> None:
    print_conclusion(f"{words}; nothing was started: {choices.where}", as_json=choices.as_json)


def _in_words(work: Work, calls: int, minutes: float) -> str:
    """What a run would take."""
    exports = work.starts + work.waits
    time = f"about {minutes:.1f} min" if minutes >= 0.1 else f"about {minutes * 60:.0f} s"
    words = f"{count(exports, 'export')}, {count(calls, 'call')}, {time} at the published quota"
    sizes = [size(work.size)] if work.size else []
    sizes += [f"{count(work.unknown, 'file')} of unknown size"] if work.unknown else []
    return ", ".join([words, " and ".join(sizes)]) if sizes else words
