"""Keys of many devices: real ones, distinct, and the same ones again."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from polyfleet.fleet.keys import fingerprint
from polyfleet.simulator.keys import KeyPool, kept_pool, primes_for


@pytest.fixture(scope="module")
def pool() -> KeyPool:
    return KeyPool(10)


def test_each_device_has_a_key_of_its_own(pool: KeyPool) -> None:
    assert len({fingerprint(pool.public_pem(number)) for number in range(10)}) == 10
    assert pool.public_pem(10) == pool.public_pem(0)


def test_what_a_key_signs_holds_under_its_public_half(pool: KeyPool) -> None:
    pem = pool.public_pem(3).replace("PUBLIC KEY", "RSA PUBLIC KEY")
    public = serialization.load_pem_public_key(pem.encode())
    assert isinstance(public, RSAPublicKey)
    public.verify(pool.sign(3, b"message"), b"message", PKCS1v15(), SHA256())


def test_a_kept_pool_grows_and_keeps_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "keys.json"
    told: list[int] = []
    small = kept_pool(file, 3, told.append)
    assert told[-1] >= primes_for(3)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    large = kept_pool(file, 10)
    assert [large.public_pem(n) for n in range(3)] == [small.public_pem(n) for n in range(3)]
    told.clear()
    assert kept_pool(file, 10, told.append).primes == large.primes
    assert not told  # nothing was lacking
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("text", ["", "[]", '{"primes": 3}', '{"primes": ["zz"]}'])
def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="does not hold a pool of keys; remove it"):
        kept_pool(file, 3)
    assert file.read_text() == text
