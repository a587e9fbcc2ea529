"""Writes the settings' part of charts/polyfleet/values.schema.json from their models (`make docs`).

The rest of that file is written by hand. What the chart itself decides is no setting there, and a
secret belongs into a Secret: neither can be given as a value.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from polyfleet.api.settings import Settings as FacadeSettings
from polyfleet.operator.settings import Settings as OperatorSettings

SCHEMA = Path(__file__).resolve().parents[1] / "charts" / "polyfleet" / "values.schema.json"

_DECIDED_BY_THE_CHART = frozenset(
    {
        "namespace",
        "kubeconfig",
        "host",
        "port",
        "operations_port",
        "operator_host",
        "operator_port",
        "operator_identity",
        "artifacts.driver",
        "artifacts.directory",
        "artifacts.s3",
        "deis.domain",
        "workload_domain",
    }
)
_THE_SAME_FOR_BOTH = frozenset({"default_application", "attribute_labels", "workloads_namespace"})
"""Where the processes would contradict each other."""

Schema = dict[str, Any]


def rendered(text: str) -> str:
    """Return the file with its parts about settings written anew."""
    schema: Schema = json.loads(text)
    facade, operator = _section(FacadeSettings), _section(OperatorSettings)
    common = facade["properties"].keys() & operator["properties"].keys()
    same = {camel_case(name) for name in _THE_SAME_FOR_BOTH}
    schema["$defs"]["settings"] = _only(facade, lambda name: name in common)
    schema["$defs"]["facadeSettings"] = _only(facade, lambda name: name not in same)
    schema["$defs"]["operatorSettings"] = _only(operator, lambda name: name not in same)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def camel_case(name: str) -> str:
    """Return the name that a field has among the values."""
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def main() -> None:
    """Write the file."""
    SCHEMA.write_text(rendered(SCHEMA.read_text()))


def _only(section: Schema, wanted: Callable[[str], bool]) -> Schema:
    chosen = {name: entry for name, entry in section["properties"].items() if wanted(name)}
    return {**section, "properties": chosen}


def _section(model: type[BaseModel], path: str = "") -> Schema:
    """Return the schema of the model's fields: the names in camel case, and no others."""
    whole = TypeAdapter(model).json_schema(ref_template="{model}")
    definitions = whole.get("$defs", {})
    entries = {}
    for name, field in model.model_fields.items():
        at = f"{path}{name}"
        if at in _DECIDED_BY_THE_CHART:
            continue
        entry = _without_null(whole["properties"][name])
        if entry.get("writeOnly"):
            continue
        if entry.get("$ref") in definitions:
            inner = _model_of(field.annotation)
            entry = {**_section(inner, f"{at}."), "description": (inner.__doc__ or "").strip()}
        entry.pop("title", None)
        entry.pop("default", None)
        entry.pop("format", None)
        if isinstance(entry.get("description"), str):
            entry["description"] = " ".join(entry["description"].split())
        entries[camel_case(name)] = entry
    section: Schema = {"type": "object", "additionalProperties": False, "properties": entries}
    needed = {camel_case(name) for name in whole.get("required", ())}
    if present := [name for name in entries if name in needed]:
        section["required"] = present
    return section


def _without_null(entry: Schema) -> Schema:
    # In values `null` takes a default away; what is absent has the process's own.
    kinds = [kind for kind in entry.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        rest = {key: value for key, value in entry.items() if key != "anyOf"}
        return {**kinds[0], **rest}
    return dict(entry)


def _model_of(annotation: Any) -> type[BaseModel]:
    for part in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    raise TypeError(f"{annotation} has no section")


if __name__ == "__main__":
    main()
