"""People's SSH keys: each is the key of one person only, whatever comment it carries."""

import base64
import hashlib
import re
from contextlib import suppress
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from starlette.requests import Request
from starlette.responses import Response

from polyfleet.api.core.errors import Conflict, Invalid, NotFound
from polyfleet.api.core.facade import Facade
from polyfleet.api.dialects.deis import bodies, pages, schemas
from polyfleet.api.dialects.deis.access import caller_of
from polyfleet.api.dialects.deis.documents import born, date
from polyfleet.api.dialects.deis.routes import BASE, Route
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import key_name
from polyfleet.fleet.objects.key import Key
from polyfleet.fleet.objects.kinds import KEYS, USERS
from polyfleet.fleet.objects.user import User
from polyfleet.kube import errors

MAX_KEYS = 100
"""Of one user."""
LONGEST_ID = 128
LONGEST_KEY = 16_384
_BASE = f"{BASE}/keys"
_BY_USER = "deis: keys of a user"
_KIND = re.compile(r"(sk-)?(ssh|ecdsa)-[a-z0-9@.-]{1,60}")
_TAKEN = "SSH Key with this Public already exists."


class KeyRoutes:
    """The routes below /v1/keys, for the caller's own keys."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        facade.cache.keys.add_index(
            _BY_USER,
            lambda key: (key.spec.user_uid,),
            order=born,
        )

    async def show(self, request: Request) -> Response:
        """List the caller's keys, the oldest first."""
        user = (await caller_of(self._facade, request)).person()
        return pages.answer(self._facade, request, _of(self._facade, user), _encoded)

    async def create(self, request: Request) -> Response:
        """Add a key."""
        user = (await caller_of(self._facade, request)).person()
        fields = await bodies.read_fields(request, self._facade.settings.maximum_body)
        bodies.require(fields, ("id", "public"))
        identifier = bodies.text(fields, "id", longest=LONGEST_ID)
        public = bodies.text(fields, "public", longest=LONGEST_KEY)
        known = _of(self._facade, user)
        if any(key.spec.id == identifier for key in known):
            raise Invalid("id", "You have a key with this id already.")
        if len(known) >= MAX_KEYS:
            raise Conflict(f"A user has at most {MAX_KEYS} keys.")
        spec = {
            "user": user.spec.name,
            "userUid": user.metadata.uid,
            "id": identifier,
            "public": public,
            **_fingerprint(public),
            "createdAt": timestamp(self._facade.clock()),
        }
        return Response(
            _encoded(await self._create(public, spec)), 201, media_type="application/json"
        )

    async def get(self, request: Request) -> Response:
        """Show a key."""
        user = (await caller_of(self._facade, request)).person()
        [key, *_] = self._named(user, request.path_params["id"])
        return Response(_encoded(key), media_type="application/json")

    async def delete(self, request: Request) -> Response:
        """Remove a key."""
        user = (await caller_of(self._facade, request)).person()
        for key in self._named(user, request.path_params["id"]):
            with suppress(errors.NotFound):
                await self._facade.writer.delete(KEYS, key, checked=False)
        return Response(status_code=204)

    async def _create(self, public: str, spec: dict[str, Any]) -> Key:
        writer, name = self._facade.writer, key_name(public)
        try:
            return await writer.create(KEYS, name, spec)
        except errors.AlreadyExists:
            if not await self._is_abandoned(name):
                raise Invalid("public", _TAKEN) from None
        try:
            return await writer.create(KEYS, name, spec)
        except errors.AlreadyExists:
            raise Invalid("public", _TAKEN) from None

    async def _is_abandoned(self, name: str) -> bool:
        """Take the key of somebody who is no user any more away; say whether it is gone."""
        writer = self._facade.writer
        try:
            key = await writer.read(KEYS, name)
        except errors.NotFound:
            return True
        if self._facade.cache.users.by_uid(key.spec.user_uid) is not None:
            return False
        # The cache may not have heard of a new user yet.
        named = writer.client.list_pages(USERS, field_selector=f"spec.name={key.spec.user}")
        if any([user.metadata.uid == key.spec.user_uid async for p in named for user in p.items]):
            return False
        with suppress(errors.NotFound):
            await writer.delete(KEYS, key)
        return True

    def _named(self, user: User, identifier: str) -> list[Key]:
        found = [key for key in _of(self._facade, user) if key.spec.id == identifier]
        if not found:
            raise NotFound("there is no such key")
        return found


async def delete_keys_of(facade: Facade, user: User) -> None:
    """Remove the keys of a user who is gone."""
    for key in _of(facade, user):
        with suppress(errors.NotFound):
            await facade.writer.delete(KEYS, key, checked=False)


def routes(keys: KeyRoutes) -> list[Route]:
    """Return the routes below /v1/keys."""
    single = f"{_BASE}/{{id:rest}}"
    return [
        Route(
            method="GET",
            path=_BASE,
            endpoint=keys.show,
            summary="List one's own keys",
            statuses=(403, 404),
            query=pages.QUERY,
            reply=schemas.Page[schemas.Key],
        ),
        Route(
            method="POST",
            path=_BASE,
            endpoint=keys.create,
            summary="Add a key",
            status=201,
            statuses=(403, 409),
            body=schemas.NewKey,
            reply=schemas.Key,
        ),
        Route(
            method="GET",
            path=single,
            endpoint=keys.get,
            summary="Show a key",
            statuses=(403, 404),
            reply=schemas.Key,
        ),
        Route(
            method="DELETE",
            path=single,
            endpoint=keys.delete,
            summary="Remove a key",
            status=204,
            statuses=(403, 404),
        ),
    ]


def _of(facade: Facade, user: User) -> list[Key]:
    found = facade.cache.keys.find(_BY_USER, user.metadata.uid)
    return [key for key in found if not key.metadata.terminating]


def _fingerprint(public: str) -> dict[str, str]:
    """Return a key's fingerprint as ssh-keygen shows it, if it has one. Raises Invalid.

    Version 1.0 takes any text. What is no key at all is a mistake; one that only cannot be read,
    perhaps of a type that is newer than this, is taken and has none.
    """
    kind, encoded, *_ = [*public.split(maxsplit=2), "", ""]
    if not _KIND.fullmatch(kind) or not encoded:
        raise Invalid("public", "This is no SSH public key: <type> <base64> [<comment>].")
    try:
        load_ssh_public_key(f"{kind} {encoded}".encode("ascii"))
        digest = hashlib.sha256(base64.b64decode(encoded, validate=True)).digest()
    except (ValueError, UnsupportedAlgorithm):
        return {}
    return {"fingerprint": f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"}


def _encoded(key: Key) -> bytes:
    created = date(born(key))
    return orjson.dumps(
        {
            "created": created,
            "id": key.spec.id,
            "owner": key.spec.user,
            "public": key.spec.public,
            "updated": created,
            "uuid": key.metadata.uid,
        }
    )
