"""The documents that are kept, and how many of them."""

from types import SimpleNamespace
from typing import Any, cast

from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.inventory.documents import Documents
from polyfleet.fleet.resolve.catalogue import Catalogue
from tests.fleet.make import application, attribute, device


def facade() -> Facade:
    catalogue = Catalogue.build([application()], [], [], [])
    settings = SimpleNamespace(default_application="default")
    return cast("Facade", SimpleNamespace(settings=settings, catalogue=lambda: catalogue))


def a_device(name: str, version: str = "1", **fields: Any) -> Any:
    born = "2026-03-01T12:00:00Z"
    return device(name, resource_version=version, creation_timestamp=born, **fields)


def test_a_document_is_encoded_once_for_each_version() -> None:
    documents = Documents(facade())
    first = documents.plain(a_device("d1"))
    assert documents.plain(a_device("d1")) is first
    changed = documents.plain(a_device("d1", "2", reported=[attribute("a", "b", source="x")]))
    assert changed != first


def test_the_documents_kept_stay_below_a_size_and_those_used_last_stay() -> None:
    documents = Documents(facade(), largest=5_000)
    favourite = documents.plain(a_device("favourite"))
    for number in range(50):
        documents.plain(a_device(f"d{number}"))
        assert documents.plain(a_device("favourite")) is favourite
    assert documents._size <= 5_000
    assert documents._size == sum(len(body) + 400 for _, body in documents._kept.values())
