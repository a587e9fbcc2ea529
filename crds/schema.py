"""JSON schemas that a kube-apiserver takes: structural, without references, nulls or constants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

VALIDATIONS = "x-kubernetes-validations"
PRESERVE_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
_REFERENCE = "#/$defs/"


@dataclass(frozen=True)
class Rule:
    """A CEL rule of the API server, with what a person reads when it does not hold."""

    rule: str
    message: str
    field_path: str | None = None

    def entry(self) -> dict[str, str]:
        """Return the entry for `x-kubernetes-validations`."""
        entry = {"message": self.message, "rule": self.rule}
        return entry | ({"fieldPath": self.field_path} if self.field_path else {})

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return add_rules(handler(schema), (self,))


@dataclass(frozen=True)
class Extension:
    """A `x-kubernetes-…` key, or another schema keyword, on an annotated field."""

    keyword: str
    value: str

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), self.keyword: self.value}


@dataclass(frozen=True)
class ListMap:
    """The list type whose entries are told apart, and merged, by some of their fields."""

    keys: tuple[str, ...]

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            **handler(schema),
            "x-kubernetes-list-map-keys": list(self.keys),
            "x-kubernetes-list-type": "map",
        }


def add_rules(schema: JsonSchemaValue, rules: tuple[Rule, ...]) -> JsonSchemaValue:
    """Return the schema with the rules after those it has."""
    if not rules:
        return schema
    entries = [*schema.get(VALIDATIONS, ()), *(rule.entry() for rule in rules)]
    return {**schema, VALIDATIONS: entries}


class Structural(GenerateJsonSchema):
    """Pydantic's generator, held to what the API server calls a structural schema."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Leave null out: an optional field is absent, never null (null breaks merge patches)."""
        return self.generate_inner(schema["schema"])

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """Write a single value as an enum: the API server knows no `const`."""
        out = super().literal_schema(schema)
        if "const" in out:
            out["enum"] = [out.pop("const")]
        return out

    def any_schema(self, schema: core_schema.AnySchema) -> JsonSchemaValue:  # noqa: ARG002
        """Let any JSON through unpruned."""
        return {PRESERVE_UNKNOWN: True}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """State the width: clients in Go read it."""
        return {**super().int_schema(schema), "format": "int64"}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Drop empty defaults: absence is kept as absence."""
        out = super().default_schema(schema)
        if out.get("default") in (None, [], {}, "", False):
            out.pop("default", None)
        return out


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the model's schema, references inlined and titles dropped."""
    whole = model.model_json_schema(by_alias=True, schema_generator=Structural)
    schema = _inlined(whole, whole.pop("$defs", {}))
    if not isinstance(schema, dict):
        raise TypeError(f"{model.__name__} has no object schema")
    return schema


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        definition = definitions[node["$ref"].removeprefix(_REFERENCE)]
        return _inlined(_merged(definition, node), definitions)
    return {
        key: _cleaned(key, value, definitions) for key, value in node.items() if _kept(key, node)
    }


def _merged(definition: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    beside = {key: value for key, value in node.items() if key != "$ref"}
    rules = [*definition.get(VALIDATIONS, ()), *beside.get(VALIDATIONS, ())]
    return {**definition, **beside} | ({VALIDATIONS: rules} if rules else {})


def _kept(key: str, node: Mapping[str, Any]) -> bool:
    if key == "title":
        return not isinstance(node["title"], str)
    # The API server refuses closed objects beside `properties`: strictness is a request option.
    return not (key == "additionalProperties" and node[key] in (False, True))


def _cleaned(key: str, value: Any, definitions: Mapping[str, Any]) -> Any:
    if key == "description":
        return " ".join(value.split()) if isinstance(value, str) else _inlined(value, definitions)
    if key == "properties":
        return {name: _inlined(child, definitions) for name, child in value.items()}
    return _inlined(value, definitions)
