"""The contract of `api.py` holds for mypy and for pyright, and everything public has a type."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACT = "tests/typing/api.py"


@pytest.mark.parametrize(
    "command",
    [
        ["mypy", "--strict", "--no-incremental", CONTRACT],
        ["pyright", "--pythonpath", sys.executable, CONTRACT],
    ],
    ids=lambda command: command[0],
)
def test_type_checkers_see_what_the_contract_promises(command: list[str]) -> None:
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_public_api_has_types_throughout(tmp_path: Path) -> None:
    # Outside the checkout, whose folder is not the installed package; and it finds Python on PATH, whatever it is told.
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "pyright", "--verifytypes", "aps_async", "--ignoreexternal"]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603
    assert run.returncode == 0, run.stdout + run.stderr
