"""What every artifact store offers: receive a file, open it, link to it, delete it.

A stored file never changes: its path holds a UUID that is drawn when it is received and never
used again. So a path is also a strong validator of the content.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """A file that is safely stored: the fields of a Package's `spec.artifact`."""

    driver: str
    path: str
    sha256: str
    """Lower-case hexadecimal digest of the whole file."""
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class ListedArtifact:
    """A file that a store holds, as its listing tells it."""

    path: str
    size: int
    modified: datetime


class Incoming(Protocol):
    """A file on its way in; nobody sees it before `commit`."""

    @property
    def size(self) -> int:
        """How many bytes were written so far."""

    async def write(self, chunk: bytes) -> None:
        """Append a chunk; return when there is room for the next.

        Raises TooLarge over the store's maximum, InsufficientStorage when the store is full and
        Unavailable when it fails otherwise. After an error the file cannot be committed.
        """

    async def commit(self, directory: str = "") -> StoredArtifact:
        """Store the file durably as `<uuid>` or `<directory>/<uuid>`; once only.

        Raises Invalid for a directory name that is not allowed, else as `write`.
        """


class OpenArtifact(Protocol):
    """A stored file, open for reading."""

    @property
    def size(self) -> int:
        """The length of the whole file in bytes."""

    @property
    def modified(self) -> datetime:
        """When the file was stored."""

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to but without `stop`, in chunks of a bounded size."""


class ArtifactStore(Protocol):
    """A place for the files of packages. Every method may raise Unavailable."""

    @property
    def driver(self) -> str:
        """The name under which Packages know the store: `local` or `s3`."""

    def receive(self, directory: str = "") -> AbstractAsyncContextManager[Incoming]:
        """Take in a new file. Unless it is committed, nothing of it is left at exit.

        `directory` is where it will probably go; what counts is the one given to `commit`. A
        store that cannot rename cheaply needs it early.
        """

    def open(self, path: str) -> AbstractAsyncContextManager[OpenArtifact]:
        """Open a stored file. Raises NotFound; also for paths that no store can have made."""

    async def delete(self, path: str) -> None:
        """Remove a file. One that is not there is removed already."""

    async def link(self, path: str, base_url: str) -> str:
        """Return a URL from which a client can fetch the file for a limited time.

        `base_url` is the facade's own address, as the client can reach it.
        """

    def listing(self) -> AsyncIterator[ListedArtifact]:
        """Yield every committed file, in no particular order."""

    async def sweep(self) -> int:
        """Remove what dead processes left behind; return how many files that were."""

    async def close(self) -> None:
        """Release what the store holds open."""
