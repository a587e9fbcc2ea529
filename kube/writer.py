"""Writes that know the cache: own writes are read at once, others' writes are never undone."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from polyfleet.fleet.objects.kinds import Kind, Object
from polyfleet.kube.cache import Cache
from polyfleet.kube.client import Client, Content, Patch, Subresource
from polyfleet.kube.errors import ApiError, Conflict, NotFound, TooManyRequests, Unavailable
from polyfleet.kube.jitter import between
from polyfleet.kube.store import Store

RETRY_SECONDS = 10.0
AWAY_SECONDS = 1.0
_AWAY_ATTEMPT_SECONDS = 2.0
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 2.0
_MOST_DOUBLINGS = 8
_ANSWERS_LOST = frozenset({500, 503, 504})

Answer = TypeVar("Answer")
Decide = Callable[[Object], Patch | None]


class Writer:
    """Writes objects, and puts the API server's answers into the cache.

    What surely had no effect (429, no connection) is tried again for at most `retry_seconds`;
    what may have had one only where doing it twice is harmless. While the API server is known to
    be away, a write fails after AWAY_SECONDS, or 2 s if it gets no answer at all. All may raise
    ApiError.
    """

    def __init__(
        self, client: Client, cache: Cache | None = None, *, retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self.client = client
        self._cache = cache
        self._retry_seconds = retry_seconds

    @property
    def away(self) -> bool:
        """Whether the cache knows that the API server cannot be reached."""
        return self._cache is not None and self._cache.unreachable

    async def create(
        self,
        kind: Kind[Object],
        name: str,
        spec: Mapping[str, Any],
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        finalizers: Sequence[str] = (),
        status: Mapping[str, Any] | None = None,
    ) -> Object:
        """Create an object. Raises AlreadyExists if the name is taken.

        A status is a second write, for the API server ignores one at creation: until then, and
        if it fails, the object is there without.
        """
        metadata: dict[str, Any] = {"name": name}
        if labels:
            metadata["labels"] = labels
        if annotations:
            metadata["annotations"] = annotations
        if finalizers:
            metadata["finalizers"] = finalizers
        body = {"metadata": metadata, "spec": spec}
        created = await self._retry(lambda: self.client.create(kind, body), harmless=False)
        self._apply(kind, created)
        if status is None:
            return created
        return await self.patch(kind, created, {"status": status}, subresource="status")

    async def patch(
        self,
        kind: Kind[Object],
        item: Object,
        patch: Patch,
        *,
        subresource: Subresource | None = None,
    ) -> Object:
        """Change an object by a merge patch, or by a JSON patch if it is a list of operations.

        Raises Conflict if it is not as given any more.
        """
        checked, content = _checked(item, patch)
        changed = await self._retry(
            lambda: self.client.patch(
                kind, item.metadata.name, checked, subresource=subresource, content=content
            ),
            harmless=False,
        )
        self._apply(kind, changed)
        return changed

    async def update(
        self,
        kind: Kind[Object],
        name: str,
        decide: Decide[Object],
        *,
        subresource: Subresource | None = None,
        attempts: int = 8,
    ) -> Object:
        """Change an object as `decide` says, which is given the object and returns a patch.

        It is asked again with the object as it is now whenever somebody else was faster, and may
        return None: nothing to do. Raises NotFound, and Conflict after so many attempts.
        """
        item = self._cached(kind, name) or await self.read(kind, name)
        for attempt in range(attempts):
            patch = decide(item)
            if patch is None:
                return item
            try:
                return await self.patch(kind, item, patch, subresource=subresource)
            except Conflict:
                if attempt == attempts - 1:
                    raise
            except Unavailable as error:
                # If it was carried out all the same, the object read now shows it.
                if not _answer_lost(error) or attempt == attempts - 1:
                    raise
            await asyncio.sleep(_delay(attempt) if attempt else 0)
            item = await self.read(kind, name)
        raise ValueError("at least one attempt is needed")

    async def delete(self, kind: Kind[Object], item: Object, *, checked: bool = True) -> None:
        """Delete that very object; if `checked`, only as it is, else Conflict is raised.

        If finalizers hold it, it stays, terminating. Raises NotFound if it was gone already.
        """
        version = item.metadata.resource_version if checked else None
        tried = False

        async def attempt() -> Object | None:
            nonlocal tried
            try:
                return await self.client.delete(
                    kind, item.metadata.name, uid=item.metadata.uid, resource_version=version
                )
            except NotFound:
                if tried:
                    return None
                raise
            finally:
                tried = True

        held = await self._retry(attempt, harmless=True)
        if held is not None:
            self._apply(kind, held)
        elif (store := self._store(kind)) is not None:
            store.remove(item, confirmed=False)

    async def read(self, kind: Kind[Object], name: str) -> Object:
        """Read an object from the API server, not from the cache."""
        item = await self._retry(lambda: self.client.get(kind, name), harmless=True)
        self._apply(kind, item)
        return item

    def _store(self, kind: Kind[Object]) -> Store[Object] | None:
        return self._cache.store(kind) if self._cache is not None and kind in self._cache else None

    def _cached(self, kind: Kind[Object], name: str) -> Object | None:
        store = self._store(kind)
        return None if store is None else store.get(name)

    def _apply(self, kind: Kind[Object], item: Object) -> None:
        store = self._store(kind)
        if store is not None:
            store.apply(item)

    async def _retry(self, call: Callable[[], Awaitable[Answer]], *, harmless: bool) -> Answer:
        started = time.monotonic()
        attempt = 0
        while True:
            try:
                return await self._attempt(call)
            except (TooManyRequests, Unavailable) as error:
                delay = _delay(attempt)
                if isinstance(error, TooManyRequests):
                    delay = max(delay, error.retry_after or 0.0)
                elif error.sent and not (harmless and _answer_lost(error)):
                    raise
                patience = (
                    min(AWAY_SECONDS, self._retry_seconds) if self.away else self._retry_seconds
                )
                if time.monotonic() + delay > started + patience:
                    raise
            attempt += 1
            await asyncio.sleep(delay)

    async def _attempt(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        if not self.away:
            return await call()
        try:
            async with asyncio.timeout(_AWAY_ATTEMPT_SECONDS):
                return await call()
        except TimeoutError as error:
            raise Unavailable(0, "Timeout", "no answer in time") from error


def _checked(item: Object, patch: Patch) -> tuple[Patch, Content]:
    meta = item.metadata
    checks = {"uid": meta.uid, "resourceVersion": meta.resource_version}
    if isinstance(patch, Mapping):
        metadata = {**(patch.get("metadata") or {}), **checks}
        return {**patch, "metadata": metadata}, "merge"
    # Not `test` operations: these fail as Invalid, what is written here is compared by the server.
    guards = [
        {"op": "replace", "path": f"/metadata/{key}", "value": value}
        for key, value in checks.items()
    ]
    return [*guards, *patch], "json"


def _answer_lost(error: ApiError) -> bool:
    """Whether nobody knows if the request was carried out, and asking again can help."""
    return error.status == 0 or error.status in _ANSWERS_LOST


def _delay(attempt: int) -> float:
    longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(attempt, _MOST_DOUBLINGS))
    return between(longest / 2, longest)
