"""The committed definitions: in step with the models, and held to the conventions."""

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from polyfleet.crds.base import GROUP, CustomResource
from polyfleet.crds.generate import FOLDER, KINDS, rendered, stale, write
from polyfleet.fleet.objects import kinds
from polyfleet.fleet.objects.metadata import View

ROOT = Path(__file__).resolve().parents[2]
CACHED = [
    value
    for value in vars(kinds).values()
    if isinstance(value, kinds.Kind) and value.api_version.startswith(GROUP)
]
DEFINITIONS = {kind.names.kind: kind.definition() for kind in KINDS}
SCHEMAS = {
    name: definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for name, definition in DEFINITIONS.items()
}
ANY = "x-kubernetes-preserve-unknown-fields"
POLICY_DEFAULTS = {
    "DeviceGroup.spec.policy",
    "DeviceGroup.spec.priority",
    "Rollout.spec.targetSelection",
    "Package.spec.offer.strategy",
}

Node = tuple[str, dict[str, Any]]


def nodes(path: str, schema: dict[str, Any]) -> Iterator[Node]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(f"{path}.{name}", child)
    if "items" in schema:
        yield from nodes(f"{path}[]", schema["items"])
    if "additionalProperties" in schema:
        yield from nodes(f"{path}{{}}", schema["additionalProperties"])


ALL = [
    node
    for kind, schema in SCHEMAS.items()
    for part in ("spec", "status")
    for node in nodes(f"{kind}.{part}", schema["properties"][part])
]


def test_the_committed_files_are_what_the_models_say() -> None:
    assert stale(ROOT / FOLDER) == []


def test_the_same_models_give_the_same_text() -> None:
    assert rendered() == rendered()


def test_a_changed_missing_or_left_over_file_is_found_and_put_right(tmp_path: Path) -> None:
    write(tmp_path)
    first, second = sorted(tmp_path.iterdir())[:2]
    first.write_text("changed")
    second.unlink()
    (tmp_path / "gone.yaml").touch()
    assert stale(tmp_path) == sorted([first.name, second.name, "gone.yaml"])
    write(tmp_path)
    assert stale(tmp_path) == []


def test_every_field_has_a_description() -> None:
    named = [(path, node) for path, node in ALL if not path.endswith(("[]", "{}"))]
    assert [path for path, node in named if not node.get("description")] == []


def test_every_value_has_one_known_type() -> None:
    untyped = [
        path
        for path, node in ALL
        if node.get("type") is None and not node.get("x-kubernetes-int-or-string")
    ]
    assert untyped == []


def test_every_text_is_bounded() -> None:
    texts = [(path, node) for path, node in ALL if node.get("type") == "string"]
    assert [path for path, node in texts if "maxLength" not in node and "enum" not in node] == []


def test_every_whole_number_is_bounded_on_both_sides() -> None:
    numbers = [(path, node) for path, node in ALL if node.get("type") == "integer"]
    assert [path for path, node in numbers if not {"minimum", "maximum"} <= node.keys()] == []


def test_every_list_is_bounded_and_has_a_list_type() -> None:
    lists = [(path, node) for path, node in ALL if node.get("type") == "array"]
    wanted = {"maxItems", "x-kubernetes-list-type"}
    assert [path for path, node in lists if not wanted <= node.keys()] == []


def test_a_list_of_keyed_objects_names_required_keys() -> None:
    keyed = [(path, node) for path, node in ALL if "x-kubernetes-list-map-keys" in node]
    assert keyed
    for path, node in keyed:
        assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"]), path


def test_every_map_is_bounded() -> None:
    maps = [(path, node) for path, node in ALL if "additionalProperties" in node or ANY in node]
    assert [path for path, node in maps if "maxProperties" not in node] == []


def test_field_names_are_camel_case() -> None:
    names = [path.rsplit(".", 1)[-1] for path, _ in ALL if not path.endswith(("[]", "{}"))]
    assert [name for name in names if not re.fullmatch("[a-z][a-zA-Z0-9]*", name)] == []


def test_no_field_is_nullable() -> None:
    assert [path for path, node in ALL if node.get("nullable")] == []


def test_only_policy_fields_have_defaults() -> None:
    assert {path for path, node in ALL if "default" in node} == POLICY_DEFAULTS


def test_all_fields_of_a_status_are_optional() -> None:
    assert [kind for kind, schema in SCHEMAS.items() if "status" in schema["required"]] == []
    assert [
        kind for kind, schema in SCHEMAS.items() if schema["properties"]["status"].get("required")
    ] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.names.kind)
def test_every_kind_has_conditions_status_columns_and_a_category(
    kind: type[CustomResource],
) -> None:
    definition = DEFINITIONS[kind.names.kind]["spec"]
    version = definition["versions"][0]
    assert version["subresources"] == {"status": {}}
    assert definition["names"]["categories"] == ["polyfleet"]
    assert version["additionalPrinterColumns"][-1]["name"] == "Age"
    status = SCHEMAS[kind.names.kind]["properties"]["status"]["properties"]
    assert {"conditions", "observedGeneration"} <= status.keys()


def test_no_two_kinds_share_a_short_name() -> None:
    names = [
        name
        for kind in KINDS
        for name in (*kind.names.short, kind.names.plural, kind.names.singular)
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", CACHED, ids=lambda kind: kind.name)
def test_a_cached_kind_is_served_under_its_names(kind: kinds.Kind[Any]) -> None:
    names = DEFINITIONS[kind.name]["spec"]["names"]
    assert names["plural"] == kind.plural


@pytest.mark.parametrize("kind", CACHED, ids=lambda kind: kind.name)
def test_every_field_that_a_view_reads_exists(kind: kinds.Kind[Any]) -> None:
    hints = typing.get_type_hints(kind.view)
    for part in ("spec", "status"):
        missing = list(unknown(part, hints[part], SCHEMAS[kind.name]["properties"][part]))
        assert missing == []


def unknown(path: str, hint: Any, schema: dict[str, Any]) -> Iterator[str]:
    """Yield the paths of the view's fields that the schema does not have."""
    if isinstance(hint, type) and issubclass(hint, View):
        hints = typing.get_type_hints(hint)
        properties = schema.get("properties", {})
        for field in msgspec.structs.fields(hint):
            name = field.encode_name
            if name not in properties:
                yield f"{path}.{name}"
            else:
                yield from unknown(f"{path}.{name}", hints[field.name], properties[name])
        return
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        for argument in arguments:
            yield from unknown(path, argument, schema)
    elif origin is tuple:
        yield from unknown(f"{path}[]", arguments[0], schema["items"])
    elif origin is dict:
        yield from unknown(f"{path}{{}}", arguments[1], schema["additionalProperties"])
