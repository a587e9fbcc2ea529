"""A process that makes a user dies at one of its requests, whichever: nothing is left by halves."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import product
from pathlib import Path

import pytest

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity.accounts import create_user
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.password_hashes import PasswordHashes
from polyfleet.fleet.objects.kinds import USERS
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists
from polyfleet.kube.writer import Writer
from tests.api.identity.conftest import People
from tests.facade_client import facade_client
from tests.kube.transactions.side import GatedClient

REQUESTS = 3
"""The password's Secret, the User, and whose the Secret is."""


@pytest.fixture
async def doomed(
    service_account_kubeconfig: Callable[[str], Path], namespace: str
) -> AsyncIterator[GatedClient]:
    """Provide the client of a process that dies."""
    path = await asyncio.to_thread(service_account_kubeconfig, "polyfleet-facade")
    async with facade_client(path, namespace, GatedClient) as opened:
        yield opened


async def register(client: Client, password: str) -> None:
    await create_user(Writer(client, None), PasswordHashes(client), "ada", password)


async def register_and_die(
    client: GatedClient, password: str, *, at: int, after_sending: bool
) -> bool:
    """Register, and send nothing more from the n-th request on; return whether it came to that."""
    dead, sent = asyncio.Event(), 0

    async def gate(send: Callable[[], Awaitable[bytes]]) -> bytes:
        nonlocal sent
        sent += 1
        if sent == at:
            if after_sending:
                await send()
            dead.set()
        if dead.is_set():
            await asyncio.Event().wait()
        return await send()

    client.gate = gate
    registration = asyncio.create_task(register(client, password))
    death = asyncio.create_task(dead.wait())
    await asyncio.wait({registration, death}, return_when=asyncio.FIRST_COMPLETED)
    while not registration.done():
        registration.cancel()
        await asyncio.sleep(0)
    death.cancel()
    return dead.is_set()


async def learn(people: People) -> int:
    """Fill the store as a watch does; return how many users there are."""
    async for page in people.client.list_pages(USERS):
        for user in page.items:
            people.users.apply(user)
    return len(list(people.users.values()))


@pytest.mark.parametrize("death", list(product(range(1, REQUESTS + 1), [False, True])))
async def test_the_name_is_free_or_its_user_can_log_in(
    doomed: GatedClient,
    identity: Identity,
    people: People,
    password: str,
    death: tuple[int, bool],
) -> None:
    at, after_sending = death
    assert await register_and_die(doomed, password, at=at, after_sending=after_sending)
    if await learn(people) == 0:
        password = secrets.token_urlsafe(18)
        await register(people.client, password)
        await learn(people)
    assert (await identity.log_in("ada", password)).user.spec.name == "ada"
    with pytest.raises(AlreadyExists):
        await register(people.client, "the password of a stranger")
    with pytest.raises(Unauthenticated):
        await identity.log_in("ada", "the password of a stranger")
    await identity.set_password((await identity.log_in("ada", password)).user, "another password")
    await identity.log_in("ada", "another password")


async def test_a_registration_is_as_many_requests_as_are_tried_here(
    doomed: GatedClient, password: str
) -> None:
    beyond = REQUESTS + 1
    assert not await register_and_die(doomed, password, at=beyond, after_sending=False)


async def test_a_user_without_a_password_cannot_be_claimed(
    doomed: GatedClient, identity: Identity, people: People, password: str
) -> None:
    assert await register_and_die(doomed, password, at=1, after_sending=True)
    await people.user("ada", administrator=True)
    with pytest.raises(AlreadyExists):
        await register(people.client, "the password of a stranger")
    for tried in (password, "the password of a stranger"):
        with pytest.raises(Unauthenticated):
            await identity.log_in("ada", tried)


async def test_a_name_that_was_taken_leaves_no_password_behind(
    people: People, password: str, kubectl: Callable[..., str]
) -> None:
    await people.user("ada")
    with pytest.raises(AlreadyExists):
        await register(people.client, password)
    left = await asyncio.to_thread(kubectl, "get", "secrets", "-o", "name")
    assert "-password" not in left
