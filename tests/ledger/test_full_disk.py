"""A disk that fills up during a run: one clear error, no partial file, and the next run delivers the rest."""

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.support import COMMAND, Simulation, clean_environment, simulation
from tests.documents import OURS

SHEETS = 120
resource = pytest.importorskip("resource")  # not on Windows
PROJECT = "Riverside Clinic"
IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


@pytest.fixture(scope="module")
def account() -> Iterator[Simulation]:
    with simulation("--sheets", str(SHEETS), "--speed", "100") as running:
        yield running


@pytest.fixture(scope="module")
def whole(account: Simulation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    ran = subprocess.run(  # noqa: S603
        [*COMMAND, "export", PROJECT, "--out", str(folder), "--no-report"],
        capture_output=True, text=True, env=clean_environment(account.env), check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in OURS}


def can_mount(folder: Path) -> bool:
    argv = [*IN_A_NAMESPACE, "mount", "-t", "tmpfs", "none", str(folder)]
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0  # noqa: S603
    except OSError:
        return False


@pytest.mark.parametrize("turn", range(3))
def test_a_small_disk(account: Simulation, whole: dict[str, bytes], tmp_path: Path, turn: int) -> None:
    if not can_mount(tmp_path):
        pytest.skip("no disk of one's own can be mounted here")
    kilobytes = random.randrange(100, 1000)  # noqa: S311 - another moment each time
    argv = [*IN_A_NAMESPACE, sys.executable, "-m", "tests.ledger.small_disk", PROJECT, str(tmp_path), f"{kilobytes}k"]
    ran = subprocess.run(  # noqa: S603
        argv, capture_output=True, text=True, env=clean_environment(account.env), check=False
    )
    assert ran.returncode == 0, ran.stderr
    full, after = json.loads(ran.stdout)
    right = {name: hashlib.sha256(body).hexdigest() for name, body in whole.items()}

    assert full["code"] == 7, (kilobytes, full)
    errors = [line for line in full["err"].splitlines() if "error" in line or "failed" in line]
    assert len(errors) == 1, full["err"]
    assert errors[0].startswith("aps-async: error: cannot write ")
    assert errors[0].endswith("the disk is full; make room and run it again")
    found = {name: digest for name, digest in full["files"].items() if not name.startswith(".aps-async")}
    assert found.items() < right.items(), "what has a final name is whole, and there are no part files"

    assert after["code"] == 0, (kilobytes, after["err"])
    assert after["err"].count("already there") >= len(found)
    assert {name: digest for name, digest in after["files"].items() if name not in OURS} == right


def test_a_limit_on_the_size_of_files(account: Simulation, whole: dict[str, bytes], tmp_path: Path) -> None:
    """What a quota does where no disk can be mounted: here the ledger's own file meets it first."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (48 << 10, resource.RLIM_INFINITY))

    argv = [*COMMAND, "export", PROJECT, "--out", str(tmp_path)]
    full = subprocess.run(  # noqa: S603
        argv, capture_output=True, text=True, env=clean_environment(account.env), preexec_fn=limited, check=False
    )
    assert full.returncode == 7, full.stderr
    [error] = [line for line in full.stderr.splitlines() if "error" in line or "failed" in line]
    assert error.startswith("aps-async: error: cannot write ")
    assert "make room and run it again" in error
    there = {path.name: path.read_bytes() for path in tmp_path.iterdir() if not path.name.startswith(".aps-async")}
    assert there.items() < whole.items()
    again = subprocess.run(  # noqa: S603
        [*argv, "--no-report"], capture_output=True, text=True, env=clean_environment(account.env), check=False
    )
    assert again.returncode == 0, again.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name not in OURS} == whole
