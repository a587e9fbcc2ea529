import base64
import logging

import pytest
import structlog
from starlette.datastructures import Headers

from polyfleet.api.core.errors import PolyfleetError
from polyfleet.api.core.identity.accounts import create_access_token
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS, USERS
from polyfleet.kube.client import Client
from polyfleet.kube.password_secrets import secret_name
from polyfleet.kube.resources import SECRETS
from polyfleet.kube.writer import Writer
from tests.api.identity.conftest import People, StartIdentity
from tests.api.identity.issuer import AUDIENCE, CLIENT_SECRET, Issuer


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


async def test_neither_logs_nor_errors_nor_resources_hold_a_secret(  # noqa: PLR0917 - fixtures
    start_identity: StartIdentity,
    people: People,
    issuer: Issuer,
    password: str,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    user = await people.user("ada", password)
    token = (await create_access_token(Writer(client, None), user)).text
    device = await people.device()
    section = {
        "oidc": {"issuer": issuer.url, "audiences": (AUDIENCE,)},
        "introspection": {
            "url": f"{issuer.url}/introspect",
            "client_id": "facade",
            "client_secret": CLIENT_SECRET,
        },
    }
    foreign, opaque = issuer.token(), "an-opaque-token-of-somebody"
    said: list[str] = []
    with structlog.testing.capture_logs() as logs:
        async with start_identity(identity=section) as identity:
            device_token = identity.issue_device_token(device)
            secrets = [password, token, foreign, opaque, device_token, CLIENT_SECRET]
            for away in (False, True):
                issuer.away = away
                for header in (
                    basic("ada", password),
                    basic("ada", f"{password}x"),
                    basic("nobody", password),
                    basic("bob", token),
                    f"Bearer {token}",
                    f"Bearer {foreign}",
                    f"Bearer {foreign}x",
                    f"Bearer {opaque}",
                    f"Bearer {device_token}",
                    f"Bearer {password} {password}",
                ):
                    headers = Headers({"authorization": header})
                    try:
                        said.append(repr(await identity.authenticate_management(headers)))
                    except PolyfleetError as error:
                        said.append(f"{error!r} {error.__cause__!r}")
    written = capsys.readouterr()
    everything = "\n".join([*said, caplog.text, str(logs), written.out, written.err])
    for kind in (USERS, ACCESS_TOKENS):
        everything += str(await client.list_documents(kind))
    assert [secret for secret in secrets if secret in everything] == []
    stored = await client.get_document(SECRETS, secret_name("ada"))
    assert password not in base64.b64decode(stored["data"]["hash"]).decode()
    assert len(said) == 20
