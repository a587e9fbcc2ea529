import pytest

from polyfleet.api.core.identity.memo import Memo
from tests.api.identity.conftest import HandClock


def memo(clock: HandClock, capacity: int = 10) -> Memo[str]:
    return Memo(lifetime=60, capacity=capacity, clock=clock, monotonic=clock.monotonic)


@pytest.mark.parametrize("set_back", [0, 3600])
def test_a_value_is_remembered_until_its_time_is_over(clock: HandClock, set_back: float) -> None:
    kept = memo(clock)
    key = kept.key("ada", "secret")
    kept.put(key, "uid")
    clock.set_back(set_back)
    clock.advance(59)
    assert kept.get(key) == "uid"
    clock.advance(1)
    assert kept.get(key) is None


def test_an_earlier_end_shortens_the_time(clock: HandClock) -> None:
    kept = memo(clock)
    key = kept.key("token")
    kept.put(key, "uid", until=clock().timestamp() + 10)
    clock.advance(10)
    assert kept.get(key) is None


def test_a_later_end_does_not_lengthen_the_time(clock: HandClock) -> None:
    kept = memo(clock)
    key = kept.key("token")
    kept.put(key, "uid", until=clock().timestamp() + 1000)
    clock.advance(60)
    assert kept.get(key) is None


def test_the_oldest_gives_way_when_it_is_full(clock: HandClock) -> None:
    kept = memo(clock, capacity=2)
    keys = [kept.key(name) for name in ("a", "b", "c")]
    for key in keys:
        kept.put(key, "x")
    assert [kept.get(key) for key in keys] == [None, "x", "x"]
    assert len(kept) == 2


def test_parts_that_join_to_the_same_text_have_different_keys(clock: HandClock) -> None:
    kept = memo(clock)
    assert len({kept.key("ab", "c"), kept.key("a", "bc"), kept.key("abc")}) == 3


def test_two_memos_key_the_same_secret_differently(clock: HandClock) -> None:
    assert memo(clock).key("secret") != memo(clock).key("secret")
