"""The comparison of answers with a document finds what does not fit."""

import pytest

from tests.fuzz.documented import Operation, operations_of
from tests.fuzz.raw import Answer

TEXT = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
DOCUMENT = {
    "paths": {
        "/things/{id}": {
            "get": {
                "parameters": [{"name": "id", "in": "path", "schema": {"type": "integer"}}],
                "responses": {
                    "204": {},
                    "404": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Text"}}
                        }
                    },
                },
            }
        }
    },
    "components": {"schemas": {"Text": TEXT}},
}
JSON = {"content-type": "application/json; charset=utf-8"}


@pytest.fixture
def operation() -> Operation:
    (found,) = operations_of(DOCUMENT)
    return found


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (Answer(500, JSON, b"{}"), "not documented"),
        (Answer(404, {"content-type": "text/plain"}, b"no"), "type 'text/plain'"),
        (Answer(404, JSON, b'{"error": 1}'), "does not fit its schema"),
        (Answer(404, JSON, b"{}"), "does not fit its schema"),
    ],
)
def test_what_does_not_fit_is_told(operation: Operation, answer: Answer, word: str) -> None:
    (fault,) = operation.faults(answer)
    assert word in fault


@pytest.mark.parametrize("answer", [Answer(204, {}, b""), Answer(404, JSON, b'{"error": "no"}')])
def test_what_fits_is_not(operation: Operation, answer: Answer) -> None:
    assert not list(operation.faults(answer))


def test_a_path_names_something_that_is_there(operation: Operation) -> None:
    assert operation.target() == "/things/1"
    assert operation.target(id="%00") == "/things/%00"
