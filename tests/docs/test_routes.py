"""docs/routes.md is whole: every route that a dialect documents, with every documented answer."""

from typing import Any

import pytest

from polyfleet.api.app import DOCUMENTS
from tests import route_record
from tests.facade_fixtures import FacadeServer

UNSEEN = {503, 507}
"""What every route may answer when the API server or the disk fails, and few tests make fail."""


def documented(dialect: str, document: dict[str, Any]) -> dict[route_record.Route, set[int]]:
    return {
        (dialect, path, method.upper()): {int(status) for status in operation["responses"]} - UNSEEN
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.parametrize("dialect", sorted(DOCUMENTS))
def test_every_documented_answer_was_seen_over_http(
    dialect: str, facade_server: FacadeServer
) -> None:
    with facade_server.client() as client:
        document = client.get(DOCUMENTS[dialect]).raise_for_status().json()
    page = route_record.promised(route_record.PAGE.read_text())
    assert route_record.missing(documented(dialect, document), page) == []


def test_the_page_reads_back_as_it_was_written() -> None:
    routes = {("rdfm", "/api/v1/groups/{identifier}", "GET"): {200, 404}, ("x", "/y", "PUT"): {204}}
    assert route_record.promised(route_record.rendered(routes)) == routes


def test_an_answer_that_no_test_saw_is_named() -> None:
    route = ("rdfm", "/api/v1/groups", "GET")
    assert route_record.missing({route: {200, 403}}, {route: {200}}) == [
        "GET /api/v1/groups (rdfm) answered 403 in no test"
    ]
