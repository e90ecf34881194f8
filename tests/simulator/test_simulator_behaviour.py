"""Switches: validated, settable from everywhere, and one list that cannot drift."""

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

import aps_async.simulator
from aps_async.simulator import (
    Behaviour,
    BehaviourError,
    JobPolls,
    JobTime,
    Simulator,
    World,
    WorldError,
    behaviour_help,
    load_behaviour,
    parse_setting,
)
from aps_async.simulator.behaviour import SWITCHES
from tests.simulator.conftest import Serve

FOLDER = Path(aps_async.simulator.__file__).parent
WRONG = ["wrong", -1, 1.5, None, [], {"x": "y"}, True, 600]


@cache
def used_switches() -> set[str]:
    """The attributes that the simulator's code reads of anything called `behaviour`."""
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                of = node.value
                name = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
                if name in ("behaviour", "_behaviour", "new"):
                    found.add(node.attr)
    return found


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Behaviour)])
def test_every_switch_is_described_listed_and_read(name: str) -> None:
    one = SWITCHES[name]
    assert one.about.meaning.endswith(".")
    assert one.form
    lines = behaviour_help(10_000).splitlines()
    at = lines.index(f"  {name} = {json.dumps(Behaviour().to_json()[name])}")
    assert lines[at + 1].strip() == one.about.meaning
    assert lines[at + 2].strip() == f"Values: {one.form}."
    assert ("Documented: " in lines[at + 3]) == bool(one.about.documented)
    assert name in used_switches()


def test_the_package_lists_no_decision_of_its_own() -> None:
    assert [name for name in SWITCHES if f"`{name}`" in (aps_async.simulator.__doc__ or "")] == []


def test_help_has_every_switch_once() -> None:
    lines = behaviour_help().splitlines()
    named = [
        line.split(" = ")[0].strip() for line in lines if line.startswith("  ") and line[2] != " " and " = " in line
    ]
    assert sorted(named) == sorted(SWITCHES)
    assert all(len(line) <= 100 for line in lines)


def refusal(name: str, value: object) -> str:
    """What is said about a value; empty when it is taken."""
    try:
        Behaviour.from_json({name: value})
    except BehaviourError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", list(SWITCHES))
def test_values_of_a_wrong_type_are_refused_in_one_sentence(name: str) -> None:
    messages = {repr(value): refusal(name, value) for value in WRONG}
    for message in filter(None, messages.values()):
        assert message.startswith(f"{name} must be {SWITCHES[name].form}, not ")
    assert messages["'wrong'"]
    assert messages["-1"]
    wrong: dict[str, Any] = {name: "wrong"}
    with pytest.raises(BehaviourError, match=name):
        Behaviour(**wrong)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"post_staus": 200}, "there is no switch 'post_staus'; did you mean 'post_status'?"),
        ({"POST-STATUS": 200}, "there is no switch 'POST-STATUS'; did you mean 'post_status'?"),
        ({"zzz": 1}, "there is no switch 'zzz'"),
        ([], "must be a JSON object of switches and values, not []"),
        ({"post_status": True}, "post_status must be 200, 201 or 202, not true"),
        ({"post_status": "200"}, 'post_status must be 200, 201 or 202, not "200"'),
        ({"token_life": float("nan")}, "token_life must be a number of at least 0, not NaN"),
        ({"page_limit_max": 0}, "page_limit_max must be a whole number of at least 1, not 0"),
        (
            {"acc_zip": "evil"},
            'acc_zip must be "good", "traversal", "bad_crc", "bomb", "bomb_deflate" or "deflate64", not "evil"',
        ),
    ],
)
def test_what_is_wrong_is_said(document: object, message: str) -> None:
    with pytest.raises(BehaviourError) as caught:
        Behaviour.from_json(document)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (5, JobTime.fixed(5)),
        (0.5, JobTime.fixed(0.5)),
        ({"polls": 2}, JobPolls(2)),
        ({"median": 1, "p95": 2}, JobTime(median=1, p95=2)),
    ],
)
def test_job_times(value: object, meant: object) -> None:
    assert Behaviour.from_json({"job_time": value}).job_time == meant


@pytest.mark.parametrize(
    "value", [{"polls": 1.5}, {"polls": True}, {"median": 9, "p95": 1}, {"mean": 3}, {"median": "x"}]
)
def test_wrong_job_times(value: object) -> None:
    with pytest.raises(BehaviourError, match="job_time must be seconds"):
        Behaviour.from_json({"job_time": value})


def test_settings_as_text() -> None:
    assert parse_setting("post_status=200") == ("post_status", 200)
    assert parse_setting("acc_zip=bomb") == ("acc_zip", "bomb")
    assert parse_setting('job_time={"polls": 2}') == ("job_time", {"polls": 2})
    for text in ("post_status", "=200", ""):
        with pytest.raises(BehaviourError, match="NAME=VALUE"):
            parse_setting(text)


def test_values_survive_a_round_trip() -> None:
    behaviour = Behaviour(job_time=JobPolls(2), quota_overrides={"hubs": 5}, post_status=200)
    assert Behaviour.from_json(json.loads(json.dumps(behaviour.to_json()))) == behaviour


@pytest.mark.parametrize("text", ["{", "[]", '{"post_status": 7}', '{"nothing": 7}'])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "switches.json"
    file.write_text(text)
    with pytest.raises(BehaviourError, match=r"switches\.json: "):
        load_behaviour(file)
    with pytest.raises(BehaviourError, match="cannot be read"):
        load_behaviour(tmp_path / "missing.json")


async def test_switches_over_http(serve: Serve) -> None:
    async with serve() as client:
        before = (await client.call("GET", "/simulator/behaviour")).json
        assert before == Behaviour().to_json()
        sent = {"post_status": 200, "quota_overrides": {"hubs": 1}, "page_limit_max": 1}
        after = (await client.call("POST", "/simulator/behaviour", json=sent)).json
        assert after == before | sent
        assert (await client.start()).status == 200
        assert [(await client.get("/project/v1/hubs")).status for _ in range(2)] == [200, 429]
        wrong = await client.call("POST", "/simulator/behaviour", json={"post_staus": 200})
        assert (wrong.status, wrong.json["error"]) == (
            400,
            "there is no switch 'post_staus'; did you mean 'post_status'?",
        )
        bodies: list[Any] = [{"quota_overrides": {"hubz": 1}}, {"post_status": "x"}, [], "text"]
        for body in bodies:
            assert (await client.call("POST", "/simulator/behaviour", json=body)).status == 400
        assert (await client.call("GET", "/simulator/behaviour")).json == after
        assert (await client.call("DELETE", "/simulator/behaviour")).json == before
        assert (await client.start()).status == 202


async def test_the_switches_of_a_world(serve: Serve) -> None:
    world = World.from_json({"behaviour": {"post_status": 200}, "hubs": [{"projects": [{"folders": [
        {"name": "Plans", "items": [{"number": "A-101"}]}]}]}]})  # fmt: skip
    async with serve(world) as client:
        assert (await client.start()).status == 200
    async with serve(world, behaviour=Behaviour()) as client:
        assert (await client.start()).status == 202
    with pytest.raises(WorldError, match=r"world\.behaviour: there is no switch 'post'"):
        World.from_json({"behaviour": {"post": 200}})


def test_quotas_of_unknown_endpoints_are_refused() -> None:
    with pytest.raises(BehaviourError, match="did you mean 'hubs'"):
        Simulator(behaviour=Behaviour(quota_overrides={"hubss": 1}))


@pytest.mark.parametrize("speed", [1.0, 60.0, 0.5])
async def test_every_response_carries_the_speed(serve: Serve, speed: float) -> None:
    async with serve(speed=speed, behaviour=Behaviour(job_time=JobPolls(0))) as client:
        link = await client.link()
        storage = f"{client.simulator.storage_url}/nothing"
        faults = [{"endpoint": "hub", "kind": kind} for kind in ("html",)]
        await client.call("POST", "/simulator/faults", json=faults)
        for path in ("/project/v1/hubs", "/project/v1/hubs/x", "/nothing", "/simulator/counts", link, storage):
            answer = await client.get(path) if path.startswith("/") else await client.call("GET", path)
            assert answer.headers["X-Simulator-Speed"] == f"{speed:g}"
