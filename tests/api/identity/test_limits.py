"""Budgets of callers, and of addresses that keep being wrong."""

import secrets

import pytest
from starlette.datastructures import Headers

from polyfleet.api.core import call
from polyfleet.api.core.errors import RateLimited, Unauthenticated
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.limits import Limits
from polyfleet.api.core.identity.settings import LimitSettings
from polyfleet.fleet.rights import Principal
from tests.api.identity.conftest import HandClock, People, StartIdentity

FEW = {"limits": {"mistakes_burst": 3, "mistakes_per_second": 0.1}}
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


async def guess(identity: Identity, name: str) -> None:
    with pytest.raises(Unauthenticated):
        await identity.log_in(name, secrets.token_hex(8))


def bearer(token: str) -> Headers:
    return Headers({"authorization": f"Bearer {token}"})


async def test_guessing_at_many_names_is_slowed_by_the_address(
    start_identity: StartIdentity, people: People, password: str, clock: HandClock
) -> None:
    await people.user("ada", password)
    async with start_identity(identity=FEW) as identity:
        call.begin(HERE)
        for number in range(3):
            await guess(identity, f"somebody-{number}")
        with pytest.raises(RateLimited) as refused:
            await identity.log_in("ada", password)
        assert refused.value.retry_after == pytest.approx(10, abs=0.1)
        clock.advance(10.1)
        assert (await identity.log_in("ada", password)).user.spec.name == "ada"


async def test_another_address_is_not_hindered(
    start_identity: StartIdentity, people: People, password: str
) -> None:
    await people.user("ada", password)
    async with start_identity(identity=FEW) as identity:
        call.begin(HERE)
        for number in range(3):
            await guess(identity, f"somebody-{number}")
        call.begin(ELSEWHERE)
        assert (await identity.log_in("ada", password)).user.spec.name == "ada"


async def test_who_is_at_work_already_is_not_hindered_by_a_guesser_of_the_same_address(
    start_identity: StartIdentity, people: People, password: str
) -> None:
    await people.user("ada", password)
    async with start_identity(identity=FEW) as identity:
        call.begin(HERE)
        await identity.log_in("ada", password)
        for number in range(3):
            await guess(identity, f"somebody-{number}")
        assert (await identity.log_in("ada", password)).user.spec.name == "ada"


async def test_made_up_tokens_count_as_mistakes(start_identity: StartIdentity) -> None:
    async with start_identity(identity=FEW) as identity:
        call.begin(HERE)
        for _ in range(3):
            with pytest.raises(Unauthenticated):
                await identity.authenticate_management(bearer(f"drg_{secrets.token_hex(20)}"))
        with pytest.raises(RateLimited):
            await identity.log_in("ada", "whatever it is")


async def test_the_call_knows_who_makes_it(
    start_identity: StartIdentity, people: People, password: str
) -> None:
    user = await people.user("ada", password)
    async with start_identity() as identity:
        record = call.begin(HERE)
        assert not record.management
        login = await identity.log_in("ada", password)
        assert record.management
        assert record.principal is not None
        assert record.principal.uid == login.user.metadata.uid == user.metadata.uid


def test_all_addresses_of_an_ipv6_network_share_their_mistakes(clock: HandClock) -> None:
    settings = LimitSettings(mistakes_burst=2, mistakes_per_second=0.5)
    limits = Limits(settings, monotonic=clock.monotonic)
    for number in range(3):
        limits.mistake(f"2001:db8::{number}")
    with pytest.raises(RateLimited):
        limits.admit("2001:db8::9")
    limits.admit("2001:db8:0:1::9")
    limits.admit("192.0.2.1")


def test_a_budget_comes_back_with_time_and_is_each_callers_own(clock: HandClock) -> None:
    limits = Limits(LimitSettings(calls_burst=2, calls_per_second=0.5), monotonic=clock.monotonic)
    ada, bo = (Principal(kind="user", name=name, uid=name) for name in ("ada", "bo"))
    limits.count(ada)
    limits.count(ada)
    with pytest.raises(RateLimited):
        limits.count(ada)
    limits.count(bo)
    clock.set_back(3600)  # it takes nobody's budget away
    clock.advance(2.01)
    limits.count(ada)
