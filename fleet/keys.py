"""Device keys: RSA public keys in the PEM forms that real clients send."""

import base64
import binascii
import hashlib
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

MIN_BITS = 1024
MAX_BITS = 8192
MAX_PEM = 8192

_PEM = re.compile(
    r"\s*-----BEGIN (RSA PUBLIC KEY|PUBLIC KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----\s*"
)


def public_key(pem: str) -> RSAPublicKey:
    """Read an RSA public key of 1024 to 8192 bits; ValueError says what is wrong with it.

    Linux and MCUmgr clients of RDFM put a PKCS#1 body under the label PUBLIC KEY, so the body
    decides, not the label.
    """
    if len(pem) > MAX_PEM:
        raise ValueError(f"the public key is longer than {MAX_PEM} characters")
    found = _PEM.fullmatch(pem)
    if found is None:
        raise ValueError("the public key is not PEM with the label PUBLIC KEY or RSA PUBLIC KEY")
    try:
        key = load_der_public_key(base64.b64decode("".join(found[2].split()), validate=True))
    except binascii.Error as error:
        raise ValueError("the public key's PEM body is not base64") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("the public key's PEM body is not a public key") from error
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the public key is not an RSA key")  # noqa: TRY004  the type is the input
    if not MIN_BITS <= key.key_size <= MAX_BITS:
        raise ValueError(
            f"the RSA key has {key.key_size} bits; {MIN_BITS} to {MAX_BITS} are accepted"
        )
    return key


def fingerprint(pem: str) -> str:
    """Return the hex SHA-256 of the key's SubjectPublicKeyInfo, the same for every PEM form.

    Raises ValueError as `public_key` does.
    """
    der = public_key(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
