"""Every command of the operator's guide, run as written. Only the database's address is set from outside."""

from pathlib import Path

import pytest

from tests.docs.markdown import GUIDES
from tests.docs.stories import make_environment, run_page


@pytest.mark.long
def test_the_guide_as_written(url: str, tmp_path: Path) -> None:
    [page] = [each for each in GUIDES if each.stem == "operator"]
    environment, folder = tmp_path / "environment" / ".venv", tmp_path / "reader"
    make_environment(environment)
    folder.mkdir()
    run_page(page, environment, folder, {"APS_DATABASE_URL": url})
    assert len(list(folder.glob("plans/clinic/*.pdf"))) == 12
