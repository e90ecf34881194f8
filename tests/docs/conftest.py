"""One virtual environment for all pages."""

from pathlib import Path

import pytest

from tests.docs.stories import make_environment


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environment") / ".venv"
    make_environment(folder)
    return folder
