"""A person's token, in the form in which each face takes it.

`person` is by an access token; `login` by the token of Deis' login, which stands in no name's
place: it is taken wherever a token comes alone.
"""

import base64
from collections.abc import Callable, Mapping

import httpx

from tests.matrix.table import Facts, Look, Making, Matter, Removal
from tests.matrix.world import INVENTORY, SOFTWARE, World, done

PERSON, LOGIN = ("person",), ("login",)
BOTH = (*PERSON, *LOGIN)
ACCESS_TOKEN = "drg_"
TOKENS = "/api/tokens/v1alpha1"
WHOAMI = "/polyfleet/v1/whoami"
LOGIN_PATH = "/api/management/v1/useradm/auth/login"
_REFUSED = (401, 403, 404)
SCOPES = ["rdfm_admin_rw", "application:software:read"]

Form = Callable[[str, str], Mapping[str, str]]


def _bearer(_: str, token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _bearer_token(_: str, token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer token={token}"}


def _token(_: str, token: str) -> Mapping[str, str]:
    return {"Authorization": f"token {token}"}


def _basic(name: str, token: str) -> Mapping[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{token}'.encode()).decode()}"}


def _make_by_drogue(world: World, name: str) -> Facts:
    first = world.stage.server.user_token(name, scopes=SCOPES)
    with world.stage.server.client(auth=(name, first)) as person:
        reply = done(person.post(TOKENS, params={"description": "matrix"}))
    world.notes[name] = reply.json()["token"]
    return {"person": name}


def _register_in_deis(world: World, name: str) -> Facts:
    fields = {"username": name, "password": name, "email": f"{name}@example.com"}
    done(world.deis.post("/v1/auth/register", json=fields))
    world.patch("User", world.cluster_name("User", name=name), {"scopes": SCOPES})
    made = done(world.anybody.post("/v1/auth/login", json=fields))
    world.notes[name] = made.json()["token"]
    return {"login": name}


def _bootstrap(world: World, name: str) -> Facts:
    world.notes[name] = world.administrator(name)
    return {"person": name}


BY_DROGUE = Making("drogue", "`POST /api/tokens/v1alpha1`", PERSON, _make_by_drogue)
REGISTER = Making("deis", "`POST /v1/auth/register`, `…/login`", LOGIN, _register_in_deis)
BOOTSTRAP = Making("kubectl", "`polyfleet admin bootstrap --reset`", PERSON, _bootstrap)


def _answer(reply: httpx.Response, name: str) -> Facts | None:
    if reply.status_code in _REFUSED:
        return None
    done(reply)
    return {"person": name, "login": name}


def _taken(face: str, path: str, shown: str, form: Form) -> Look:
    """Return a look that tells only whether the token is taken."""

    def see(world: World, name: str) -> Facts | None:
        headers = form(name, world.notes[name])
        return _answer(world.anybody.get(path, headers=headers), name)

    return Look(face, shown, PERSON if form is _basic else BOTH, see)


def _named(shown: str, form: Form) -> Look:
    """Return a look at who the facade says that the caller is."""

    def see(world: World, name: str) -> Facts | None:
        reply = world.anybody.get(WHOAMI, headers=form(name, world.notes[name]))
        found = _answer(reply, name)
        seen = reply.json().get("name")
        return None if found is None else {"person": seen, "login": seen}

    return Look("native", shown, PERSON if form is _basic else BOTH, see)


def _by_query(world: World, name: str) -> Facts | None:
    query = {"username": name, "api_key": world.notes[name]}
    return _answer(world.anybody.get("/api/registry/v1alpha1/apps", params=query), name)


def _by_login(world: World, name: str) -> Facts | None:
    headers = _basic(name, world.notes[name])
    reply = world.anybody.post(LOGIN_PATH, headers=headers)
    if _answer(reply, name) is None:
        return None
    credential = {"Authorization": f"Bearer {reply.text}"}
    return _answer(world.anybody.get(f"{INVENTORY}/devices", headers=credential), name)


def _see_object(world: World, name: str) -> Facts | None:
    user = world.object("User", name=name)
    if user is None or user["spec"].get("disabled"):
        return None
    kept = world.notes[name].startswith(ACCESS_TOKEN)
    if kept and _token_object(world, name) is None:
        return None
    return {"person": name, "login": name}


def _token_object(world: World, name: str) -> str | None:
    for item in world.cluster.all("AccessToken"):
        if world.notes[name].startswith(item["spec"]["prefix"]) and item["spec"]["user"] == name:
            return str(item["metadata"]["name"])
    return None


LOOKS = (
    _taken("rdfm", "/api/v1/devices", "`Bearer token=<token>`", _bearer_token),
    _taken("rdfm", "/api/v1/devices", "`Bearer <token>`", _bearer),
    _taken("inventory", f"{INVENTORY}/devices", "`Bearer <token>`", _bearer),
    Look("inventory", "login by Basic, then `Bearer`", PERSON, _by_login),
    _taken("drogue", "/api/registry/v1alpha1/apps", "Basic `<user>:<token>`", _basic),
    _taken("drogue", "/api/registry/v1alpha1/apps", "`Bearer <token>`", _bearer),
    Look("drogue", "`?username=&api_key=`", PERSON, _by_query),
    _taken("otao", SOFTWARE, "`Bearer <token>`", _bearer),
    _taken("deis", "/v1/apps", "`token <token>`", _token),
    _named("`Bearer <token>`", _bearer),
    _named("Basic `<user>:<token>`", _basic),
    _named("`token <token>`", _token),
    Look("kubectl", "`get users,accesstokens`", BOTH, _see_object),
)


def _revoke_by_drogue(world: World, name: str) -> None:
    prefix = world.notes[name][:10]
    with world.stage.server.client(auth=(name, world.notes[name])) as person:
        done(person.delete(f"{TOKENS}/{prefix}"))


def _leave_deis(world: World, name: str) -> None:
    headers = _token(name, world.notes[name])
    done(world.anybody.delete("/v1/auth/cancel", headers=headers))


def _delete_token(world: World, name: str) -> None:
    own = _token_object(world, name)
    assert own is not None
    world.kubectl("delete", "accesstoken", own)


def _disable(world: World, name: str) -> None:
    world.patch("User", world.cluster_name("User", name=name), {"disabled": True})


def _delete_user(world: World, name: str) -> None:
    world.kubectl("delete", "user", world.cluster_name("User", name=name))


MATTER = Matter(
    "token",
    "A person's access token",
    (BY_DROGUE, REGISTER, BOOTSTRAP),
    LOOKS,
    (),
    (
        Removal("drogue", "`DELETE /api/tokens/v1alpha1/{prefix}`", BY_DROGUE, _revoke_by_drogue),
        Removal("deis", "`DELETE /v1/auth/cancel`", REGISTER, _leave_deis),
        Removal("kubectl", "`delete accesstoken`", BY_DROGUE, _delete_token),
        Removal("kubectl", "`patch user`: `spec.disabled`", BY_DROGUE, _disable),
        Removal("kubectl", "`delete user`", BOOTSTRAP, _delete_user),
    ),
)
