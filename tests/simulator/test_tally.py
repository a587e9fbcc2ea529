"""Durations are kept to 2 %, and links to strangers are not followed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.simulator.tally import Durations
from polyfleet.simulator.wire import is_loopback, is_near


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_that_of_the_durations_to_2_per_cent(
    seconds: list[float], share: float
) -> None:
    durations = Durations()
    for item in seconds:
        durations.add(item)
    exact = sorted(seconds)[max(0, -int(-share * len(seconds) // 1) - 1)]
    assert exact * 0.999 <= durations.quantile(share) <= exact * 1.021
    assert len(durations) == len(seconds)


def test_without_durations_there_is_no_quantile() -> None:
    assert Durations().quantile(0.99) == 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:80/x", True),
        ("http://127.0.0.1.example.com", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1@example.com", False),
        ("nonsense", False),
    ],
)
def test_only_this_machine_is_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


@pytest.mark.parametrize(
    ("link", "url", "expected"),
    [
        ("http://127.0.0.1:9000/a", "http://localhost:8080", True),
        ("https://fleet.example/x", "https://fleet.example", True),
        ("https://cdn.example/x", "https://fleet.example", False),
        ("https://cdn.example/x", "http://127.0.0.1:8080", False),
        ("http://127.0.0.1/x", "https://fleet.example", False),
    ],
)
def test_links_lead_to_the_server_or_nowhere(link: str, url: str, expected: bool) -> None:
    assert is_near(link, url) is expected
