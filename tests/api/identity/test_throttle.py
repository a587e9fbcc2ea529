import pytest

from polyfleet.api.core.errors import RateLimited
from polyfleet.api.core.identity.throttle import Throttle
from tests.api.identity.conftest import HandClock


@pytest.fixture
def throttle(clock: HandClock) -> Throttle:
    return Throttle(monotonic=clock.monotonic)


def fail(throttle: Throttle, name: str, times: int) -> None:
    for _ in range(times):
        throttle.attempt(name)


def test_five_attempts_are_free_and_the_sixth_must_wait(throttle: Throttle) -> None:
    fail(throttle, "ada", 5)
    with pytest.raises(RateLimited) as refused:
        throttle.attempt("ada")
    assert refused.value.retry_after == pytest.approx(1)


def test_a_clock_that_is_set_back_makes_no_pause_longer(
    throttle: Throttle, clock: HandClock
) -> None:
    fail(throttle, "ada", 5)
    clock.set_back(3600)
    clock.advance(1)
    throttle.attempt("ada")


def test_the_pause_doubles_with_each_attempt(throttle: Throttle, clock: HandClock) -> None:
    fail(throttle, "ada", 5)
    clock.advance(1)
    throttle.attempt("ada")
    clock.advance(1.9)
    with pytest.raises(RateLimited):
        throttle.attempt("ada")


def test_the_pause_is_never_longer_than_a_minute(throttle: Throttle, clock: HandClock) -> None:
    for _ in range(40):
        throttle.attempt("ada")
        clock.advance(60)
    throttle.attempt("ada")


def test_an_attempt_that_came_too_early_does_not_count(
    throttle: Throttle, clock: HandClock
) -> None:
    fail(throttle, "ada", 5)
    for _ in range(20):
        with pytest.raises(RateLimited):
            throttle.attempt("ada")
    clock.advance(1)
    throttle.attempt("ada")


def test_a_success_forgets_the_failures(throttle: Throttle) -> None:
    fail(throttle, "ada", 5)
    throttle.succeeded("ada")
    fail(throttle, "ada", 5)


def test_one_name_does_not_slow_another(throttle: Throttle) -> None:
    fail(throttle, "ada", 5)
    fail(throttle, "bob", 5)


def test_failures_are_forgotten_after_a_quarter_of_an_hour(
    throttle: Throttle, clock: HandClock
) -> None:
    fail(throttle, "ada", 5)
    clock.advance(900)
    fail(throttle, "ada", 5)
