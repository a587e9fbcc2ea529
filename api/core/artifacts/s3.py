"""An S3-compatible bucket as artifact store.

Only what a killed process leaves of a large upload stays behind, invisible in the bucket: a
lifecycle rule of the bucket itself has to remove incomplete multipart uploads.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import obstore
from obstore.store import S3Store as Bucket

from polyfleet.api.core.artifacts import paths
from polyfleet.api.core.artifacts.s3_incoming import S3Incoming
from polyfleet.api.core.artifacts.s3_request import answered
from polyfleet.api.core.artifacts.store import ListedArtifact
from polyfleet.api.core.errors import NotFound, Unavailable

if TYPE_CHECKING:  # the library has it for type checkers only
    from obstore.store import S3Config

READ_CHUNK = 4 * 1024 * 1024
"""How much one request to the bucket reads, in bytes."""

_SMALLEST_PART = 8 * 1024 * 1024
_MOST_PARTS = 10_000
_LONGEST_LINK = timedelta(days=7)
_LISTING_PAGE = 1000


@dataclass(frozen=True, slots=True)
class S3Connection:
    """Where a bucket is. Without keys, the environment's own credentials are used."""

    bucket: str
    endpoint: str | None = None
    public_endpoint: str | None = None
    """Where clients reach the bucket, if that is not where the facade does."""
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    path_style: bool = True


class S3Store:
    """Keeps files in a bucket; links are presigned GETs that hold for `link_lifetime`.

    `maximum_size` is in bytes. The protocol allows links of at most seven days.
    """

    driver = "s3"

    def __init__(
        self, connection: S3Connection, *, maximum_size: int, link_lifetime: timedelta
    ) -> None:
        self._bucket = _bucket(connection, connection.endpoint)
        public = connection.public_endpoint
        self._public = self._bucket if public is None else _bucket(connection, public)
        self._maximum_size = maximum_size
        self._link_lifetime = min(link_lifetime, _LONGEST_LINK)
        self._part_size = max(_SMALLEST_PART, -(-maximum_size // _MOST_PARTS))

    @asynccontextmanager
    async def receive(self, directory: str = "") -> AsyncIterator[S3Incoming]:
        """Take in a new file; see `ArtifactStore.receive`."""
        incoming = S3Incoming(
            self._bucket,
            paths.checked_directory(directory),
            maximum_size=self._maximum_size,
            part_size=self._part_size,
        )
        try:
            yield incoming
        finally:
            with anyio.CancelScope(shield=True):
                await incoming.discard()

    @asynccontextmanager
    async def open(self, path: str) -> AsyncIterator["S3Artifact"]:
        """Open a stored file; see `ArtifactStore.open`."""
        paths.split(path)
        found = await answered(obstore.head_async(self._bucket, path))
        yield S3Artifact(self._bucket, path, found["size"], found["last_modified"])

    async def delete(self, path: str) -> None:
        """Remove a file. One that is not there is removed already."""
        paths.split(path)
        try:
            await answered(obstore.delete_async(self._bucket, path))
        except NotFound:
            return

    async def link(self, path: str, base_url: str) -> str:  # noqa: ARG002 - the bucket's address
        """Return a presigned URL of the bucket itself."""
        paths.split(path)
        lifetime = self._link_lifetime
        return await answered(obstore.sign_async(self._public, "GET", path, lifetime))

    async def listing(self) -> AsyncIterator[ListedArtifact]:
        """Yield every committed file."""
        pages = aiter(obstore.list(self._bucket, chunk_size=_LISTING_PAGE))
        while True:
            try:
                page = await answered(anext(pages))
            except StopAsyncIteration:
                return
            for found in page:
                if paths.is_stored_path(found["path"]):
                    yield ListedArtifact(found["path"], found["size"], found["last_modified"])

    async def sweep(self) -> int:
        """Return 0: incomplete uploads are the bucket's own to remove."""
        return 0

    async def close(self) -> None:
        """Do nothing: connections end with the store."""


class S3Artifact:
    """A file of the bucket, open for reading."""

    def __init__(self, bucket: Bucket, path: str, size: int, modified: datetime) -> None:
        self._bucket = bucket
        self._path = path
        self.size = size
        self.modified = modified

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to but without `stop`, each chunk by one request."""
        while start < stop:
            end = min(start + READ_CHUNK, stop)
            request = obstore.get_range_async(self._bucket, self._path, start=start, end=end)
            chunk = bytes(await answered(request))
            if not chunk:
                raise Unavailable("the file is shorter than it was")
            start += len(chunk)
            yield chunk


def _bucket(connection: S3Connection, endpoint: str | None) -> Bucket:
    config: S3Config = {
        "region": connection.region,
        "virtual_hosted_style_request": not connection.path_style,
    }
    if endpoint is not None:
        config["endpoint"] = endpoint
    if connection.access_key_id is not None and connection.secret_access_key is not None:
        config["access_key_id"] = connection.access_key_id
        config["secret_access_key"] = connection.secret_access_key
    return Bucket(
        connection.bucket,
        config=config,
        client_options={
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            # Of one request; reads and parts are small enough for it on slow networks.
            "timeout": timedelta(seconds=60),
        },
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
    )
