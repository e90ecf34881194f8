"""The contract of `api.py` holds for mypy and for pyright."""

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
