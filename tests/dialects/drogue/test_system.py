"""What a client asks first, and the whole login of `drg`."""

import httpx

from tests.dialects.drogue.registry import APPS, LOGIN_NEEDED, Registry, error
from tests.facade_fixtures import FacadeServer, StartFacade

INFO = "/api/console/v1alpha1/info"


def test_the_version_is_told_to_anybody(anonymous: httpx.Client) -> None:
    assert anonymous.get("/.well-known/drogue-version").json() == {
        "success": True,
        "version": "0.11.0",
    }


def test_the_steps_of_a_login_with_an_access_token(
    registry: Registry, anonymous: httpx.Client, server: FacadeServer
) -> None:
    endpoints = anonymous.get("/.well-known/drogue-endpoints").json()
    assert endpoints["registry"] == {"url": server.url}
    discovery = httpx.get(
        f"{endpoints['issuer_url']}/.well-known/openid-configuration", trust_env=False
    ).json()
    assert discovery["token_endpoint"] == f"{server.url}/oauth/token"
    assert discovery["authorization_endpoint"].startswith(server.url)
    info = registry.owner.get(INFO)
    assert info.json() == {**endpoints, "demos": []}
    assert error(anonymous.get(INFO)) == LOGIN_NEEDED
    assert anonymous.get(INFO, auth=(registry.owner.name, "drg_wrong")).status_code == 403


def test_the_addresses_are_those_of_the_setting(start_facade: StartFacade) -> None:
    with start_facade(public_url="https://fleet.example") as server, server.client() as caller:
        endpoints = caller.get("/.well-known/drogue-endpoints").json()
    assert endpoints["registry"] == {"url": "https://fleet.example"}
    assert endpoints["issuer_url"] == "https://fleet.example"


def test_scripts_of_other_sites_may_call(registry: Registry) -> None:
    reply = registry.owner.get(APPS, headers={"Origin": "https://console.example"})
    assert reply.headers["access-control-allow-origin"] == "*"


def test_the_openapi_document_names_every_route(anonymous: httpx.Client) -> None:
    document = anonymous.get("/api/registry/v1alpha1/openapi.json").json()
    routes = {(method, path) for path, item in document["paths"].items() for method in item}
    assert len(routes) == 29
    single = "/api/registry/v1alpha1/apps/{appId}/devices/{deviceId}"
    assert {method for method, path in routes if path == single} == {
        "get",
        "put",
        "patch",
        "delete",
    }


def test_the_openapi_document_describes_what_the_routes_take_and_give(
    anonymous: httpx.Client,
) -> None:
    document = anonymous.get("/api/registry/v1alpha1/openapi.json").json()
    paths, parts = document["paths"], document["components"]["schemas"]
    apps = paths["/api/registry/v1alpha1/apps"]
    types = {item["name"]: item["schema"]["type"] for item in apps["get"]["parameters"]}
    assert types == {"labels": "array", "limit": "integer", "offset": "integer"}
    assert set(apps["post"]["responses"]["201"]["headers"]) == {"Location"}
    single = paths["/api/registry/v1alpha1/apps/{appId}/devices/{deviceId}"]
    (patch,) = single["patch"]["requestBody"]["content"].values()
    assert patch["schema"]["type"] == "array"
    assert patch["schema"]["items"]["$ref"].rpartition("/")[2] in parts
    assert not single["delete"]["requestBody"]["required"]
    inbox = paths["/api/command/v1alpha1/inbox/apps/{appId}/devices/{deviceId}"]["get"]
    assert set(inbox["responses"]["200"]["headers"]) == {"Command", "Request"}
    sent = paths["/api/command/v1alpha1/apps/{appId}/devices/{deviceId}"]["post"]
    assert not sent["requestBody"]["required"]


def test_everybody_is_an_administrator_in_the_insecure_mode(start_facade: StartFacade) -> None:
    with start_facade(insecure=True) as server, server.client() as caller:
        assert caller.post(APPS, json={"metadata": {"name": "free"}}).status_code == 201
        assert caller.get(f"{APPS}/free").status_code == 200
