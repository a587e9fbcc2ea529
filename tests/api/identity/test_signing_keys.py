import asyncio
import base64

import pytest

from polyfleet.api.core.identity import signing_keys
from polyfleet.api.core.identity.signing_keys import (
    SECRET_NAME,
    InvalidSigningKeys,
    Purpose,
    SigningKeys,
)
from polyfleet.kube.client import Client
from polyfleet.kube.resources import SECRETS
from tests.api.identity.conftest import HandClock


async def test_two_replicas_that_start_at_once_sign_with_the_same_key(client: Client) -> None:
    async with SigningKeys(client) as one, SigningKeys(client) as two:
        assert one.current(Purpose.LINKS) == two.current(Purpose.LINKS)


async def test_many_replicas_that_find_no_keys_agree_on_one(client: Client) -> None:
    replicas = [SigningKeys(client) for _ in range(5)]
    await asyncio.gather(*(replica.reload() for replica in replicas))
    assert len({replica.current(Purpose.LINKS).secret for replica in replicas}) == 1


async def test_each_purpose_has_a_key_of_its_own(keys: SigningKeys) -> None:
    assert len({keys.current(purpose).secret for purpose in Purpose}) == len(Purpose)


async def test_keys_survive_the_process(client: Client) -> None:
    first, second = SigningKeys(client), SigningKeys(client)
    await first.reload()
    await second.reload()
    assert first.current(Purpose.LINKS) == second.current(Purpose.LINKS)


async def test_after_a_rotation_the_former_key_is_still_found(keys: SigningKeys) -> None:
    former = keys.current(Purpose.LINKS)
    await keys.rotate()
    assert keys.current(Purpose.LINKS) != former
    assert keys.find(Purpose.LINKS, former.id) == former
    assert keys.ring.all(Purpose.LINKS) == (keys.current(Purpose.LINKS), former)


async def test_after_a_second_rotation_the_oldest_key_is_gone(keys: SigningKeys) -> None:
    oldest = keys.current(Purpose.LINKS)
    await keys.rotate()
    await keys.rotate()
    assert keys.find(Purpose.LINKS, oldest.id) is None
    assert len(keys.ring.all(Purpose.LINKS)) == 2


async def test_another_replica_finds_a_new_key_by_reading_again(
    client: Client, keys: SigningKeys
) -> None:
    async with SigningKeys(client) as other:
        await keys.rotate()
        new = keys.current(Purpose.DEVICE_TOKENS)
        assert other.find(Purpose.DEVICE_TOKENS, new.id) is None
        assert await other.find_or_reload(Purpose.DEVICE_TOKENS, new.id) == new


async def test_made_up_key_ids_cause_at_most_one_reading_in_five_seconds(
    client: Client, keys: SigningKeys, clock: HandClock
) -> None:
    assert await keys.find_or_reload(Purpose.LINKS, "key-made-up") is None
    async with SigningKeys(client) as other:
        await other.rotate()
        new = other.current(Purpose.LINKS).id
    for number in range(50):
        assert await keys.find_or_reload(Purpose.LINKS, f"key-{number}") is None
    assert keys.find(Purpose.LINKS, new) is None
    clock.advance(5)
    assert await keys.find_or_reload(Purpose.LINKS, new) is not None


async def test_the_ring_stays_the_same_object_while_nothing_changed(keys: SigningKeys) -> None:
    before = keys.ring
    await keys.reload()
    assert keys.ring is before


async def test_a_secret_without_usable_keys_stops_the_start(client: Client) -> None:
    await client.create_document(
        SECRETS,
        {
            "metadata": {"name": SECRET_NAME},
            "data": {"current": base64.b64encode(b"key-1").decode(), "key-1": "c2hvcnQ="},
        },
    )
    with pytest.raises(InvalidSigningKeys):
        await SigningKeys(client).reload()


async def test_a_spoilt_secret_leaves_a_running_replica_its_keys(
    client: Client, keys: SigningKeys
) -> None:
    before = keys.current(Purpose.LINKS)
    await client.patch_document(SECRETS, SECRET_NAME, {"data": {"current": "AAAA"}})
    assert await keys.find_or_reload(Purpose.LINKS, "key-unknown") is None
    assert keys.current(Purpose.LINKS) == before


async def test_a_key_does_not_show_when_it_is_printed(keys: SigningKeys) -> None:
    key = keys.current(Purpose.LINKS)
    assert repr(key.secret) not in repr(key)


async def test_a_fault_of_ours_does_not_end_the_reading_again(
    client: Client, keys: SigningKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "REREAD_SECONDS", 0.05)
    async with SigningKeys(client) as other:
        read = other.reload
        faults = [KeyError("a fault of ours")]

        async def faulty() -> None:
            if faults:
                raise faults.pop()
            await read()

        monkeypatch.setattr(other, "reload", faulty)
        await keys.rotate()
        new = keys.current(Purpose.LINKS)
        for _ in range(1200):
            if other.current(Purpose.LINKS) == new:
                break
            await asyncio.sleep(0.05)
        assert other.current(Purpose.LINKS) == new
        assert not faults
