"""Groups, in both versions of the API."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.dialects.rdfm.fleet import Fleet, error_text

ABSENT = 999_999_999
V1_KEYS = {"id", "created", "devices", "packages", "metadata", "policy"}


def shown(caller: httpx.Client, group: int, version: str = "v1") -> dict[str, Any]:
    reply = caller.get(f"/api/{version}/groups/{group}")
    assert reply.status_code == 200, reply.text
    document: dict[str, Any] = reply.json()
    return document


def test_the_whole_body_becomes_the_metadata_of_a_group(fleet: Fleet) -> None:
    reply = fleet.manager.post("/api/v1/groups", json={"description": "A test group", "n": 1})
    assert reply.status_code == 200
    group = reply.json()
    assert set(group) == V1_KEYS
    assert group["metadata"] == {"description": "A test group", "n": 1}
    assert (group["devices"], group["packages"], group["policy"]) == ([], [], "no_update,")
    assert group["created"].endswith(" GMT")


def test_an_empty_body_makes_a_group_without_metadata(fleet: Fleet) -> None:
    reply = fleet.manager.post("/api/v1/groups", json={})
    assert (reply.status_code, reply.json()["metadata"]) == (200, {})


def test_the_second_version_takes_metadata_and_priority(fleet: Fleet) -> None:
    reply = fleet.manager.post("/api/v2/groups", json={"metadata": {"a": "b"}, "priority": 3})
    assert reply.status_code == 200
    assert set(reply.json()) == V1_KEYS | {"priority"}
    assert (reply.json()["metadata"], reply.json()["priority"]) == ({"a": "b"}, 3)


def test_the_priority_is_25_unless_given(fleet: Fleet) -> None:
    assert shown(fleet.manager, fleet.group(), "v2")["priority"] == 25


def test_both_versions_show_the_same_group(fleet: Fleet, reader: httpx.Client) -> None:
    group = fleet.group(note="x")
    second = shown(reader, group, "v2")
    assert second.pop("priority") == 25
    assert second == shown(reader, group, "v1")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_group_is_shown_alone_and_in_the_list_alike(
    fleet: Fleet, reader: httpx.Client, version: str
) -> None:
    group = fleet.group(note="x")
    listed = reader.get(f"/api/{version}/groups")
    assert listed.status_code == 200
    assert shown(reader, group, version) in listed.json()


def test_metadata_keeps_its_numbers(fleet: Fleet) -> None:
    body = b'{"big":123456789012345678901234567890,"one":1.0,"deep":{"a":[null,true]}}'
    reply = fleet.manager.post(
        "/api/v1/groups", content=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 200
    assert b'"big":123456789012345678901234567890' in reply.content
    assert b'"one":1.0' in reply.content


def test_a_group_is_named_by_its_metadata_where_that_can_be(fleet: Fleet) -> None:
    name = f"canary-{secrets.token_hex(4)}"
    fleet.group(**{"rdfm.group.name": name})
    names = [group.spec.name for group in fleet.server.facade.cache.groups.values()]
    assert name in names


def test_two_groups_may_give_themselves_one_name(fleet: Fleet) -> None:
    name = f"twice-{secrets.token_hex(4)}"
    first = fleet.group(**{"rdfm.group.name": name})
    second = fleet.group(**{"rdfm.group.name": name})
    assert first != second
    assert shown(fleet.manager, second)["metadata"]["rdfm.group.name"] == name


@pytest.mark.parametrize(
    "body",
    [b"[]", b'"x"', b"1", b"null", b"{", b"", b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":1e999}'],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_body_that_is_no_object_makes_no_group(fleet: Fleet, version: str, body: bytes) -> None:
    reply = fleet.manager.post(
        f"/api/{version}/groups", content=body, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code == 400
    error_text(reply)
    assert fleet.manager.get(f"/api/{version}/groups").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": []},
        {"metadata": None},
        {"metadata": {}, "priority": "high"},
        {"metadata": {}, "priority": 1.5},
        {"metadata": {}, "priority": True},
        {"metadata": {}, "priority": 2**31},
        {"metadata": {}, "extra": 1},
        {"metadata": {"x": "y" * 70_000}},
    ],
)
def test_a_group_at_fault_is_not_made(fleet: Fleet, body: object) -> None:
    reply = fleet.manager.post("/api/v2/groups", json=body)
    assert reply.status_code == 400
    error_text(reply)


def test_a_body_that_is_too_large_is_refused(fleet: Fleet) -> None:
    reply = fleet.manager.post("/api/v1/groups", json={"x": "y" * 2_000_000})
    assert reply.status_code == 413
    error_text(reply)


def test_a_body_of_another_type_is_refused(fleet: Fleet) -> None:
    reply = fleet.manager.post("/api/v1/groups", data={"a": "b"})
    assert reply.status_code == 415
    error_text(reply)


def test_a_group_that_is_deleted_is_gone(fleet: Fleet) -> None:
    group = fleet.group()
    fleet.done(fleet.manager.delete(f"/api/v1/groups/{group}"))
    for reply in (
        fleet.manager.get(f"/api/v1/groups/{group}"),
        fleet.manager.delete(f"/api/v2/groups/{group}"),
    ):
        assert reply.status_code == 404
        error_text(reply)


def test_a_group_whose_counts_just_changed_can_be_deleted(
    fleet: Fleet, shared_kubectl: Callable[..., str]
) -> None:
    for number in range(3):
        group = fleet.group()
        found = fleet.server.facade.cache.groups.by_serial(group)
        assert found is not None
        patch = f'{{"status":{{"members":{number + 5}}}}}'
        name = found.metadata.name
        shared_kubectl(
            "patch", "devicegroup", name, "--subresource=status", "--type=merge", "-p", patch
        )
        fleet.done(fleet.manager.delete(f"/api/v1/groups/{group}"))


def test_a_group_with_devices_cannot_be_deleted(fleet: Fleet) -> None:
    _, device = fleet.device()
    group = fleet.group(devices=[device])
    reply = fleet.manager.delete(f"/api/v1/groups/{group}")
    assert reply.status_code == 409
    assert "device" in error_text(reply)
    fleet.done(fleet.change(group, remove=[device]))
    fleet.done(fleet.manager.delete(f"/api/v1/groups/{group}"))


def test_a_group_with_packages_alone_can_be_deleted_and_then_they_can(fleet: Fleet) -> None:
    package = fleet.package()["id"]
    group = fleet.group(packages=[package])
    assert fleet.manager.delete(f"/api/v1/packages/{package}").status_code == 409
    fleet.done(fleet.manager.delete(f"/api/v1/groups/{group}"))
    fleet.done(fleet.manager.delete(f"/api/v1/packages/{package}"))


def test_devices_join_and_leave(fleet: Fleet) -> None:
    (_, first), (_, second) = fleet.device(), fleet.device()
    group = fleet.group()
    fleet.done(fleet.change(group, add=[first, second]))
    assert shown(fleet.manager, group)["devices"] == sorted([first, second])
    assert fleet.manager.get(f"/api/v1/devices/{first}").json()["group"] == group
    fleet.done(fleet.change(group, remove=[first]))
    assert shown(fleet.manager, group)["devices"] == [second]
    assert fleet.manager.get(f"/api/v1/devices/{first}").json()["group"] is None


def test_identifiers_of_devices_may_be_texts(fleet: Fleet) -> None:
    _, device = fleet.device()
    group = fleet.group()
    fleet.done(fleet.change(group, add=[str(device)]))
    assert shown(fleet.manager, group)["devices"] == [device]


def test_nothing_to_change_is_fine(fleet: Fleet) -> None:
    fleet.done(fleet.change(fleet.group()))


def test_a_change_without_a_content_type_is_read_as_json(fleet: Fleet) -> None:
    group = fleet.group()
    request = fleet.manager.build_request(
        "PATCH", f"/api/v1/groups/{group}/devices", content=b'{"add":[],"remove":[]}'
    )
    request.headers.pop("content-type", None)
    fleet.done(fleet.manager.send(request))


def test_an_unknown_device_cannot_join_and_nobody_else_does_then(fleet: Fleet) -> None:
    _, device = fleet.device()
    group = fleet.group()
    reply = fleet.change(group, add=[device, ABSENT])
    assert reply.status_code == 409
    error_text(reply)
    assert shown(fleet.manager, group)["devices"] == []


def test_a_device_in_a_group_of_the_same_priority_cannot_join(fleet: Fleet) -> None:
    (_, free), (_, taken) = fleet.device(), fleet.device()
    fleet.group(devices=[taken])
    group = fleet.group()
    reply = fleet.change(group, add=[free, taken])
    assert reply.status_code == 409
    error_text(reply)
    assert shown(fleet.manager, group)["devices"] == []
    assert fleet.manager.get(f"/api/v1/devices/{free}").json()["group"] is None


def test_a_member_cannot_join_again(fleet: Fleet) -> None:
    _, device = fleet.device()
    group = fleet.group(devices=[device])
    assert fleet.change(group, add=[device]).status_code == 409
    assert shown(fleet.manager, group)["devices"] == [device]


def test_a_device_listed_twice_is_refused(fleet: Fleet) -> None:
    _, device = fleet.device()
    group = fleet.group()
    assert fleet.change(group, add=[device, str(device)]).status_code == 409
    assert shown(fleet.manager, group)["devices"] == []


def test_who_is_no_member_cannot_leave(fleet: Fleet) -> None:
    (_, member), (_, other) = fleet.device(), fleet.device()
    group = fleet.group(devices=[member])
    reply = fleet.change(group, remove=[member, other])
    assert reply.status_code == 409
    error_text(reply)
    assert shown(fleet.manager, group)["devices"] == [member]


def test_additions_count_before_removals(fleet: Fleet) -> None:
    _, device = fleet.device()
    group = fleet.group()
    fleet.done(fleet.change(group, add=[device], remove=[device]))
    assert shown(fleet.manager, group)["devices"] == []


def test_a_device_may_be_in_groups_of_different_priority(fleet: Fleet) -> None:
    _, device = fleet.device()
    late = fleet.group(devices=[device], priority=30)
    early = fleet.group(devices=[device], priority=10)
    assert fleet.manager.get(f"/api/v1/devices/{device}").json()["group"] == early
    assert fleet.manager.get(f"/api/v2/devices/{device}").json()["groups"] == [early, late]


BAD_CHANGES = [
    {},
    {"add": []},
    {"remove": []},
    {"add": [], "remove": [], "extra": []},
    {"add": 1, "remove": []},
    {"add": ["x"], "remove": []},
    {"add": [1.5], "remove": []},
    {"add": [None], "remove": []},
    {"add": [], "remove": {"a": 1}},
    [],
    "text",
]


@pytest.mark.parametrize("body", BAD_CHANGES)
@pytest.mark.parametrize("group", ["existing", "absent"])
def test_a_change_at_fault_is_refused_before_the_group_is_looked_up(
    fleet: Fleet, body: object, group: str
) -> None:
    serial = fleet.group() if group == "existing" else ABSENT
    reply = fleet.manager.patch(f"/api/v1/groups/{serial}/devices", json=body)
    assert reply.status_code == 400
    error_text(reply)


def test_packages_are_replaced_as_a_whole(fleet: Fleet) -> None:
    first, second = fleet.package()["id"], fleet.package()["id"]
    group = fleet.group()
    path = f"/api/v1/groups/{group}/package"
    fleet.done(fleet.manager.post(path, json={"packages": [second, first]}))
    assert shown(fleet.manager, group)["packages"] == [second, first]
    fleet.done(fleet.manager.post(path, json={"packages": [str(first)]}))
    assert shown(fleet.manager, group)["packages"] == [first]
    fleet.done(fleet.manager.post(path, json={"packages": []}))
    assert shown(fleet.manager, group)["packages"] == []


def test_a_package_that_is_absent_cannot_be_assigned(fleet: Fleet) -> None:
    package = fleet.package()["id"]
    group = fleet.group(packages=[package])
    reply = fleet.manager.post(
        f"/api/v1/groups/{group}/package", json={"packages": [package, ABSENT]}
    )
    assert reply.status_code == 404
    error_text(reply)
    assert shown(fleet.manager, group)["packages"] == [package]


def test_a_package_listed_twice_is_refused(fleet: Fleet) -> None:
    package = fleet.package()["id"]
    reply = fleet.manager.post(
        f"/api/v1/groups/{fleet.group()}/package", json={"packages": [package, package]}
    )
    assert reply.status_code == 409
    error_text(reply)


@pytest.mark.parametrize("policy", ["exact_match,v1", "no_update,", "exact_match,v1,with comma"])
def test_the_policy_is_set(fleet: Fleet, policy: str) -> None:
    group = fleet.group()
    fleet.done(fleet.manager.post(f"/api/v1/groups/{group}/policy", json={"policy": policy}))
    assert shown(fleet.manager, group)["policy"] == policy


@pytest.mark.parametrize("policy", ["", "no_update", "latest,", "exact_match", "exact_match,", ","])
def test_a_policy_that_is_none_is_refused(fleet: Fleet, policy: str) -> None:
    group = fleet.group()
    reply = fleet.manager.post(f"/api/v1/groups/{group}/policy", json={"policy": policy})
    assert reply.status_code == 400
    error_text(reply)
    assert shown(fleet.manager, group)["policy"] == "no_update,"


def test_the_priority_is_set(fleet: Fleet) -> None:
    group = fleet.group()
    fleet.done(fleet.manager.post(f"/api/v2/groups/{group}/priority", json={"priority": -5}))
    assert shown(fleet.manager, group, "v2")["priority"] == -5


def test_a_priority_that_another_group_of_a_member_has_is_refused(fleet: Fleet) -> None:
    _, device = fleet.device()
    fleet.group(devices=[device], priority=10)
    group = fleet.group(devices=[device], priority=30)
    reply = fleet.manager.post(f"/api/v2/groups/{group}/priority", json={"priority": 10})
    assert reply.status_code == 409
    error_text(reply)
    assert shown(fleet.manager, group, "v2")["priority"] == 30


BAD_WRITES = [
    ("v1", "package", {}),
    ("v1", "package", {"packages": 1}),
    ("v1", "package", {"packages": ["x"]}),
    ("v1", "package", {"packages": [], "extra": 1}),
    ("v1", "policy", {}),
    ("v1", "policy", {"policy": 1}),
    ("v1", "policy", {"policy": "no_update,", "extra": 1}),
    ("v1", "policy", []),
    ("v2", "priority", {}),
    ("v2", "priority", {"priority": "1.0"}),
    ("v2", "priority", {"priority": None}),
    ("v2", "priority", {"priority": 2**40}),
    ("v2", "priority", {"priority": 1, "extra": 1}),
]


@pytest.mark.parametrize(("version", "route", "body"), BAD_WRITES)
def test_a_write_at_fault_is_refused_before_the_group_is_looked_up(
    fleet: Fleet, version: str, route: str, body: object
) -> None:
    reply = fleet.manager.post(f"/api/{version}/groups/{ABSENT}/{route}", json=body)
    assert reply.status_code == 400
    error_text(reply)


GOOD_WRITES = [
    ("PATCH", "v1", "devices", {"add": [], "remove": []}),
    ("PATCH", "v2", "devices", {"add": [], "remove": []}),
    ("POST", "v1", "package", {"packages": []}),
    ("POST", "v2", "package", {"packages": []}),
    ("POST", "v1", "policy", {"policy": "no_update,"}),
    ("POST", "v2", "policy", {"policy": "no_update,"}),
    ("POST", "v2", "priority", {"priority": 1}),
]


@pytest.mark.parametrize(("method", "version", "route", "body"), GOOD_WRITES)
def test_a_group_that_is_absent_cannot_be_changed(
    fleet: Fleet, method: str, version: str, route: str, body: object
) -> None:
    reply = fleet.manager.request(method, f"/api/{version}/groups/{ABSENT}/{route}", json=body)
    assert reply.status_code == 404
    error_text(reply)


@pytest.mark.parametrize(("method", "version", "route", "body"), GOOD_WRITES)
def test_both_versions_take_the_same_writes(
    fleet: Fleet, method: str, version: str, route: str, body: object
) -> None:
    path = f"/api/{version}/groups/{fleet.group()}/{route}"
    fleet.done(fleet.manager.request(method, path, json=body))


def test_of_two_writers_only_one_gets_the_device(fleet: Fleet) -> None:
    _, device = fleet.device()
    groups = [fleet.group() for _ in range(4)]
    with ThreadPoolExecutor(len(groups)) as pool:
        replies = list(pool.map(lambda group: fleet.change(group, add=[device]), groups))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]
    holders = [group for group in groups if shown(fleet.manager, group)["devices"]]
    assert len(holders) == 1


def test_writers_of_one_group_do_not_undo_each_other(fleet: Fleet) -> None:
    serials = [fleet.device()[1] for _ in range(6)]
    group = fleet.group()
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda serial: fleet.change(group, add=[serial]), serials))
    assert [reply.status_code for reply in replies] == [200] * 6
    assert shown(fleet.manager, group)["devices"] == sorted(serials)


def test_many_devices_join_and_leave_at_once(fleet: Fleet) -> None:
    serials = [fleet.device()[1] for _ in range(12)]
    group = fleet.group()
    fleet.done(fleet.change(group, add=serials))
    assert shown(fleet.manager, group)["devices"] == sorted(serials)
    fleet.done(fleet.change(group, remove=serials))
    assert shown(fleet.manager, group)["devices"] == []
