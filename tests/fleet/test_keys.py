"""Fingerprints of real keys in the forms that real clients send."""

import base64
import hashlib
from collections.abc import Callable
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from polyfleet.fleet.keys import fingerprint, public_key


@cache
def rsa_key(bits: int) -> rsa.RSAPublicKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()


def pem(label: str, body: bytes, *, width: int = 64, end: str = "\n") -> str:
    text = base64.b64encode(body).decode()
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"]) + end


def spki(bits: int = 2048) -> bytes:
    return rsa_key(bits).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pkcs1(bits: int = 2048) -> bytes:
    return rsa_key(bits).public_bytes(Encoding.DER, PublicFormat.PKCS1)


def test_the_fingerprint_is_the_hash_of_the_subject_public_key_info() -> None:
    assert fingerprint(pem("PUBLIC KEY", spki())) == hashlib.sha256(spki()).hexdigest()


@pytest.mark.parametrize(
    "form",
    [
        lambda: pem("PUBLIC KEY", pkcs1()),
        lambda: pem("RSA PUBLIC KEY", pkcs1()),
        lambda: pem("RSA PUBLIC KEY", spki()),
        lambda: pem("PUBLIC KEY", spki(), end=""),
        lambda: pem("PUBLIC KEY", spki(), width=76).replace("\n", "\r\n"),
    ],
    ids=["PKCS#1 as SPKI", "PKCS#1", "SPKI as PKCS#1", "no final newline", "other line ends"],
)
def test_every_form_of_one_key_has_one_fingerprint(form: Callable[[], str]) -> None:
    assert fingerprint(form()) == fingerprint(pem("PUBLIC KEY", spki()))


def test_a_key_of_1024_bits_is_read() -> None:
    assert public_key(pem("PUBLIC KEY", spki(1024))).key_size == 1024


def elliptic() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def short() -> bytes:
    numbers = rsa.RSAPublicNumbers(65537, (1 << 511) | 1)
    return numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (lambda: "", "not PEM"),
        (lambda: pem("PRIVATE KEY", spki()), "not PEM"),
        (lambda: pem("PUBLIC KEY", spki()).replace("END PUBLIC", "END RSA PUBLIC"), "not PEM"),
        (lambda: pem("PUBLIC KEY", b"nonsense"), "not a public key"),
        (lambda: "-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----", "not base64"),
        (lambda: pem("PUBLIC KEY", elliptic()), "not an RSA key"),
        (lambda: pem("PUBLIC KEY", short()), "512 bits"),
        (lambda: "x" * 9000, "longer than"),
    ],
    ids=["empty", "private", "labels differ", "no key", "no base64", "EC", "short", "long"],
)
def test_a_bad_key_is_refused_with_what_is_wrong(text: Callable[[], str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        fingerprint(text())
