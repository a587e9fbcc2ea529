import jwt
import pytest
from starlette.datastructures import Headers

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.signing_keys import Purpose, SigningKeys
from polyfleet.fleet.objects.device import Device
from polyfleet.kube.client import Client
from tests.api.identity.conftest import HandClock, People, StartIdentity


def bearer(token: str) -> Headers:
    return Headers({"authorization": f"Bearer token={token}"})


@pytest.fixture
def replica(start_identity: StartIdentity) -> Identity:
    """Provide another identity on the same cluster, which remembers nothing of the first."""
    return start_identity()


async def test_a_token_carries_the_claims_that_clients_read(
    identity: Identity, people: People, clock: HandClock
) -> None:
    device = await people.device("01:23:45")
    claims = jwt.decode(identity.issue_device_token(device), options={"verify_signature": False})
    assert claims["device_id"] == "01:23:45"
    assert claims["created_at"] == int(clock().timestamp())
    assert claims["expires"] == 300


async def test_the_lifetime_is_a_setting(
    start_identity: StartIdentity, people: People, clock: HandClock
) -> None:
    identity = start_identity(identity={"device_token_lifetime": 20})
    token = identity.issue_device_token(await people.device())
    clock.advance(21)
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(token)


async def test_a_token_tells_the_device_as_it_is_now(identity: Identity, people: People) -> None:
    device = await people.device()
    token = identity.issue_device_token(device)
    changed = await people.change_device(device, hold=True)
    found = await identity.authenticate_device(token)
    assert found.device.metadata.resource_version == changed.metadata.resource_version
    assert found.principal.device == ("default", device.metadata.uid)
    assert found.principal.kind == "device"


async def test_another_replica_takes_the_token(
    identity: Identity, replica: Identity, people: People
) -> None:
    device = await people.device()
    token = identity.issue_device_token(device)
    found = await replica.authenticate_device_request(bearer(token))
    assert found.device.metadata.uid == device.metadata.uid


async def test_a_token_holds_until_its_last_second(
    identity: Identity, replica: Identity, people: People, clock: HandClock
) -> None:
    token = identity.issue_device_token(await people.device())
    clock.advance(298)
    await identity.authenticate_device(token)
    await replica.authenticate_device(token)
    clock.advance(2)
    for checker in (identity, replica):
        with pytest.raises(Unauthenticated):
            await checker.authenticate_device(token)


async def test_the_token_of_a_deleted_device_is_refused(
    identity: Identity, replica: Identity, people: People
) -> None:
    device = await people.device()
    token = identity.issue_device_token(device)
    await people.remove_device(device)
    for checker in (identity, replica):
        with pytest.raises(Unauthenticated):
            await checker.authenticate_device(token)


async def test_a_device_made_again_under_the_id_inherits_no_token(
    identity: Identity, replica: Identity, people: People
) -> None:
    device = await people.device()
    token = identity.issue_device_token(device)
    await people.remove_device(device)
    again = await people.device()
    assert again.metadata.name == device.metadata.name
    for checker in (identity, replica):
        with pytest.raises(Unauthenticated):
            await checker.authenticate_device(token)


async def test_the_token_of_a_disabled_device_is_refused_and_holds_again_later(
    identity: Identity, people: People
) -> None:
    device = await people.device()
    token = identity.issue_device_token(device)
    await people.change_device(device, disabled=True)
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(token)
    await people.change_device(device, disabled=False)
    await identity.authenticate_device(token)


async def test_a_device_token_is_refused_on_management_routes(
    identity: Identity, people: People
) -> None:
    token = identity.issue_device_token(await people.device())
    with pytest.raises(Unauthenticated):
        await identity.authenticate_management(bearer(token))


async def test_a_rotation_logs_no_device_out(
    identity: Identity, replica: Identity, people: People
) -> None:
    token = identity.issue_device_token(await people.device())
    await identity.keys.rotate()
    await identity.authenticate_device(token)
    await replica.authenticate_device(token)


async def test_a_second_rotation_ends_the_tokens_of_the_first_key(
    identity: Identity, people: People
) -> None:
    token = identity.issue_device_token(await people.device())
    await identity.keys.rotate()
    await identity.keys.rotate()
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(token)


async def test_a_replica_that_missed_the_rotation_takes_the_new_tokens(
    client: Client,
    start_identity: StartIdentity,
    people: People,
    keys: SigningKeys,
    clock: HandClock,
) -> None:
    device = await people.device()
    async with SigningKeys(client, monotonic=clock.monotonic) as elsewhere:
        await elsewhere.rotate()
        issuer: Identity = start_identity()
        issuer.device_tokens._keys = elsewhere
        token = issuer.issue_device_token(device)
    await start_identity().authenticate_device(token)


def claims_of(device: Device) -> dict[str, object]:
    return {
        "iss": "polyfleet/devices",
        "device_id": device.spec.device_id,
        "created_at": 4_000_000_000,
        "expires": 300,
        "uid": device.metadata.uid,
    }


async def test_an_unsigned_token_is_refused(
    identity: Identity, people: People, keys: SigningKeys
) -> None:
    key_id = keys.current(Purpose.DEVICE_TOKENS).id
    claims = claims_of(await people.device())
    token = jwt.encode(claims, None, algorithm="none", headers={"kid": key_id})
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(token)


@pytest.mark.parametrize("purpose", [Purpose.LINKS, Purpose.USER_TOKENS])
async def test_the_key_of_another_purpose_makes_no_device_token(
    identity: Identity, people: People, keys: SigningKeys, purpose: Purpose
) -> None:
    key = keys.current(purpose)
    claims = claims_of(await people.device())
    token = jwt.encode(claims, key.secret, algorithm="HS256", headers={"kid": key.id})
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(token)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
@pytest.mark.filterwarnings("ignore:The HMAC key")
async def test_only_one_algorithm_is_taken(
    identity: Identity, people: People, keys: SigningKeys, algorithm: str
) -> None:
    key = keys.current(Purpose.DEVICE_TOKENS)
    claims = claims_of(await people.device())
    token = jwt.encode(claims, key.secret, algorithm=algorithm, headers={"kid": key.id})
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(token)


@pytest.mark.parametrize("missing", ["iss", "device_id", "created_at", "expires", "uid"])
async def test_a_token_of_ours_without_a_claim_is_refused(
    identity: Identity, people: People, keys: SigningKeys, missing: str
) -> None:
    key = keys.current(Purpose.DEVICE_TOKENS)
    claims = claims_of(await people.device())
    del claims[missing]
    token = jwt.encode(claims, key.secret, algorithm="HS256", headers={"kid": key.id})
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(token)


@pytest.mark.parametrize("text", ["", "a.b.c", "x", "....", "eyJhbGciOiJIUzI1NiJ9.e30.", "é.é.é"])
async def test_garbage_is_no_device_token(identity: Identity, text: str) -> None:
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(text)


async def test_a_changed_signature_is_refused(identity: Identity, people: People) -> None:
    token = identity.issue_device_token(await people.device())
    flipped = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(flipped)


async def test_a_device_request_without_a_token_is_refused(identity: Identity) -> None:
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device_request(Headers({}))
