"""What a deletion waits for, and what it takes with it."""

from typing import Any

from polyfleet.fleet.claims import ClaimedName

NAME = "main"
HOLDER = {"kind": "Device", "name": "d1"}


def claim_name(value: str) -> str:
    return ClaimedName("Alias", value, "default").object_name


def test_a_deleted_group_leaves_no_label_and_a_new_one_inherits_nobody(
    fleet: Any, unique: str
) -> None:
    key = f"group.polyfleet.dev/{unique}"
    fleet.create("DeviceGroup", unique)
    names = [f"{unique}{number}" for number in range(3)]
    for name in names:
        fleet.create("Device", name, labels={key: "true"})
    fleet.comes_to("DeviceGroup", unique, lambda item: item["status"].get("members") == 3)
    fleet.delete("DeviceGroup", unique)
    fleet.gone("DeviceGroup", unique)
    keys = {key, f"joined.polyfleet.dev/{unique}"}
    for name in names:
        assert not keys & fleet.get("Device", name)["metadata"]["labels"].keys()
    fleet.create("DeviceGroup", unique)
    fleet.condition("DeviceGroup", unique, "Ready", "True", "Reconciled")
    assert fleet.get("DeviceGroup", unique)["status"]["members"] == 0


def test_people_are_told_how_many_devices_left_a_deleted_group(fleet: Any, unique: str) -> None:
    key = f"group.polyfleet.dev/{unique}"
    fleet.create("DeviceGroup", unique)
    fleet.create("Device", unique, labels={key: "true"})
    # Counted means that the group has its finalizer too: one without it goes unswept.
    fleet.comes_to("DeviceGroup", unique, lambda item: item["status"].get("members") == 1)
    fleet.delete("DeviceGroup", unique)
    fleet.gone("DeviceGroup", unique)
    eventually_told(fleet, "GroupSwept", "1 devices left the deleted group")


def test_a_package_in_use_waits_says_why_and_goes_when_it_is_free(fleet: Any, unique: str) -> None:
    fleet.create("Package", unique)
    fleet.create("DeviceGroup", unique, packages=[unique])
    fleet.condition("Package", unique, "Deletable", "False", "InUse")
    fleet.create("Device", unique, pin=unique)
    fleet.create("Rollout", unique, package=unique)
    wanted = f"groups: {unique}; pinned devices: {unique}; rollouts: {unique}"
    fleet.comes_to("Package", unique, lambda item: wanted in str(item["status"]["conditions"]))
    fleet.delete("Package", unique)
    fleet.patch("DeviceGroup", unique, spec={"packages": []})
    fleet.patch("Rollout", unique, spec={"aborted": True})
    wanted = f"used by pinned devices: {unique}"
    fleet.comes_to("Package", unique, lambda item: wanted in str(item["status"]["conditions"]))
    fleet.patch("Device", unique, spec={"pin": None})
    fleet.gone("Package", unique)
    eventually_told(fleet, "PackageInUse", f"its deletion waits for pinned devices: {unique}")


def test_an_unused_package_goes_at_once(fleet: Any, unique: str) -> None:
    fleet.create("Package", unique)
    fleet.condition("Package", unique, "Deletable", "True", "Unused")
    fleet.delete("Package", unique)
    fleet.gone("Package", unique)


def test_an_application_takes_all_that_belongs_to_it_and_nothing_else(
    fleet: Any, unique: str
) -> None:
    fleet.create("Application", unique)
    fleet.comes_to("Application", unique, lambda item: item["metadata"].get("finalizers"))
    own = f"{unique}.own"
    fleet.create("DeviceGroup", own, application=unique, packages=[own])
    fleet.create("Package", own, application=unique)
    label = {f"group.polyfleet.dev/{own}": "true"}
    fleet.create("Device", own, application=unique, pin=own, labels=label)
    kinds = ("Rollout", "Command", "Enrollment", "Build", "Domain", "Claim")
    for kind in kinds:
        fleet.create(kind, own, application=unique)
    fleet.create("Device", unique)
    fleet.delete("Application", unique)
    fleet.gone("Application", unique)
    kinds += ("DeviceGroup", "Package", "Device")
    assert [kind for kind in kinds if fleet.get(kind, own) is not None] == []
    assert fleet.get("Device", unique) is not None


def test_a_claim_that_nobody_needs_goes_and_others_stay(
    own_fleet: Any, start_operator: Any
) -> None:
    data = {"spec": {"alias": ["used"]}}
    own_fleet.create("Device", "d1", data=data)
    own_fleet.create("Claim", claim_name("used"), value="used", holder=HOLDER)
    own_fleet.create("Claim", claim_name("unused"), value="unused", holder=HOLDER)
    own_fleet.create("Claim", claim_name("nobody"), value="nobody")
    with start_operator(own_fleet.namespace, claim_sweep_interval=1):
        own_fleet.gone("Claim", claim_name("unused"), seconds=120)  # believed for a minute
        own_fleet.gone("Claim", claim_name("nobody"))
        assert own_fleet.get("Claim", claim_name("used")) is not None


def test_the_default_application_waits_while_it_has_devices_and_comes_back(
    own_fleet: Any, start_operator: Any
) -> None:
    with start_operator(own_fleet.namespace, default_application=NAME):
        own_fleet.comes_to("Application", NAME, lambda item: "devices" in item.get("status", {}))
        own_fleet.create("Device", "d1", application=NAME)
        own_fleet.comes_to("Application", NAME, lambda item: item["status"]["devices"] == 1)
        own_fleet.delete("Application", NAME)
        message = own_fleet.condition("Application", NAME, "Ready", "False", "HasDevices")
        eventually_told(own_fleet, "HasDevices", message, application=NAME)
        assert own_fleet.get("Device", "d1") is not None
        waiting = own_fleet.get("Application", NAME)
        assert "polyfleet.dev/keeps-devices" in waiting["metadata"]["finalizers"]
        uid = own_fleet.get("Application", NAME)["metadata"]["uid"]
        own_fleet.delete("Device", "d1")
        own_fleet.comes_to("Application", NAME, lambda item: item["metadata"]["uid"] != uid)


def test_the_deletion_of_the_default_application_is_taken_back_by_its_finalizers(
    own_fleet: Any, start_operator: Any
) -> None:
    with start_operator(own_fleet.namespace, default_application=NAME):
        own_fleet.comes_to("Application", NAME, lambda item: "devices" in item.get("status", {}))
        own_fleet.create("Device", "d1", application=NAME)
        own_fleet.comes_to("Application", NAME, lambda item: item["status"]["devices"] == 1)
        own_fleet.delete("Application", NAME)
        message = own_fleet.condition("Application", NAME, "Ready", "False", "HasDevices")
        assert """--type=merge -p '{"metadata":{"finalizers":null}}'""" in message
        own_fleet.patch("Application", NAME, metadata={"finalizers": None})
        own_fleet.condition("Application", NAME, "Ready", "True", "Reconciled")
        own_fleet.comes_to("Application", NAME, lambda item: item["status"]["devices"] == 1)
        assert own_fleet.get("Device", "d1") is not None


def test_the_tokens_of_a_user_go_with_the_user(fleet: Any, unique: str) -> None:
    uid = fleet.create("User", unique)["metadata"]["uid"]
    fleet.create("AccessToken", unique, user=unique, userUid=uid)
    fleet.create("AccessToken", f"{unique}old", user=unique, userUid="of-one-before")
    fleet.gone("AccessToken", f"{unique}old")
    assert fleet.get("AccessToken", unique) is not None
    fleet.delete("User", unique)
    fleet.gone("AccessToken", unique)


def test_expired_commands_and_tokens_go_and_others_stay(fleet: Any, unique: str) -> None:
    past = {"expiresAt": "2020-01-01T00:00:00Z"}
    owner = {"user": unique, "userUid": fleet.create("User", unique)["metadata"]["uid"]}
    fleet.create("Command", f"{unique}old", **past)
    fleet.create("AccessToken", f"{unique}old", **past, **owner)
    fleet.create("Command", f"{unique}new")
    fleet.create("AccessToken", f"{unique}new", **owner)
    fleet.gone("Command", f"{unique}old")
    fleet.gone("AccessToken", f"{unique}old")
    told = "it was not delivered until 2020-01-01T00:00:00Z, and is deleted"
    eventually_told(fleet, "CommandExpired", told)
    assert fleet.get("Command", f"{unique}new") is not None
    assert fleet.get("AccessToken", f"{unique}new") is not None


def eventually_told(fleet: Any, reason: str, note: str, application: str = "default") -> None:
    """Wait until an Event says something; the Application stands in for the passing of time."""
    fleet.comes_to("Application", application, lambda _: note in fleet.events(reason))
