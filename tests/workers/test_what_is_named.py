"""What `enqueue` leaves out, and what a worker leaves to others, is named."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.support import Simulation, run, simulation

UNFINISHED = {"number": "A-9", "processState": "PROCESSING"}
WORLD = {
    "apps": [{"id": "north", "secret": "of-north"}, {"id": "south", "secret": "of-south"}],
    "hubs": [
        {
            "projects": [
                {
                    "name": "Clinic",
                    "folders": [
                        {
                            "name": "Plans",
                            "folders": [
                                {"name": "New", "items": [{"number": "A-8"}, UNFINISHED]},
                                {"name": "One", "items": [{"number": "A-1", "title": "Plan"}]},
                                {"name": "Two", "items": [{"number": "a-1", "title": "plan"}]},
                            ],
                        }
                    ],
                }
            ]
        }
    ],
}
LEFT_OUT = "left out: Plans/New/A-9 is still being processed (PROCESSING); try again when Docs shows it\n"
SHARED = "2 sheets are called 'A-1 - Plan', so that their files will be numbered\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """The account of `WORLD`, a minute of which takes a tenth of a second."""
    path = tmp_path_factory.mktemp("world") / "world.json"
    path.write_text(json.dumps(WORLD), "utf-8")
    with simulation("--world", str(path), "--speed", "600") as running:
        yield running


def environment(service: Simulation, url: str, app: str) -> dict[str, str]:
    """The variables of one app."""
    return {**service.env, "APS_DATABASE_URL": url, "APS_CLIENT_ID": app, "APS_CLIENT_SECRET": f"of-{app}"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((), LEFT_OUT + SHARED),
        (("--folder", "Plans/New"), LEFT_OUT),
        (("--folder", "Plans/One"), ""),
        (("--sheet", "A-1", "--sheet", "a-1"), "2 of 3 sheets selected\n" + SHARED),
    ],
    ids=["all", "left out", "nothing to name", "by number"],
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_enqueue_names_what_it_leaves_out(
    service: Simulation, url: str, options: tuple[str, ...], named: str, as_json: bool
) -> None:
    how = ("--json",) if as_json else ()
    ran = run("enqueue", "Clinic", *options, *how, env=environment(service, url, "north"))
    assert (ran.code, ran.err) == (0, named)


def test_a_worker_with_nothing_to_do_names_what_is_for_others(service: Simulation, url: str, tmp_path: Path) -> None:
    assert run("enqueue", "Clinic", env=environment(service, url, "north")).code == 0
    others = "not done here: 3 exports that only a worker with client id north takes\n"
    idle = run("worker", "--out", str(tmp_path), "--until-done", env=environment(service, url, "south"))
    assert (idle.code, others in idle.err) == (0, True), idle.err
    busy = run("worker", "--out", str(tmp_path), "--until-done", env=environment(service, url, "north"))
    assert (busy.code, "not done here" in busy.err) == (0, False), busy.err
    late = run("worker", "--out", str(tmp_path), "--until-done", env=environment(service, url, "south"))
    assert (late.code, "not done here" in late.err) == (0, False), late.err
