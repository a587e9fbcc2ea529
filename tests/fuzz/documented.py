"""What an OpenAPI document says about its operations, and whether an answer fits it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import jsonschema_rs

from tests.fuzz.raw import Answer

REFUSED = 400
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


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
    def for_people(self) -> bool:
        """Whether the document says that people's credentials are taken in the header."""
        asked = self.described.get("security")
        return asked is None or any(
            not set(item) <= {"DeviceToken", "BuilderKey"} for item in asked
        )

    @property
    def media_types(self) -> set[str]:
        """The documented types of the body."""
        return set(self.described.get("requestBody", {}).get("content", {}))

    @property
    def content_type(self) -> tuple[str, str]:
        """The header that names the type of the body: JSON, unless only a form is taken."""
        return ("Content-Type", FORM if self.media_types == {FORM} else JSON)

    @property
    def fields(self) -> list[str]:
        """The documented fields of a body of that type; none if it is no object."""
        return list(self._schema().get("properties", {}))

    def target(self, **segments: str) -> str:
        """Return a path; a segment that is not given names something that is there."""
        path = self.path
        parameters = self._parameters("path")
        for item in parameters:
            # What one request deletes, the others still need.
            other = self.method == "DELETE" and item is parameters[-1]
            number, name = ("2", "other") if other else ("1", "known")
            known = number if item["schema"].get("type") == "integer" else name
            value = segments.get(item["name"], quote(known, safe=""))
            path = path.replace(f"{{{item['name']}}}", value)
        return path

    def ordinary_body(self, changes: Mapping[str, Any] | None = None) -> bytes | None:
        """Return a body whose fields hold what they may, but for `changes`."""
        if not self.reads_body:
            return None
        form = self.content_type[1] == FORM
        # Of the fields of a form some exclude others.
        names = self._schema().get("required", ()) if form else self.fields
        document = {name: _ordinary(name) for name in names} | dict(changes or {})
        if form:
            return urlencode(document, errors="surrogatepass").encode()
        return json.dumps(document).encode()

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
        elif kind == JSON and self.method != "HEAD":
            components = {"components": self.document.get("components", {})}
            schema = content[kind].get("schema", {}) | components
            for error in jsonschema_rs.validator_for(schema).iter_errors(answer.json()):
                yield f"{answer.status} does not fit its schema: {error.message}"

    def _parameters(self, place: str) -> list[dict[str, Any]]:
        return [item for item in self.described.get("parameters", []) if item["in"] == place]

    def _schema(self) -> dict[str, Any]:
        content = self.described.get("requestBody", {}).get("content", {})
        schema: dict[str, Any] = content.get(self.content_type[1], {}).get("schema", {})
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
        "grant_type": "client_credentials",
        "timestamp": 1_700_000_000,
        "page": 1,
        "per_page": 20,
        "spec": {},
        "status": {},
        "members": {},
    }
    return known.get(name, [] if name.endswith("s") else "odd")
