"""What the operator tells people in conditions, counts and events."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.operator.conftest import eventually


def observed(item: dict[str, Any]) -> bool:
    """Say whether the status is of the spec as it is now."""
    return bool(status(item)["observedGeneration"] == item["metadata"]["generation"])


def status(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = item.get("status", {})
    return found


def test_the_default_application_is_made_at_start(fleet: Any) -> None:
    fleet.comes_to("Application", "default", lambda item: "devices" in status(item))


def test_an_application_counts_what_belongs_to_it(fleet: Any, unique: str) -> None:
    fleet.create("Application", unique)
    for kind in ("Device", "DeviceGroup", "Package"):
        fleet.create(kind, f"{unique}.{kind.lower()}", application=unique)
    fleet.comes_to(
        "Application",
        unique,
        lambda item: [status(item).get(n) for n in ("devices", "groups", "packages")] == [1, 1, 1],
    )
    fleet.delete("Device", f"{unique}.device")
    fleet.comes_to("Application", unique, lambda item: status(item)["devices"] == 0)


def test_a_member_named_without_a_uid_is_bound_to_the_first_user_of_that_name(
    fleet: Any, unique: str
) -> None:
    fleet.create("Application", unique, members=[{"user": unique, "role": "reader"}])
    user = fleet.create("User", unique)
    bound = [{"user": unique, "uid": user["metadata"]["uid"]}]
    fleet.comes_to("Application", unique, lambda item: status(item).get("members") == bound)
    fleet.delete("User", unique)
    fleet.create("User", unique)
    fleet.condition("User", unique, "Ready", "True", "Reconciled")
    fleet.patch("Application", unique, spec={"owner": {"user": unique}})
    item = fleet.comes_to(
        "Application", unique, lambda item: status(item)["observedGeneration"] == 2
    )
    assert status(item)["members"] == bound


def test_two_users_of_one_name_are_told_apart_by_age(fleet: Any, unique: str) -> None:
    fleet.create("User", f"{unique}a", name=unique, createdAt="2020-01-01T00:00:00.000000Z")
    fleet.create("User", f"{unique}b", name=unique, createdAt="2021-01-01T00:00:00.000000Z")
    fleet.condition("User", f"{unique}b", "Ready", "False", "DuplicateName")
    fleet.condition("User", f"{unique}a", "Ready", "True", "Reconciled")


def test_two_groups_of_one_name_are_told_apart_by_age(fleet: Any, unique: str) -> None:
    fleet.create("DeviceGroup", f"{unique}a", name=unique, createdAt="2020-01-01T00:00:00.000000Z")
    fleet.create("DeviceGroup", f"{unique}b", name=unique, createdAt="2021-01-01T00:00:00.000000Z")
    message = fleet.condition("DeviceGroup", f"{unique}b", "Ready", "False", "DuplicateName")
    assert f"{unique}a" in message
    fleet.delete("DeviceGroup", f"{unique}a")
    fleet.condition("DeviceGroup", f"{unique}b", "Ready", "True", "Reconciled")


def test_a_group_says_what_it_lacks_to_reach_its_target(fleet: Any, unique: str) -> None:
    fleet.create("DeviceGroup", unique, policy="exact_match,2.0", packages=[f"{unique}p"])
    message = fleet.condition("DeviceGroup", unique, "Ready", "False", "PackageMissing")
    assert f"{unique}p" in message
    fleet.create("Package", f"{unique}p", version="1.0")
    message = fleet.condition("DeviceGroup", unique, "Ready", "False", "TargetMissing")
    assert "2.0" in message
    fleet.patch("DeviceGroup", unique, spec={"policy": "exact_match,1.0"})
    fleet.condition("DeviceGroup", unique, "Ready", "True", "Reconciled")


def test_what_belongs_to_no_application_says_so(fleet: Any, unique: str) -> None:
    fleet.create("DeviceGroup", unique, application=unique)
    fleet.create("Package", unique, application=unique)
    fleet.create("Rollout", unique, application=unique)
    for kind in ("DeviceGroup", "Package", "Rollout"):
        fleet.condition(kind, unique, "Ready", "False", "ApplicationMissing")
    fleet.create("Application", unique)
    fleet.condition("DeviceGroup", unique, "Ready", "True", "Reconciled")
    fleet.condition("Package", unique, "Ready", "False", "ArtifactMissing")
    fleet.condition("Rollout", unique, "Ready", "False", "PackageMissing")


def test_a_rollout_says_what_it_lacks(fleet: Any, unique: str) -> None:
    fleet.create("Rollout", unique, package=unique, targets={"groups": [f"{unique}g"]})
    fleet.condition("Rollout", unique, "Ready", "False", "PackageMissing")
    fleet.create("Package", unique, specification="{}")
    message = fleet.condition("Rollout", unique, "Ready", "False", "GroupMissing")
    assert f"{unique}g" in message
    fleet.create("DeviceGroup", f"{unique}g")
    fleet.condition("Rollout", unique, "Ready", "True", "Reconciled")


def test_members_by_selector_are_counted_as_labels_change(fleet: Any, unique: str) -> None:
    selector = {"matchExpressions": [{"key": "site", "operator": "In", "values": [unique]}]}
    fleet.create("DeviceGroup", unique, selector=selector)
    fleet.create("Device", unique, labels={"site": unique})
    fleet.comes_to("DeviceGroup", unique, lambda item: status(item).get("members") == 1)
    fleet.patch("Device", unique, metadata={"labels": {"site": "elsewhere"}})
    fleet.comes_to("DeviceGroup", unique, lambda item: status(item)["members"] == 0)
    fleet.patch("Device", unique, metadata={"labels": {"site": unique}})
    fleet.comes_to("DeviceGroup", unique, lambda item: status(item)["members"] == 1)
    fleet.delete("Device", unique)
    fleet.comes_to("DeviceGroup", unique, lambda item: status(item)["members"] == 0)


def test_the_date_of_a_selector_moves_with_the_selector_only(fleet: Any, unique: str) -> None:
    selector = {"matchLabels": {"ring": "a"}}
    fleet.create("DeviceGroup", unique, selector=selector)
    first = fleet.comes_to("DeviceGroup", unique, lambda item: status(item)["selector"])
    moment = datetime.fromisoformat(status(first)["selector"]["since"]) + timedelta(seconds=1.1)
    eventually(lambda: datetime.now(UTC) > moment, "another second than that of the selector")
    fleet.patch("DeviceGroup", unique, spec={"priority": 7})
    fleet.comes_to("DeviceGroup", unique, observed)
    assert status(fleet.get("DeviceGroup", unique))["selector"] == status(first)["selector"]
    fleet.patch("DeviceGroup", unique, spec={"selector": {"matchLabels": {"ring": "b"}}})
    second = fleet.comes_to("DeviceGroup", unique, observed)
    assert status(second)["selector"]["digest"] != status(first)["selector"]["digest"]
    fleet.patch("DeviceGroup", unique, spec={"selector": None})
    third = fleet.comes_to("DeviceGroup", unique, observed)
    assert "selector" not in status(third)


def test_a_package_counts_its_groups(fleet: Any, unique: str) -> None:
    fleet.create("Package", unique)
    fleet.condition("Package", unique, "Deletable", "True", "Unused")
    fleet.create("DeviceGroup", unique, packages=[unique])
    message = fleet.condition("Package", unique, "Deletable", "False", "InUse")
    assert message == f"used by groups: {unique}"
    assert status(fleet.get("Package", unique))["assigned"] == 1
    fleet.patch("DeviceGroup", unique, spec={"packages": []})
    fleet.condition("Package", unique, "Deletable", "True", "Unused")


def test_status_that_is_lost_is_rebuilt(fleet: Any, unique: str) -> None:
    fleet.create("DeviceGroup", unique)
    before = fleet.comes_to("DeviceGroup", unique, lambda item: "serial" in status(item))
    fleet.set_status("DeviceGroup", unique, members=None, conditions=None, serial=None)
    after = fleet.comes_to("DeviceGroup", unique, lambda item: "serial" in status(item))
    assert status(after)["serial"] == status(before)["serial"]
    assert status(after)["conditions"][0]["type"] == "Ready"


def test_a_path_belongs_to_the_oldest_package_that_names_it(fleet: Any, unique: str) -> None:
    file = {"driver": "local", "path": str(uuid.uuid4()), "sha256": "0" * 64, "size": 1}
    for name, birth in ((f"{unique}b", 2021), (f"{unique}a", 2022)):
        created = f"{birth}-01-01T00:00:00.000000Z"
        fleet.create("Package", name, artifact=file, createdAt=created)
        fleet.adopted("Package", name)
    message = fleet.condition("Package", f"{unique}a", "Ready", "False", "ArtifactTaken")
    assert f"{unique}b" in message
    fleet.condition("Package", f"{unique}b", "Ready", "True", "Reconciled")
    fleet.delete("Package", f"{unique}b")
    fleet.condition("Package", f"{unique}a", "Ready", "True", "Reconciled")


def test_a_package_whose_file_a_facade_did_not_find_is_not_ready(fleet: Any, unique: str) -> None:
    file = {"driver": "local", "path": str(uuid.uuid4()), "sha256": "0" * 64, "size": 1}
    fleet.create("Package", unique, artifact=file)
    package = fleet.comes_to("Package", unique, lambda item: status(item)["conditions"])
    lost = {
        "type": "Stored",
        "status": "False",
        "reason": "ArtifactMissing",
        "message": "its file is not in the store",
        "lastTransitionTime": "2030-01-01T00:00:00Z",
    }
    fleet.set_status("Package", unique, conditions=[*status(package)["conditions"], lost])
    fleet.condition("Package", unique, "Ready", "False", "ArtifactMissing")


@pytest.mark.parametrize(
    ("spec", "labels", "reason"),
    [
        ({"application": "nosuch"}, {}, "ApplicationMissing"),
        ({"pin": "nosuch"}, {}, "PinMissing"),
        ({}, {"group.polyfleet.dev/canary": "true"}, "GroupMissing"),
        ({"publicKeys": ["hello"]}, {}, "InvalidKey"),
    ],
)
def test_a_device_says_what_cannot_be_meant(
    fleet: Any, unique: str, spec: dict[str, Any], labels: dict[str, str], reason: str
) -> None:
    fleet.create("Device", unique, labels=labels, **spec)
    fleet.condition("Device", unique, "Ready", "False", reason)


def test_a_device_is_cleared_when_what_it_names_comes(fleet: Any, unique: str) -> None:
    key = f"group.polyfleet.dev/{unique}"
    fleet.create("Device", unique, application=unique, pin=unique, labels={key: "true"})
    fleet.condition("Device", unique, "Ready", "False", "ApplicationMissing")
    fleet.create("Application", unique)
    fleet.condition("Device", unique, "Ready", "False", "PinMissing")
    fleet.create("Package", unique, application=unique)
    fleet.condition("Device", unique, "Ready", "False", "GroupMissing")
    fleet.create("DeviceGroup", unique, application=unique)
    fleet.condition("Device", unique, "Ready", "True", "Reconciled")


def test_a_command_is_found_by_its_application_and_tells_of_a_missing_device(
    fleet: Any, unique: str
) -> None:
    fleet.create("Command", unique, device=unique)
    label = "polyfleet.dev/application"
    fleet.comes_to("Command", unique, lambda item: item["metadata"]["labels"][label] == "default")
    note = f"there is no device {unique} in application default"
    fleet.comes_to("Command", unique, lambda _: note in fleet.events("DeviceMissing"))


def test_a_member_who_is_no_user_is_named(fleet: Any, unique: str) -> None:
    fleet.create("Application", unique, members=[{"user": "ghost", "role": "reader"}])
    message = fleet.condition("Application", unique, "Ready", "True", "Reconciled")
    assert message == "there are no users of these names: ghost"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [({"specification": "{"}, "InvalidSpecification"), ({"metadata": "{nope"}, "InvalidMetadata")],
)
def test_a_package_whose_json_is_none_is_not_ready(
    fleet: Any, unique: str, spec: dict[str, str], reason: str
) -> None:
    artifact = {"driver": "url", "url": "https://x.example", "sha256": "0" * 64, "size": 1}
    fleet.create("Package", unique, artifact=artifact, **spec)
    fleet.condition("Package", unique, "Ready", "False", reason)


def test_a_package_with_a_specification_needs_no_file(fleet: Any, unique: str) -> None:
    fleet.create("Package", unique, specification='{"link": "ftp://x"}', metadata='"Ubuntu 17.10"')
    fleet.condition("Package", unique, "Ready", "True", "Reconciled")


def test_a_sweep_does_not_warn_of_packages_in_use(fleet: Any, unique: str) -> None:
    fleet.create("Application", unique)
    fleet.create("Package", unique, application=unique)
    fleet.create("DeviceGroup", unique, application=unique, packages=[unique])
    fleet.condition("Package", unique, "Deletable", "False", "InUse")
    fleet.delete("Application", unique)
    fleet.gone("Application", unique)
    assert not [note for note in fleet.events("PackageInUse") if unique in note]


@pytest.mark.parametrize("text", ["{nope", "[]"])
def test_a_group_whose_metadata_is_no_object_is_not_ready(
    fleet: Any, unique: str, text: str
) -> None:
    fleet.create("DeviceGroup", unique, metadata=text)
    fleet.condition("DeviceGroup", unique, "Ready", "False", "InvalidMetadata")


def test_a_package_says_whom_its_offer_reaches_as_groups_come_and_go(
    fleet: Any, unique: str
) -> None:
    offer = {"strategy": "targeted", "filters": [{"group": f"Ring {unique}"}]}
    fleet.create("Package", unique, specification="{}", offer=offer)
    message = fleet.condition("Package", unique, "Offered", "False", "FilterMissing")
    assert f"Ring {unique}" in message
    fleet.condition("Package", unique, "Ready", "True", "Reconciled")
    fleet.create("DeviceGroup", f"{unique}g", name=f"Ring {unique}")
    fleet.condition("Package", unique, "Offered", "True", "Targeted")
    fleet.delete("DeviceGroup", f"{unique}g")
    fleet.condition("Package", unique, "Offered", "False", "FilterMissing")
    fleet.patch("Package", unique, spec={"offer": None})
    fleet.condition("Package", unique, "Offered", "False", "NotOffered")


@pytest.mark.parametrize("kind", ["Application", "Device"])
def test_data_that_drogue_clients_could_not_send_is_told_until_it_is_smaller(
    fleet: Any, unique: str, kind: str
) -> None:
    fleet.create(kind, unique, data={"spec": {"a": "x" * 70_000}})
    message = fleet.condition(kind, unique, "Oversized", "True", "DataTooLarge")
    assert "65536" in message
    fleet.comes_to(kind, unique, lambda _: message in fleet.events("DataTooLarge"))
    fleet.patch(kind, unique, spec={"data": {"spec": {"a": "x"}}})
    fleet.condition(kind, unique, "Oversized", "False", "DataFits")


def test_credentials_in_clear_text_are_told_until_they_are_gone(fleet: Any, unique: str) -> None:
    def data(password: Any) -> dict[str, Any]:
        return {"spec": {"credentials": {"credentials": [{"pass": password}]}}}

    fleet.create("Device", unique, data=data("secret"))
    message = fleet.condition("Device", unique, "CredentialsInClearText", "True", "NotHashed")
    assert "secret" not in message
    fleet.patch("Device", unique, spec={"data": data({"sha512": "$6$a$b"})})
    fleet.condition("Device", unique, "CredentialsInClearText", "False", "Hashed")
