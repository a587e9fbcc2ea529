"""A facade with a known fleet for each dialect that is fuzzed."""

from collections.abc import Iterator

import pytest

from tests.facade_fixtures import FacadeServer
from tests.fuzz.known import make_known_fleet
from tests.shared_facade import StartSharedFacade


@pytest.fixture(scope="module")
def server(start_shared_facade: StartSharedFacade) -> Iterator[FacadeServer]:
    """Provide a facade with the known fleet, for the tests of a module."""
    # Fast, as thousands of refusals are asked for; no device is told to wait, every log ends.
    settings = {
        "rdfm": {"refusal_delay": 0.001},
        "reports": {"burst": 1000, "patience": 60},
        "deis": {"longest_follow": 0.05, "patience": 0},  # nothing comes to run here
    }
    with start_shared_facade(**settings) as running:
        make_known_fleet(running)
        yield running
