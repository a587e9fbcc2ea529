"""Token buckets."""

from hypothesis import given
from hypothesis import strategies as st

from polyfleet.api.core.rate_limits import TokenBuckets

NOW = 1_800_000_000.123


def test_a_burst_is_allowed_and_then_nothing() -> None:
    buckets = TokenBuckets(burst=5, interval=10)
    assert [buckets.take("a", NOW) for _ in range(7)] == [True] * 5 + [False] * 2


def test_a_token_comes_back_each_interval() -> None:
    buckets = TokenBuckets(burst=2, interval=10)
    assert [buckets.take("a", NOW) for _ in range(3)] == [True, True, False]
    assert not buckets.take("a", NOW + 9)
    assert buckets.wait("a", NOW + 9) > 0
    assert buckets.take("a", NOW + 10.1)
    assert not buckets.take("a", NOW + 10.2)


def test_keys_have_buckets_of_their_own() -> None:
    buckets = TokenBuckets(burst=1, interval=10)
    assert buckets.take("a", NOW)
    assert buckets.take("b", NOW)
    assert not buckets.take("a", NOW)


def test_no_more_keys_are_kept_than_allowed() -> None:
    buckets = TokenBuckets(burst=1, interval=10, maximum=10)
    for number in range(100):
        assert buckets.take(str(number), NOW)
    assert len(buckets._buckets) <= 10


@given(
    burst=st.integers(1, 8),
    interval=st.floats(0.5, 60),
    steps=st.lists(st.floats(0, 30), max_size=60),
)
def test_no_more_than_the_burst_and_one_each_interval(
    burst: int, interval: float, steps: list[float]
) -> None:
    buckets = TokenBuckets(burst=burst, interval=interval)
    now = NOW
    taken = 0
    for step in steps:
        now += step
        taken += buckets.take("a", now)
    assert taken <= burst + (now - NOW) / interval + 0.01
