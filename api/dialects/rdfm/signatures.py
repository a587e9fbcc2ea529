"""The signature by which a device proves its key: RSASSA-PKCS1-v1_5 with SHA-256 over the body."""

import asyncio
import base64
import binascii
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from polyfleet.api.core.errors import Invalid, RateLimited
from polyfleet.fleet.keys import fingerprint, public_key

SIGNATURE_HEADER = "x-rdfm-device-signature"

_REMEMBERED_KEYS = 4096
_MOST_WAITING = 512
_MOST_IN_A_TURN = 64


class DeviceKey(NamedTuple):
    """A public key as sent, and ready for use."""

    pem: str
    key: RSAPublicKey

    @property
    def fingerprint(self) -> str:
        """What is the same for the key in any of its forms."""
        return fingerprint(self.pem)

    def is_same_as(self, pem: str) -> bool:
        """Whether a stored text holds this key, in whatever form."""
        if pem == self.pem:
            return True
        try:
            return fingerprint(pem) == self.fingerprint
        except ValueError:
            return False


class _Question(NamedTuple):
    key: RSAPublicKey
    signature: bytes
    body: bytes
    answer: asyncio.Future[bool]


class Signatures:
    """Checks signatures in a worker thread, all that wait meanwhile in the next turn together.

    A turn of its own for each would cost more than the check.
    """

    def __init__(self) -> None:
        self._waiting: list[_Question] = []
        self._turn: asyncio.Future[list[bool]] | None = None

    async def check(self, key: DeviceKey, signature: bytes, body: bytes) -> None:
        """Raise Invalid unless it is the key's signature of the body.

        Raises RateLimited if too many signatures wait to be checked.
        """
        if len(self._waiting) >= _MOST_WAITING:
            raise RateLimited("too many devices ask for a token at once")
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Question(key.key, signature, body, answer))
        self._go_on()
        if not await answer:
            raise Invalid("", "the signature does not fit the body and the public key")

    def _go_on(self) -> None:
        if self._turn is not None or not self._waiting:
            return
        questions, self._waiting = self._waiting[:_MOST_IN_A_TURN], self._waiting[_MOST_IN_A_TURN:]
        loop = asyncio.get_running_loop()
        self._turn = loop.run_in_executor(None, _verify, questions)
        self._turn.add_done_callback(partial(self._deliver, questions))

    def _deliver(self, questions: Sequence[_Question], turn: asyncio.Future[list[bool]]) -> None:
        self._turn = None
        for index, question in enumerate(questions):
            if question.answer.done():  # the client went away
                continue
            if turn.cancelled():
                question.answer.cancel()
            elif (error := turn.exception()) is not None:
                question.answer.set_exception(error)
            else:
                question.answer.set_result(turn.result()[index])
        self._go_on()


@lru_cache(_REMEMBERED_KEYS)
def device_key(pem: str) -> DeviceKey:
    """Read a device's public key. Raises Invalid, which names what is wrong with it."""
    try:
        return DeviceKey(pem, public_key(pem))
    except ValueError as error:
        raise Invalid("public_key", str(error)) from None


def signature_of(header: str | None) -> bytes:
    """Read the header of a request's signature. Raises Invalid."""
    if not header:
        raise Invalid("", "the header X-RDFM-Device-Signature is missing")
    try:
        return base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("", "the header X-RDFM-Device-Signature is not base64") from None


def _verify(questions: Iterable[_Question]) -> list[bool]:
    return [_is_signed(question) for question in questions]


def _is_signed(question: _Question) -> bool:
    try:
        question.key.verify(question.signature, question.body, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):  # the second for a key that is too short to sign so
        return False
    return True
