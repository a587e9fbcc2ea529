"""What must hold for every fleet, checked against an independent brute force."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet.objects.package import Package
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import DeviceFacts
from polyfleet.fleet.resolve.resolver import resolve
from polyfleet.fleet.resolve.trace import Trace
from tests.fleet import make

VERSION = "rdfm.software.version"
TYPE = "rdfm.hardware.devtype"

versions = st.sampled_from(["v0", "v1", "v2", "v3"])
types = st.sampled_from(["foo", "bar", None])
keys = st.sampled_from(["layout", "rootfs"])
values = st.sampled_from(["A", "B"])
metadata = st.dictionaries(keys, values, max_size=2)
requirements = st.one_of(
    st.just({}),
    versions.map(lambda version: {VERSION: version}),
    metadata,
    st.builds(lambda v, m: {VERSION: v, **m}, versions, metadata),
    types.filter(bool).map(lambda t: {TYPE: t}),
)


@st.composite
def packages(draw: st.DrawFn) -> list[Package]:
    count = draw(st.integers(0, 6))
    serials = draw(st.permutations(range(1, count + 1)))
    return [
        make.package(
            f"p{index}",
            draw(versions),
            application=draw(st.sampled_from(["default", "default", "default", "other"])),
            device_type=draw(types),
            requires=draw(requirements),
            metadata=draw(metadata),
            artifact=draw(st.sampled_from([make.ARTIFACT] * 5 + [None])),
            serial=serials[index],
        )
        for index in range(count)
    ]


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[Package], DeviceFacts]:
    offered = draw(packages())
    assigned = tuple(item.metadata.name for item in offered if draw(st.integers(0, 9)))
    group = make.group(policy=f"exact_match,{draw(versions)}", packages=assigned)
    facts = DeviceFacts(
        application="default",
        device_id="d1",
        groups=(group,),
        device_type=draw(types),
        version=draw(st.one_of(versions, st.none())),
        metadata=draw(metadata),
    )
    return offered, facts


def snapshot(offered: list[Package]) -> Catalogue:
    present = [make.application(), make.application("other")]
    return Catalogue.build(present, (), offered, ())


def decide(offered: list[Package], facts: DeviceFacts) -> Decision:
    return resolve(facts, snapshot(offered), make.NOW)


def device_state(facts: DeviceFacts) -> dict[str, Any]:
    return {**facts.metadata, VERSION: facts.version, TYPE: facts.device_type}


def allowed(package: Package, state: dict[str, Any], facts: DeviceFacts) -> bool:
    spec = package.spec
    return (
        spec.application == facts.application
        and spec.artifact is not None
        and package.metadata.name in facts.groups[0].spec.packages
        and spec.device_type in {None, facts.device_type}
        and spec.version != state[VERSION]
        and all(state.get(need.name) == need.value for need in spec.requires)
    )


def brute_force(offered: list[Package], facts: DeviceFacts) -> str | None:
    """Walk every walk that visits no package twice, shortest first; the first to arrive wins."""
    target = facts.groups[0].spec.policy.partition(",")[2]
    if facts.version == target:
        return None
    walks: list[tuple[tuple[Package, ...], dict[str, Any]]] = [((), device_state(facts))]
    while walks:
        walks = [
            ((*walk, package), state_after(package, facts))
            for walk, state in walks
            for package in offered
            if package not in walk and allowed(package, state, facts)
        ]
        arrived = [walk[0] for walk, state in walks if state[VERSION] == target]
        if arrived:
            return min(arrived, key=lambda package: package.metadata.serial or 0).metadata.name
    return None


def state_after(package: Package, facts: DeviceFacts) -> dict[str, Any]:
    return {
        **json.loads(package.spec.metadata),
        VERSION: package.spec.version,
        TYPE: package.spec.device_type or facts.device_type,
    }


def name(decision: Decision) -> str | None:
    return decision.package.metadata.name if decision.package is not None else None


@given(fleets())
def test_the_offer_is_the_first_hop_of_a_shortest_way(
    fleet: tuple[list[Package], DeviceFacts],
) -> None:
    offered, facts = fleet

    assert name(decide(offered, facts)) == brute_force(offered, facts)


@given(fleets())
def test_whatever_is_offered_may_be_installed_on_the_device(
    fleet: tuple[list[Package], DeviceFacts],
) -> None:
    offered, facts = fleet

    package = decide(offered, facts).package

    assert package is None or allowed(package, device_state(facts), facts)


@given(fleets(), st.sampled_from(["p0", "p1", "p2", None]), st.booleans())
def test_a_trace_does_not_change_the_answer(
    fleet: tuple[list[Package], DeviceFacts], pin: str | None, hold: bool
) -> None:
    offered, facts = fleet
    facts = DeviceFacts(
        **{f: getattr(facts, f) for f in facts.__struct_fields__} | {"pin": pin, "hold": hold}
    )
    trace = Trace()

    traced = resolve(facts, snapshot(offered), make.NOW, trace)

    assert traced == resolve(facts, snapshot(offered), make.NOW)
    assert len(trace) > 0


@given(fleets(), st.randoms(use_true_random=False))
def test_the_order_of_the_catalogue_does_not_matter(
    fleet: tuple[list[Package], DeviceFacts], shuffling: random.Random
) -> None:
    offered, facts = fleet
    shuffled = list(offered)
    shuffling.shuffle(shuffled)

    assert decide(shuffled, facts) == decide(offered, facts)


@given(packages(), st.lists(fleets(), min_size=2, max_size=12))
def test_what_was_asked_before_never_changes_an_answer(
    offered: list[Package], asked: list[tuple[list[Package], DeviceFacts]]
) -> None:
    shared = snapshot(offered)

    for _, facts in [*asked, *reversed(asked)]:
        assert resolve(facts, shared, make.NOW) == decide(offered, facts)
