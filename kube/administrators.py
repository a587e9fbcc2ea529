"""Becoming an administrator and ceasing to be one, when there may be none or must stay one.

One ConfigMap is the lock: whoever wants to change who is an administrator notes that in it, by a
write that is checked against the version read before the users were looked at, then changes the
User, then takes the note off. A note counts as done for everybody else; one that a process left
behind when it died, or did not learn what became of its write, ends after a minute.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Literal

from polyfleet.fleet.instants import parse, timestamp
from polyfleet.fleet.objects.kinds import USERS
from polyfleet.fleet.objects.user import User
from polyfleet.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from polyfleet.kube.refusal import Refused
from polyfleet.kube.resources import CONFIG_MAPS
from polyfleet.kube.writer import Writer

CONFIG_MAP = "polyfleet-administrators"
NOTE_SECONDS = 60.0
_ACT_SECONDS = 40.0
_ATTEMPTS = 12
_PAUSE = 0.05

Note = Literal["joins", "leaves"]


async def make_first(writer: Writer, user: User, now: datetime) -> User:
    """Make the user an administrator if there is none and nobody else is becoming one.

    Returns the user as it is then. Raises ApiError.
    """
    try:
        async with _noted(writer, user, "joins", now):
            return await writer.update(USERS, user.metadata.name, lambda _: _RAISED)
    except Refused:
        return user


async def demote(writer: Writer, user: User, now: datetime) -> None:
    """Take the right of an administrator away; Refused if nobody else would have it.

    Raises ApiError.
    """
    async with _noted(writer, user, "leaves", now):
        await writer.update(USERS, user.metadata.name, _lowered)


async def remove(writer: Writer, user: User, now: datetime) -> None:
    """Delete a user; Refused if it is the last administrator.

    Raises ApiError, NotFound among them.
    """
    if not user.spec.administrator:
        await writer.delete(USERS, user, checked=False)
        return
    async with _noted(writer, user, "leaves", now):
        await writer.delete(USERS, user, checked=False)


_RAISED: Mapping[str, Any] = {"spec": {"administrator": True}}


def _lowered(user: User) -> Mapping[str, Any] | None:
    return {"spec": {"administrator": None}} if user.spec.administrator else None


@asynccontextmanager
async def _noted(writer: Writer, user: User, note: Note, now: datetime) -> AsyncIterator[None]:
    """Note the change for the length of the block. Raises Refused and ApiError."""
    uid = user.metadata.uid
    await _write_note(writer, uid, note, now)
    try:
        # A note that outlived its minute protects nobody: what it announces must end before.
        async with asyncio.timeout(_ACT_SECONDS):
            yield
    except TimeoutError as error:
        # Nobody knows what became of the write, so the note stays for its minute.
        raise Unavailable(0, "Timeout", "the user was not written in time") from error
    except ApiError as error:
        # An attempt whose answer was lost may still be carried out, whatever came of the next.
        if not isinstance(error, Unavailable | TooManyRequests):
            await _take_off(writer, uid)
        raise
    await _take_off(writer, uid)


async def _take_off(writer: Writer, uid: str) -> None:
    with suppress(ApiError):
        await writer.client.patch_document(CONFIG_MAPS, CONFIG_MAP, {"data": {uid: None}})


async def _write_note(writer: Writer, uid: str, note: Note, now: datetime) -> None:
    for attempt in range(_ATTEMPTS):
        lock = await _lock(writer)
        notes = _standing(lock.get("data") or {}, now)
        others = await _administrators(writer) - {uid}
        if note == "joins":
            allowed = not others and not any(word == "joins" for word in notes.values())
        else:
            allowed = bool(others - {other for other, word in notes.items() if word == "leaves"})
        if not allowed:
            raise Refused(
                "there is an administrator" if note == "joins" else "the last administrator stays"
            )
        metadata = lock["metadata"]
        version = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        old = {key: None for key in lock.get("data") or {} if key not in notes}
        patch = {"metadata": version, "data": {**old, uid: f"{note} {timestamp(now)}"}}
        try:
            await writer.client.patch_document(CONFIG_MAPS, CONFIG_MAP, patch)
        except (Conflict, NotFound):
            await asyncio.sleep(_PAUSE * (attempt + 1))
        else:
            return
    raise Conflict(409, "Conflict", "administrators change all the time")


async def _lock(writer: Writer) -> dict[str, Any]:
    with suppress(NotFound):
        return await writer.client.get_document(CONFIG_MAPS, CONFIG_MAP)
    with suppress(AlreadyExists):
        body = {"metadata": {"name": CONFIG_MAP}, "data": {}}
        return await writer.client.create_document(CONFIG_MAPS, body)
    return await writer.client.get_document(CONFIG_MAPS, CONFIG_MAP)


def _standing(data: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return the notes that count: by uid, what its User is about to do."""
    found = {}
    for uid, text in data.items():
        word, _, instant = text.partition(" ")
        with suppress(ValueError):
            if abs(now - parse(instant)) < timedelta(seconds=NOTE_SECONDS):
                found[uid] = word
    return found


async def _administrators(writer: Writer) -> set[str]:
    """Return the uids of those who can act as administrators now. Asks the API server."""
    found: set[str] = set()
    async for page in writer.client.list_pages(USERS):
        found |= {
            user.metadata.uid
            for user in page.items
            if user.spec.administrator and not user.spec.disabled and not user.metadata.terminating
        }
    return found
