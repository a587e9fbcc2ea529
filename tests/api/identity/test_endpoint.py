import asyncio
import base64
from collections.abc import AsyncIterator

import httpx
import jwt
import pytest
import uvicorn
from starlette.datastructures import Headers

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity.accounts import create_access_token
from polyfleet.api.core.identity.authenticator import Identity
from polyfleet.api.core.identity.endpoint import create_token_endpoint
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS
from polyfleet.fleet.objects.user import AccessToken, User
from polyfleet.fleet.rights import Principal
from polyfleet.kube.writer import Writer
from tests.api.identity.conftest import HandClock, People

PASSWORD = "correct horse battery"


@pytest.fixture
async def endpoint(identity: Identity) -> AsyncIterator[httpx.AsyncClient]:
    """Provide a client of the token endpoint, served on a real port."""
    config = uvicorn.Config(
        create_token_endpoint(identity), host="127.0.0.1", port=0, log_config=None, lifespan="off"
    )
    listener = config.bind_socket()
    listener.listen()
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        yield client
    server.should_exit = True
    await serving


async def ask(
    endpoint: httpx.AsyncClient, headers: dict[str, str] | None = None, **form: str
) -> httpx.Response:
    return await endpoint.post("/oauth/token", data=form, headers=headers)


async def bearer(identity: Identity, token: str) -> Principal:
    return await identity.authenticate_management(Headers({"authorization": f"Bearer {token}"}))


def basic(user: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


async def new_token(people: People, user: User, *scopes: str) -> tuple[str, AccessToken]:
    token = await create_access_token(
        Writer(people.client, None), user, scopes=scopes or None, description="test"
    )
    for document in await people.client.list_documents(ACCESS_TOKENS):
        stored = await people.client.get(ACCESS_TOKENS, document["metadata"]["name"])
        people.access_tokens.apply(stored)
    return token.text, stored


async def test_the_answer_is_that_of_the_rfc_and_may_not_be_stored(
    endpoint: httpx.AsyncClient, people: People
) -> None:
    await people.user("ada", PASSWORD, scopes=["rdfm_admin_rw"])
    answer = await ask(
        endpoint, grant_type="client_credentials", client_id="ada", client_secret=PASSWORD
    )
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert body["scope"] == "rdfm_admin_rw"
    assert answer.headers["cache-control"] == "no-store"


async def test_the_token_is_worth_what_its_user_is(
    endpoint: httpx.AsyncClient, identity: Identity, people: People
) -> None:
    user = await people.user("root", PASSWORD, administrator=True)
    answer = await ask(
        endpoint, grant_type="client_credentials", client_id="root", client_secret=PASSWORD
    )
    found = await bearer(identity, answer.json()["access_token"])
    assert found.uid == user.metadata.uid
    assert found.administrator


async def test_a_user_name_or_the_prefix_goes_with_an_access_token(
    endpoint: httpx.AsyncClient, people: People
) -> None:
    token, stored = await new_token(people, await people.user("ada"))
    for name in ("ada", stored.spec.prefix):
        answer = await ask(
            endpoint, grant_type="client_credentials", client_id=name, client_secret=token
        )
        assert answer.status_code == 200


async def test_clients_may_authenticate_by_basic(
    endpoint: httpx.AsyncClient, people: People
) -> None:
    token, _ = await new_token(people, await people.user("ada"))
    answer = await ask(endpoint, basic("ada", token), grant_type="client_credentials")
    assert answer.status_code == 200


@pytest.mark.parametrize("secret", ["p%40ss+word%2Fx", "p@ss word/x"])
async def test_basic_may_be_form_encoded_or_not(
    endpoint: httpx.AsyncClient, people: People, secret: str
) -> None:
    await people.user("ada", "p@ss word/x")
    answer = await ask(endpoint, basic("ada", secret), grant_type="client_credentials")
    assert answer.status_code == 200


async def test_the_password_grant_takes_a_name_and_a_password(
    endpoint: httpx.AsyncClient, identity: Identity, people: People
) -> None:
    user = await people.user("ada", PASSWORD)
    answer = await ask(endpoint, grant_type="password", username="ada", password=PASSWORD)
    assert (await bearer(identity, answer.json()["access_token"])).uid == user.metadata.uid


async def test_a_wrong_password_of_the_password_grant_is_an_invalid_grant(
    endpoint: httpx.AsyncClient, people: People
) -> None:
    await people.user("ada", PASSWORD)
    answer = await ask(endpoint, grant_type="password", username="ada", password="wrong one")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_wrong_client_is_told_so_and_an_unknown_one_the_same(
    endpoint: httpx.AsyncClient, people: People
) -> None:
    await people.user("ada", PASSWORD)
    answers = [
        await ask(
            endpoint, grant_type="client_credentials", client_id=name, client_secret="wrong one"
        )
        for name in ("ada", "nobody", "drg_012345")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {'Basic realm="polyfleet"'}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["error"] == "invalid_client"


async def test_a_client_without_a_secret_is_refused(
    endpoint: httpx.AsyncClient, people: People
) -> None:
    await people.user("ada", PASSWORD)
    answer = await ask(endpoint, grant_type="client_credentials", client_id="ada")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_client_that_authenticates_in_two_ways_is_refused(
    endpoint: httpx.AsyncClient, people: People
) -> None:
    await people.user("ada", PASSWORD)
    answer = await ask(
        endpoint, basic("ada", PASSWORD), grant_type="client_credentials", client_secret=PASSWORD
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_scope_may_be_asked_for_and_narrows_the_token(
    endpoint: httpx.AsyncClient, identity: Identity, people: People
) -> None:
    await people.user("root", PASSWORD, administrator=True)
    answer = await ask(
        endpoint,
        grant_type="client_credentials",
        client_id="root",
        client_secret=PASSWORD,
        scope="rdfm_admin_ro",
    )
    found = await bearer(identity, answer.json()["access_token"])
    assert answer.json()["scope"] == "rdfm_admin_ro"
    assert (found.administrator, found.restricted) == (False, True)
    assert found.scopes == {"rdfm_admin_ro"}


@pytest.mark.parametrize("asked", ["rdfm_admin_rw", "rdfm_admin_ro other"])
async def test_a_scope_that_the_user_lacks_is_invalid(
    endpoint: httpx.AsyncClient, people: People, asked: str
) -> None:
    await people.user("ada", PASSWORD, scopes=["rdfm_admin_ro"])
    answer = await ask(
        endpoint, grant_type="password", username="ada", password=PASSWORD, scope=asked
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_a_narrow_access_token_gets_no_wider_token(
    endpoint: httpx.AsyncClient, identity: Identity, people: People
) -> None:
    user = await people.user("root", administrator=True)
    token, _ = await new_token(people, user, "rdfm_admin_ro")
    credentials = {"client_id": "root", "client_secret": token}
    answer = await ask(endpoint, grant_type="client_credentials", **credentials)
    found = await bearer(identity, answer.json()["access_token"])
    assert (found.administrator, found.scopes) == (False, frozenset({"rdfm_admin_ro"}))
    wider = await ask(
        endpoint, grant_type="client_credentials", scope="rdfm_admin_rw", **credentials
    )
    assert wider.json()["error"] == "invalid_scope"


async def test_the_token_dies_with_the_access_token_that_it_came_from(
    endpoint: httpx.AsyncClient, identity: Identity, people: People
) -> None:
    token, stored = await new_token(people, await people.user("ada"))
    answer = await ask(
        endpoint, grant_type="client_credentials", client_id="ada", client_secret=token
    )
    issued = answer.json()["access_token"]
    await bearer(identity, issued)
    await people.client.delete(ACCESS_TOKENS, stored.metadata.name)
    people.access_tokens.remove(stored, confirmed=True)
    with pytest.raises(Unauthenticated):
        await bearer(identity, issued)


async def issued_token(endpoint: httpx.AsyncClient, people: People) -> tuple[User, str]:
    user = await people.user("ada", PASSWORD)
    answer = await ask(endpoint, grant_type="password", username="ada", password=PASSWORD)
    return user, answer.json()["access_token"]


async def test_the_token_ends_after_an_hour(
    endpoint: httpx.AsyncClient, identity: Identity, people: People, clock: HandClock
) -> None:
    _, token = await issued_token(endpoint, people)
    clock.advance(3598)
    await bearer(identity, token)
    clock.advance(2)
    with pytest.raises(Unauthenticated):
        await bearer(identity, token)


async def test_the_token_of_a_disabled_user_is_refused(
    endpoint: httpx.AsyncClient, identity: Identity, people: People
) -> None:
    user, token = await issued_token(endpoint, people)
    await bearer(identity, token)
    await people.change_user(user, disabled=True)
    with pytest.raises(Unauthenticated):
        await bearer(identity, token)


async def test_a_rotation_logs_nobody_out(
    endpoint: httpx.AsyncClient, identity: Identity, people: People
) -> None:
    _, token = await issued_token(endpoint, people)
    await identity.keys.rotate()
    await bearer(identity, token)
    await identity.keys.rotate()
    with pytest.raises(Unauthenticated):
        await bearer(identity, token)


async def test_a_users_token_is_no_device_token(
    endpoint: httpx.AsyncClient, identity: Identity, people: People
) -> None:
    _, token = await issued_token(endpoint, people)
    with pytest.raises(Unauthenticated):
        await identity.authenticate_device(token)


async def test_the_token_tells_clients_who_it_is_for(
    endpoint: httpx.AsyncClient, people: People
) -> None:
    await people.user("ada", PASSWORD, scopes=["rdfm_admin_ro"])
    answer = await ask(endpoint, grant_type="password", username="ada", password=PASSWORD)
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert claims["preferred_username"] == "ada"
    assert claims["realm_access"] == {"roles": ["rdfm_admin_ro"]}


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "ada"}, "invalid_request"),
        ({"grant_type": "password", "username": "", "password": ""}, "invalid_request"),
    ],
    ids=str,
)
async def test_a_request_that_makes_no_sense_is_told_so(
    endpoint: httpx.AsyncClient, form: dict[str, str], error: str
) -> None:
    answer = await endpoint.post(
        "/oauth/token",
        data=form,
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    "content",
    [
        b"grant_type=password&grant_type=password",
        b"&".join(b"field%d=x" % number for number in range(40)),
        b"username=%ff",
        b"\xff\xfe",
    ],
)
async def test_a_malformed_form_is_an_invalid_request(
    endpoint: httpx.AsyncClient, content: bytes
) -> None:
    answer = await endpoint.post(
        "/oauth/token",
        content=content,
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_body_that_is_no_form_is_an_invalid_request(endpoint: httpx.AsyncClient) -> None:
    answer = await endpoint.post("/oauth/token", json={"grant_type": "password"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_an_oversized_body_is_refused(endpoint: httpx.AsyncClient) -> None:
    answer = await ask(endpoint, grant_type="password", username="x" * 20_000)
    assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")


@pytest.mark.parametrize("url", ["/oauth/token", "/oauth/other"])
async def test_other_methods_and_paths_answer_in_the_same_form(
    endpoint: httpx.AsyncClient, url: str
) -> None:
    answer = await endpoint.get(url)
    assert answer.status_code == (405 if url == "/oauth/token" else 404)
    assert set(answer.json()) == {"error", "error_description"}


async def test_who_keeps_guessing_is_told_to_wait(
    endpoint: httpx.AsyncClient, people: People
) -> None:
    await people.user("ada", PASSWORD)
    for number in range(5):
        await ask(endpoint, grant_type="password", username="ada", password=f"guess {number}")
    answer = await ask(endpoint, grant_type="password", username="ada", password="guess 6")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
