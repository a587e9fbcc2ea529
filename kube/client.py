"""A client of the Kubernetes API: views for our own kinds, plain JSON for built-in resources."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlencode

import msgspec
import orjson
from prometheus_client import REGISTRY, CollectorRegistry

from polyfleet.fleet.objects.kinds import PODS, Kind, Object
from polyfleet.kube.codec import Page, codec_of
from polyfleet.kube.configuration import Connection
from polyfleet.kube.errors import ApiError, Invalid, NotFound
from polyfleet.kube.metrics import Metrics, metrics_of
from polyfleet.kube.resources import Resource, collection_path, is_object_name
from polyfleet.kube.stream import WatchEvent, read_events
from polyfleet.kube.transport import Transport

Content = Literal["merge", "json", "apply"]
Subresource = Literal["status"]
Patch = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_JSON = "application/json"
_CONTENT_TYPES: Mapping[Content, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
_IDLE_SECONDS = 70.0
_WATCH_SECONDS = 290


class Client:
    """One namespace of one API server. An async context manager; every call may raise ApiError.

    Bodies may hold `msgspec.Raw`, which is sent as it is. Times are in seconds.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        namespace: str,
        field_manager: str,
        request_timeout: float = 30,
        connections: int = 64,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self.namespace = namespace
        self.field_manager = field_manager
        self.registry = registry
        self.metrics: Metrics = metrics_of(registry)
        self._transport = Transport(
            connection,
            user_agent=f"polyfleet ({field_manager})",
            metrics=self.metrics,
            request_timeout=request_timeout,
            connections=connections,
        )
        # Strict: a field that the schema does not know is an error, not silently dropped.
        self._write_query = _write_query(field_manager)
        # Who writes labels is dated by the API server: other changes must not renew that date.
        self._content_query = _write_query(f"{field_manager}-content")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._transport.close()

    async def get(self, kind: Kind[Object], name: str) -> Object:
        """Read one object."""
        return self._view(kind, await self._get(kind, name))

    async def create(self, kind: Kind[Object], body: Mapping[str, Any]) -> Object:
        """Create an object; `apiVersion` and `kind` are filled in."""
        return self._view(kind, await self._create(kind, body))

    async def patch(
        self,
        kind: Kind[Object],
        name: str,
        patch: Patch,
        *,
        subresource: Subresource | None = None,
        content: Content = "merge",
        force: bool = False,
    ) -> Object:
        """Change an object by a merge patch, a JSON patch, or a server-side apply.

        `force` takes fields over from other managers; it counts for apply only.
        """
        answer = await self._patch(kind, name, patch, subresource, content, force=force)
        return self._view(kind, answer)

    async def replace(
        self,
        kind: Kind[Object],
        name: str,
        body: Mapping[str, Any],
        *,
        subresource: Subresource | None = None,
    ) -> Object:
        """Replace an object; checked if the body carries a resourceVersion."""
        return self._view(kind, await self._replace(kind, name, body, subresource))

    async def delete(
        self,
        kind: Kind[Object],
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Object | None:
        """Delete an object; returns it if finalizers still hold it, else None.

        With `uid` or `resource_version` given, Conflict is raised if they do not fit.
        """
        answer = await self._delete(kind, name, uid, resource_version)
        # Deleted for good is answered by a Status, held by finalizers by the object.
        return None if _is_status(answer) else self._view(kind, answer)

    async def get_document(self, kind: Kind[Any] | Resource, name: str) -> dict[str, Any]:
        """Read one object as plain JSON."""
        return _document(await self._get(kind, name))

    async def create_document(
        self, kind: Kind[Any] | Resource, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Create an object; `apiVersion` and `kind` are filled in."""
        return _document(await self._create(kind, body))

    async def patch_document(
        self,
        kind: Kind[Any] | Resource,
        name: str,
        patch: Patch,
        *,
        subresource: Subresource | None = None,
        content: Content = "merge",
        force: bool = False,
    ) -> dict[str, Any]:
        """Change an object, as `patch` does."""
        return _document(await self._patch(kind, name, patch, subresource, content, force=force))

    async def replace_document(
        self,
        kind: Kind[Any] | Resource,
        name: str,
        body: Mapping[str, Any],
        *,
        subresource: Subresource | None = None,
    ) -> dict[str, Any]:
        """Replace an object; checked if the body carries a resourceVersion."""
        return _document(await self._replace(kind, name, body, subresource))

    async def delete_document(
        self,
        kind: Kind[Any] | Resource,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete an object, as `delete` does."""
        await self._delete(kind, name, uid, resource_version)

    async def list_documents(
        self,
        resource: Kind[Any] | Resource,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[dict[str, Any]]:
        """Read all objects of a resource as plain JSON: for resources with few objects."""
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        answer = await self._send("GET", resource, query=query, verb="list")
        return list(_document(answer).get("items") or ())

    async def list_pages(
        self,
        kind: Kind[Object],
        *,
        limit: int = 500,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> AsyncIterator[Page[Object]]:
        """Read all objects in pages of at most `limit`, all as of one version of the whole list.

        Without a selector the kind's own counts.
        Raises Gone if the reading takes so long that this version is dropped.
        """
        token: str | None = None
        while True:
            query = _query(
                limit=str(limit),
                labelSelector=label_selector or kind.label_selector,
                fieldSelector=field_selector or kind.field_selector,
                **{"continue": token},
            )
            answer = await self._send("GET", kind, query=query, verb="list")
            page = codec_of(kind).page(answer)
            if page.unreadable:
                self.metrics.unreadable.labels(kind.name).inc(len(page.unreadable))
            yield page
            token = page.continue_token
            if not token:
                return

    def watch(
        self,
        kind: Kind[Object],
        *,
        resource_version: str | None,
        initial_events: bool = False,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout: int = _WATCH_SECONDS,
        idle_timeout: float = _IDLE_SECONDS,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[Object]]]:
        """Open a watch: a context manager that yields the events.

        Without a selector the kind's own counts.
        The server ends it after about `timeout` seconds; silence of `idle_timeout` seconds raises
        Unavailable, a version that is too old raises Gone. With `initial_events` the present
        objects come first, then a bookmark that says so.
        """
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            sendInitialEvents="true" if initial_events else None,
            resourceVersionMatch="NotOlderThan" if initial_events else None,
            labelSelector=label_selector or kind.label_selector,
            fieldSelector=field_selector or kind.field_selector,
            timeoutSeconds=str(timeout),
        )
        path = f"{collection_path(kind, self.namespace)}?{query}"
        stream = self._transport.stream(
            path, verb="watch", kind=kind.name, idle_timeout=idle_timeout
        )
        return read_events(stream, kind, self.metrics)

    def pod_log(
        self,
        pod: str,
        *,
        lines: int,
        most_bytes: int | None = None,
        follow: bool = False,
        idle_timeout: float = _IDLE_SECONDS,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open the log of a Pod's only container: a context manager that yields pieces of it.

        It begins with the last `lines` lines, each with the time before it, and ends with the
        container if it is to be followed. Silence of `idle_timeout` seconds raises Unavailable.
        """
        query = _query(
            timestamps="true",
            tailLines=str(lines),
            limitBytes=None if most_bytes is None else str(most_bytes),
            follow="true" if follow else None,
        )
        path = f"{collection_path(PODS, self.namespace)}/{_checked(pod)}/log?{query}"
        return self._transport.stream(path, verb="log", kind=PODS.name, idle_timeout=idle_timeout)

    async def _get(self, kind: Kind[Any] | Resource, name: str) -> bytes:
        return await self._send("GET", kind, name)

    async def _create(self, kind: Kind[Any] | Resource, body: Mapping[str, Any]) -> bytes:
        typed = {"apiVersion": kind.api_version, "kind": kind.name, **body}
        return await self._send("POST", kind, body=typed, query=self._write_query, verb="create")

    async def _patch(
        self,
        kind: Kind[Any] | Resource,
        name: str,
        patch: Patch,
        subresource: Subresource | None,
        content: Content,
        *,
        force: bool,
    ) -> bytes:
        if content == "apply" and isinstance(patch, Mapping):
            patch = {"apiVersion": kind.api_version, "kind": kind.name, **patch}
        forced = "&force=true" if force and content == "apply" else ""
        labelled = content == "apply" or _touches_labels(patch)
        return await self._send(
            "PATCH",
            kind,
            name,
            subresource=subresource,
            query=(self._write_query if labelled else self._content_query) + forced,
            body=patch,
            content_type=_CONTENT_TYPES[content],
        )

    async def _replace(
        self,
        kind: Kind[Any] | Resource,
        name: str,
        body: Mapping[str, Any],
        subresource: Subresource | None,
    ) -> bytes:
        typed = {"apiVersion": kind.api_version, "kind": kind.name, **body}
        query = self._write_query
        return await self._send(
            "PUT", kind, name, subresource=subresource, query=query, body=typed, verb="replace"
        )

    async def _delete(
        self,
        kind: Kind[Any] | Resource,
        name: str,
        uid: str | None,
        resource_version: str | None,
    ) -> bytes:
        checks = {"uid": uid, "resourceVersion": resource_version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {key: value for key, value in checks.items() if value is not None},
        }
        return await self._send("DELETE", kind, name, body=body)

    async def _send(
        self,
        method: str,
        kind: Kind[Any] | Resource,
        name: str | None = None,
        *,
        subresource: Subresource | None = None,
        query: str = "",
        body: Patch | None = None,
        content_type: str = _JSON,
        verb: str | None = None,
    ) -> bytes:
        path = collection_path(kind, self.namespace)
        if name is not None:
            path = f"{path}/{_checked(name)}"
        if subresource:
            path = f"{path}/{subresource}"
        return await self._transport.request(
            method,
            f"{path}?{query}" if query else path,
            verb=verb or method.lower(),
            kind=kind.name,
            body=None if body is None else _encode(body),
            content_type=None if body is None else content_type,
        )

    def _view(self, kind: Kind[Object], answer: bytes) -> Object:
        try:
            return codec_of(kind).object(answer)
        except msgspec.MsgspecError as error:
            self.metrics.unreadable.labels(kind.name).inc()
            message = f"{kind.name} cannot be read: {error}"
            raise ApiError(200, "Unreadable", message) from error


def _checked(name: str) -> str:
    if not is_object_name(name):
        raise NotFound(404, "NotFound", "no object can have that name")
    return name


def _encode(body: Patch) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, UnicodeEncodeError) as error:
        raise Invalid(400, "BadRequest", f"cannot be written as JSON: {error}") from error


def _document(answer: bytes) -> dict[str, Any]:
    document = orjson.loads(answer)
    if not isinstance(document, dict):
        raise ApiError(200, "Unreadable", "the answer is no JSON object")
    return document


def _is_status(answer: bytes) -> bool:
    return bool(orjson.loads(answer).get("kind") == "Status")


def _query(**parameters: str | None) -> str:
    return urlencode({key: value for key, value in parameters.items() if value})


def _write_query(field_manager: str) -> str:
    return urlencode({"fieldManager": field_manager, "fieldValidation": "Strict"})


def _touches_labels(patch: Patch) -> bool:
    if isinstance(patch, Mapping):
        return "labels" in (patch.get("metadata") or {})
    return any(str(step.get("path", "")).startswith("/metadata/labels") for step in patch)
