"""Groups: moving devices, listing groups and their members, two writers."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from polyfleet.fleet.membership import label_key
from polyfleet.fleet.objects.kinds import GROUPS
from polyfleet.kube.groups import find_group
from tests.dialects.inventory.fleet import BASE, Fleet, error_text
from tests.dialects.waiting import eventually
from tests.facade_fixtures import FacadeServer, running_facade


def a_group() -> str:
    return f"g-{secrets.token_hex(5)}"


def members(fleet: Fleet, group: str) -> list[str]:
    reply = fleet.manager.get(f"{BASE}/groups/{group}/devices", params={"per_page": 500})
    assert reply.status_code == 200, reply.text
    found: list[str] = reply.json()
    return found


def groups(fleet: Fleet) -> list[str]:
    found: list[str] = fleet.manager.get(f"{BASE}/groups").json()
    return found


def test_a_device_begins_without_a_group(fleet: Fleet) -> None:
    reply = fleet.manager.get(f"{BASE}/devices/{fleet.device()}/group")
    assert (reply.status_code, reply.content) == (200, b'{"group":null}')


def test_a_group_is_made_by_its_first_device_and_moving_leaves_the_other(fleet: Fleet) -> None:
    device, first, second = fleet.device(), a_group(), a_group()
    fleet.move(device, first)
    assert (fleet.group_of(device), members(fleet, first)) == (first, [device])
    fleet.move(device, second)
    assert (fleet.group_of(device), members(fleet, second)) == (second, [device])
    assert fleet.manager.get(f"{BASE}/groups/{first}/devices").status_code == 404
    fleet.move(device, second)
    assert members(fleet, second) == [device]


def test_a_made_group_is_a_devicegroup_with_a_serial(fleet: Fleet, server: FacadeServer) -> None:
    fleet.move(fleet.device(), name := f"Ring 1 {a_group()}")
    found = find_group(server.facade.cache.groups, "default", name)
    assert found is not None
    assert found.metadata.serial is not None
    assert found.metadata.labels["polyfleet.dev/application"] == "default"
    assert found.spec.policy == "no_update,"


def test_a_move_does_not_touch_updated_ts(fleet: Fleet) -> None:
    device = fleet.device(a=1)
    before = fleet.show(device)
    fleet.move(device, a_group())
    assert fleet.show(device) == before


@pytest.mark.parametrize("name", ["a b", "a.b", "é", "_x", "-x", "x/y", "~~tilde", "n" * 1000])
def test_a_groups_name_is_any_text(fleet: Fleet, name: str) -> None:
    device = fleet.device()
    name = f"{name}{secrets.token_hex(4)}"
    fleet.move(device, name)
    assert fleet.group_of(device) == name
    assert name in groups(fleet)
    assert members(fleet, quote(name, safe="")) == [device]
    path = f"{BASE}/devices/{device}/group/{quote(name, safe='')}"
    assert fleet.manager.delete(path).status_code == 204


def test_groups_are_listed_while_they_have_members_by_their_first_members_creation(
    fleet: Fleet,
) -> None:
    old, middle, new = (fleet.device() for _ in range(3))
    one, two, three = (a_group() for _ in range(3))
    fleet.move(new, one)
    fleet.move(old, two)
    fleet.move(middle, three)

    def own() -> list[str]:
        return [name for name in groups(fleet) if name in {one, two, three}]

    assert own() == [two, three, one]
    fleet.move(old, one)
    assert own() == [one, three]
    fleet.manager.delete(f"{BASE}/devices/{middle}")
    assert own() == [one]


def test_a_groups_devices_are_paged_and_sorted_by_id(fleet: Fleet) -> None:
    group, own = a_group(), secrets.token_hex(4)
    for letter in "cabed":
        fleet.move(fleet.device(f"{letter}-{own}"), group)
    path = f"{BASE}/groups/{group}/devices"
    first = fleet.manager.get(path, params={"per_page": 2, "x": "ignored"})
    assert first.json() == [f"a-{own}", f"b-{own}"]
    assert first.headers["x-total-count"] == "5"
    assert first.headers.get_list("link") == [
        '<devices?page=2&per_page=2&x=ignored>; rel="next"',
        '<devices?page=1&per_page=2&x=ignored>; rel="first"',
    ]
    assert fleet.manager.get(path, params={"per_page": 2, "page": 3}).json() == [f"e-{own}"]
    assert fleet.manager.get(path, params={"page": 9}).json() == []


def test_bad_paging_is_told_before_an_unknown_group(fleet: Fleet) -> None:
    reply = fleet.manager.get(f"{BASE}/groups/nothing/devices?page=0")
    assert (reply.status_code, error_text(reply)) == (400, "Param page is out of bounds")
    reply = fleet.manager.get(f"{BASE}/groups/nothing/devices")
    assert (reply.status_code, error_text(reply)) == (404, "group not found")


FAILURE = "failed to decode device group data"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", f"{FAILURE}: JSON payload is empty"),
        (b"{", FAILURE),
        (b"[]", f"{FAILURE}: a JSON object is expected"),
        (b'{"group": 5}', f"{FAILURE}: group must be a string"),
        (b"{}", "Group: non zero value required;"),
        (b'{"group": ""}', "Group: non zero value required;"),
        (b'{"group": null}', "Group: non zero value required;"),
        (b'{"group": "%s"}' % (b"x" * 1025), "group: the length must be no more than 1024."),
        (b'{"group": "~x"}', "Group: a name that starts with '~'"),
    ],
)
def test_what_is_wrong_with_a_group_is_told_before_an_unknown_device(
    manager: httpx.Client, body: bytes, text: str
) -> None:
    reply = manager.put(
        f"{BASE}/devices/nothing/group", content=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 400
    assert error_text(reply).startswith(text)


def test_an_unknown_device_has_no_group(manager: httpx.Client) -> None:
    shown = manager.get(f"{BASE}/devices/nothing/group")
    assert (shown.status_code, error_text(shown)) == (404, "Device not found")
    put = manager.put(f"{BASE}/devices/nothing/group", json={"group": "g"})
    assert (put.status_code, error_text(put)) == (
        404,
        "failed to add device to group: Device not found",
    )
    removed = manager.delete(f"{BASE}/devices/nothing/group/g")
    assert (removed.status_code, error_text(removed)) == (404, "Device not found")


def test_a_device_is_taken_out_of_its_group_only(fleet: Fleet) -> None:
    device, group = fleet.device(), a_group()
    fleet.move(device, group)
    other = fleet.manager.delete(f"{BASE}/devices/{device}/group/other")
    assert (other.status_code, error_text(other)) == (404, "Device not found")
    reply = fleet.manager.delete(f"{BASE}/devices/{device}/group/{group}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert fleet.group_of(device) is None
    assert group not in groups(fleet)
    again = fleet.manager.delete(f"{BASE}/devices/{device}/group/{group}")
    assert again.status_code == 404


def test_many_devices_move_at_once_and_unknown_ids_are_passed_over(fleet: Fleet) -> None:
    group, devices = a_group(), [fleet.device() for _ in range(3)]
    fleet.move(devices[0], group)
    path = f"{BASE}/groups/{group}/devices"
    reply = fleet.manager.patch(path, json=[*devices, "nothing", devices[1]])
    assert (reply.status_code, reply.json()) == (200, {"matched_count": 3, "updated_count": 2})
    assert members(fleet, group) == sorted(devices)
    again = fleet.manager.patch(path, json=devices)
    assert again.json() == {"matched_count": 3}


def test_moving_only_unknown_devices_makes_no_group(fleet: Fleet, server: FacadeServer) -> None:
    group = a_group()
    reply = fleet.manager.patch(f"{BASE}/groups/{group}/devices", json=["nothing"])
    assert (reply.status_code, reply.json()) == (200, {})
    assert find_group(server.facade.cache.groups, "default", group) is None


def test_many_devices_leave_at_once(fleet: Fleet) -> None:
    group, devices = a_group(), [fleet.device() for _ in range(3)]
    path = f"{BASE}/groups/{group}/devices"
    fleet.manager.patch(path, json=devices)
    elsewhere = fleet.device()
    fleet.move(elsewhere, a_group())
    reply = fleet.manager.request("DELETE", path, json=[*devices[:2], elsewhere, "nothing"])
    assert (reply.status_code, reply.json()) == (200, {"matched_count": 2, "updated_count": 2})
    assert members(fleet, group) == devices[2:]
    assert fleet.group_of(elsewhere) is not None
    unknown = fleet.manager.request("DELETE", f"{BASE}/groups/nothing/devices", json=devices)
    assert (unknown.status_code, unknown.json()) == (200, {})


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "failed to decode request body: JSON payload is empty"),
        (b"[", "failed to decode request body"),
        (b"{}", "failed to decode request body: a list of strings is expected"),
        (b"[1]", "failed to decode request body: a list of strings is expected"),
        (b"[]", "no device IDs present in payload"),
        (b"[%s]" % b",".join([b'"x"'] * 5001), "at most 5000 devices can be changed at once"),
    ],
)
def test_what_is_wrong_with_a_list_of_devices_is_told(
    manager: httpx.Client, method: str, body: bytes, text: str
) -> None:
    reply = manager.request(
        method,
        f"{BASE}/groups/g/devices",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert reply.status_code == 400
    assert error_text(reply).startswith(text)


def test_a_device_that_an_open_change_holds_is_a_conflict(
    fleet: Fleet, server: FacadeServer
) -> None:
    device, group = fleet.device(), a_group()
    fleet.move(fleet.device(), group)
    found = find_group(server.facade.cache.groups, "default", group)
    assert found is not None
    writer = server.facade.writer
    change = {"id": "open", "deadline": "2099-01-01T00:00:00.000000Z"}
    server.call(
        writer.patch(GROUPS, found, {"status": {"changes": [change]}}, subresource="status")
    )
    value = "joining.open.0123456789ab.1"
    labels = {"metadata": {"labels": {label_key(found.metadata.name): value}}}
    server.call(writer.patch(server.facade.cache.devices.kind, fleet.cached(device), labels))
    reply = fleet.manager.put(f"{BASE}/devices/{device}/group", json={"group": a_group()})
    assert reply.status_code == 409
    assert "being moved by another change" in error_text(reply)
    many = fleet.manager.patch(f"{BASE}/groups/{a_group()}/devices", json=[device])
    assert many.status_code == 409
    one_of_two = fleet.manager.patch(
        f"{BASE}/groups/{a_group()}/devices", json=[device, fleet.device()]
    )
    assert one_of_two.json() == {"matched_count": 2, "updated_count": 1}


def test_a_member_by_selector_cannot_be_taken_out_or_away(
    fleet: Fleet, server: FacadeServer
) -> None:
    ring, name = secrets.token_hex(4), a_group()
    spec = {
        "application": "default",
        "name": name,
        "priority": 1,
        "selector": {"matchLabels": {"attr.polyfleet.dev/ring": ring}},
    }
    device = fleet.device(ring=ring)
    server.call(server.facade.writer.create(GROUPS, name, spec))
    assert fleet.group_of(device) == name
    assert members(fleet, name) == [device]
    other = a_group()
    put = fleet.manager.put(f"{BASE}/devices/{device}/group", json={"group": other})
    assert (put.status_code, "by the group's selector" in error_text(put)) == (409, True)
    patch = fleet.manager.patch(f"{BASE}/groups/{other}/devices", json=[device, "nobody"])
    assert (patch.status_code, "by the group's selector" in error_text(patch)) == (409, True)
    # A group that was made for whom was refused does not stay.
    assert find_group(server.facade.cache.groups, "default", other) is None
    removed = fleet.manager.delete(f"{BASE}/devices/{device}/group/{name}")
    assert (removed.status_code, "by the group's selector" in error_text(removed)) == (409, True)
    many = fleet.manager.request("DELETE", f"{BASE}/groups/{name}/devices", json=[device])
    assert (many.status_code, "by the group's selector" in error_text(many)) == (409, True)


def test_a_group_that_was_there_stays_when_a_device_is_refused(
    fleet: Fleet, server: FacadeServer
) -> None:
    ring, selected, empty = secrets.token_hex(4), a_group(), a_group()
    ours = fleet.device()
    fleet.move(ours, empty)
    assert fleet.manager.delete(f"{BASE}/devices/{ours}/group/{empty}").status_code == 204
    selector = {"matchLabels": {"attr.polyfleet.dev/ring": ring}}
    spec = {"application": "default", "name": selected, "priority": 1, "selector": selector}
    device = fleet.device(ring=ring)
    server.call(server.facade.writer.create(GROUPS, selected, spec))
    refused = fleet.manager.put(f"{BASE}/devices/{device}/group", json={"group": empty})
    assert refused.status_code == 409
    assert find_group(server.facade.cache.groups, "default", empty) is not None


def test_the_index_follows_what_happens_to_a_group(fleet: Fleet, server: FacadeServer) -> None:
    ring, name, other = secrets.token_hex(4), a_group(), a_group()
    device = fleet.device(ring=ring)
    fleet.move(device, other)
    assert fleet.listed(group=name) == []
    spec: dict[str, Any] = {
        "application": "default",
        "name": name,
        "selector": {"matchLabels": {"attr.polyfleet.dev/ring": ring}},
    }
    writer = server.facade.writer
    made = server.call(writer.create(GROUPS, name, {**spec, "priority": 90}))
    assert fleet.listed(group=other) == [device]
    made = server.call(writer.patch(GROUPS, made, {"spec": {"priority": 1}}))
    assert (fleet.listed(group=name), fleet.listed(group=other)) == ([device], [])
    made = server.call(
        writer.patch(GROUPS, made, {"spec": {"selector": {"matchLabels": {"no": "one"}}}})
    )
    assert (fleet.listed(group=name), fleet.listed(group=other)) == ([], [device])
    nobody = {"spec": {"selector": {"matchLabels": {"no": None}}}}
    made = server.call(writer.patch(GROUPS, made, nobody))
    assert fleet.listed(group=name) == [device]
    server.call(writer.delete(GROUPS, made, checked=False))
    assert fleet.listed(group=other) == [device]


def test_a_change_of_many_is_seen_as_soon_as_it_is_committed(
    fleet: Fleet, server: FacadeServer
) -> None:
    group, devices = a_group(), [fleet.device() for _ in range(4)]
    fleet.move(devices[0], group)
    found = find_group(server.facade.cache.groups, "default", group)
    assert found is not None
    assert members(fleet, group) == devices[:1]
    many = [fleet.cached(device) for device in devices[1:]]
    server.call(server.facade.members.change(found, many, []))
    assert members(fleet, group) == sorted(devices)


@pytest.fixture(scope="module")
def replicas(server: FacadeServer) -> Any:
    """Provide a second facade over the same fleet, and a caller of each."""
    token = server.user_token(f"replica-{secrets.token_hex(4)}", scopes=["rdfm_admin_rw"])
    with (
        running_facade(server.settings) as other,
        other.client(token) as there,
        server.client(token) as here,
    ):
        eventually(lambda: there.get(f"{BASE}/groups").status_code == 200)
        yield here, there


def test_two_replicas_that_move_a_device_at_once_leave_it_in_one_group(
    fleet: Fleet, replicas: tuple[httpx.Client, httpx.Client]
) -> None:
    device = fleet.device()
    path = f"{BASE}/devices/{device}/group"
    eventually(lambda: replicas[1].get(path).status_code == 200)
    names = [a_group() for _ in range(8)]

    def put(number: int) -> int:
        return replicas[number % 2].put(path, json={"group": names[number]}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(put, range(8))) == {204}
    labels = fleet.cached(device).metadata.labels
    eventually(lambda: fleet.group_of(device) == replicas[1].get(path).json()["group"])
    assert fleet.group_of(device) in names
    assert sum(key.startswith("group.polyfleet.dev/") for key in labels) == 1


def test_two_replicas_that_make_a_device_at_once_make_one(
    replicas: tuple[httpx.Client, httpx.Client],
) -> None:
    identifier = secrets.token_hex(8)

    def post(number: int) -> int:
        body = {"id": identifier, "attributes": [{"name": "n", "value": number}]}
        return replicas[number % 2].post(f"{BASE}/devices", json=body).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(post, range(6))) == [201, *[409] * 5]


def test_what_one_replica_writes_the_other_lists(
    fleet: Fleet, replicas: tuple[httpx.Client, httpx.Client]
) -> None:
    own = secrets.token_hex(6)
    devices = [fleet.device(own=own) for _ in range(3)]
    there = replicas[1]
    query = {"own": own}
    eventually(
        lambda: (
            [item["id"] for item in there.get(f"{BASE}/devices", params=query).json()] == devices
        )
    )
