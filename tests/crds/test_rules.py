"""What the API server says to objects that break a rule."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from kubernetes import client

from polyfleet.crds.base import GROUP, VERSION
from polyfleet.crds.generate import KINDS
from polyfleet.fleet.names import domain_name

PLURALS = {kind.names.kind: kind.names.plural for kind in KINDS}
SHA = "0" * 64
UUID = "0b0c7b56-5d0c-4c5c-8f2f-0a9c3b1d2e3f"
SOON = "2030-01-01T00:00:00Z"

VALID: dict[str, dict[str, Any]] = {
    "Application": {"name": "tried"},
    "Device": {"application": "default", "deviceId": "aa:bb/c d"},
    "DeviceGroup": {"application": "default", "name": "canary"},
    "Package": {
        "application": "default",
        "version": "1.0.0",
        "artifact": {"driver": "url", "url": "https://x/y", "sha256": SHA, "size": 1},
    },
    "Rollout": {"application": "default", "package": "p1", "targets": {"selector": {}}},
    "Enrollment": {"application": "default", "deviceId": "aa", "publicKey": "PEM"},
    "Command": {"application": "default", "device": "aa", "name": "reboot", "expiresAt": SOON},
    "User": {"name": "Ann Ü."},
    "AccessToken": {"user": "ann", "userUid": "u", "prefix": "p", "hash": "h"},
    "Build": {"application": "default", "image": "registry/kettle:1"},
    "Release": {"application": "default", "version": 1, "config": {"uuid": UUID}},
    "Domain": {"application": "default", "domain": "kettles.example"},
    "Key": {"user": "ann", "userUid": "u", "id": "laptop", "public": "ssh-rsa A"},
    "Claim": {"type": "Alias", "value": "a", "holder": {"kind": "Device", "name": "d1"}},
}

# The names of these objects say what is unique about them.
NAMES = {
    "Domain": "kettles.example",
}

ONE_VALUE = "give exactly one of string, number, strings, numbers"
CONTROLS = "must have no control characters"
POLICY = "policy is 'no_update,' or 'exact_match,<version>'"
DRIVER = "driver url needs url and no path; local and s3 need path and no url"
SELECTOR = "In and NotIn need values, Exists and DoesNotExist take none"
TARGETS = "give exactly one of groups and selector"
TYPE = "a process type is at most 63 of a-z, 0-9 and -, and begins with a letter"
LIMIT = "limit is a count of devices or a percentage from 0% to 100%"


def artifact(**fields: Any) -> dict[str, Any]:
    return {"artifact": {"sha256": SHA, "size": 1, **fields}}


def expression(operator: str, **fields: Any) -> dict[str, Any]:
    return {"selector": {"matchExpressions": [{"key": "ring", "operator": operator, **fields}]}}


INSTANTS = (
    "2030-01-01T00:00:00Z",
    "2030-01-01T00:00:00.000000+00:00",
    "2030-01-01 00:00:00.000000Z",
    "yesterday",
    "",
)

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("Application", {"name": "Not A Host"}, "spec.name: Invalid value"),
    ("Application", {"name": "other"}, "metadata.name and spec.name must be the same"),
    ("Application", {"members": [{"user": "a", "role": "king"}]}, 'Unsupported value: "king'),
    (
        "Application",
        {"members": [{"user": "a", "role": "admin"}, {"user": "a", "role": "reader"}]},
        "Duplicate value",
    ),
    *(
        ("Application", {"createdAt": text}, "to the microsecond, such as 2026-")
        for text in INSTANTS
    ),
    ("Application", {"createdAt": "2030-02-31T00:00:00.000000Z"}, "spec.createdAt"),
    (
        "Application",
        {"workload": {"processes": [{"type": "web", "replicas": -1}]}},
        "greater than or equal to 0",
    ),
    ("Device", {"deviceId": ""}, "at least 1 chars long"),
    ("Device", {"deviceId": "x" * 1025}, "Too long"),
    (
        "Device",
        {"attributes": [{"name": "a", "value": {"string": "b"}}] * 2},
        "Duplicate value",
    ),
    ("Device", {"publicKeys": [str(number) for number in range(9)]}, "must have at most 8 items"),
    ("Device", {"attributes": [{"name": "a", "value": {}}]}, ONE_VALUE),
    ("Device", {"attributes": [{"name": "a", "value": {"string": "", "number": 1}}]}, ONE_VALUE),
    ("Device", {"enrolled": {"metadata": [{"name": "a", "value": {}}]}}, ONE_VALUE),
    ("Device", {"pin": "Not/a/name"}, "spec.pin"),
    ("Device", {"unknown": 1}, "unknown field"),
    ("DeviceGroup", {"policy": "exact_match"}, POLICY),
    ("DeviceGroup", {"policy": "exact_match,"}, POLICY),
    ("DeviceGroup", {"policy": "newest,"}, POLICY),
    ("DeviceGroup", expression("In"), SELECTOR),
    ("DeviceGroup", expression("In", values=[]), SELECTOR),
    ("DeviceGroup", expression("Exists", values=["a"]), SELECTOR),
    ("DeviceGroup", expression("Like", values=["a"]), 'Unsupported value: "Like'),
    ("DeviceGroup", {"selector": {"matchLabels": {"a": "b c"}}}, "spec.selector.matchLabels"),
    ("DeviceGroup", {"priority": 2**31}, "less than or equal to 2147483647"),
    ("DeviceGroup", {"packages": ["P 1"]}, "spec.packages[0]"),
    ("Package", artifact(driver="url"), DRIVER),
    ("Package", artifact(driver="url", url="https://x", path=UUID), DRIVER),
    ("Package", artifact(driver="local", url="https://x"), DRIVER),
    ("Package", artifact(driver="url", url="file:///etc/passwd"), "spec.artifact.url"),
    ("Package", artifact(driver="local", path=f"../{UUID}"), "spec.artifact.path"),
    ("Package", artifact(driver="local", path="/etc/passwd"), "spec.artifact.path"),
    ("Package", artifact(driver="url", url="https://x", sha256="AB"), "spec.artifact.sha256"),
    ("Package", {"artifact": {"driver": "url", "url": "https://x"}}, "Required value"),
    ("Package", {"offer": {"strategy": "targeted"}}, "a targeted offer needs filters"),
    ("Package", {"offer": {"strategy": "everyone"}}, 'Unsupported value: "everyone'),
    (
        "Package",
        {"offer": {"strategy": "targeted", "filters": [{"group": "g", "from": "tomorrow"}]}},
        "spec.offer.filters[0].from",
    ),
    ("Package", {"requires": [{"name": "a", "value": "1"}] * 2}, "Duplicate value"),
    ("Rollout", {"targets": {}}, TARGETS),
    ("Rollout", {"targets": {"groups": ["g"], "selector": {}}}, TARGETS),
    ("Rollout", {"targets": {"groups": []}}, "should have at least 1 items"),
    ("Rollout", {"steps": [{}]}, "a step needs a limit, a selector or a pause"),
    ("Rollout", {"steps": [{"limit": "110%"}]}, LIMIT),
    ("Rollout", {"steps": [{"limit": "5"}]}, LIMIT),
    ("Rollout", {"steps": [{"limit": -1}]}, LIMIT),
    ("Rollout", {"steps": [{"pause": {"durationSeconds": -1}}]}, "greater than or equal to 0"),
    ("Rollout", {"targetSelection": "Random"}, 'Unsupported value: "Random'),
    *(
        ("Device", {"deviceId": f"a{odd}b"}, CONTROLS)
        for odd in ("\x01", "\t", "\n", "\x7f", "\x85", "\x9b2K")
    ),
    *(
        (kind, {field: odd}, CONTROLS)
        for kind, field, odd in (
            ("Device", "deviceId", "a\x1b[2K"),
            ("Enrollment", "deviceId", "a\x1b[2K"),
            ("Command", "device", "a\x1b[2K"),
            ("DeviceGroup", "name", "a\x1b[2K"),
            ("DeviceGroup", "policy", "exact_match,\x1b[2K"),
            ("Package", "version", "1\x1b[2K"),
            ("Package", "deviceType", "a\x1b[2K"),
            ("User", "name", "a\x1b[2K"),
        )
    ),
    ("Package", {"upgradableFrom": ["1", "2\n"]}, CONTROLS),
    ("Enrollment", {"approval": "Maybe"}, 'Unsupported value: "Maybe'),
    ("Enrollment", {"publicKey": "k" * 8193}, "Too long"),
    ("Command", {"expiresAt": "soon"}, "spec.expiresAt"),
    ("Command", {"expiresAt": "2030-01-01T00:00:00+99:99"}, "spec.expiresAt"),
    ("Command", {"expiresAt": "2030-02-30T00:00:00Z"}, "spec.expiresAt"),
    ("Command", {"payload": {"base64": "~"}}, "spec.payload.base64"),
    ("Command", {"payload": {"base64": "-_8="}}, "spec.payload.base64"),
    ("Command", {"payload": {"base64": "AAA"}}, "spec.payload.base64"),
    ("Command", {"payload": {"base64": "A" * 87_388}}, "Too long"),
    *(
        ("Command", {"payload": {"contentType": text}}, "must be of printable ASCII characters")
        for text in ("text/plain; x=\N{RIGHTWARDS ARROW}", "a\r\nX-Y: z", "\x7f", "text/plaïn")
    ),
    ("User", {"name": ""}, "at least 1 chars long"),
    ("User", {"scopes": ["a", "a"]}, "Duplicate value"),
    ("User", {"password": "secret"}, "unknown field"),
    ("AccessToken", {"hash": ""}, "at least 1 chars long"),
    ("AccessToken", {"expiresAt": "never"}, "spec.expiresAt"),
    ("Build", {"image": "i" * 257}, "Too long"),
    ("Build", {"image": "two words"}, "spec.image"),
    ("Build", {"procfile": {"Web": "run"}}, TYPE),
    ("Release", {"version": 0}, "greater than or equal to 1"),
    ("Release", {"config": {"uuid": "c"}}, "spec.config.uuid"),
    ("Release", {"config": {"uuid": UUID, "secretName": "Not/a/name"}}, "spec.config.secretName"),
    ("Release", {"rollbackOf": 0}, "greater than or equal to 1"),
    ("Application", {"config": {"secretName": "others"}}, "unknown field"),
    ("Application", {"config": {"uuid": "../others"}}, "spec.config.uuid"),
    ("Application", {"config": {"memory": {"web": "1T"}}}, "spec.config.memory.web"),
    ("Application", {"config": {"memory": {"Web": "1M"}}}, TYPE),
    ("Application", {"config": {"cpu": {"web": 1025}}}, "less than or equal to 1024"),
    ("Application", {"config": {"cpu": {"1": 1}}}, TYPE),
    ("Application", {"config": {"tags": {"a b": "c"}}}, "a tag is the key of a node's label"),
    ("Application", {"config": {"tags": {"disk": "very fast"}}}, "spec.config.tags.disk"),
    (
        "Application",
        {"workload": {"processes": [{"type": "web-", "replicas": 1}]}},
        "spec.workload.processes[0].type",
    ),
    ("Application", {"workload": {"change": {"id": "1", "by": "ann"}}}, "spec.workload.change.id"),
    ("Domain", {"domain": "UPPER.example"}, "spec.domain"),
    ("Domain", {"domain": "other.example"}, "metadata.name is the domain"),
    ("Key", {"id": "k" * 129}, "Too long"),
    ("Claim", {"type": "Nickname"}, 'Unsupported value: "Nickname'),
]

IMMUTABLE: list[tuple[str, dict[str, Any]]] = [
    ("Application", {"name": "other"}),
    ("Device", {"application": "other"}),
    ("Device", {"deviceId": "other"}),
    ("Device", {"createdAt": "2030-01-01T00:00:00.000000Z"}),
    ("DeviceGroup", {"application": "other"}),
    ("DeviceGroup", {"name": "other"}),
    ("Package", {"application": "other"}),
    ("Package", {"version": "2.0.0"}),
    ("Package", {"deviceType": "kettle"}),
    ("Package", {"requires": [{"name": "a", "value": "b"}]}),
    ("Package", {"specification": "{}"}),
    ("Package", {"artifact": None}),
    ("Package", {"artifact": {"size": 2}}),
    ("Rollout", {"application": "other"}),
    ("Enrollment", {"deviceId": "other"}),
    ("Enrollment", {"publicKey": "other"}),
    ("Command", {"payload": {"base64": "AAAA"}}),
    ("Command", {"payload": {"contentType": "text/plain;\tcharset=utf-8"}}),
    ("User", {"name": "other"}),
    ("AccessToken", {"scopes": ["everything"]}),
    ("Build", {"image": "other"}),
    ("Release", {"config": {"tags": {"a": "b"}}}),
    ("Release", {"rollbackOf": 1}),
    ("Build", {"procfile": {"web": "run"}}),
    ("Domain", {"application": "other"}),
    ("Key", {"public": "other"}),
    ("Claim", {"holder": {"name": "other"}}),
]

WHOLE = {"Command", "AccessToken", "Build", "Release", "Domain", "Key", "Claim"}
"""Kinds whose spec never changes."""

CHANGEABLE: list[tuple[str, dict[str, Any]]] = [
    ("Package", {"metadata": '{"a": 1.0}'}),
    ("Package", {"upgradableFrom": []}),
    ("Package", {"offer": {"strategy": "targeted", "filters": []}}),
    ("Device", {"publicKeys": ["PEM"], "hold": True, "pin": "p1"}),
    ("DeviceGroup", {"policy": "exact_match,1,5", "packages": ["p1"]}),
    ("Rollout", {"steps": [{"limit": 3}, {"limit": "10%", "pause": {}}, {"limit": "100%"}]}),
    ("Enrollment", {"approval": "Denied"}),
    ("Application", {"members": [{"user": "", "role": "reader"}]}),
    ("User", {"disabled": True}),
    (
        "Application",
        {
            "workload": {
                "build": "b1",
                "processes": [{"type": "web", "replicas": 3}],
                "change": {"id": UUID, "by": "ann", "rollbackOf": 2},
            },
            "config": {
                "uuid": UUID,
                "owner": "ann",
                "created": SOON,
                "memory": {"web": "512M", "worker-1": "1Gi"},
                "cpu": {"web": 1024},
                "tags": {"disk": "ssd", "example.com/rack": "r1"},
            },
        },
    ),
]

Complaint = Callable[[str, str, Mapping[str, Any]], str]


def tried(kind: str, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a valid object of the kind, but for these fields of its spec."""
    name = NAMES.get(kind, "tried")
    return {"metadata": {"name": name}, "spec": VALID[kind] | dict(fields or {})}


@pytest.mark.parametrize("kind", VALID)
def test_a_small_object_of_each_kind_is_taken(complaint_about: Complaint, kind: str) -> None:
    assert complaint_about(kind, PLURALS[kind], tried(kind)) == ""


@pytest.mark.parametrize(("kind", "fields", "message"), REFUSED)
def test_a_bad_object_is_refused_with_a_readable_message(
    complaint_about: Complaint, kind: str, fields: dict[str, Any], message: str
) -> None:
    assert message in complaint_about(kind, PLURALS[kind], tried(kind, fields))


@pytest.mark.parametrize("kind", sorted(VALID.keys() - {"Application"}))
def test_a_name_that_is_too_long_for_a_label_is_refused(
    complaint_about: Complaint, kind: str
) -> None:
    body = {"metadata": {"name": "n" * 64}, "spec": VALID[kind]}
    assert "metadata.name is at most 63 characters" in complaint_about(kind, PLURALS[kind], body)


def test_a_long_domain_has_a_shortened_name(complaint_about: Complaint) -> None:
    host = f"{'n' * 60}.example"
    body = {
        "metadata": {"name": domain_name(host)},
        "spec": {"application": "default", "domain": host},
    }
    assert complaint_about("Domain", "domains", body) == ""


@pytest.mark.parametrize("name", ["a.b", "n" * 64, f"{'n' * 63}." * 3 + "n" * 61])
def test_an_application_may_be_named_by_any_host_name(
    complaint_about: Complaint, name: str
) -> None:
    body = {"metadata": {"name": name}, "spec": {"name": name}}
    assert complaint_about("Application", "applications", body) == ""


@pytest.fixture
def changed(
    documents: client.CustomObjectsApi, namespace: str
) -> Callable[[str, Mapping[str, Any]], dict[str, Any]]:
    """Create a valid object of the kind, and return it changed by the patch."""

    def change(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        place = (GROUP, VERSION, namespace, PLURALS[kind])
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kind,
            **tried(kind),
        }
        documents.create_namespaced_custom_object(*place, body)
        answer: dict[str, Any] = documents.patch_namespaced_custom_object(
            *place,
            body["metadata"]["name"],
            {"spec": fields},
            _content_type="application/merge-patch+json",
        )
        return answer

    return change


@pytest.mark.parametrize(("kind", "fields"), IMMUTABLE)
def test_an_immutable_field_cannot_be_changed_added_or_removed(
    changed: Callable[..., dict[str, Any]], kind: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(client.ApiException) as refused:
        changed(kind, fields)
    whole = "the spec is immutable in all its parts: create another object"
    told = json.loads(refused.value.body)["details"]["causes"]
    place = "spec" if kind in WHOLE else f"spec.{next(iter(fields))}"
    message = whole if kind in WHOLE else "field is immutable"
    assert any(
        cause["field"].startswith(place) and message in cause["message"] for cause in told
    ), told


@pytest.mark.parametrize(("kind", "fields"), CHANGEABLE)
def test_what_people_may_change_can_be_changed(
    changed: Callable[..., dict[str, Any]], kind: str, fields: dict[str, Any]
) -> None:
    spec = changed(kind, fields)["spec"]
    assert {name: spec[name] for name in fields} == fields


def test_policy_fields_have_server_side_defaults(
    changed: Callable[..., dict[str, Any]],
) -> None:
    group = changed("DeviceGroup", {})["spec"]
    assert (group["policy"], group["priority"]) == ("no_update,", 25)
    assert changed("Rollout", {})["spec"]["targetSelection"] == "Snapshot"
    assert changed("Package", {"offer": {}})["spec"]["offer"] == {"strategy": "suspended"}


def test_nothing_else_is_filled_in(changed: Callable[..., dict[str, Any]]) -> None:
    assert changed("Device", {})["spec"] == VALID["Device"]
    assert changed("User", {})["spec"] == VALID["User"]
