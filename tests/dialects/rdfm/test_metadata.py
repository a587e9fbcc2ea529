"""The flat metadata of devices."""

import pytest

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.rdfm import metadata
from polyfleet.fleet.attributes import plain

FLAT = {
    "rdfm.software.version": "v0",
    "rdfm.hardware.devtype": "dummy",
    "rdfm.hardware.macaddr": "00:11:22:33:44:55",
}


def test_the_three_compulsory_keys_are_read() -> None:
    read = metadata.read(FLAT)
    assert (read.identifier, read.device_type, read.version) == (
        "00:11:22:33:44:55",
        "dummy",
        "v0",
    )


@pytest.mark.parametrize("key", list(FLAT))
def test_a_missing_compulsory_key_is_named(key: str) -> None:
    with pytest.raises(Invalid) as raised:
        metadata.read({other: FLAT[other] for other in FLAT if other != key})
    assert raised.value.field == key


@pytest.mark.parametrize("key", list(FLAT))
def test_compulsory_keys_must_be_texts(key: str) -> None:
    with pytest.raises(Invalid) as raised:
        metadata.read({**FLAT, key: ["x"]})
    assert raised.value.field == key


@pytest.mark.parametrize("name", ["loopback", "a/b c", "ü", "x" * 1024, "~x"])
def test_the_id_may_be_any_text(name: str) -> None:
    assert metadata.read({**FLAT, "rdfm.hardware.macaddr": name}).identifier == name


@pytest.mark.parametrize("name", ["", "x" * 1025])
def test_an_id_of_no_or_absurd_length_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as raised:
        metadata.read({**FLAT, "rdfm.hardware.macaddr": name})
    assert raised.value.field == "rdfm.hardware.macaddr"


@pytest.mark.parametrize("value", [1, 1.5, None, True, {}, {"a": "b"}, [None], [{}], ["a", 1]])
def test_a_value_is_a_text_or_a_list(value: object) -> None:
    with pytest.raises(Invalid) as raised:
        metadata.read({**FLAT, "extra": value})
    assert raised.value.field == "extra"


@pytest.mark.parametrize("document", [None, [], "text", 1])
def test_metadata_is_an_object(document: object) -> None:
    with pytest.raises(Invalid) as raised:
        metadata.read(document)
    assert raised.value.field == "metadata"


def test_metadata_becomes_attributes_in_the_order_of_names() -> None:
    read = metadata.read({**FLAT, "tags": ["b", "a"], "ports": [1, 2.5], "none": []})
    found = {entry.name: plain(entry.value) for entry in metadata.attributes(read)}
    assert list(found) == sorted(found)
    assert found["tags"] == ["b", "a"]
    assert found["ports"] == [1, 2.5]
    assert found["none"] == []
    assert found["rdfm.software.version"] == "v0"
