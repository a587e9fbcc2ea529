import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from starlette.datastructures import Headers

from polyfleet.api.core.errors import Invalid, RateLimited, Unauthenticated
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.passwords import QUEUE
from polyfleet.fleet.objects.kinds import USERS
from polyfleet.kube.client import Client
from polyfleet.kube.password_secrets import secret_name
from polyfleet.kube.resources import SECRETS
from tests.api.identity.conftest import HandClock, People


def basic(user: str, secret: str) -> Headers:
    encoded = base64.b64encode(f"{user}:{secret}".encode()).decode()
    return Headers({"authorization": f"Basic {encoded}"})


async def test_the_right_password_lets_its_user_in(
    identity: Identity, people: People, password: str
) -> None:
    user = await people.user("ada", password, scopes=["rdfm_admin_ro"])
    principal = await identity.authenticate_management(basic("ada", password))
    assert principal.uid == user.metadata.uid
    assert principal.scopes == {"rdfm_admin_ro"}
    assert not principal.administrator
    assert not principal.restricted


async def test_only_an_argon2id_hash_is_kept_and_only_in_a_secret(
    client: Client, people: People, password: str
) -> None:
    user = await people.user("ada", password)
    secret = await client.get_document(SECRETS, secret_name("ada"))
    stored = base64.b64decode(secret["data"]["hash"]).decode()
    assert stored.startswith("$argon2id$")
    assert password not in stored
    assert stored not in str(await client.get_document(USERS, user.metadata.name))


async def test_the_secret_belongs_to_the_user(
    client: Client, people: People, password: str
) -> None:
    user = await people.user("ada", password)
    metadata = (await client.get_document(SECRETS, secret_name("ada")))["metadata"]
    assert [owner["uid"] for owner in metadata["ownerReferences"]] == [user.metadata.uid]
    assert metadata["labels"]["polyfleet.dev/user"] == user.metadata.name


@pytest.mark.parametrize("name", ["ada", "nobody"])
async def test_wrong_password_and_unknown_user_are_refused_alike(
    identity: Identity, people: People, password: str, name: str
) -> None:
    await people.user("ada", password)
    with pytest.raises(Unauthenticated) as refused:
        await identity.authenticate_management(basic(name, "not the password"))
    assert refused.value.message == "the credentials do not hold"


async def test_an_unknown_user_costs_a_hash_like_a_known_one(
    identity: Identity, people: People, password: str
) -> None:
    await people.user("ada", password)
    compared = []
    matches = identity.hashes._in_thread

    async def counting(work: Callable[..., Any], *arguments: str) -> Any:
        compared.append(arguments)
        return await matches(work, *arguments)

    identity.hashes._in_thread = counting
    for name in ("ada", "nobody"):
        with pytest.raises(Unauthenticated):
            await identity.log_in(name, "not the password")
    assert len(compared) == 2
    parameters = {stored.rsplit("$", 2)[0] for stored, _ in compared}
    assert len(parameters) == 1, "both hashes take the same work"


async def test_a_user_without_a_password_has_none_that_fits(
    identity: Identity, people: People
) -> None:
    await people.user("ada")
    with pytest.raises(Unauthenticated):
        await identity.log_in("ada", "nobody has this password")


async def test_a_disabled_user_is_refused_even_while_remembered(
    identity: Identity, people: People, password: str
) -> None:
    user = await people.user("ada", password)
    await identity.log_in("ada", password)
    await people.change_user(user, disabled=True)
    with pytest.raises(Unauthenticated):
        await identity.log_in("ada", password)


async def test_a_user_made_again_under_the_name_does_not_inherit_the_password(
    identity: Identity, people: People, password: str
) -> None:
    user = await people.user("ada", password)
    await identity.log_in("ada", password)
    await people.remove_user(user)
    await people.user("ada")
    with pytest.raises(Unauthenticated):
        await identity.log_in("ada", password)


@pytest.mark.parametrize("set_back", [0, 3600])
async def test_a_password_that_was_right_is_remembered_for_a_minute(
    client: Client,
    identity: Identity,
    people: People,
    password: str,
    clock: HandClock,
    *,
    set_back: float,
) -> None:
    await people.user("ada", password)
    await identity.log_in("ada", password)
    clock.set_back(set_back)
    await client.delete_document(SECRETS, secret_name("ada"))
    clock.advance(59)
    await identity.log_in("ada", password)
    clock.advance(1)
    with pytest.raises(Unauthenticated):
        await identity.log_in("ada", password)


async def test_a_changed_password_holds_at_once_and_the_old_one_no_more(
    identity: Identity, people: People, password: str
) -> None:
    user = await people.user("ada", password)
    await identity.log_in("ada", password)
    await identity.set_password(user, "another password")
    await identity.log_in("ada", "another password")
    with pytest.raises(Unauthenticated):
        await identity.log_in("ada", password)


@pytest.mark.parametrize("chosen", ["short", "x" * 1025, "drg_looks_like_a_token"])
async def test_a_password_that_cannot_be_one_is_not_stored(
    identity: Identity, people: People, chosen: str
) -> None:
    user = await people.user("ada")
    with pytest.raises(Invalid):
        await identity.set_password(user, chosen)


async def test_guessing_is_slowed_and_the_pause_says_how_long(
    identity: Identity, people: People, password: str
) -> None:
    await people.user("ada", password)
    for number in range(5):
        with pytest.raises(Unauthenticated):
            await identity.log_in("ada", f"guess number {number}")
    with pytest.raises(RateLimited) as refused:
        await identity.log_in("ada", "guess number 6")
    assert refused.value.retry_after == pytest.approx(1)


async def test_guessing_at_an_unknown_name_is_slowed_alike(identity: Identity) -> None:
    for number in range(5):
        with pytest.raises(Unauthenticated):
            await identity.log_in("nobody", f"guess number {number}")
    with pytest.raises(RateLimited):
        await identity.log_in("nobody", "guess number 6")


async def test_many_guesses_at_once_gain_nothing(
    identity: Identity, people: People, password: str
) -> None:
    await people.user("ada", password)
    results = await asyncio.gather(
        *(identity.log_in("ada", f"guess number {number}") for number in range(20)),
        return_exceptions=True,
    )
    kinds = [type(result) for result in results]
    assert kinds.count(Unauthenticated) == 5
    assert kinds.count(RateLimited) == 15


async def test_someone_at_work_is_not_hindered_by_a_stranger_who_guesses(
    identity: Identity, people: People, password: str
) -> None:
    await people.user("ada", password)
    await identity.log_in("ada", password)
    for number in range(6):
        with pytest.raises((Unauthenticated, RateLimited)):
            await identity.log_in("ada", f"guess number {number}")
    await identity.log_in("ada", password)


async def test_many_requests_with_the_right_password_share_one_hash(
    identity: Identity, people: People, password: str
) -> None:
    await people.user("ada", password)
    logins = await asyncio.gather(*(identity.log_in("ada", password) for _ in range(30)))
    assert {login.user.spec.name for login in logins} == {"ada"}


async def test_the_queue_of_logins_is_bounded(identity: Identity) -> None:
    results = await asyncio.gather(
        *(identity.log_in(f"user-{number}", "same password") for number in range(QUEUE + 6)),
        return_exceptions=True,
    )
    assert [type(result) for result in results].count(RateLimited) == 6


async def test_an_oversized_password_is_refused_without_a_hash(
    identity: Identity, people: People, password: str
) -> None:
    await people.user("ada", password)
    for _ in range(10):  # more than the free attempts: none is counted
        with pytest.raises(Unauthenticated):
            await identity.log_in("ada", "x" * 1025)
    await identity.log_in("ada", password)


async def test_a_comparison_under_way_does_not_keep_the_password_of_before_a_change(
    identity: Identity, people: People, password: str
) -> None:
    user = await people.user("ada", password)
    in_thread = identity.hashes._in_thread
    read, changed = asyncio.Event(), asyncio.Event()

    async def held(work: Callable[..., Any], *arguments: str) -> Any:
        if work.__name__ == "_verify" and not read.is_set():
            read.set()
            await changed.wait()
        return await in_thread(work, *arguments)

    identity.hashes._in_thread = held
    under_way = asyncio.create_task(identity.log_in("ada", password))
    await read.wait()
    await identity.set_password(user, "another password")
    changed.set()
    await under_way

    with pytest.raises(Unauthenticated):
        await identity.log_in("ada", password)
    assert (await identity.log_in("ada", "another password")).user.metadata.uid == user.metadata.uid
