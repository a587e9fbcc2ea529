"""Every operation refuses what no document describes: with a documented status, in its own form.

Bytes that are no JSON, no UTF-8 and no HTTP, parameters given twice, texts and numbers that no
field can hold, bodies without end; each as an administrator, whom only the checks stop.
"""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.facade_fixtures import FacadeServer
from tests.fuzz import poison
from tests.fuzz.callers import DIALECTS, authorization, person_token
from tests.fuzz.documented import Operation, operations_of
from tests.fuzz.raw import Answer, ask

TOO_MANY = 429
MOST_GUESSES = 20


@pytest.fixture(scope="module", params=sorted(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def operations(dialect: str, server: FacadeServer) -> list[Operation]:
    with server.client() as client:
        return operations_of(client.get(DIALECTS[dialect]).raise_for_status().json())


@pytest.fixture(scope="module")
def administrator(dialect: str, server: FacadeServer) -> tuple[str, str]:
    token = person_token(server, f"hostile-{dialect}", administrator=True)
    return ("Authorization", authorization(dialect, token))


class Inquiry:
    """Asks, and collects what does not fit the document."""

    def __init__(self, server: FacadeServer) -> None:
        self._port = server.port
        self.found: list[str] = []
        self.asked = 0

    def ask(
        self, operation: Operation, what: str, target: bytes | str | None = None, **request: Any
    ) -> Answer:
        """Send a request; note what is wrong with its answer."""
        self.asked += 1
        path = operation.target() if target is None else target
        answer = ask(self._port, operation.method, path, **request)
        if answer.body == poison.NO_HTTP:
            return answer  # refused before anybody knows which dialect is meant
        for fault in operation.faults(answer):
            self.found.append(f"{operation.method} {operation.path} with {what}: {fault}")
        if "x-injected" in answer.headers or "set-cookie" in answer.headers:
            self.found.append(f"{operation.method} {operation.path} with {what}: injected a header")
        return answer

    def conclude(self) -> None:
        """Fail if there was something to note, or nothing to ask."""
        assert not self.found, "\n".join([f"{len(self.found)} faults", *self.found])


def test_bodies_that_are_none(
    operations: list[Operation], administrator: tuple[str, str], server: FacadeServer
) -> None:
    inquiry = Inquiry(server)
    for operation in operations:
        for what, body in poison.BODIES.items():
            inquiry.ask(operation, what, headers=[administrator, operation.content_type], body=body)
    inquiry.conclude()


def test_bodies_without_end_and_of_other_types(
    operations: list[Operation], administrator: tuple[str, str], server: FacadeServer
) -> None:
    inquiry = Inquiry(server)
    for operation in operations:
        if not operation.reads_body:
            continue
        for chunked in (False, True):
            inquiry.ask(
                operation,
                "too much",
                headers=[administrator, operation.content_type],
                body=poison.LARGE,
                chunked=chunked,
            )
        for kind in poison.TYPES:
            headers = [administrator, ("Content-Type", kind)]
            inquiry.ask(operation, f"type {kind[:40]!r}", headers=headers, body=b"{}")
        inquiry.ask(operation, "no type", headers=[administrator], body=b"{}")
    inquiry.conclude()


def test_fields_that_hold_what_they_cannot(
    operations: list[Operation], administrator: tuple[str, str], server: FacadeServer
) -> None:
    inquiry = Inquiry(server)
    for operation in operations:
        for what, body in _with_odd_fields(operation):
            inquiry.ask(operation, what, headers=[administrator, operation.content_type], body=body)
    inquiry.conclude()


def test_names_in_the_path_that_name_nothing(
    operations: list[Operation], administrator: tuple[str, str], server: FacadeServer
) -> None:
    inquiry = Inquiry(server)
    for operation in operations:
        for name in operation.segments:
            for value in poison.SEGMENTS:
                target = operation.target(**{name: value})
                body = {"body": b"{}"} if operation.reads_body else {}
                inquiry.ask(
                    operation,
                    f"{name} {value[:40]!r}",
                    target,
                    headers=[administrator, operation.content_type],
                    **body,
                )
    inquiry.conclude()


def test_queries_that_ask_nothing(
    operations: list[Operation], administrator: tuple[str, str], server: FacadeServer
) -> None:
    inquiry = Inquiry(server)
    for operation in operations:
        body = {"body": b"{}"} if operation.reads_body else {}
        headers = [administrator, operation.content_type]
        for name in [*operation.queries, "unknown"]:
            for value in poison.QUERIES:
                for query in (f"{name}={value}", f"{name}=known&{name}={value}"):
                    target = f"{operation.target()}?{query}"
                    inquiry.ask(operation, query[:60], target, headers=headers, **body)
        for query in (b"\xff=\xff", b"&&&===;", b"a=1&" * 1200, b"%"):
            target = operation.target().encode() + b"?" + query
            inquiry.ask(operation, repr(query[:20]), target, headers=headers, **body)
    inquiry.conclude()


def test_credentials_that_are_none(operations: list[Operation], server: FacadeServer) -> None:
    inquiry = Inquiry(server)
    for operation in operations:
        body, kind = operation.ordinary_body(), operation.content_type
        for value in poison.CREDENTIALS:
            headers = [("Authorization", value), kind]
            inquiry.ask(operation, f"credential {value[:40]!r}", headers=headers, body=body)
        twice = [("Authorization", b"Bearer a"), ("Authorization", b"Bearer b"), kind]
        inquiry.ask(operation, "two credentials", headers=twice, body=body)
        inquiry.ask(operation, "no credential", headers=[kind], body=body)
    inquiry.conclude()


def test_headers_that_lie(
    operations: list[Operation], administrator: tuple[str, str], server: FacadeServer
) -> None:
    inquiry = Inquiry(server)
    for operation in operations:
        body = {"body": b"{}"} if operation.reads_body else {}
        for name, value in poison.HEADERS:
            headers = [administrator, (name, value)]
            if name != "Content-Type":
                headers.append(operation.content_type)
            inquiry.ask(operation, f"{name} {value[:40]!r}", headers=headers, **body)
    inquiry.conclude()


def test_guesses_of_passwords(operations: list[Operation], server: FacadeServer) -> None:
    inquiry = Inquiry(server)
    guess = ("Authorization", "Basic " + base64.b64encode(b"nobody:a guess").decode())
    never = []
    for operation in operations:
        body = operation.ordinary_body()
        if TOO_MANY not in operation.statuses or not operation.for_people:
            continue
        answers = (
            inquiry.ask(operation, "a guess", headers=[guess, operation.content_type], body=body)
            for _ in range(MOST_GUESSES)
        )
        # The pause doubles with each guess, so the slowest machine runs into it.
        if not any(item.status == TOO_MANY for item in answers):
            never.append(f"{operation.method} {operation.path}")
    inquiry.conclude()
    assert not never


def test_uploads_that_are_none(
    operations: list[Operation], administrator: tuple[str, str], server: FacadeServer
) -> None:
    inquiry = Inquiry(server)
    form = ("Content-Type", "multipart/form-data; boundary=b")
    for operation in operations:
        if "multipart/form-data" not in operation.media_types:
            continue
        for what, body in poison.FORMS.items():
            for chunked in (False, True):
                headers = [administrator, form]
                inquiry.ask(operation, what, headers=headers, body=body, chunked=chunked)
        for name in poison.TEXTS:
            body = poison.form({name: b"x", "file": b"y"}) + poison.form({"metadata": name})
            inquiry.ask(
                operation, f"a field {name[:40]!r}", headers=[administrator, form], body=body
            )
    inquiry.conclude()


def _with_odd_fields(operation: Operation) -> Iterator[tuple[str, bytes]]:
    for field in operation.fields:
        for value in poison.VALUES:
            body = operation.ordinary_body({field: value})
            if body is not None:
                yield f"{field} = {str(value)[:40]!r}", body
