"""What must hold for every set of offers, checked against a plain reading of the rules."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet.instants import parse, timestamp
from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.package import Offer, OfferFilter, Package
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.facts import DeviceFacts
from polyfleet.fleet.resolve.resolver import resolve
from polyfleet.fleet.resolve.trace import Trace
from tests.fleet import make

ORDER = ["0.1.0", "1.0.0-rc.1", "1.0.0", "1.10.0"]
GROUPS = (make.group("one"), make.group("two"))

versions = st.sampled_from(ORDER)
instants = st.sampled_from(
    [None, *(timestamp(make.NOW + timedelta(seconds=offset)) for offset in (-5, 0, 5))]
)
filters = st.builds(OfferFilter, group=st.sampled_from(["one", "two", "gone"]), from_=instants)
offers = st.one_of(
    st.none(),
    st.builds(
        Offer,
        strategy=st.sampled_from(["general", "targeted", "suspended"]),
        filters=st.lists(filters, max_size=3).map(tuple),
    ),
)


@st.composite
def packages(draw: st.DrawFn) -> list[Package]:
    chosen = draw(st.lists(versions, max_size=4, unique=True))
    return [
        make.package(
            f"p{index}",
            version,
            offer=draw(offers),
            device_type=draw(st.sampled_from(["foo", "bar", None])),
            upgradable_from=draw(
                st.one_of(st.none(), st.lists(versions, max_size=2, unique=True).map(tuple))
            ),
            artifact=draw(st.sampled_from([make.ARTIFACT, make.ARTIFACT, None])),
            specification=draw(st.sampled_from([None, "{}"])),
        )
        for index, version in enumerate(chosen)
    ]


facts = st.builds(
    DeviceFacts,
    application=st.just("default"),
    device_id=st.just("d1"),
    groups=st.sampled_from([(), GROUPS[:1], GROUPS[1:], GROUPS]),
    device_type=st.sampled_from(["foo", None]),
    version=st.one_of(st.none(), versions),
    takes=st.sampled_from(["artifact", "specification", "anything"]),
)


def snapshot(offered: list[Package], groups: tuple[DeviceGroup, ...] = GROUPS) -> Catalogue:
    return Catalogue.build([make.application()], groups, offered, ())


def may_get(package: Package, asks: DeviceFacts) -> bool:
    spec, offer = package.spec, package.spec.offer
    if offer is None or offer.strategy == "suspended":
        return False
    inside = {group.metadata.name for group in asks.groups}
    has = {"artifact": spec.artifact is not None, "specification": spec.specification is not None}
    has["anything"] = any(has.values())
    return (
        has[asks.takes]
        and spec.device_type in {None, asks.device_type}
        and (asks.version is None or ORDER.index(spec.version) > ORDER.index(asks.version))
        and (
            spec.upgradable_from is None
            or asks.version in spec.upgradable_from
            or (asks.version is None and not spec.upgradable_from)
        )
        and (
            offer.strategy == "general"
            or any(
                part.group in inside and (part.from_ is None or parse(part.from_) <= make.NOW)
                for part in offer.filters
            )
        )
    )


@given(packages(), facts)
def test_the_highest_version_that_a_device_may_get_is_offered(
    offered: list[Package], asks: DeviceFacts
) -> None:
    best = max(
        (item for item in offered if may_get(item, asks)),
        key=lambda item: ORDER.index(item.spec.version),
        default=None,
    )

    assert resolve(asks, snapshot(offered), make.NOW).package is best


@given(packages(), facts)
def test_a_trace_does_not_change_the_answer(offered: list[Package], asks: DeviceFacts) -> None:
    shared = snapshot(offered)

    assert resolve(asks, shared, make.NOW, Trace()) == resolve(asks, shared, make.NOW)


@given(packages(), st.lists(facts, min_size=2, max_size=8))
def test_what_was_asked_before_never_changes_an_answer(
    offered: list[Package], asked: list[DeviceFacts]
) -> None:
    shared = snapshot(offered)

    for asks in [*asked, *reversed(asked)]:
        assert resolve(asks, shared, make.NOW) == resolve(asks, snapshot(offered), make.NOW)
