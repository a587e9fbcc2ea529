"""What devices are offered without a group's policy."""

from typing import Any

import msgspec
import pytest

from polyfleet.fleet.objects.group import DeviceGroup
from polyfleet.fleet.objects.metadata import Condition
from polyfleet.fleet.objects.package import Offer, OfferFilter, Package, PackageStatus
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import DeviceFacts, facts_of
from polyfleet.fleet.resolve.resolver import resolve
from polyfleet.fleet.resolve.trace import Trace
from tests.fleet import make

SOON = "2026-03-01T12:00:01Z"
JUST_NOW = "2026-03-01T12:00:00Z"
LAST_YEAR = "2025-03-01T12:00:00+01:00"


def catalogue(*packages: Package, groups: tuple[DeviceGroup, ...] = ()) -> Catalogue:
    present = [make.application(), make.application("other")]
    return Catalogue.build(present, groups, packages, ())


def facts(*groups: DeviceGroup, version: str | None = "1.0.0", **fields: Any) -> DeviceFacts:
    fields.setdefault("device_type", "foo")
    return DeviceFacts(
        application="default", device_id="d1", groups=groups, version=version, **fields
    )


def general(name: str, version: str, **fields: Any) -> Package:
    return make.package(name, version, offer=make.GENERAL, **fields)


def targeted(name: str, version: str, *groups: str, **fields: Any) -> Package:
    since = fields.pop("since", None)
    return make.package(name, version, offer=make.targeted(*groups, since=since), **fields)


def offered(decision: Decision) -> str | None:
    return decision.package.metadata.name if decision.package is not None else None


def told(trace: Trace) -> dict[str, tuple[str, str]]:
    return {s.facts["package"]: (s.verdict, s.message) for s in trace if s.check == "offer"}


def test_a_general_offer_reaches_every_device() -> None:
    snapshot = catalogue(general("p2", "2.0.0"))

    decision = resolve(facts(), snapshot, make.NOW)

    assert (offered(decision), decision.reason) == ("p2", "Offered")
    assert decision.target_version == "2.0.0"
    assert offered(resolve(facts(make.group()), snapshot, make.NOW)) == "p2"


@pytest.mark.parametrize("offer", [None, Offer(), Offer(strategy="suspended")])
def test_what_is_not_offered_reaches_nobody(offer: Offer | None) -> None:
    snapshot = catalogue(make.package("p2", "2.0.0", offer=offer))

    assert resolve(facts(), snapshot, make.NOW).reason == "NoGroup"


def test_a_targeted_offer_reaches_the_members_of_its_groups_and_nobody_else() -> None:
    inside, outside = make.group("inside"), make.group("outside")
    snapshot = catalogue(targeted("p2", "2.0.0", "inside"), groups=(inside, outside))

    assert offered(resolve(facts(inside), snapshot, make.NOW)) == "p2"
    assert offered(resolve(facts(outside, inside), snapshot, make.NOW)) == "p2"
    assert resolve(facts(outside), snapshot, make.NOW).reason == "NoOffer"
    assert resolve(facts(), snapshot, make.NOW).reason == "NoOffer"


def test_a_filter_calls_a_group_by_its_object_its_name_or_its_uid() -> None:
    group = make.group("default.inside", uid="5b0e")
    group = msgspec.structs.replace(group, spec=msgspec.structs.replace(group.spec, name="Inside"))

    for called in ("default.inside", "Inside", "5b0e"):
        snapshot = catalogue(targeted("p2", "2.0.0", called), groups=(group,))
        assert offered(resolve(facts(group), snapshot, make.NOW)) == "p2"


def test_of_two_groups_with_one_name_the_object_of_that_name_is_meant() -> None:
    meant, other = make.group("canary"), make.group("canary-x0")
    other = msgspec.structs.replace(other, spec=msgspec.structs.replace(other.spec, name="canary"))
    snapshot = catalogue(targeted("p2", "2.0.0", "canary"), groups=(other, meant))

    assert offered(resolve(facts(meant), snapshot, make.NOW)) == "p2"
    assert offered(resolve(facts(other), snapshot, make.NOW)) is None


def test_groups_that_do_not_exist_or_are_of_another_application_reach_nobody() -> None:
    foreign = make.group("foreign", application="other")
    snapshot = catalogue(
        targeted("p2", "2.0.0", "gone", "foreign"), targeted("p3", "3.0.0"), groups=(foreign,)
    )
    trace = Trace()

    decision = resolve(facts(foreign), snapshot, make.NOW, trace)

    assert (decision.package, decision.reason) == (None, "NoOffer")
    assert told(trace)["p2"][1].endswith("at groups that do not exist: 'gone', 'foreign'")
    assert told(trace)["p3"][1].endswith("has no filters")


def test_a_date_to_come_is_not_yet() -> None:
    group = make.group()
    snapshot = catalogue(targeted("p2", "2.0.0", "canary", since=SOON), groups=(group,))
    trace = Trace()

    decision = resolve(facts(group), snapshot, make.NOW, trace)

    assert (decision.package, decision.reason) == (None, "Waiting")
    assert told(trace)["p2"][1].endswith("not before 2026-03-01T12:00:01.000000Z")
    for since in (JUST_NOW, LAST_YEAR):
        snapshot = catalogue(targeted("p2", "2.0.0", "canary", since=since), groups=(group,))
        assert offered(resolve(facts(group), snapshot, make.NOW)) == "p2"


def test_until_the_date_comes_the_next_best_is_offered() -> None:
    group = make.group()
    snapshot = catalogue(
        targeted("p3", "3.0.0", "canary", since=SOON), general("p2", "2.0.0"), groups=(group,)
    )

    assert offered(resolve(facts(group), snapshot, make.NOW)) == "p2"


def test_the_earliest_date_of_a_devices_groups_counts() -> None:
    early, late = make.group("early"), make.group("late")
    offer = Offer(
        strategy="targeted",
        filters=(
            OfferFilter(group="late", from_=SOON),
            OfferFilter(group="early", from_=LAST_YEAR),
        ),
    )
    snapshot = catalogue(make.package("p2", "2.0.0", offer=offer), groups=(early, late))

    assert offered(resolve(facts(late), snapshot, make.NOW)) is None
    assert offered(resolve(facts(late, early), snapshot, make.NOW)) == "p2"


def test_a_date_that_no_calendar_has_never_comes() -> None:
    group = make.group()
    impossible = targeted("p2", "2.0.0", "canary", since="2026-02-31T00:00:00Z")

    assert offered(resolve(facts(group), catalogue(impossible, groups=(group,)), make.NOW)) is None


def test_the_highest_precedence_wins_then_the_newest() -> None:
    old = {"created_at": "2026-01-01T00:00:00.000000Z"}
    new = {"creation_timestamp": "2026-01-01T00:00:01Z"}

    assert offered(
        resolve(facts(), catalogue(general("a", "1.10.0"), general("b", "1.9.0")), make.NOW)
    ) == ("a")
    for packages in (
        (general("a", "2.0.0+a", **new), general("b", "2.0.0+b", **old)),
        (general("a", "2.0.0+a", serial=10), general("b", "2.0.0+b", serial=9)),
    ):
        assert offered(resolve(facts(), catalogue(*packages), make.NOW)) == "a"
        assert offered(resolve(facts(), catalogue(*reversed(packages)), make.NOW)) == "a"


@pytest.mark.parametrize("running", ["2.0.0", "2.0.0+other", "2.0.1", "v10", "2.1.0-rc.1"])
def test_never_a_downgrade(running: str) -> None:
    decision = resolve(facts(version=running), catalogue(general("p2", "2.0.0")), make.NOW)

    assert decision.package is None
    assert decision.reason == ("UpToDate" if running == "2.0.0" else "NoOffer")


@pytest.mark.parametrize("running", [None, "blue", "1.2.3.4"])
def test_a_version_that_nobody_can_read_counts_as_unknown(running: str | None) -> None:
    snapshot = catalogue(general("p1", "0.0.1"))

    assert offered(resolve(facts(version=running), snapshot, make.NOW)) == "p1"


@pytest.mark.parametrize(
    ("upgradable_from", "running", "gets"),
    [
        (None, "1.0.0", True),
        (None, None, True),
        ((), None, True),
        ((), "blue", True),
        ((), "1.0.0", False),
        (("1.0.0",), "1.0.0", True),
        (("1.0.0",), "1.0.0+build", False),
        (("1.0.0",), None, False),
        (("1.0.0",), "blue", False),
        (("blue",), "blue", True),
    ],
)
def test_only_versions_that_may_be_upgraded_are(
    upgradable_from: tuple[str, ...] | None, running: str | None, gets: bool
) -> None:
    snapshot = catalogue(general("p2", "2.0.0", upgradable_from=upgradable_from))

    decision = resolve(facts(version=running), snapshot, make.NOW)

    assert (decision.package is not None) == gets


def test_devices_go_hop_by_hop_where_versions_say_what_they_upgrade() -> None:
    snapshot = catalogue(
        general("p3", "1.2.3", upgradable_from=("1.0.1",)),
        general("p2", "1.0.1", upgradable_from=("1.0.0",)),
        general("p1", "1.0.0", upgradable_from=()),
    )

    hops = [
        offered(resolve(facts(version=v), snapshot, make.NOW)) for v in (None, "1.0.0", "1.0.1")
    ]

    assert hops == ["p1", "p2", "p3"]
    assert resolve(facts(version="1.2.3"), snapshot, make.NOW).reason == "UpToDate"


def test_type_and_requirements_are_checked_as_for_policies() -> None:
    snapshot = catalogue(
        general("alien", "9.0.0", device_type="bar"),
        general("needy", "8.0.0", requires={"rootfs": "A", "rdfm.software.version": "1.0.0"}),
        general("p2", "2.0.0"),
    )
    trace = Trace()

    assert offered(resolve(facts(metadata={"rootfs": "A"}), snapshot, make.NOW)) == "needy"
    assert offered(resolve(facts(metadata={"rootfs": "B"}), snapshot, make.NOW, trace)) == "p2"
    assert told(trace)["alien"] == (
        "failed",
        "alien (9.0.0): for device type 'bar', the device's is 'foo'",
    )
    assert told(trace)["needy"][1] == "needy (8.0.0): rootfs must be 'A', is 'B'"


def test_offers_of_another_application_are_not_seen() -> None:
    snapshot = catalogue(general("p2", "2.0.0", application="other"))

    assert resolve(facts(), snapshot, make.NOW).reason == "NoGroup"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"disabled": True}, "Disabled"), ({"hold": True}, "Held"), ({"pin": "p1"}, "Pinned")],
)
def test_disabled_held_and_pinned_devices_do_not_get_offers(
    fields: dict[str, Any], reason: str
) -> None:
    snapshot = catalogue(general("p2", "2.0.0"), make.package("p1", "0.1.0"))

    decision = resolve(facts(**fields), snapshot, make.NOW)

    assert decision.reason == reason
    assert offered(decision) != "p2"


def test_a_policy_that_names_a_version_comes_first_and_the_trace_names_the_loser() -> None:
    group = make.group(policy="exact_match,1.5.0", packages=("p1",))
    snapshot = catalogue(general("p2", "2.0.0"), make.package("p1", "1.5.0"), groups=(group,))
    trace = Trace()

    decision = resolve(facts(group), snapshot, make.NOW, trace)

    assert (offered(decision), decision.reason) == ("p1", "PolicyVersion")
    assert told(trace)["p2"] == (
        "lost",
        "p2 (2.0.0): comes after what decided (PolicyVersion)",
    )
    assert resolve(facts(group, version="1.5.0"), snapshot, make.NOW).reason == "UpToDate"


def test_the_trace_tells_the_winner_from_those_who_come_after_it() -> None:
    trace = Trace()

    resolve(facts(), catalogue(general("p2", "2.0.0"), general("p3", "3.0.0")), make.NOW, trace)

    assert {name: verdict for name, (verdict, _) in told(trace).items()} == {
        "p3": "chosen",
        "p2": "lost",
    }


SPECIFICATION = '{"url": "https://example.org/2"}'


@pytest.mark.parametrize(
    ("takes", "gets"),
    [("artifact", "file"), ("specification", "text"), ("anything", "text")],
)
def test_a_device_is_offered_only_what_it_can_take(takes: Any, gets: str) -> None:
    snapshot = catalogue(
        general("nothing", "4.0.0", artifact=None),
        general("text", "3.0.0", artifact=None, specification=SPECIFICATION),
        general("file", "2.0.0"),
    )
    trace = Trace()

    decision = resolve(facts(takes=takes), snapshot, make.NOW, trace)

    assert offered(decision) == gets
    if takes == "artifact":
        assert told(trace)["text"][1] == "text (3.0.0): has no artifact"


def test_policies_and_pins_give_specifications_to_who_takes_them() -> None:
    group = make.group(policy="exact_match,3.0.0", packages=("text",))
    text = make.package("text", "3.0.0", artifact=None, specification=SPECIFICATION)
    snapshot = catalogue(text, groups=(group,))

    assert offered(resolve(facts(group), snapshot, make.NOW)) is None
    assert offered(resolve(facts(group, takes="specification"), snapshot, make.NOW)) == "text"
    assert resolve(facts(pin="text"), snapshot, make.NOW).reason == "PinMissing"
    assert offered(resolve(facts(pin="text", takes="anything"), snapshot, make.NOW)) == "text"


def test_a_lost_file_is_offered_to_nobody() -> None:
    lost = Condition(type="Stored", status="False", reason="ArtifactMissing")
    package = general("p2", "2.0.0", specification=SPECIFICATION)
    package = msgspec.structs.replace(package, status=PackageStatus(conditions=(lost,)))

    decision = resolve(facts(takes="specification"), catalogue(package), make.NOW)

    assert decision.package is None


def test_devices_with_a_key_ask_for_files() -> None:
    assert facts_of(make.device(public_keys=("key",)), ()).takes == "artifact"
    assert facts_of(make.device(), ()).takes == "anything"
    assert facts_of(make.device(public_keys=("key",)), (), "specification").takes == "specification"
