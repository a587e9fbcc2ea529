"""Changes of many members that nobody finishes."""

from typing import Any

from polyfleet.fleet.membership import incarnation

PAST, FUTURE = "2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z"


def marked_device(fleet: Any, name: str, mark: str) -> str:
    """Make a group with an open change, and a device that bears its mark; return that.

    In this order, as whoever changes members does it: a mark without a change is taken back.
    """
    group = fleet.create("DeviceGroup", name)
    fleet.set_status("DeviceGroup", name, changes=[{"id": "c1", "deadline": FUTURE}])
    value = f"{mark}.c1.{incarnation(group['metadata']['uid'])}.1700000000000000"
    fleet.create("Device", name, labels={f"group.polyfleet.dev/{name}": value})
    return value


def label(fleet: Any, name: str) -> str | None:
    device = fleet.get("Device", name)
    value: str | None = device["metadata"]["labels"].get(f"group.polyfleet.dev/{name}")
    return value


def test_an_open_change_past_its_deadline_is_undone(fleet: Any, unique: str) -> None:
    marked_device(fleet, unique, "leaving")
    fleet.set_status("DeviceGroup", unique, changes=[{"id": "c1", "deadline": PAST}])
    fleet.comes_to("DeviceGroup", unique, lambda item: item["status"].get("changes") == [])
    fleet.comes_to("Device", unique, lambda _: not str(label(fleet, unique)).startswith("leaving"))
    fleet.comes_to("DeviceGroup", unique, lambda item: item["status"].get("members") == 1)


def test_a_committed_change_is_carried_out(fleet: Any, unique: str) -> None:
    marked_device(fleet, unique, "joining")
    changes = [{"id": "c1", "deadline": PAST, "committed": True}]
    fleet.set_status("DeviceGroup", unique, changes=changes)
    fleet.comes_to("DeviceGroup", unique, lambda item: item["status"].get("members") == 1)


def test_an_open_change_before_its_deadline_is_left_alone(fleet: Any, unique: str) -> None:
    value = marked_device(fleet, unique, "joining")
    fleet.adopted("Device", unique)
    fleet.create("Device", f"{unique}b", labels={f"group.polyfleet.dev/{unique}": "x"})
    fleet.comes_to("DeviceGroup", unique, lambda item: item["status"].get("members") == 1)
    assert label(fleet, unique) == value
    changes = fleet.get("DeviceGroup", unique)["status"]["changes"]
    assert changes == [{"id": "c1", "deadline": FUTURE}]
