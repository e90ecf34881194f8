"""Two distributions that install the same package are reported before one of them breaks the other."""

from pathlib import Path

import pytest

from aps_async.transport.packages import warn_of_two_backoffs


@pytest.mark.parametrize(
    ("installed", "warned"),
    [
        (("python_backoff-3.0.0",), False),
        (("backoff-2.2.1",), False),
        (("python_backoff-3.0.0", "backoff-2.2.1"), True),
        ((), False),
    ],
)
def test_both_distributions_of_backoff(
    installed: tuple[str, ...], warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in installed:
        (tmp_path / f"{name}.dist-info").mkdir()
    warn_of_two_backoffs(str(tmp_path / "backoff" / "__init__.py"))
    assert ["pip uninstall -y backoff python-backoff" in each.getMessage() for each in caplog.records] == [
        True
    ] * warned


def test_a_package_without_a_file_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_two_backoffs(None)
    assert caplog.records == []
