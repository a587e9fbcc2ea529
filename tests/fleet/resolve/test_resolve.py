"""Which package a device gets."""

from typing import Any

import msgspec
import pytest

from polyfleet.fleet.objects.group import DeviceGroup, LabelSelector
from polyfleet.fleet.objects.metadata import Condition
from polyfleet.fleet.objects.package import Artifact, Package, PackageStatus
from polyfleet.fleet.resolve.catalogue import Catalogue
from polyfleet.fleet.resolve.decision import Decision
from polyfleet.fleet.resolve.facts import DeviceFacts, facts_of, reported_facts
from polyfleet.fleet.resolve.resolver import resolve
from polyfleet.fleet.resolve.trace import Trace
from tests.fleet import make

VERSION = "rdfm.software.version"


def catalogue(
    *packages: Package, groups: tuple[DeviceGroup, ...] = (), **applications: bool
) -> Catalogue:
    present = [make.application(), *(make.application(name) for name in applications)]
    return Catalogue.build(present, groups, packages, ())


def facts(*groups: DeviceGroup, version: str | None = "v0", **fields: Any) -> DeviceFacts:
    fields.setdefault("device_type", "foo")
    fields.setdefault("application", "default")
    return DeviceFacts(device_id="d1", groups=groups, version=version, **fields)


def offered(decision: Decision) -> str | None:
    return decision.package.metadata.name if decision.package is not None else None


def wanting(version: str, *packages: str, **fields: Any) -> DeviceGroup:
    return make.group(policy=f"exact_match,{version}", packages=packages, **fields)


def test_a_device_gets_the_package_of_the_version_that_its_group_wants() -> None:
    group = wanting("v1", "p1", "p2")
    snapshot = catalogue(make.package("p1", "v1"), make.package("p2", "v2"))

    decision = resolve(facts(group), snapshot, make.NOW)

    assert offered(decision) == "p1"
    assert decision.reason == "PolicyVersion"
    assert (decision.group, decision.target_version) == ("canary", "v1")


def test_a_device_on_the_target_version_gets_nothing() -> None:
    group = wanting("v1", "p1")

    decision = resolve(facts(group, version="v1"), catalogue(make.package("p1", "v1")), make.NOW)

    assert decision.package is None
    assert decision.reason == "UpToDate"


def test_a_device_goes_step_by_step_where_packages_require_a_version() -> None:
    group = wanting("v2", "p1", "p2")
    snapshot = catalogue(
        make.package("p1", "v1", requires={VERSION: "v0"}),
        make.package("p2", "v2", requires={VERSION: "v1"}),
    )

    assert offered(resolve(facts(group), snapshot, make.NOW)) == "p1"
    assert offered(resolve(facts(group, version="v1"), snapshot, make.NOW)) == "p2"


def test_the_shortest_way_wins_over_a_longer_one() -> None:
    group = wanting("v2", "p1", "p2", "p3")
    snapshot = catalogue(
        make.package("p1", "v1", requires={VERSION: "v0"}, serial=1),
        make.package("p2", "v2", requires={VERSION: "v1"}, serial=2),
        make.package("p3", "v2", requires={VERSION: "v0"}, serial=3),
    )

    assert offered(resolve(facts(group), snapshot, make.NOW)) == "p3"


def test_of_two_equally_short_ways_the_one_with_the_lower_serial_wins() -> None:
    group = wanting("v1", "a", "b")
    snapshot = catalogue(make.package("a", "v1", serial=9), make.package("b", "v1", serial=10))

    assert offered(resolve(facts(group), snapshot, make.NOW)) == "a"


def test_a_downgrade_is_an_update_like_any_other() -> None:
    group = wanting("v1", "p1")

    decision = resolve(facts(group, version="v9"), catalogue(make.package("p1", "v1")), make.NOW)

    assert offered(decision) == "p1"


def test_a_later_step_never_leads_through_a_package_for_another_device_type() -> None:
    group = wanting("v1", "other0", "other1", "p1")
    snapshot = catalogue(
        make.package("p1", "v1", requires={VERSION: "vX"}),
        make.package("other0", "v0", device_type="bar"),
        make.package("other1", "v1", device_type="bar", requires={VERSION: "v0"}),
    )

    decision = resolve(facts(group), snapshot, make.NOW)

    assert decision.package is None
    assert decision.reason == "Unreachable"


def test_a_package_of_the_running_version_does_not_vouch_for_the_device() -> None:
    group = wanting("v1", "base", "delta")
    snapshot = catalogue(
        make.package("base", "v0", metadata={"rootfs": "A"}),
        make.package("delta", "v1", requires={"rootfs": "A"}),
    )

    decision = resolve(facts(group, metadata={"rootfs": "B"}), snapshot, make.NOW)

    assert decision.package is None
    assert decision.reason == "Unreachable"


def test_a_later_step_may_require_what_the_package_before_it_says_of_itself() -> None:
    group = wanting("v2", "p1", "p2")
    snapshot = catalogue(
        make.package("p1", "v1", metadata={"layout": 2}),
        make.package("p2", "v2", requires={"layout": "2"}),
    )

    assert offered(resolve(facts(group), snapshot, make.NOW)) == "p1"


def test_a_package_without_a_device_type_suits_every_device() -> None:
    group = wanting("v1", "p1")
    snapshot = catalogue(make.package("p1", "v1", device_type=None))

    assert offered(resolve(facts(group, device_type=None), snapshot, make.NOW)) == "p1"


def test_a_device_of_unknown_type_gets_no_package_for_a_type() -> None:
    group = wanting("v1", "p1")
    snapshot = catalogue(make.package("p1", "v1"))

    decision = resolve(facts(group, device_type=None), snapshot, make.NOW)

    assert decision.reason == "WrongDeviceType"


@pytest.mark.parametrize(
    "unusable",
    [
        make.package("p1", "v1", artifact=None),
        make.package("p1", "v1", deletion_timestamp="2026-01-01T00:00:00Z"),
        make.package("p1", "v1", application="other"),
        make.package("p1", "v1", application="gone"),
    ],
    ids=["no artifact", "being deleted", "of another application", "application gone"],
)
def test_an_unusable_package_is_never_offered(unusable: Package) -> None:
    snapshot = catalogue(unusable, other=True)

    decision = resolve(facts(wanting("v1", "p1")), snapshot, make.NOW)

    assert decision.package is None
    assert decision.reason == "TargetMissing"


def test_only_the_active_group_is_asked() -> None:
    active = make.group("first", priority=1)
    other = wanting("v1", "p1", name="second", priority=2)

    decision = resolve(facts(active, other), catalogue(make.package("p1", "v1")), make.NOW)

    assert decision.reason == "NoUpdatePolicy"
    assert decision.group == "first"


def test_a_group_of_another_application_has_no_say() -> None:
    foreign = wanting("v1", "p1", application="other")
    snapshot = catalogue(make.package("p1", "v1", application="other"), other=True)

    assert resolve(facts(foreign), snapshot, make.NOW).reason == "NoGroup"


def test_a_device_in_no_group_gets_nothing() -> None:
    assert resolve(facts(), catalogue(), make.NOW).reason == "NoGroup"


def test_an_unreadable_policy_gives_nothing() -> None:
    group = make.group(policy="latest,v1")

    assert resolve(facts(group), catalogue(), make.NOW).reason == "InvalidPolicy"


def test_a_disabled_device_gets_not_even_its_pin() -> None:
    decision = resolve(
        facts(pin="p1", disabled=True), catalogue(make.package("p1", "v1")), make.NOW
    )

    assert decision.reason == "Disabled"


def test_a_pin_beats_hold_and_policy() -> None:
    group = wanting("v2", "p2", hold=True)
    snapshot = catalogue(make.package("p1", "v1"), make.package("p2", "v2"))

    decision = resolve(facts(group, pin="p1", hold=True), snapshot, make.NOW)

    assert offered(decision) == "p1"
    assert decision.reason == "Pinned"


def test_a_device_that_runs_its_pin_gets_nothing_else() -> None:
    group = wanting("v2", "p2")
    snapshot = catalogue(make.package("p1", "v1"), make.package("p2", "v2"))

    decision = resolve(facts(group, pin="p1", version="v1"), snapshot, make.NOW)

    assert decision.package is None
    assert decision.reason == "UpToDate"


@pytest.mark.parametrize(
    ("pinned", "reason"),
    [
        (make.package("p1", "v1", device_type="bar"), "PinUnsuitable"),
        (make.package("p1", "v1", requires={VERSION: "v7"}), "PinUnsuitable"),
        (make.package("p1", "v1", application="other"), "PinMissing"),
        (make.package("p1", "v1", artifact=None), "PinMissing"),
        (make.package("else", "v1"), "PinMissing"),
    ],
    ids=["another type", "requirement unmet", "another application", "no artifact", "absent"],
)
def test_a_pin_that_does_not_suit_gives_nothing_and_says_why(pinned: Package, reason: str) -> None:
    trace = Trace()

    decision = resolve(facts(pin="p1"), catalogue(pinned, other=True), make.NOW, trace)

    assert decision.package is None
    assert decision.reason == reason
    assert [(step.check, step.verdict) for step in trace] == [("pin", "failed")]


def test_hold_on_the_device_keeps_everything_back() -> None:
    snapshot = catalogue(make.package("p1", "v1"))

    assert resolve(facts(wanting("v1", "p1"), hold=True), snapshot, make.NOW).reason == "Held"


def test_hold_on_the_active_group_keeps_everything_back() -> None:
    snapshot = catalogue(make.package("p1", "v1"))

    decision = resolve(facts(wanting("v1", "p1", hold=True)), snapshot, make.NOW)

    assert (decision.reason, decision.group) == ("Held", "canary")


def test_hold_on_another_group_of_the_device_does_not_matter() -> None:
    active = wanting("v1", "p1", priority=1)
    held = make.group("held", priority=2, hold=True)

    decision = resolve(facts(active, held), catalogue(make.package("p1", "v1")), make.NOW)

    assert offered(decision) == "p1"


def test_nothing_is_offered_while_the_application_is_being_deleted() -> None:
    going = make.application(deletion_timestamp="2026-01-01T00:00:00Z")
    snapshot = Catalogue.build([going], (), [make.package("p1", "v1")], ())

    decision = resolve(facts(pin="p1"), snapshot, make.NOW)

    assert (decision.package, decision.reason) == (None, "ApplicationMissing")


def test_the_trace_names_the_group_that_won_and_the_one_that_lost() -> None:
    trace = Trace()
    active, other = make.group("first", priority=1), make.group("second", priority=2)

    resolve(facts(active, other), catalogue(), make.NOW, trace)

    verdicts = [(s.facts["group"], s.verdict) for s in trace if s.check == "group"]
    assert verdicts == [("first", "chosen"), ("second", "lost")]


def test_the_trace_says_what_was_expected_and_what_was_found() -> None:
    trace = Trace()
    snapshot = catalogue(make.package("p1", "v1", requires={"rootfs": "A"}))

    resolve(facts(wanting("v1", "p1"), metadata={"rootfs": "B"}), snapshot, make.NOW, trace)

    (step,) = [step for step in trace if step.check == "package"]
    assert step.verdict == "failed"
    assert step.facts["missing"] == [{"name": "rootfs", "expected": "A", "actual": "B"}]
    assert step.message == "p1 (v1): rootfs must be 'A', is 'B'"


def test_the_trace_names_what_is_nearest_to_an_unreachable_version() -> None:
    trace = Trace()
    snapshot = catalogue(
        make.package("p1", "v1"),
        make.package("p3", "v3", requires={VERSION: "v2"}),
    )

    resolve(facts(wanting("v3", "p1", "p3")), snapshot, make.NOW, trace)

    (step,) = [step for step in trace if step.check == "route"]
    assert step.facts["reachable"] == ["p1"]
    assert step.facts["package"] == "p3"
    assert step.facts["missing"][0]["expected"] == "v2"


def test_the_trace_tells_chosen_lost_and_useless_packages_apart() -> None:
    trace = Trace()
    snapshot = catalogue(
        make.package("best", "v1", serial=1),
        make.package("second", "v1", serial=2),
        make.package("useless", "v9", serial=3),
        make.package("alien", "v1", device_type="bar", serial=4),
    )
    group = wanting("v1", "best", "second", "useless", "alien", "gone")

    resolve(facts(group), snapshot, make.NOW, trace)

    verdicts = {s.facts["package"]: s.verdict for s in trace if s.check == "package"}
    assert verdicts == {
        "best": "chosen",
        "second": "lost",
        "useless": "lost",
        "alien": "failed",
        "gone": "failed",
    }
    assert trace.as_dict()["steps"][0]["check"] == "group"


def test_facts_of_a_device_merge_what_is_known_about_it() -> None:
    device = make.device(
        enrolled=[make.attribute("device_type", "foo"), make.attribute(VERSION, "v0")],
        declared=[make.attribute("site", "north")],
        reported=[make.attribute("site", "south"), make.attribute(VERSION, "v1")],
        pin="p1",
    )

    found = facts_of(device, ())

    assert (found.device_type, found.version, found.pin) == ("foo", "v1", "p1")
    assert found.metadata["site"] == "south"


def test_the_version_in_the_status_counts_before_the_attributes() -> None:
    device = make.device(reported=[make.attribute(VERSION, "v1")], version="v2")

    assert facts_of(device, ()).version == "v2"


def test_sent_metadata_alone_speaks_for_a_device_that_sends_some() -> None:
    device = make.device(reported=[make.attribute("a", "b")], version="v1")
    sent = {VERSION: "v5", "rdfm.hardware.devtype": "foo"}

    found = reported_facts(device, (), sent)

    assert (found.version, found.device_type, found.value("a")) == ("v5", "foo", None)


def test_the_catalogue_knows_the_groups_of_a_device_by_label_and_by_selector() -> None:
    labelled = make.group("labelled", priority=2)
    selecting = make.group("selecting", priority=1, selector=LabelSelector())
    foreign = make.group("foreign", application="other", selector=LabelSelector())
    snapshot = catalogue(groups=(labelled, selecting, foreign), other=True)

    found = snapshot.groups_of(make.device(groups=(labelled,)))

    assert [group.metadata.name for group in found] == ["selecting", "labelled"]


def file_at(path: str) -> Artifact:
    return Artifact(driver="local", path=path, sha256="0" * 64, size=1)


@pytest.mark.parametrize("pinned", [True, False])
def test_nobody_gets_a_package_that_names_the_file_of_an_older_one(pinned: bool) -> None:
    owner = make.package(
        "z", "v1", artifact=file_at("a"), creation_timestamp="2026-01-01T00:00:00Z"
    )
    thief = make.package(
        "b", "v1", artifact=file_at("a"), creation_timestamp="2026-01-02T00:00:00Z"
    )
    chosen = {"pin": "b"} if pinned else {}
    trace = Trace()

    decision = resolve(
        facts(wanting("v1", "b"), **chosen), catalogue(owner, thief), make.NOW, trace
    )

    assert decision.package is None
    assert any("names the file of an older package" in step.message for step in trace)
    assert offered(resolve(facts(wanting("v1", "z")), catalogue(owner, thief), make.NOW)) == "z"


def test_nobody_gets_a_package_whose_file_is_lost() -> None:
    lost = Condition(type="Stored", status="False", reason="ArtifactMissing")
    package = make.package("p1", "v1")
    without = msgspec.structs.replace(package, status=PackageStatus(conditions=(lost,)))

    assert offered(resolve(facts(wanting("v1", "p1")), catalogue(package), make.NOW)) == "p1"
    assert resolve(facts(wanting("v1", "p1")), catalogue(without), make.NOW).package is None
