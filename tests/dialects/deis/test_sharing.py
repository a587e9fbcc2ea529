"""Collaborators, domains and keys: who may do what, and names that are unique."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.dialects.deis.controller import (
    NOT_ALLOWED,
    NOT_FOUND,
    REQUIRED,
    Controller,
    detail,
    mistakes,
    results,
    unique,
)
from tests.dialects.people import Person
from tests.facade_fixtures import StartFacade

MakePerson = Callable[..., Person]


def public_key(comment: str = "") -> str:
    key = Ed25519PrivateKey.generate().public_key()
    text = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{text} {comment}".strip()


def test_an_application_is_shared_and_not_any_more(
    controller: Controller, app: str, person: MakePerson
) -> None:
    grace, path = person("grace"), f"/v1/apps/{app}/perms"
    assert controller.shown(f"{app}/perms") == {"users": []}
    for _ in range(2):
        reply = controller.owner.post(f"{path}/", json={"username": grace.name})
        assert (reply.status_code, reply.content) == (201, b"")
    assert controller.shown(f"{app}/perms") == {"users": [grace.name]}
    assert grace.get(f"/v1/apps/{app}").status_code == 200
    reply = controller.owner.delete(f"{path}/{grace.name}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert detail(controller.owner.delete(f"{path}/{grace.name}")) == NOT_FOUND
    assert detail(grace.get(f"/v1/apps/{app}")) == NOT_FOUND


def test_the_documents_way_to_take_access_away_works_too(
    controller: Controller, app: str, person: MakePerson
) -> None:
    grace = person("grace")
    controller.share(app, grace)
    path = f"/v1/apps/{app}/perms/{grace.name}"
    assert controller.owner.post(path).status_code == 204
    assert detail(controller.owner.post(path)) == NOT_FOUND


def test_sharing_that_cannot_be_says_why(controller: Controller, app: str) -> None:
    path = f"/v1/apps/{app}/perms"
    assert mistakes(controller.owner.post(path, json={})) == {"username": REQUIRED}
    reply = controller.owner.post(path, json={"username": unique("nobody")})
    assert detail(reply) == NOT_FOUND


def test_a_collaborator_works_on_it_but_neither_shares_nor_destroys(
    controller: Controller, app: str, person: MakePerson, stranger: Person
) -> None:
    grace = person("grace")
    controller.share(app, grace)
    base = f"/v1/apps/{app}"
    assert grace.post(f"{base}/builds", json={"image": "x"}).status_code == 201
    made = grace.post(f"{base}/config", json={"values": {"A": 1}})
    assert (made.status_code, made.json()["owner"]) == (201, grace.name)
    assert grace.post(f"{base}/scale", json={"cmd": 2}).status_code == 204
    assert grace.post(f"{base}/releases/rollback", json={}).status_code == 201
    host = f"{unique('host')}.example.org"
    assert grace.post(f"{base}/domains", json={"domain": host}).status_code == 201
    for path in ("", "/builds", "/config", "/releases", "/domains", "/perms"):
        assert grace.get(f"{base}{path}").status_code == 200, path
    share = grace.post(f"{base}/perms", json={"username": stranger.name})
    assert detail(share) == NOT_ALLOWED
    assert detail(grace.delete(f"{base}/perms/{controller.owner.name}")) == NOT_ALLOWED
    assert detail(grace.delete(f"{base}/domains/{host}")) == NOT_ALLOWED
    assert detail(grace.delete(base)) == NOT_ALLOWED
    # One may go by oneself.
    assert grace.delete(f"{base}/perms/{grace.name}").status_code == 204
    assert detail(grace.get(base)) == NOT_FOUND


def test_who_registers_a_name_again_inherits_no_access(
    controller: Controller, app: str, person: MakePerson, anonymous: httpx.Client
) -> None:
    grace = person("grace")
    controller.share(app, grace)
    assert grace.delete("/v1/auth/cancel").status_code == 204
    body = {"username": grace.name, "password": "other password"}
    assert anonymous.post("/v1/auth/register", json=body).status_code == 201
    token = anonymous.post("/v1/auth/login/", json=body).json()["token"]
    headers = {"Authorization": f"token {token}"}
    assert detail(anonymous.get(f"/v1/apps/{app}", headers=headers)) == NOT_FOUND
    assert controller.shown(f"{app}/perms") == {"users": []}
    reply = controller.owner.post(f"/v1/apps/{app}/perms", json={"username": grace.name})
    assert reply.status_code == 201
    assert anonymous.get(f"/v1/apps/{app}", headers=headers).status_code == 200


def test_a_domain_is_added_listed_and_removed(
    controller: Controller, app: str, ada: Person, shared_kubectl: Callable[..., str]
) -> None:
    first, second = f"{unique('b')}.example.org", f"{unique('a')}.example.org"
    reply = ada.post(f"/v1/apps/{app}/domains/", json={"domain": first})
    assert reply.status_code == 201
    document = reply.json()
    assert document == {
        "app": app,
        "created": document["created"],
        "domain": first,
        "owner": ada.name,
        "updated": document["updated"],
    }
    assert shared_kubectl("get", "domain", first, "-o", "jsonpath={.spec.application}") == app
    upper = {"domain": f"{second.upper()}."}
    assert ada.post(f"/v1/apps/{app}/domains", json=upper).json()["domain"] == second
    found = [item["domain"] for item in results(ada.get(f"/v1/apps/{app}/domains"))]
    assert found == [first, second]
    assert ada.get(f"/v1/apps/{app}/domains/{first}").status_code == 405
    assert ada.delete(f"/v1/apps/{app}/domains/{first}").status_code == 204
    assert detail(ada.delete(f"/v1/apps/{app}/domains/{first}")) == NOT_FOUND
    assert len(controller.releases(app)) == 1


def test_a_domain_leads_to_one_application_only(
    controller: Controller, app: str, person: MakePerson
) -> None:
    grace = person("grace")
    other = Controller(controller.server, grace).app()
    host = f"{unique('host')}.example.org"
    assert (
        controller.owner.post(f"/v1/apps/{app}/domains", json={"domain": host}).status_code == 201
    )
    for who, name in ((grace, other), (controller.owner, app)):
        reply = who.post(f"/v1/apps/{name}/domains", json={"domain": host})
        assert mistakes(reply) == {
            "domain": [f"The domain {host} is already in use by another app"]
        }
    assert detail(grace.delete(f"/v1/apps/{other}/domains/{host}")) == NOT_FOUND


@pytest.mark.parametrize(
    "host", ["nodots", "a..b.com", "-x.example.com", "x-.example.com", "a b.com", "x.c", "a/b.com"]
)
def test_a_domain_that_cannot_be_says_why(controller: Controller, app: str, host: str) -> None:
    reply = controller.owner.post(f"/v1/apps/{app}/domains", json={"domain": host})
    [text] = mistakes(reply)["domain"]
    assert text.startswith("Hostname does not look like a valid hostname. ")


def test_wildcards_and_missing_domains_are_refused(controller: Controller, app: str) -> None:
    path = f"/v1/apps/{app}/domains"
    reply = controller.owner.post(path, json={"domain": "*.example.com"})
    text = "Adding a wildcard subdomain is currently not supported"
    assert mistakes(reply) == {"domain": [text]}
    assert mistakes(controller.owner.post(path, json={})) == {"domain": REQUIRED}


def test_the_controllers_own_host_is_no_domain(start_facade: StartFacade) -> None:
    with start_facade(public_url="https://fleet.example.com") as server:
        token = server.user_token("root", administrator=True)
        with server.client(headers={"Authorization": f"token {token}"}) as client:
            app = client.post("/v1/apps", json={}).json()
            assert app["url"] == f"{app['id']}.fleet.example.com"
            for host in ("fleet.example.com", "x.fleet.example.com"):
                reply = client.post(f"/v1/apps/{app['id']}/domains", json={"domain": host})
                assert "belong to the Controller itself" in mistakes(reply)["domain"][0]


def test_a_key_is_added_shown_and_removed(person: MakePerson) -> None:
    grace, public = person("grace"), public_key("grace@example.com")
    reply = grace.post("/v1/keys/", json={"id": "grace@example.com", "public": public})
    assert reply.status_code == 201
    document = reply.json()
    assert document == {
        "created": document["created"],
        "id": "grace@example.com",
        "owner": grace.name,
        "public": public,
        "updated": document["updated"],
        "uuid": document["uuid"],
    }
    odd = {"id": "a b/c.d", "public": public_key()}
    assert grace.post("/v1/keys", json=odd).status_code == 201
    assert [item["id"] for item in results(grace.get("/v1/keys"))] == [document["id"], "a b/c.d"]
    assert grace.get("/v1/keys/grace@example.com/").json() == document
    assert grace.get("/v1/keys/a%20b%2Fc.d").json()["id"] == "a b/c.d"
    assert grace.delete("/v1/keys/a%20b/c.d").status_code == 204
    assert detail(grace.delete("/v1/keys/a%20b/c.d")) == NOT_FOUND
    assert detail(grace.get("/v1/keys/other")) == NOT_FOUND


def test_a_key_belongs_to_one_person_whatever_its_comment(
    person: MakePerson, ada: Person, root: Person
) -> None:
    grace, public = person("grace"), public_key("one")
    assert grace.post("/v1/keys", json={"id": "k", "public": public}).status_code == 201
    same = public.replace(" one", " another")
    for who in (ada, grace):
        reply = who.post("/v1/keys", json={"id": unique("k"), "public": f"{same}\n"})
        assert mistakes(reply) == {"public": ["SSH Key with this Public already exists."]}
    again = grace.post("/v1/keys", json={"id": "k", "public": public_key()})
    assert mistakes(again) == {"id": ["You have a key with this id already."]}
    assert detail(ada.get("/v1/keys/k")) == NOT_FOUND
    assert detail(root.delete("/v1/keys/k")) == NOT_FOUND
    # Who leaves gives the key free.
    assert grace.delete("/v1/auth/cancel").status_code == 204
    assert ada.post("/v1/keys", json={"id": unique("k"), "public": same}).status_code == 201


def test_a_key_that_cannot_be_read_is_taken_as_it_is(person: MakePerson) -> None:
    grace = person("grace")
    for kind in ("ssh-rsa", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"):
        body = {"id": unique("k"), "public": f"{kind} <...{unique('key')}> me@example.com"}
        reply = grace.post("/v1/keys", json=body)
        assert reply.status_code == 201, reply.text
        assert reply.json().items() >= body.items()
        again = grace.post("/v1/keys", json={**body, "id": unique("k")})
        assert mistakes(again) == {"public": ["SSH Key with this Public already exists."]}


NO_KEY = "This is no SSH public key: <type> <base64> [<comment>]."


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"id": "", "public": None}, {"id": REQUIRED, "public": REQUIRED}),
        (
            {"id": "x" * 129},
            {"id": ["Ensure this value has at most 128 characters (it has 129)."]},
        ),
        *(
            ({"public": text}, {"public": [NO_KEY]})
            for text in ("nothing", "no key at all", "ssh-rsa", "ssh-rsa ", "-----BEGIN KEY-----")
        ),
    ],
)
def test_a_key_that_cannot_be_says_why(
    ada: Person, change: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    body = {"id": unique("k"), "public": public_key(), **change}
    assert mistakes(ada.post("/v1/keys", json=body)) == expected
