"""Endpoint tokens: whose they are, and how guessing is slowed."""

import pytest

from polyfleet.api.core.call import begin
from polyfleet.api.core.errors import RateLimited, Unauthenticated
from polyfleet.api.core.identity.endpoint_tokens import EndpointTokens, digest, generate
from polyfleet.api.core.identity.limits import Limits
from polyfleet.api.core.identity.settings import LimitSettings
from polyfleet.fleet.objects.device import Device, DeviceSpec
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.metadata import ObjectMeta
from polyfleet.kube.store import Store
from tests.api.identity.conftest import HandClock

MISTAKES = 20
MISTAKE_SECONDS = 5.0


def device(name: str, *tokens: str, **fields: bool) -> Device:
    return Device(
        metadata=ObjectMeta(name=name, uid=f"uid-{name}", resource_version="1"),
        spec=DeviceSpec(
            application="default",
            device_id=name,
            endpoint_token_hashes=tuple(digest(token) for token in tokens),
            **fields,
        ),
    )


def tokens_of(*devices: Device, clock: HandClock | None = None) -> EndpointTokens:
    store = Store(DEVICES)
    store.replace_all(devices, "5")
    clock = clock or HandClock()
    settings = LimitSettings(mistakes_burst=MISTAKES, mistakes_per_second=1 / MISTAKE_SECONDS)
    limits = Limits(settings, monotonic=clock.monotonic)
    return EndpointTokens(store, limits, monotonic=clock.monotonic)


def whose(tokens: EndpointTokens, token: str, address: str = "somewhere") -> str:
    begin(address)
    return tokens.device(token).spec.device_id


def test_a_token_is_its_devices() -> None:
    tokens = tokens_of(
        device("lamp", "first-token", "second-token"), device("other", "third-token")
    )
    assert whose(tokens, "first-token", "a") == "lamp"
    assert whose(tokens, "second-token", "a") == "lamp"
    assert whose(tokens, "third-token", "a") == "other"


def test_a_token_that_nobody_has_opens_nothing() -> None:
    tokens = tokens_of(device("lamp", "first-token"), device("bare"))
    for token in ("", "first-toke", digest("first-token"), generate(), "ü"):
        with pytest.raises(Unauthenticated):
            whose(tokens, token, "a")


def test_a_token_of_two_devices_is_nobodys() -> None:
    tokens = tokens_of(device("lamp", "the-same-token"), device("other", "the-same-token"))
    with pytest.raises(Unauthenticated):
        whose(tokens, "the-same-token", "a")


def test_a_disabled_device_is_not_let_in() -> None:
    tokens = tokens_of(device("lamp", "first-token", disabled=True))
    with pytest.raises(Unauthenticated):
        whose(tokens, "first-token", "a")


def test_who_guesses_has_to_wait_and_others_have_not() -> None:
    clock = HandClock()
    tokens = tokens_of(device("lamp", "first-token"), device("new", "new-token"), clock=clock)
    assert whose(tokens, "first-token", "attacker") == "lamp"
    for number in range(MISTAKES):
        with pytest.raises(Unauthenticated):
            whose(tokens, f"guess {number}", "attacker")
    with pytest.raises(RateLimited) as refused:
        whose(tokens, "new-token", "attacker")  # even a good one: else guesses cost nothing
    assert refused.value.retry_after == pytest.approx(MISTAKE_SECONDS)
    assert whose(tokens, "first-token", "attacker") == "lamp"
    assert whose(tokens, "new-token", "elsewhere") == "new"
    clock.advance(MISTAKE_SECONDS)
    with pytest.raises(Unauthenticated):
        whose(tokens, "one more guess", "attacker")
    with pytest.raises(RateLimited):
        whose(tokens, "and another", "attacker")


def test_tokens_do_not_repeat() -> None:
    assert len({generate() for _ in range(100)}) == 100
