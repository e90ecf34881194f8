"""`--out` with an address: the commands deliver there, and keep the ledger on this machine."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.cli.support import Ran, Simulation
from tests.storages import Bucket, s3_server
from tests.sync.sheets import labels_of

Cli = Callable[..., Ran]


@frozen
class S3:
    """A bucket, and the variables for it."""

    bucket: Bucket
    env: dict[str, str]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as options:
        bucket = Bucket(options, "commands")
        yield S3(
            bucket,
            {
                "AWS_ACCESS_KEY_ID": options["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": options["secret_access_key"],
                "AWS_REGION": options["region"],
                "AWS_ENDPOINT": options["endpoint"],
                "AWS_ALLOW_HTTP": "true",
            },
        )
        bucket.close()


GOOD = ["A-101 - Ground.pdf", "A-103 - Schnitt Ä-Ä.pdf"]


@pytest.mark.parametrize(
    ("bucket", "ok", "words"),
    [("commands/new", True, "can be written to and read from"), ("missing", False, "cannot write to and read from")],
)
def test_doctor_checks_a_bucket(cli: Cli, service: Simulation, s3: S3, bucket: str, ok: bool, words: str) -> None:
    ran = cli("doctor", "--out", f"s3://{bucket}", "--json", env=service.env | s3.env)
    found = next(each for each in json.loads(ran.out)["checks"] if each["name"] == "write access")
    assert (ran.code, found["ok"]) == (0 if ok else 7, ok)
    assert words in found["detail"]
    assert not s3.bucket.keys("commands/new"), "it leaves nothing behind"


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "forecast"])
def test_refusals_name_the_address(cli: Cli, service: Simulation, s3: S3, tmp_path: Path, dry: tuple[str, ...]) -> None:
    env = service.env | s3.env | {"APS_STATE_DIR": str(tmp_path / "state")}
    out = f"s3://commands/{'-'.join(dry) or 'run'}"
    for name, others, words in (
        ("one", "Riverside*", f"{out}/one is the folder of an export or of one project"),
        ("several", "Riverside", f"{out}/several has a subfolder for each project"),
    ):
        first = "Riverside" if name == "one" else "Riverside*"
        assert cli("sync", first, "--folder", "Good", "--out", f"{out}/{name}", env=env).code == 0
        ran = cli("sync", others, "--folder", "Good", "--out", f"{out}/{name}", *dry, env=env)
        assert ran.code in (2, 8)
        assert words in " ".join(ran.err.split())


@pytest.mark.parametrize("command", ["sync", "export"])
def test_a_bucket_takes_the_place_of_a_folder(
    cli: Cli, service: Simulation, s3: S3, tmp_path: Path, command: str
) -> None:
    env = service.env | s3.env | {"APS_STATE_DIR": str(tmp_path / "state")}
    out, merged = f"s3://commands/{command}", tmp_path / "set.pdf"
    argv = (command, "Riverside", "--folder", "Good", "--out", out, "--merge", str(merged))
    ran = cli(*argv, env=env)
    assert ran.code == 0, ran.err
    [state] = (tmp_path / "state").iterdir()
    assert f"the ledger of {out} is kept in {state}" in ran.err
    assert any(line.endswith(f" s: {out}") for line in ran.out.splitlines())
    keys = [each.removeprefix(f"{command}/") for each in s3.bucket.keys(f"{command}/")]
    assert set(GOOD) < set(keys)
    assert {"register.json", "register.csv", "report.html"} < set(keys)
    assert labels_of(merged) == ["A-101", "A-102", "A-103"]

    again = cli(*argv, "--json", env=env)
    lines = [json.loads(line) for line in again.out.splitlines()]
    assert len(lines) == 3
    assert f"{out}/{GOOD[0]}" in {each["path"] for each in lines}
    assert {each["state"] if command == "sync" else each["reused"] for each in lines} <= {"unchanged", True}
    assert f"{merged}: 3 sheets, up to date" in again.err

    state_line = cli("status", out, env=env).out.splitlines()[0]
    assert (state_line.startswith("3 of 3 exports done"), state_line.endswith(f": {out}")) == (True, True)
    s3.bucket.client.delete_object(Bucket="commands", Key=f"{command}/{GOOD[0]}")
    resumed = cli("resume", out, env=env)
    assert resumed.code == 0, resumed.err
    assert s3.bucket.read(f"{command}/{GOOD[0]}").startswith(b"%PDF")
    if command == "sync":
        listed = cli("register", out, env=env)
        assert (listed.code, "A-101" in listed.out, "3 sheets, as of" in listed.err) == (0, True, True), listed.err


def test_several_projects_go_below_one_address(cli: Cli, service: Simulation, s3: S3, tmp_path: Path) -> None:
    env = service.env | s3.env | {"APS_STATE_DIR": str(tmp_path / "state")}
    argv = ("sync", "Rivers*", "Annex", "--folder", "Plans/Good", "--out", "s3://commands/several")
    forecast = cli(*argv, "--dry-run", env=env)
    assert "Riverside: 3 new" in forecast.out, forecast.err
    ran = cli(*argv, env=env)
    assert ran.code == 5, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("Riverside: 3 new")
    assert lines[0].endswith(" s: s3://commands/several/Riverside")
    assert lines[1].startswith("2 projects (1 failed): 3 new")
    assert lines[1].endswith(" s: s3://commands/several")
    keys = set(s3.bucket.keys("several/"))
    assert {f"several/Riverside/{each}" for each in (*GOOD, "register.json", "report.html")} < keys
    assert "several/projects.json" in keys

    one = "s3://commands/several/Riverside"
    for address in ("s3://commands/several", one):
        assert cli("status", address, env=env).out.startswith("3 of 3 exports done")
        listed = cli("register", address, env=env)
        assert "A-101" in listed.out
        s3.bucket.client.delete_object(Bucket="commands", Key=f"several/Riverside/{GOOD[0]}")
        assert "1 refreshed" in cli("resume", address, env=env).out
        assert f"several/Riverside/{GOOD[0]}" in s3.bucket.keys("several/")


def test_the_state_folder_can_be_chosen(cli: Cli, service: Simulation, s3: S3, tmp_path: Path) -> None:
    argv = ("export", "Riverside", "--sheet", "A-101", "--out", "s3://commands/chosen")
    ran = cli(*argv, "--state", str(tmp_path / "here"), env=service.env | s3.env)
    assert ran.code == 0, ran.err
    assert f"is kept in {tmp_path / 'here'}" in ran.err
    assert (tmp_path / "here" / ".aps-async.sqlite").is_file()


@pytest.mark.parametrize("argv", [("sync", "Riverside"), ("export", "Riverside"), ("sync", "Rivers*", "Annex")])
def test_a_bucket_that_cannot_be_written_to_is_reported_before_any_call(
    cli: Cli, service: Simulation, s3: S3, tmp_path: Path, argv: tuple[str, ...]
) -> None:
    service.control("reset", "POST")
    env = service.env | s3.env | {"APS_STATE_DIR": str(tmp_path)}
    ran = cli(*argv, "--out", "s3://nobody-made-it/x", env=env)
    [_, line] = ran.err.splitlines()
    assert (ran.code, ran.out) == (7, "")
    assert line.startswith("aps-async: error: cannot write to and read from s3://nobody-made-it/x: ")
    assert line.endswith("404 Not Found (NoSuchBucket)")
    assert not service.control("counts")["endpoints"]


@pytest.mark.parametrize("command", ["sync", "export"])
def test_other_addresses_are_refused(cli: Cli, service: Simulation, tmp_path: Path, command: str) -> None:
    for address in ("http://plans", "file:///plans", "s3a://plans", "gcs://plans", "S3:/plans", "ftp://plans", ""):
        ran = cli(command, "Riverside", "--out", address, env=service.env)
        assert ran.code == 2, address
        assert "is not a path on this machine" in ran.err or "must not be empty" in ran.err
    home = {"APS_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
    for address, words in (("s3://plans", "AWS_ACCESS_KEY_ID"), ("gs://plans", "GOOGLE_"), ("az://plans", "AZURE_")):
        ran = cli(command, "Riverside", "--out", address, env=service.env | home)
        assert (ran.code, "needs credentials, and there are none" in ran.err, words in ran.err) == (4, True, True)
    refused = cli(command, "Riverside", "--out", str(tmp_path), "--state", str(tmp_path / "x"), env=service.env)
    assert (refused.code, "--state is for s3://" in refused.err) == (2, True)
