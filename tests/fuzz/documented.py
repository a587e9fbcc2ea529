"""What an OpenAPI document says about its operations, and whether an answer fits it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jsonschema_rs

from tests.fuzz.raw import Answer

REFUSED = 400


@dataclass(frozen=True)
class Operation:
    """One operation of a document."""

    document: dict[str, Any]
    method: str
    path: str
    described: dict[str, Any]

    @property
    def statuses(self) -> set[int]:
        """The documented statuses."""
        return {int(status) for status in self.described["responses"]}

    @property
    def queries(self) -> list[str]:
        """The names of the query parameters."""
        return [item["name"] for item in self._parameters("query")]

    @property
    def segments(self) -> list[str]:
        """The names of the path parameters."""
        return [item["name"] for item in self._parameters("path")]

    @property
    def reads_body(self) -> bool:
        """Whether the operation has a documented body."""
        return "requestBody" in self.described

    @property
    def for_devices(self) -> bool:
        """Whether the document says that only devices' tokens are taken."""
        return self.described.get("security") == [{"DeviceToken": []}]

    @property
    def media_types(self) -> set[str]:
        """The documented types of the body."""
        return set(self.described.get("requestBody", {}).get("content", {}))

    @property
    def fields(self) -> list[str]:
        """The documented fields of the JSON body; none if it is no object."""
        content = self.described.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        return list(self._resolved(schema).get("properties", {}))

    def target(self, **segments: str) -> str:
        """Return a path; a segment that is not given names something that is there."""
        path = self.path
        for item in self._parameters("path"):
            known = "1" if item["schema"].get("type") == "integer" else "known"
            value = segments.get(item["name"], quote(known, safe=""))
            path = path.replace(f"{{{item['name']}}}", value)
        return path

    def ordinary_body(self, changes: Mapping[str, Any] | None = None) -> bytes | None:
        """Return a JSON body whose fields hold what they may, but for `changes`."""
        if not self.reads_body:
            return None
        document = {name: _ordinary(name) for name in self.fields}
        return json.dumps(document | dict(changes or {})).encode()

    def faults(self, answer: Answer) -> Iterator[str]:
        """Say in what an answer differs from what the document promises."""
        if answer.status not in self.statuses:
            yield f"{answer.status} is not documented: {answer.body[:200]!r}"
            return
        response = self.described["responses"][str(answer.status)]
        content = response.get("content")
        if content is None:
            if answer.body and answer.status >= REFUSED:
                yield f"{answer.status} has an undocumented body: {answer.body[:200]!r}"
            return
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if kind not in content:
            yield f"{answer.status} is of type {kind!r}, not of {list(content)}"
        elif kind == "application/json" and self.method != "HEAD":
            components = {"components": self.document.get("components", {})}
            schema = content[kind].get("schema", {}) | components
            for error in jsonschema_rs.validator_for(schema).iter_errors(answer.json()):
                yield f"{answer.status} does not fit its schema: {error.message}"

    def _parameters(self, place: str) -> list[dict[str, Any]]:
        return [item for item in self.described.get("parameters", []) if item["in"] == place]

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref")
        if reference is None:
            return schema
        found: dict[str, Any] = self.document["components"]["schemas"][reference.split("/")[-1]]
        return found


def operations_of(document: dict[str, Any]) -> list[Operation]:
    """Return all operations of a document."""
    return [
        Operation(document, method.upper(), path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]


def _ordinary(name: str) -> Any:
    """Return what a field of that name may hold in one dialect or another."""
    known: dict[str, Any] = {
        "metadata": {"name": "odd"},
        "priority": 100,
        "packages": [1],
        "add": [],
        "remove": [],
        "policy": "no_update,",
        "timestamp": 1_700_000_000,
        "page": 1,
        "per_page": 20,
        "spec": {},
        "status": {},
        "members": {},
    }
    return known.get(name, [] if name.endswith("s") else "odd")
