"""Commands as a shell runs them: whole processes, signals, pipes, terminals, missing extras."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import aps_async
from tests.cli.support import (
    SHEET,
    Ran,
    Simulation,
    clean_environment,
    paths_in,
    pdf_with,
    run,
    simulation,
    start,
    text_of,
)

NOT_THERE = "postgresql://ada@127.0.0.1:1/plans"
PAGES = ("First page of somebody's plans", "Second page, with a detail", "Third page: the roof")


def test_demo_ends_in_pdfs_that_open(tmp_path: Path) -> None:
    ran = run("demo", "--speed", "100", cwd=tmp_path)
    assert ran.code == 0, ran.err
    folder = tmp_path / "aps-async-demo"
    files = paths_in(folder)
    assert len(files) == 12
    for file in files:
        assert file.name.split(" - ")[0] in text_of(file), "each sheet carries its own number"
    size = sum(file.stat().st_size for file in files)
    assert f"12 PDFs, {size / 1000:.1f} kB, are in {folder}\n" in ran.out
    assert "aps-async simulate" in ran.out
    assert "aps-async export 'Riverside Clinic'" in ran.out


def test_demo_with_a_pdf_of_ones_own(tmp_path: Path) -> None:
    pdf = tmp_path / "plans.pdf"
    pdf.write_bytes(pdf_with(*PAGES))
    ran = run("demo", "--pdf", str(pdf), "--out", str(tmp_path / "out"), "--speed", "100")
    assert ran.code == 0, ran.err
    texts = sorted(text_of(file).strip() for file in paths_in(tmp_path / "out"))
    assert texts == sorted(PAGES)


def test_demo_kept_open_serves_until_it_is_stopped(tmp_path: Path) -> None:
    argv = ("demo", "--keep-open", "--sheets", "1", "--speed", "100", "--out", str(tmp_path))
    with start(*argv) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "revoke" in line:
                break
        env = dict(line.split()[1].split("=", 1) for line in lines if line.startswith("export "))
        assert run("sheets", "Riverside Clinic", env=env).code == 0
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_export_delivers_the_pages_of_the_pdf_that_simulate_was_given(tmp_path: Path) -> None:
    pdf = tmp_path / "plans.pdf"
    pdf.write_bytes(pdf_with(*PAGES))
    with simulation("--pdf", str(pdf), "--speed", "100") as service:
        assert service.env["APS_SPEED"] == "100"
        ran = run("export", "Riverside Clinic", "--out", str(tmp_path / "out"), env=service.env)
    assert ran.code == 0, ran.err
    files = paths_in(tmp_path / "out")
    assert [text_of(file).strip() for file in files] == list(PAGES)


def test_simulate_says_all_that_is_needed(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"endpoint": "hubs", "kind": "status", "status": 503, "times": 1}]')
    with simulation("--sheets", "3", "--seed", "7", "--faults", str(faults)) as service:
        assert set(service.env) == {"APS_BASE_URL", "APS_CLIENT_ID", "APS_CLIENT_SECRET"}, "no speed but the real one"
        shown = "\n".join(service.lines)
        assert "Project: Riverside Clinic, id " in shown
        assert "3 sheets" in shown
        for name in ("counts", "log", "world", "faults"):
            assert f"/simulator/{name}" in shown
        assert service.control("faults")[0]["endpoint"] == "hubs"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_export_cleanly(service: Simulation, tmp_path: Path, number: int, code: int) -> None:
    argv = ("export", "Riverside", "--folder", "Endless", "--timeout", "36000", "--out", str(tmp_path))
    with start(*argv, env=service.env) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("[3/4]"):
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert out == ""
    assert err.splitlines() == [
        f"stopped: 3 of 4 sheets done, in {tmp_path}; no unfinished file is left",
        f"to continue: aps-async resume {tmp_path}",
    ]
    assert len([text_of(file) for file in paths_in(tmp_path)]) == 3


def test_a_signal_in_the_middle_of_a_file_leaves_nothing_of_it(service: Simulation, tmp_path: Path) -> None:
    argv = ("export", "Riverside", "--sheet", SHEET, "--out", str(tmp_path))
    with service.faults({"endpoint": "signed_get", "kind": "slow", "seconds": 36000}), start(
        *argv, env=service.env
    ) as process:  # fmt: skip
        while not list(tmp_path.glob(".*.part")):
            service.control("counts")  # a call takes its time, which is all the pause this needs
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopped: 0 of 1 sheet done, so no file was written" in err
    assert not paths_in(tmp_path)


def test_a_signal_before_the_first_export(service: Simulation, tmp_path: Path) -> None:
    service.control("reset", "POST")
    with service.faults({"endpoint": "hubs", "kind": "hang"}), start(
        "export", "Riverside", "--out", str(tmp_path / "out"), env=service.env
    ) as process:  # fmt: skip
        while not service.control("counts")["token_requests"]:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "stopped before the first export" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_terminal_gets_a_bar(service: Simulation, tmp_path: Path) -> None:
    import pty

    master, slave = pty.openpty()
    argv = ("export", "Riverside", "--folder", "Broken", "--out", str(tmp_path))
    with start(*argv, env=service.env, stderr=slave) as process:
        os.close(slave)
        shown = b""
        while piece := _read(master):
            shown += piece
        out = process.stdout.read() if process.stdout else ""
    os.close(master)
    text = shown.decode()
    assert process.returncode == 1
    assert "starting" in text or "at the service" in text
    assert "/2" in text
    assert "failed: B-1" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor is back"
    assert out.startswith("1 of 2 PDFs")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.parametrize("argv", [("sheets", "Riverside"), ("doctor",), ("--help",), ("sheets", "-h")])
def test_a_reader_that_goes_away_is_no_error(service: Simulation, argv: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with start(*argv, env=service.env, stdout=writer) as process:
        os.close(writer)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 141
    assert err == ""


def test_ctrl_c_while_a_command_is_imported(
    service: Simulation, cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(**given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aps_async.cli.wanted.check_together", interrupted)  # the first thing that is imported
    ran = cli("export", "Riverside", "--out", tmp_path / "plans", env=service.env)
    assert (ran.code, ran.err) == (130, "aps-async: stopped\n")


INTERRUPTED = """
import sys

wanted, where, *sys.argv[1:] = sys.argv[1:]

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            if where == "in a class":
                class Descriptor:
                    def __set_name__(self, owner, name):
                        raise KeyboardInterrupt
                class Owner:
                    field = Descriptor()
            if where == "where it is ignored":
                class Deleted:
                    def __del__(self):
                        raise KeyboardInterrupt
                Deleted()
                return
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from aps_async.cli import main
sys.exit(main())
"""


AT_THE_START = [
    ("re", "--help"),
    ("typing", "--help"),
    ("collections", "--help"),
    ("aps_async.cli.surroundings", "--help"),
    ("aps_async.errors", "--help"),
    ("aps_async.cli.app", "--help"),
    ("typer", "--help"),
    ("aps_async.cli.runtime", "doctor"),
    ("aiohttp", "doctor"),
]


@pytest.mark.parametrize(
    ("module", "command", "where"),
    [(*each, where) for where in ("anywhere", "in a class") for each in AT_THE_START]
    + [(module, "doctor", "where it is ignored") for module in ("re", "typer", "aps_async.cli.runtime", "uvloop")],
)
def test_ctrl_c_at_the_start_is_one_line(module: str, command: str, where: str) -> None:
    argv = [sys.executable, "-S", "-c", INTERRUPTED, module, where, command]
    path = os.pathsep.join(each for each in sys.path if each)
    ran = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, timeout=60)  # noqa: S603
    assert (ran.returncode, ran.stderr, ran.stdout) == (130, "aps-async: stopped\n", "")


def test_a_reader_that_has_read_enough_ends_the_checks(service: Simulation) -> None:
    reader, writer = os.pipe()
    with start("doctor", env=service.env, stdout=writer) as process:
        os.close(writer)
        shown = b""
        while b"clock" not in shown:
            shown += os.read(reader, 4096)
        os.close(reader)
        _, err = process.communicate(timeout=20)
    assert err == ""


def test_any_encoding_will_do(service: Simulation) -> None:
    ran = run("sheets", "Riverside", env=service.env | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert ran.code == 0
    assert r"Schnitt \xc4-\xc4" in ran.out


def test_version() -> None:
    ran = run("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"aps-async {aps_async.__version__}\n", "")


_WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
from aps_async.cli import main
sys.exit(main({argv!r}))
"""


@pytest.mark.parametrize(
    ("name", "argv", "extra"),
    [
        ("typer", ["projects"], "cli"),
        ("typer", [], "cli"),
        ("aiohttp", ["projects"], "cli"),
        ("rich", ["--help"], "cli"),
        ("pypdf", ["simulate"], "simulator"),
        ("reportlab", ["demo"], "simulator"),
        ("joserfc", ["demo"], "simulator"),
    ],
)
def test_a_missing_extra_is_named(tmp_path: Path, name: str, argv: list[str], extra: str) -> None:
    code = _WITHOUT.format(name=name, argv=argv)
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=clean_environment(), check=False
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("aps-async: error: ")
    assert ran.stderr.endswith(f"pip install 'aps-async[{extra}]'\n")
    assert ran.stderr.count("\n") == 1


def test_listing_works_without_the_simulator(service: Simulation) -> None:
    code = _WITHOUT.format(name="pypdf", argv=["projects"])
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(service.env), check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_export_works_without_uvloop(service: Simulation, tmp_path: Path) -> None:
    argv = ["export", "Riverside", "--sheet", SHEET, "--out", str(tmp_path)]
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", _WITHOUT.format(name="uvloop", argv=argv)],
        capture_output=True, text=True, env=clean_environment(service.env), check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("1 PDF, ")


def test_the_library_does_not_import_the_command_line() -> None:
    code = "import sys, aps_async; print([name for name in sys.modules if name.split('.')[0] in ('typer', 'rich')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize(
    ("argv", "unneeded"),
    [
        (["status", "nowhere"], ["rich.console", "aps_async.cli.export", "aps_async.cli.progress"]),
        (["status", "--database", NOT_THERE], ["pgqueuer", "aps_async.workers.worker", "aps_async.cli.workers"]),
        (["cancel", "a run", "--database", NOT_THERE], ["pgqueuer", "aps_async.workers.worker", "aps_async.sync"]),
        (["dead-letters", "--database", NOT_THERE], ["pgqueuer", "aps_async.workers.worker", "aps_async.sync"]),
        (["projects"], ["rich.console", "aps_async.cli.display", "aps_async.cli.export"]),
    ],
    ids=["status", "status of workers", "cancel", "dead-letters", "without a terminal"],
)
def test_a_command_imports_only_what_it_needs(argv: list[str], unneeded: list[str], service: Simulation) -> None:
    code = (
        f"import sys; from aps_async.cli import main; main({argv!r}); "
        f"print([name for name in {unneeded!r} if name in sys.modules])"
    )
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(service.env), check=False
    )
    assert ran.stdout.splitlines()[-1] == "[]"
    assert "Traceback" not in ran.stderr


def test_no_cycles_are_looked_for_until_the_work_begins(tmp_path: Path) -> None:
    code = (
        f"import gc, sys; sys.argv = ['aps-async', 'status', {str(tmp_path)!r}]; from aps_async.cli import main; "
        "before = gc.get_stats()[0]['collections']; main(); "
        "print(gc.get_stats()[0]['collections'] - before < 5, gc.isenabled(), gc.get_freeze_count() > 10_000)"
    )
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=False
    )
    assert ran.stdout == "True True True\n"


@pytest.mark.parametrize("argv", [["--help"], ["export", "--help"]])
def test_help_waits_for_nothing_that_only_commands_need(argv: list[str]) -> None:
    code = (
        f"import sys; from aps_async.cli import main; code = main({argv!r}); "
        "print([name for name in ('aiohttp', 'cattrs') if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "[]\n")
    assert "Usage: aps-async" in ran.stdout
