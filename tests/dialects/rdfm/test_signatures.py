"""Signatures are checked in turns: each gets its own answer, whoever it shares a turn with."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from polyfleet.api.core.errors import Invalid, RateLimited
from polyfleet.api.dialects.rdfm import signatures
from polyfleet.api.dialects.rdfm.signatures import DeviceKey, Signatures

BODIES = [f"request {number}".encode() for number in range(300)]


@pytest.fixture(scope="module")
def private() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def key(private: RSAPrivateKey) -> DeviceKey:
    return DeviceKey("", private.public_key())


@pytest.fixture(scope="module")
def signed(private: RSAPrivateKey) -> list[bytes]:
    return [private.sign(body, PKCS1v15(), SHA256()) for body in BODIES]


async def test_of_many_at_once_just_the_wrong_ones_are_refused(
    key: DeviceKey, signed: list[bytes]
) -> None:
    sent = list(signed)
    wrong = set(range(0, len(BODIES), 7))
    for number in wrong:
        sent[number] = signed[number - 1]
    checks = Signatures()

    answers = await asyncio.gather(
        *(checks.check(key, *pair) for pair in zip(sent, BODIES, strict=True)),
        return_exceptions=True,
    )

    assert {number for number, answer in enumerate(answers) if answer is not None} == wrong
    assert all(isinstance(answers[number], Invalid) for number in wrong)


async def test_who_goes_away_takes_nobody_along(key: DeviceKey, signed: list[bytes]) -> None:
    checks = Signatures()
    tasks = [
        asyncio.create_task(checks.check(key, *pair)) for pair in zip(signed, BODIES, strict=True)
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()

    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert answers[1::2] == [None] * len(answers[1::2])
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])


async def test_a_signature_of_no_length_is_a_wrong_one(key: DeviceKey) -> None:
    with pytest.raises(Invalid):
        await Signatures().check(key, b"", b"body")


async def test_more_than_can_wait_are_told_so(
    key: DeviceKey, signed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signatures, "_MOST_WAITING", 5)
    checks = Signatures()

    answers = await asyncio.gather(
        *(checks.check(key, *pair) for pair in zip(signed[:10], BODIES[:10], strict=True)),
        return_exceptions=True,
    )

    # The first is in its turn at once, five wait for the next.
    assert answers[:6] == [None] * 6
    assert all(isinstance(answer, RateLimited) for answer in answers[6:])
