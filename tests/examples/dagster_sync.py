"""A project's sheets as an asset of Dagster (https://docs.dagster.io): each materialization is one sync of the folder.

    pip install aps-async dagster
    dagster dev -f tests/examples/dagster_sync.py
    python tests/examples/dagster_sync.py "Riverside Clinic" plans      # once, without Dagster's services

What is unchanged costs no export, and a run that was stopped goes on where it was: Dagster may repeat it at any time.
"""

import asyncio
import sys
from contextlib import aclosing

from dagster import Config, Definitions, Failure, MaterializeResult, RetryPolicy, RunConfig, asset, materialize

from aps_async import APSError, Session, TwoLegged
from aps_async.sync.outcomes import SyncCounts, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.workers.steps import may_recover


class Folder(Config):
    """Which project's sheets go where."""

    project: str
    folder: str


async def sync(project: str, folder: str) -> list[SyncOutcome]:
    """One sync to its end."""
    async with Session(TwoLegged.from_env()) as session, aclosing(sync_project(session, project, folder)) as outcomes:
        return [outcome async for outcome in outcomes]


@asset(retry_policy=RetryPolicy(max_retries=3, delay=60))
def sheets(config: Folder) -> MaterializeResult:
    """The folder agrees with the project; a sheet that failed makes the run fail, and the others stay."""
    try:
        outcomes = asyncio.run(sync(config.project, config.folder))
    except APSError as problem:
        raise Failure(str(problem), allow_retries=may_recover(problem)) from problem
    failed = [each for each in outcomes if each.error is not None]
    if failed:
        reasons = "; ".join(f"{each.name}: {each.error}" for each in failed[:10])
        again = any(may_recover(each.error) for each in failed if each.error)
        raise Failure(f"{len(failed)} of {len(outcomes)} sheets failed: {reasons}", allow_retries=again)
    states = SyncCounts.of(outcomes).by_state
    return MaterializeResult(
        metadata={"sheets": len(outcomes), **{str(each): states[each] for each in sorted(states, key=str)}}
    )


definitions = Definitions(assets=[sheets])

if __name__ == "__main__":
    ops = {"sheets": Folder(project=sys.argv[1], folder=sys.argv[2])}
    done = materialize([sheets], run_config=RunConfig(ops=ops), raise_on_error=False)
    for event in done.get_asset_materialization_events():
        print({name: value.value for name, value in event.materialization.metadata.items()})
    sys.exit(0 if done.success else 1)
