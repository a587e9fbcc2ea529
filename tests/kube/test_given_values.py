"""The environment that somebody without a REST API keeps in a Secret."""

from polyfleet.kube.client import Client
from polyfleet.kube.given_values import Given, read_given
from polyfleet.kube.resources import SECRETS


async def test_without_the_secret_nothing_is_given(client: Client) -> None:
    assert await read_given(client, "shop") is None


async def test_each_key_is_a_variable(client: Client) -> None:
    secret = {"metadata": {"name": "app-shop-config"}, "stringData": {"A": "1", "B": "ü"}}
    await client.create_document(SECRETS, secret)
    assert await read_given(client, "shop") == Given({"A": "1", "B": "ü"})


async def test_a_secret_may_be_empty(client: Client) -> None:
    await client.create_document(SECRETS, {"metadata": {"name": "app-shop-config"}})
    assert await read_given(client, "shop") == Given({})


async def test_what_is_no_text_is_told_by_name(client: Client) -> None:
    data = {"TEXT": "YQ==", "PICTURE": "/w=="}
    await client.create_document(SECRETS, {"metadata": {"name": "app-shop-config"}, "data": data})
    assert await read_given(client, "shop") == Given({"TEXT": "a"}, ("PICTURE",))
