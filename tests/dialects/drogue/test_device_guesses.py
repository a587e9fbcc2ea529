"""Guesses at devices' passwords: they tell nothing about what there is, and do not pay."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import orjson
import pytest

from polyfleet.api.core.call import current
from polyfleet.api.core.errors import RateLimited
from polyfleet.api.core.identity import sha512_crypt
from polyfleet.api.core.identity.credentials import Basic
from polyfleet.api.core.identity.limits import Limits
from polyfleet.api.core.identity.settings import LimitSettings
from polyfleet.api.dialects.drogue import device_login
from polyfleet.api.dialects.drogue.device_login import DevicePasswords, Place
from polyfleet.fleet.objects.device import Device, DeviceSpec
from polyfleet.fleet.objects.kinds import USERS
from polyfleet.fleet.objects.metadata import ObjectMeta
from tests.dialects.drogue.inbox import PASSWORD, fetch, secured
from tests.dialects.drogue.registry import Registry
from tests.dialects.people import Person
from tests.facade_fixtures import FacadeServer, StartFacade

FEW = {"mistakes_burst": 4, "mistakes_per_second": 0.0001}
USER = {"credentials": {"credentials": [{"user": {"username": "sensor", "password": PASSWORD}}]}}
BCRYPT = {"authentication": {"credentials": [{"pass": {"bcrypt": "$2b$10$" + "a" * 53}}]}}

StartRegistry = Callable[..., AbstractContextManager[Registry]]


@pytest.fixture
def start_registry(start_facade: StartFacade) -> StartRegistry:
    """Provide a starter of facades of the test's own, and of a person at each."""

    @contextmanager
    def start(**identity: Any) -> Iterator[Registry]:
        with start_facade(identity=identity) as server:
            token = server.user_token("ada")
            with server.client(auth=("ada", token)) as client:
                yield Registry(server, Person("ada", token, client))

    return start


@contextmanager
def calling(server: FacadeServer, name: str, password: str) -> Iterator[httpx.Client]:
    with server.client(auth=(name, password)) as caller:
        yield caller


def guess(server: FacadeServer, app: str, device: str, name: str | None = None) -> httpx.Response:
    with calling(server, name or f"{quote(device, safe='')}@{app}", "a guess") as caller:
        return fetch(caller, app, device)


def make_devices(registry: Registry) -> tuple[str, list[tuple[str, str]]]:
    """Make devices of all sorts; return their application, and where there are some or none."""
    app, disabled = registry.app(), registry.app(spec={"core": {"disabled": True}})
    registry.device(app, "guarded", spec=secured(PASSWORD))
    registry.device(app, "sensor", spec=USER)
    registry.device(app, "bare")
    registry.device(app, "bcrypt", spec=BCRYPT)
    registry.device(disabled, "locked", spec=secured(PASSWORD))
    names = ("guarded", "sensor", "bare", "bcrypt", "nobody")
    return app, [*((app, name) for name in names), (disabled, "locked"), ("no-app", "guarded")]


@pytest.mark.parametrize("name", [None, "sensor", "nobody"], ids=["own", "user", "other"])
def test_a_refusal_does_not_tell_which_devices_there_are(
    start_registry: StartRegistry, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    compared: list[str] = []
    verify = sha512_crypt.verify

    def counted(password: str, stored: str) -> bool:
        compared.append(stored)
        return verify(password, stored)

    monkeypatch.setattr(device_login.sha512_crypt, "verify", counted)
    with start_registry() as registry:
        _, places = make_devices(registry)
        if name is not None:  # which may be a person's, and five guesses at one are free
            places = [place for place in places if place[1] not in ("bcrypt", "locked")]
        replies: Counter[tuple[int, str]] = Counter()
        for app, device in places:
            reply = guess(registry.server, app, device, name)
            replies[reply.status_code, reply.text] += 1
    assert len(replies) == 1, "all are refused alike"
    assert next(iter(replies))[0] == 401
    assert len(compared) == len(places), "each costs a comparison"
    assert {text.count("$") for text in compared} == {3}, "of the same number of rounds"


def test_an_address_that_guesses_too_often_is_refused_whatever_there_is(
    start_registry: StartRegistry,
) -> None:
    with start_registry(limits=FEW) as registry:
        server = registry.server
        app, places = make_devices(registry)
        for number in range(20):
            registry.device(app, f"d{number}", spec=secured(PASSWORD))
        with calling(server, f"guarded@{app}", PASSWORD) as at_work:
            assert fetch(at_work, app, "guarded").status_code == 404

            sprayed = [guess(server, app, f"d{number}").status_code for number in range(20)]

            assert sprayed == [401] * 4 + [429] * 16
            assert {guess(server, *place).status_code for place in places} == {429}
            assert {guess(server, *place, "sensor").status_code for place in places} == {429}
            for _ in range(30):
                assert fetch(at_work, app, "guarded").status_code == 404


def test_a_person_with_a_password_is_no_guesser(start_registry: StartRegistry) -> None:
    with start_registry(password_memory=0, limits=FEW) as registry:
        server = registry.server
        facade = server.facade
        [ada] = [user for user in facade.cache.store(USERS).values() if user.spec.name == "ada"]
        server.call(facade.identity.set_password(ada, "open sesame"))
        app = registry.app()
        registry.device(app, "sensor", spec=USER)
        with calling(server, "ada", "open sesame") as caller:
            for _ in range(8):
                assert fetch(caller, app, "sensor").status_code == 404
        with calling(server, "sensor", PASSWORD) as itself:
            assert fetch(itself, app, "sensor").status_code == 404


class HandClock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


HERE = Place("shop", "dev/1")
OWN = "dev%2F1@shop"


def guarded_by(password: str) -> Device:
    data = {"spec": secured({"sha512": sha512_crypt.hashed(password)})}
    return Device(
        metadata=ObjectMeta(name="d"),
        spec=DeviceSpec(
            application=HERE.application,
            device_id=HERE.device,
            data=msgspec.Raw(orjson.dumps(data)),
        ),
    )


async def test_the_right_password_of_a_device_at_work_is_never_slowed() -> None:
    clock, device = HandClock(), guarded_by(PASSWORD)
    limits = Limits(LimitSettings(**FEW), monotonic=clock)
    passwords = DevicePasswords(limits, monotonic=clock)
    assert await passwords.hold(Basic(OWN, PASSWORD), HERE, device)
    for _ in range(10):
        limits.mistake(current().address)
    for _ in range(5):
        clock.now += device_login.REMEMBERED_SECONDS - 1
        assert await passwords.hold(Basic(OWN, PASSWORD), HERE, device)
        for _ in range(10):
            limits.mistake(current().address)

    with pytest.raises(RateLimited):  # and at once no more, when it is another
        await passwords.hold(Basic(OWN, PASSWORD), HERE, guarded_by("another"))


@pytest.mark.parametrize("device", [guarded_by(PASSWORD), None], ids=["device", "none"])
async def test_guesses_at_one_name_are_slowed_whether_there_is_a_device(
    device: Device | None,
) -> None:
    clock = HandClock()
    limits = Limits(LimitSettings(), monotonic=clock)
    passwords = DevicePasswords(limits, monotonic=clock)
    for spelling in (OWN, "dev/1@shop", "d%65v/1@shop", OWN, OWN):
        assert not await passwords.hold(Basic(spelling, "a guess"), HERE, device)
    with pytest.raises(RateLimited):
        await passwords.hold(Basic("%64ev/1@shop", "a guess"), HERE, device)
    assert not await passwords.hold(Basic("other", "a guess"), HERE, device)
    assert not await passwords.hold(Basic("dev2@shop", "a guess"), Place("shop", "dev2"), None)
