"""The environment that somebody without a REST API keeps in a Secret."""

from typing import Any

import msgspec
import pytest

from polyfleet.fleet.objects.application import Application
from polyfleet.kube.client import Client
from polyfleet.kube.errors import Invalid
from polyfleet.kube.given_values import read_given
from polyfleet.kube.resources import SECRETS

METADATA = {"name": "app-shop-config"}


def shop(**spec: Any) -> Application:
    document = {"metadata": {"name": "shop", "uid": "uid-1"}, "spec": {"name": "shop", **spec}}
    return msgspec.convert(document, Application)


async def test_without_the_secret_nothing_is_given(client: Client) -> None:
    assert await read_given(client, shop()) is None


async def test_each_key_is_a_variable(client: Client) -> None:
    secret = {"metadata": METADATA, "stringData": {"A": "1", "B": "ü"}}
    made = await client.create_document(SECRETS, secret)
    found = await read_given(client, shop())
    assert found is not None
    assert found.values == {"A": "1", "B": "ü"}
    assert found.secret_uid == made["metadata"]["uid"]
    assert await read_given(client, shop(config={"uuid": "u1"})) is None


async def test_a_secret_may_be_empty(client: Client) -> None:
    await client.create_document(SECRETS, {"metadata": METADATA})
    found = await read_given(client, shop())
    assert found is not None
    assert found.values == {}


async def test_what_is_no_text_is_told_by_name(client: Client) -> None:
    data = {"TEXT": "YQ==", "PICTURE": "/w=="}
    await client.create_document(SECRETS, {"metadata": METADATA, "data": data})
    with pytest.raises(Invalid, match="app-shop-config holds what is no text: PICTURE"):
        await read_given(client, shop())


async def test_an_application_of_an_api_is_given_none_but_what_names_it(client: Client) -> None:
    over_rest = shop(createdAt="2030-01-01T00:00:00.000000Z")
    await client.create_document(SECRETS, {"metadata": METADATA, "stringData": {"A": "1"}})
    assert await read_given(client, over_rest) is None
    named = {"metadata": {"annotations": {"polyfleet.dev/given-to": "uid-1"}}}
    await client.patch_document(SECRETS, METADATA["name"], named)
    found = await read_given(client, over_rest)
    assert found is not None
    assert found.values == {"A": "1"}
