"""Devices in RDFM's words."""

from datetime import UTC, datetime

import msgspec
import orjson

from polyfleet.api.dialects.rdfm.translate import device
from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.enrollment import Enrollment

DOCUMENT = {
    "metadata": {"name": "d", "labels": {"polyfleet.dev/serial": "4"}},
    "spec": {
        "application": "default",
        "deviceId": "loopback",
        "publicKeys": ["PEM-1", "PEM-2"],
        "enrolled": {
            "at": "2026-01-01T00:00:00Z",
            "metadata": [{"name": "serial", "value": {"string": "old"}}],
        },
        "attributes": [
            {"name": "floor", "value": {"number": 3}},
            {"name": "ring", "value": {"string": "declared"}},
        ],
    },
    "status": {
        "reported": [
            {"name": "ring", "value": {"string": "reported"}, "source": "rdfm", "at": "2026"},
            {"name": "load", "value": {"numbers": [1, 2.5]}, "source": "rdfm", "at": "2026"},
            {"name": "tags", "value": {"strings": ["a", "b"]}, "source": "rdfm", "at": "2026"},
        ],
    },
}


def read(document: object) -> Device:
    return msgspec.json.decode(orjson.dumps(document), type=Device)


def test_a_device_has_exactly_the_shared_keys() -> None:
    last = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    assert device.document(read(DOCUMENT), name="loopback", last_access=last) == {
        "id": 4,
        "name": "loopback",
        "mac_address": "loopback",
        "capabilities": {"shell": False},
        "metadata": {
            "serial": "old",
            "floor": "3",
            "ring": "reported",
            "load": ["1", "2.5"],
            "tags": ["a", "b"],
        },
        "last_access": "Sun, 22 Nov 2026 02:00:00 GMT",
        "public_key": "PEM-1",
    }


def test_what_is_not_known_is_null() -> None:
    bare = {"metadata": {"name": "d"}, "spec": {"application": "a", "deviceId": "i"}}
    shown = device.document(read(bare), name="i", last_access=None)
    assert (shown["last_access"], shown["public_key"], shown["metadata"]) == (None, None, {})


def test_reported_capabilities_replace_the_default() -> None:
    document = {**DOCUMENT, "status": {"capabilities": {"shell": True, "action": False}}}
    shown = device.document(read(document), name="i", last_access=None)
    assert shown["capabilities"] == {"shell": True, "action": False}


def test_a_registration_has_exactly_the_documented_keys() -> None:
    enrollment = msgspec.json.decode(
        orjson.dumps(
            {
                "metadata": {"name": "e"},
                "spec": {
                    "application": "default",
                    "deviceId": "loopback",
                    "publicKey": "PEM",
                    "metadata": [{"name": "k", "value": {"strings": ["v"]}}],
                },
            }
        ),
        type=Enrollment,
    )
    appeared = datetime(2023, 9, 13, 10, 40, 49, tzinfo=UTC)
    assert device.registration(enrollment, name="loopback", last_appeared=appeared) == {
        "mac_address": "loopback",
        "public_key": "PEM",
        "metadata": {"k": ["v"]},
        "last_appeared": "Wed, 13 Sep 2023 10:40:49 GMT",
    }
