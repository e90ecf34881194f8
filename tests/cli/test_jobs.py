"""`aps-async run`: the jobs of `aps-async.toml`, checked before anything is done."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aps_async.cli.export_commands import export
from aps_async.cli.jobs import keys_of
from aps_async.cli.schedules import recipes
from aps_async.cli.set_commands import sync
from tests.cli.support import Ran, Simulation, paths_in

Cli = Callable[..., Ran]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes `aps-async.toml` in a folder, which is not the working directory."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "jobs").mkdir()

    def write(text: str) -> Path:
        file = tmp_path / "jobs" / "aps-async.toml"
        file.write_text(text, "utf-8")
        return file

    return write


JOBS = """
[jobs.nightly]
project = "Riverside"
folder = "Plans/Good"
out = "plans"
exclude = ["A-102", "A-103"]
user_id = "USER1"
slots = 2
refresh = "7d"
strict = true
markups = false
since = 2001-01-01

[jobs.once]
command = "export"
project = "Riverside"
sheet = "A-101"
out = "once"
json = true
"""


def test_a_job_is_its_command_with_paths_relative_to_the_file(
    cli: Cli, service: Simulation, written: Callable[[str], Path]
) -> None:
    file = written(JOBS)
    ran = cli("run", "nightly", "--file", file, env=service.env)
    assert (ran.code, ran.out.split(";")[0]) == (0, "1 new"), ran.err
    assert [each.name for each in paths_in(file.parent / "plans") if each.suffix == ".pdf"] == ["A-101 - Ground.pdf"]
    ran = cli("run", "once", "--file", os.path.relpath(file), env=service.env)
    assert ran.code == 0, ran.err
    assert '"ok": true' in ran.out
    assert [each.name for each in paths_in(file.parent / "once")] == ["A-101 - Ground.pdf"]
    assert paths_in(Path.cwd()) == []


@pytest.mark.parametrize("name", ["nightly", "once"])
def test_a_dry_run_starts_nothing(
    cli: Cli, service: Simulation, written: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    file = written(JOBS)
    ran = cli("run", name, "--dry-run", "--file", file, env=service.env)
    assert ran.code == 0, ran.err
    assert "nothing was started" in ran.out + ran.err
    assert not list(tmp_path.rglob("*.pdf"))
    assert cli("run", "--dry-run", "--file", file).code == 2, "of which job?"


def test_the_file_is_looked_for_in_the_working_directory(
    cli: Cli, service: Simulation, written: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(written(JOBS).parent)
    assert cli("run", "once", env=service.env).code == 0
    assert len(paths_in(Path("once"))) == 1


def test_the_list(cli: Cli, written: Callable[[str], Path]) -> None:
    ran = cli("run", "--list", "--file", written(JOBS))
    assert (ran.code, ran.err) == (0, "2 jobs\n")
    assert [line.split()[:3] for line in ran.out.splitlines()[1:]] == [
        ["nightly", "sync", "Riverside"],
        ["once", "export", "Riverside"],
    ]
    assert "--exclude=A-102 --exclude=A-103" in ran.out


def job(text: str) -> str:
    return f'[jobs.nightly]\nproject = "Riverside"\nout = "plans"\n{text}\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (job("markup = true"), "job 'nightly': 'markup' is not a valid key: did you mean 'markups'?"),
        (job("max-prun = 1"), "job 'nightly': 'max-prun' is not a valid key: did you mean 'max-prune'?"),
        (job("qq_qq = true"), "job 'nightly': 'qq-qq' is not a valid key: valid keys: all, asset-markups"),
        (job('command = "sink"'), "job 'nightly': command must be sync or export, not 'sink'"),
        (job('command = "export"\nprune = true'), "'prune' is for jobs with command = 'sync'"),
        (job('command = "export"\nprojects = ["A"]'), "'projects' is not a valid key: did you mean 'project'?"),
        (job('command = "export"\nproject2 = ["A"]'), "'project2' is not a valid key: did you mean 'project'?"),
        (job("profile = 1"), "job 'nightly': profile must be text"),
        (job('prune = "yes"'), "job 'nightly': prune must be true or false, not 'yes'"),
        (job("prune = 1"), "job 'nightly': prune must be true or false, not 1"),
        (job('folder = ["a", "b"]'), "job 'nightly': folder must be one text or number, not a list"),
        (job("match = [true]"), "job 'nightly': match must be text, or a list of texts, not a list"),
        (job("slots = true"), "job 'nightly': slots must be one text or number, not True"),
        (job("slots = 0"), "job 'nightly': Invalid value for '--slots'"),
        (job('slots = "many"'), "job 'nightly': Invalid value for '--slots'"),
        (job('refresh = "7x"'), "'7x' is not a duration such as 15m, 12h, 7d or 2w"),
        (job('watch = "5"'), "job 'nightly': Invalid value for '--watch'"),
        (job('name = "{nummer}"'), "job 'nightly': Invalid value for '--name'"),
        (job("max_prune = 5"), "job 'nightly': --max-prune needs --prune"),
        (job("prune = true\nmax_prune = 5\nmax-prune = 6"), "'max-prune' is there twice"),
        (job("all = true"), "job 'nightly': PROJECT and --all cannot be given together"),
        (job("keep-older = true"), "job 'nightly': 'keep-older' is for jobs with command = 'export'"),
        ('[jobs.nightly]\nproject = "Riverside"\n', "job 'nightly': Missing option '--out'"),
        ("[job.nightly]\n", "aps-async.toml: 'job' is not a valid key: did you mean 'jobs'?"),
        ('[nightly]\nproject = "A"\n', "aps-async.toml: 'nightly' is not a valid key: a job is a table such as"),
        ("jobs = 1", "jobs must be tables such as [jobs.nightly]"),
        ("[jobs]\nnightly = 1", "jobs must be tables such as [jobs.nightly]"),
        ("[jobs.nightly", "cannot be read: "),
        ('[jobs.nightly]\nout = "C:\\plans"\n', "write paths with / or in 'single quotes'"),
        ("[jobs.nigthly]", "no job 'nightly'; did you mean 'nigthly'?"),
        ("", "no job 'nightly'; there are none"),
    ],
)
def test_one_clear_error_with_file_job_and_key(cli: Cli, written: Callable[[str], Path], text: str, words: str) -> None:
    file = written(text)
    ran = cli("run", "nightly", "--file", file)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"aps-async: error: {file}"), ran.err
    first, *rest = ran.err.splitlines()
    assert words in first
    command = "export" if "export" in text else "sync"
    assert rest == ([f"see: aps-async {command} --help"] if "--" in first else [])


SECRET = "hunter2-hunter2"


KEYS = """client_secret client-secret APS_CLIENT_SECRET clientSecret client_secret_file password passwd passphrase pass
pwd token access_token refresh-token credentials api_key apikey accessKey private_key service_account_key bearer auth"""


@pytest.mark.parametrize("key", KEYS.split())
@pytest.mark.parametrize("place", ["", "[jobs.nightly]\n"])
def test_secrets_are_refused_and_not_shown(cli: Cli, written: Callable[[str], Path], key: str, place: str) -> None:
    file = written(f'{place}{key} = "{SECRET}"\n')
    for argv in (("nightly",), ("--list",)):
        ran = cli("run", *argv, "--file", file)
        assert (ran.code, SECRET in ran.out + ran.err) == (2, False)
        assert key.replace("_", "-") in ran.err.replace("_", "-")
        assert "secrets do not belong in this file" in ran.err
        assert "profile = " in ran.err


@pytest.mark.parametrize(
    "text",
    [
        "[jobs]\npassword = '{}'",
        "[jobs.nightly.out]\ntoken = '{}'",
        "[jobs.nightly.command]\ntoken = '{}'",
        "[jobs.nightly]\nprune = ['{}']",
        "[jobs.nightly]\nfolder = [['{}']]",
        "[jobs.nightly]\ntoken = '{}",
    ],
)
def test_no_error_shows_what_may_be_secret(cli: Cli, written: Callable[[str], Path], text: str) -> None:
    ran = cli("run", "nightly", "--file", written(text.format(SECRET)))
    assert (ran.code, SECRET in ran.out + ran.err) == (2, False)


def test_a_job_names_a_profile_and_the_command_line_comes_first(cli: Cli, written: Callable[[str], Path]) -> None:
    file = written(job('profile = "site"'))
    env = {"XDG_CONFIG_HOME": str(file.parent), "APS_PROFILE": "from-the-environment"}
    ran = cli("run", "nightly", "--file", file, env=env)
    assert (ran.code, "'site'" in ran.err) == (3, True), ran.err
    ran = cli("--profile", "other", "run", "nightly", "--file", file, env=env)
    assert (ran.code, "'other'" in ran.err) == (3, True), ran.err


def test_every_option_is_a_key() -> None:
    ours = {
        "project",
        "projects",
        "all",
        "out",
        "watch",
        "max-prune",
        "user-id",
        "issue-markups",
        "set",
        "json",
        "name",
    }
    assert ours <= set(keys_of(sync))
    assert {"project", "out", "files", "no-partial", "keep-older", "again", "set", "json"} <= set(keys_of(export))


def test_a_byte_order_mark_does_no_harm(cli: Cli, written: Callable[[str], Path]) -> None:
    assert cli("run", "--list", "--file", written(f"\ufeff{JOBS}")).code == 0


def test_there_is_no_file(cli: Cli, tmp_path: Path) -> None:
    ran = cli("run", "nightly", "--file", tmp_path / "none.toml")
    assert (ran.code, "name another with --file" in ran.err) == (2, True)


@pytest.mark.parametrize("argv", [(), ("nightly", "--list"), ("--list", "--schedule-help")])
def test_one_thing_at_a_time(cli: Cli, argv: tuple[str, ...]) -> None:
    assert cli("run", *argv).code == 2


def test_the_recipes_have_full_paths(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "100% it's" / "aps-async.toml"
    ran = cli("run", "--schedule-help", "--file", file)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.strip() == recipes(file).strip()
    [cron] = [line for line in ran.out.splitlines() if line.startswith("    30 2 * * *")]
    assert cron.endswith("""/100\\% it'"'"'s/aps-async.toml'""")
    [unit] = [line for line in ran.out.splitlines() if line.strip().startswith("ExecStart=")]
    assert unit.endswith("""/100%% it's/aps-async.toml\"""")
    assert "100% it''s" in ran.out
