import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.datastructures import Headers

from polyfleet.api.core.errors import Unauthenticated, Unavailable
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.signing_keys import SigningKeys
from polyfleet.api.settings import Settings
from polyfleet.fleet.rights import Principal
from polyfleet.kube.client import Client
from polyfleet.kube.configuration import load_connection
from tests.api.identity.conftest import HandClock, People, StartIdentity

ServiceToken = Callable[..., str]
StartReviewer = Callable[..., Identity]


@pytest.fixture
def service_token(kubectl: Callable[..., str]) -> ServiceToken:
    """Provide a maker of service accounts' tokens, signed by the API server itself."""

    def make(name: str, audience: str = "polyfleet") -> str:
        accounts = json.loads(kubectl("get", "serviceaccounts", "-o", "json"))["items"]
        if name not in {account["metadata"]["name"] for account in accounts}:
            kubectl("create", "serviceaccount", name)
        return kubectl("create", "token", name, "--audience", audience).strip()

    return make


@pytest.fixture
async def start_reviewer(
    admin_kubeconfig: Path, namespace: str, people: People, keys: SigningKeys, clock: HandClock
) -> AsyncIterator[StartReviewer]:
    """Provide a maker of identities that may create TokenReviews."""
    connection = await asyncio.to_thread(load_connection, admin_kubeconfig)
    async with Client(
        connection, namespace=namespace, field_manager="test", registry=CollectorRegistry()
    ) as client:

        def start(*accounts: str, **changes: Any) -> Identity:
            named = {f"{namespace}:{account}": ("rdfm_admin_ro",) for account in accounts}
            section = {"token_review": {"accounts": named}, **changes}
            return Identity(
                Settings(identity=section),
                client,
                people,
                keys,
                clock=clock,
                monotonic=clock.monotonic,
            )

        yield start


def count_reviews(identity: Identity) -> list[str]:
    """Return a list that grows with each token that is shown to the API server."""
    asked: list[str] = []
    review = identity._reviews._review

    async def counting(token: str) -> Principal:
        asked.append(token)
        return await review(token)

    identity._reviews._review = counting  # type: ignore[method-assign]
    return asked


def bearer(token: str) -> Headers:
    return Headers({"authorization": f"Bearer {token}"})


async def test_a_named_service_account_gets_its_scopes(
    start_reviewer: StartReviewer, service_token: ServiceToken, namespace: str
) -> None:
    token = await asyncio.to_thread(service_token, "robot")
    found = await start_reviewer("robot").authenticate_management(bearer(token))
    assert found.name == f"system:serviceaccount:{namespace}:robot"
    assert found.scopes == {"rdfm_admin_ro"}
    assert not found.administrator


async def test_a_service_account_that_is_not_named_is_refused(
    start_reviewer: StartReviewer, service_token: ServiceToken
) -> None:
    token = await asyncio.to_thread(service_token, "stranger")
    with pytest.raises(Unauthenticated):
        await start_reviewer("robot").authenticate_management(bearer(token))


async def test_a_token_for_another_audience_is_refused(
    start_reviewer: StartReviewer, service_token: ServiceToken
) -> None:
    token = await asyncio.to_thread(service_token, "robot", "vault")
    with pytest.raises(Unauthenticated):
        await start_reviewer("robot").authenticate_management(bearer(token))


async def test_a_spoilt_token_is_refused(
    start_reviewer: StartReviewer, service_token: ServiceToken
) -> None:
    token = await asyncio.to_thread(service_token, "robot")
    head, _, signature = token.rpartition(".")
    spoilt = f"{head}.{signature[::-1]}"
    with pytest.raises(Unauthenticated):
        await start_reviewer("robot").authenticate_management(bearer(spoilt))


async def test_the_api_server_is_asked_again_after_half_a_minute(
    start_reviewer: StartReviewer, service_token: ServiceToken, clock: HandClock
) -> None:
    identity = start_reviewer("robot")
    asked = count_reviews(identity)
    token = await asyncio.to_thread(service_token, "robot")
    for _ in range(5):
        await identity.authenticate_management(bearer(token))
    assert len(asked) == 1
    clock.advance(30)
    await identity.authenticate_management(bearer(token))
    assert len(asked) == 2


async def test_a_token_that_is_not_meant_for_us_is_not_shown_to_the_api_server(
    start_reviewer: StartReviewer, service_token: ServiceToken
) -> None:
    identity = start_reviewer("robot")
    asked = count_reviews(identity)
    token = await asyncio.to_thread(service_token, "robot", "vault")
    with pytest.raises(Unauthenticated):
        await identity.authenticate_management(bearer(token))
    assert asked == []


async def test_service_accounts_are_refused_unless_some_are_named(
    start_reviewer: StartReviewer, service_token: ServiceToken
) -> None:
    token = await asyncio.to_thread(service_token, "robot")
    with pytest.raises(Unauthenticated):
        await start_reviewer().authenticate_management(bearer(token))


async def test_without_the_right_to_review_nobody_gets_in(
    start_identity: StartIdentity, service_token: ServiceToken, namespace: str
) -> None:
    token = await asyncio.to_thread(service_token, "robot")
    named = {f"{namespace}:robot": ("rdfm_admin_rw",)}
    identity = start_identity(identity={"token_review": {"accounts": named}})
    with pytest.raises(Unavailable):
        await identity.authenticate_management(bearer(token))
