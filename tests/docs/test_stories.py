"""Every command and program of the README and the guides, run as written."""

from pathlib import Path

import pytest

from tests.docs.markdown import PAGES
from tests.docs.stories import run_page

WITH_A_DATABASE = "operator"  # in tests/workers


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != WITH_A_DATABASE], ids=lambda page: page.stem)
def test_a_page_as_written(page: Path, environment: Path, tmp_path: Path) -> None:
    run_page(page, environment, tmp_path)
