"""Packages in RDFM's words."""

import json

import pytest

from polyfleet.api.core.errors import Invalid
from polyfleet.api.dialects.rdfm.translate import package, wire
from polyfleet.fleet.objects.metadata import ObjectMeta
from polyfleet.fleet.objects.package import Artifact, Package, PackageSpec, Requirement

FORM = {"rdfm.software.version": "v10", "rdfm.hardware.devtype": "dummy"}


def made(**spec: object) -> Package:
    return Package(
        metadata=ObjectMeta(name="p", uid="u", labels={"polyfleet.dev/serial": "7"}),
        spec=PackageSpec(
            application="default",
            version="v10",
            created_at="2023-08-17T10:41:08.000000Z",
            **spec,  # type: ignore[arg-type]
        ),
    )


def shown(found: Package) -> dict[str, object]:
    document: dict[str, object] = json.loads(wire.encode(package.document(found)))
    return document


def test_version_and_type_become_fields_of_the_spec() -> None:
    spec = package.spec_of(FORM)
    assert (spec["version"], spec["deviceType"]) == ("v10", "dummy")
    assert spec["metadata"] == "{}"


def test_requirements_are_kept_apart_and_sorted() -> None:
    spec = package.spec_of({**FORM, "requires:b": "2", "requires:a": "1", "requires:x:y": "3"})
    assert spec["requires"] == [
        {"name": "a", "value": "1"},
        {"name": "b", "value": "2"},
        {"name": "x:y", "value": "3"},
    ]


def test_remaining_keys_are_kept_as_json_text() -> None:
    spec = package.spec_of({**FORM, "note": "ä", "rdfm.storage.directory": "dir"})
    assert json.loads(spec["metadata"]) == {"note": "ä"}


@pytest.mark.parametrize("key", list(FORM))
@pytest.mark.parametrize("value", [None, ""])
def test_a_package_without_version_or_type_is_refused(key: str, value: str | None) -> None:
    form = {**FORM, key: value} if value is not None else {k: FORM[k] for k in FORM if k != key}
    with pytest.raises(Invalid) as raised:
        package.check_form(form)  # type: ignore[arg-type]
    assert raised.value.field == key


@pytest.mark.parametrize(
    "key", ["rdfm.storage.local.uuid", "rdfm.storage.", "rdfm.storage.s3.size", "requires:"]
)
def test_reserved_keys_are_refused(key: str) -> None:
    with pytest.raises(Invalid) as raised:
        package.check_form({**FORM, key: "x"})
    assert raised.value.field == key


def test_a_package_has_exactly_the_documented_keys() -> None:
    found = made(
        device_type="dummy",
        requires=(Requirement(name="k", value="v"),),
        metadata='{"note":"n"}',
        artifact=Artifact(driver="local", path="dir/1-2", sha256="ab", size=42),
    )
    assert shown(found) == {
        "id": 7,
        "created": "Thu, 17 Aug 2023 10:41:08 GMT",
        "sha256": "ab",
        "driver": "local",
        "metadata": {
            "note": "n",
            "requires:k": "v",
            "rdfm.software.version": "v10",
            "rdfm.hardware.devtype": "dummy",
            "rdfm.storage.local.uuid": "1-2",
            "rdfm.storage.local.length": 42,
            "rdfm.storage.local.directory": "dir",
        },
    }


def test_a_file_in_the_stores_own_folder_has_the_directory_dot() -> None:
    found = made(artifact=Artifact(driver="local", path="1-2", size=1))
    assert package.flat_metadata(found)["rdfm.storage.local.directory"] == "."


def test_object_storage_has_its_own_key_for_the_size() -> None:
    found = made(artifact=Artifact(driver="s3", path="1-2", size=9))
    assert package.flat_metadata(found) == {
        "rdfm.software.version": "v10",
        "rdfm.storage.s3.uuid": "1-2",
        "rdfm.storage.s3.size": 9,
        "rdfm.storage.s3.directory": ".",
    }


def test_a_file_elsewhere_shows_only_its_length() -> None:
    found = made(artifact=Artifact(driver="url", url="https://example.com/f", size=9))
    assert shown(found)["driver"] == "url"
    assert package.flat_metadata(found)["rdfm.storage.url.length"] == 9


def test_the_spec_wins_over_free_keys_of_the_same_name() -> None:
    found = made(metadata='{"rdfm.software.version":"v999"}')
    assert package.flat_metadata(found)["rdfm.software.version"] == "v10"


def test_metadata_that_kubectl_broke_does_not_break_the_answer() -> None:
    assert shown(made(metadata="[1, 2]"))["metadata"] == {"rdfm.software.version": "v10"}


def test_a_form_reads_back_as_it_was_sent() -> None:
    form = {**FORM, "requires:a": "1", "note": "n"}
    spec = package.spec_of(form)
    found = made(
        device_type=spec["deviceType"],
        requires=tuple(Requirement(**need) for need in spec["requires"]),
        metadata=spec["metadata"],
    )
    assert package.flat_metadata(found) == form
