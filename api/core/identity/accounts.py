"""Makes users, their passwords and their access tokens.

What the command line needs to make the first administrator, and the dialects for everybody else.
"""

import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from polyfleet.api.core.errors import Invalid
from polyfleet.api.core.identity import access_tokens
from polyfleet.api.core.identity.access_tokens import NewAccessToken
from polyfleet.api.core.identity.clock import wall_clock
from polyfleet.api.core.identity.password_hashes import PasswordHashes, check_password
from polyfleet.api.core.identity.passwords import MAX_NAME
from polyfleet.fleet.instants import timestamp
from polyfleet.fleet.names import object_name
from polyfleet.fleet.objects.kinds import ACCESS_TOKENS, USERS
from polyfleet.fleet.objects.metadata import SERIAL_LABEL
from polyfleet.fleet.objects.user import User
from polyfleet.kube.client import Client
from polyfleet.kube.errors import AlreadyExists, ApiError
from polyfleet.kube.serials import SerialAllocator
from polyfleet.kube.writer import Writer

_ATTEMPTS = 5


async def create_administrator(
    writer: Writer, client: Client, name: str, password: str | None = None
) -> tuple[User, str]:
    """Make an administrator; without a password, with one drawn here.

    Returns the user and the password. Raises Invalid, and ApiError (AlreadyExists for a name that
    is taken).
    """
    chosen = secrets.token_urlsafe(18) if password is None else password
    user = await create_user(
        writer, PasswordHashes(client), name, chosen, fields={"administrator": True}
    )
    return user, chosen


async def create_user(
    writer: Writer,
    hashes: PasswordHashes,
    name: str,
    password: str,
    *,
    fields: Mapping[str, Any] | None = None,
    serials: SerialAllocator | None = None,
    now: datetime | None = None,
) -> User:
    """Make a user with a password; `fields` are further ones of `User.spec`.

    Without `serials` the operator gives the number. Raises Invalid, and ApiError (AlreadyExists
    for a name that is taken).
    """
    check_name(name)
    check_password(password)
    labels = {} if serials is None else {SERIAL_LABEL: str(await serials.next(USERS))}
    created_at, own_name = timestamp(now or wall_clock()), object_name(USERS.name, "", name)
    spec = {**(fields or {}), "name": name, "createdAt": created_at}
    # The password comes first: a user without one would keep its name from everybody for ever.
    await hashes.deposit(name, created_at, own_name, password)
    try:
        user = await writer.create(USERS, own_name, spec, labels=labels)
    except AlreadyExists:
        with suppress(ApiError):
            await hashes.withdraw(name, created_at)
        raise
    # What is left undone here, the operator does: the user can log in already.
    with suppress(ApiError):
        await hashes.claim(user, password)
    return user


async def set_password(client: Client, user: User, password: str | None = None) -> str:
    """Change a password; without one, to one drawn here. Returns it.

    Raises Invalid and ApiError. A running facade may believe the old one for as long as it
    remembers it.
    """
    chosen = secrets.token_urlsafe(18) if password is None else password
    await PasswordHashes(client).store(user, chosen)
    return chosen


async def create_access_token(
    writer: Writer,
    user: User,
    *,
    description: str | None = None,
    scopes: Iterable[str] | None = None,
    expires_at: datetime | None = None,
    now: datetime | None = None,
) -> NewAccessToken:
    """Make an access token of a user; its text is in the answer and nowhere else.

    Without `scopes` it is worth all that the user is. Raises ApiError.
    """
    spec: dict[str, Any] = {
        "user": user.spec.name,
        "userUid": user.metadata.uid,
        "createdAt": timestamp(now or wall_clock()),
    }
    if description is not None:
        spec["description"] = description
    if scopes is not None:
        spec["scopes"] = sorted(set(scopes))
    if expires_at is not None:
        spec["expiresAt"] = timestamp(expires_at)
    for attempt in range(_ATTEMPTS):
        token = access_tokens.generate()
        name = object_name(ACCESS_TOKENS.name, "", token.prefix)
        try:
            await writer.create(
                ACCESS_TOKENS, name, {**spec, "prefix": token.prefix, "hash": token.hash}
            )
        except AlreadyExists:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return token
    raise AssertionError("the last attempt returns or raises")


def check_name(name: str) -> None:
    """Raise Invalid unless a user can have this name."""
    if not name or len(name) > MAX_NAME:
        raise Invalid("name", f"must have 1 to {MAX_NAME} characters")
    if ":" in name or not name.isprintable():
        # Basic authentication ends the name at the first colon.
        raise Invalid("name", "may contain neither a colon nor unprintable characters")
    if access_tokens.looks_like_one(name):
        raise Invalid("name", "may not begin as access tokens do")
