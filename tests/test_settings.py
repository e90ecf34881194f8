"""Settings: senseless numbers are refused, and a fast simulator shortens the service's durations."""

from typing import Any

import attrs
import pytest

from aps_async import InputError, Settings


@pytest.mark.parametrize("name", [part.name for part in attrs.fields(Settings) if part.name != "budgets"])
@pytest.mark.parametrize(
    "wrong", [-1, float("nan"), float("-inf"), "5", None, True, 10**5000], ids=lambda one: str(type(one))
)
def test_anything_but_a_number_above_zero_is_refused_by_name(name: str, wrong: object) -> None:
    with pytest.raises(InputError, match=f"^{name} must be a number"):
        Settings(**dict[str, Any]({name: wrong}))


@pytest.mark.parametrize("name", ["poll_jitter", "not_found_grace"])
def test_some_may_be_zero(name: str) -> None:
    assert getattr(Settings(**dict[str, Any]({name: 0})), name) == 0


@pytest.mark.parametrize("name", ["max_attempts", "read_timeout", "quota_window", "max_concurrent_downloads"])
def test_the_others_may_not(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name} must be a number above 0, not 0$"):
        Settings(**dict[str, Any]({name: 0}))


@pytest.mark.parametrize(
    ("budgets", "words"),
    [
        ({"hubs": 0}, "budgets: 'hubs' must be a number of at least 1, not 0"),
        ({"hubs": "9"}, "budgets: 'hubs' must be a number of at least 1, not str"),
        ({"hubs": float("nan")}, "budgets: 'hubs' must be a number of at least 1, not float"),
        (5, "budgets must be a mapping of names to numbers, not int"),
        (None, "budgets must be a mapping of names to numbers, not NoneType"),
    ],
)
def test_a_budget_that_admits_nothing_is_refused_by_name(budgets: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Settings(budgets=budgets)


def test_speed_divides_the_services_times_and_nothing_else() -> None:
    plain, fast = Settings(), Settings().scaled(20)
    changed = {part.name for part in attrs.fields(Settings) if getattr(plain, part.name) != getattr(fast, part.name)}
    assert changed == {
        "quota_window", "backoff_base", "backoff_max", "token_margin", "link_lifetime", "link_margin", "poll_interval",
        "not_found_grace", "export_timeout", "acc_export_timeout", "call_timeout", "request_timeout",
        "ending_word_grace", "time_scale",
    }  # fmt: skip
    assert fast.quota_window == pytest.approx(3.0)
    assert fast.link_lifetime == pytest.approx(6.0)
    assert (fast.call_timeout, fast.request_timeout) == (0.5, 5.0)
    assert Settings().scaled(10).call_timeout == pytest.approx(1.0)
    assert Settings().scaled(1000).call_timeout == 0.5  # this machine becomes no faster
    assert Settings(call_timeout=0.1).scaled(1000).call_timeout == 0.1


def test_settings_cannot_be_changed_under_a_session() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Settings().max_attempts = 1  # type: ignore[misc]
