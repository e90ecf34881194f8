"""One simulator for all tests of the command line, and the command line in this process."""

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aps_async.cli import main
from tests.cli.support import WORLD, Ran, Simulation, clean_environment, simulation


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """The account of `WORLD`, a minute of which takes a second."""
    world = tmp_path_factory.mktemp("world") / "world.json"
    world.write_text(json.dumps(WORLD), "utf-8")
    with simulation("--world", str(world), "--speed", "60") as running:
        yield running


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ran]]:
    """Runs a command in this process, in an environment of its own."""

    def call(*argv: str | Path, env: dict[str, str] | None = None) -> Ran:
        wanted = clean_environment(env)
        for name in set(os.environ) - set(wanted):
            monkeypatch.delenv(name)
        for name, value in wanted.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = main([str(each) for each in argv])
        return Ran(code, *capsys.readouterr())

    yield call
    log = logging.getLogger("aps_async")
    log.handlers = []
    log.setLevel(logging.NOTSET)
