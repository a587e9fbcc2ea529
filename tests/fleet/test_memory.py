"""What decisions remember: much about ordinary devices, nothing of what is long."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from polyfleet.fleet.memory import LONGEST, is_long, remembering
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.package import Offer, Package
from polyfleet.fleet.resolve.catalogue import MAX_PLANS, Catalogue
from polyfleet.fleet.resolve.facts import DeviceFacts
from polyfleet.fleet.resolve.plan import Plan
from polyfleet.fleet.resolve.resolver import resolve
from tests.fleet import make

LONG = "\N{GRINNING FACE}" * 1000
"""A version as long as a device may report, of the longest characters."""
TIMES = 500


@pytest.fixture
def group() -> DeviceGroup:
    return make.group(policy="exact_match,v2", packages=("p",))


@pytest.fixture(params=["policy", "offer"])
def catalogue(request: pytest.FixtureRequest, group: DeviceGroup) -> Catalogue:
    if request.param == "policy":
        package, groups = make.package("p", "v2", requires={"serial": "x"}), [group]
    else:
        package = make.package(
            "p", "2.0.0", requires={"serial": "x"}, offer=Offer(strategy="general")
        )
        groups = []
    return Catalogue.build([make.application()], groups, [package], [])


@pytest.fixture
def allocated() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def facts(*groups: DeviceGroup, **fields: object) -> DeviceFacts:
    told = {"application": "default", "device_id": "d", "device_type": "foo", "version": "1.0.0"}
    return DeviceFacts(groups=groups, **(told | fields))  # type: ignore[arg-type]


@pytest.mark.usefixtures("allocated")
@pytest.mark.parametrize("told", ["version", "device_type", "serial"])
def test_what_a_device_tells_at_length_is_not_remembered(
    catalogue: Catalogue, group: DeviceGroup, told: str
) -> None:
    groups = catalogue.groups.values()
    resolve(facts(*groups), catalogue, make.NOW)
    before, _ = tracemalloc.get_traced_memory()
    for number in range(TIMES):
        text = f"{number}{LONG}"
        fields = {"metadata": {"serial": text}} if told == "serial" else {told: text}
        resolve(facts(*groups, **fields), catalogue, make.NOW)
    after, _ = tracemalloc.get_traced_memory()
    assert after - before < TIMES * len(LONG)


def test_ordinary_texts_are_remembered_and_long_ones_are_answered_all_the_same() -> None:
    asked: list[str] = []

    @remembering(lambda text: (text,), 10)
    def remembered(text: str) -> int:
        asked.append(text)
        return len(text)

    for text in ("2.14.0-rc.1+build.2026.03.01", "x" * (LONGEST + 1)) * 3:
        assert remembered(text) == len(text)
    assert sorted(map(len, asked)) == [28, LONGEST + 1, LONGEST + 1, LONGEST + 1]


def test_the_texts_of_ordinary_devices_are_not_long() -> None:
    told = ("raspberrypi4-64", "acme-image-2.14.0-rc.1+20260301120000", "de:ad:be:ef:00:01", None)
    assert not is_long(told)
    assert not is_long((*told, "Fahrradständer Süd", "a" * 64, "1.2.3", "production"))


def test_decisions_do_not_hold_on_to_plans_for_types_that_devices_made_up(
    group: DeviceGroup,
) -> None:
    package: Package = make.package("p", "v2", device_type=None)
    catalogue = Catalogue.build([make.application()], [group], [package], [])
    before = living_plans()
    for number in range(2 * MAX_PLANS):
        decision = resolve(facts(group, device_type=f"type-{number}"), catalogue, make.NOW)
        assert decision.package is package
    after = living_plans()
    assert after > 0
    assert after - before <= MAX_PLANS


def living_plans() -> int:
    """Count the plans that something holds on to, those of other tests among them."""
    gc.collect()
    return sum(type(item) is Plan for item in gc.get_objects())
