"""The blocking half of the local store: files below a root, opened without following links.

Everything here runs in worker threads. A thread outlives the task that waited for it if that
task is cancelled, so each object has a lock: closing waits for the write or read under way
instead of pulling the descriptor from under it.
"""

import errno
import fcntl
import hashlib
import os
import stat
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from polyfleet.api.core.artifacts import paths
from polyfleet.api.core.artifacts.store import ListedArtifact
from polyfleet.api.core.errors import Invalid, NotFound

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_SUCH_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO})
_ABANDONED_SECONDS = 3600


class IncomingFile:
    """A file under way in the incoming folder, until it is committed or discarded.

    A lock on the file tells other processes that its writer lives.
    """

    def __init__(self, incoming: int, root: int) -> None:
        self.name = paths.new_name()
        self._incoming = incoming
        self._root = root
        self._file: int | None = None
        self._lock = threading.Lock()
        self._over = False
        self._digest = hashlib.sha256()

    def create(self) -> None:
        """Create the file, empty and locked."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._lock:
            while not self._over:
                self._file = os.open(self.name, flags, 0o640, dir_fd=self._incoming)
                with suppress(OSError):  # a file system without locks: the age decides there
                    fcntl.flock(self._file, fcntl.LOCK_EX)
                if os.fstat(self._file).st_nlink:
                    return
                # A sweep came between creation and lock.
                os.close(self._file)
                self._file = None

    def append(self, chunks: Sequence[bytes]) -> None:
        """Write the chunks and take them into the digest."""
        with self._lock:
            file = self._open_file()
            for chunk in chunks:
                self._digest.update(chunk)
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(file, rest) :]

    def commit(self, directory: str) -> str:
        """Move the file to its place, safe against a power cut; return its sha256."""
        with self._lock:
            file = self._open_file()
            os.fsync(file)
            target = _made_directory(self._root, directory)
            try:
                os.rename(self.name, self.name, src_dir_fd=self._incoming, dst_dir_fd=target)
                self._over = True
                os.fsync(target)
            finally:
                os.close(target)
            self._close()
            return self._digest.hexdigest()

    def discard(self) -> None:
        """Remove the file unless it was committed."""
        with self._lock:
            if not self._over and self._file is not None:
                with suppress(FileNotFoundError):
                    os.unlink(self.name, dir_fd=self._incoming)
            self._over = True
            self._close()

    def _open_file(self) -> int:
        if self._over or self._file is None:
            raise RuntimeError("the incoming file is committed or discarded already")
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class StoredFile:
    """A stored file, open for reading between `open` and `close`."""

    def __init__(self, root: int, directory: str, name: str) -> None:
        self._root = root
        self._directory = directory
        self._name = name
        self._file: int | None = None
        self._lock = threading.Lock()
        self._closed = False

    def open(self) -> tuple[int, datetime]:
        """Open the file; return its size in bytes and when it was stored."""
        with self._lock:
            if self._closed:
                raise NotFound("there is no such file")
            # Not blocking: opening a pipe that somebody put there must not hang.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                folder = _opened_directory(self._root, self._directory)
                try:
                    self._file = os.open(self._name, flags, dir_fd=folder)
                finally:
                    os.close(folder)
            except OSError as error:
                if error.errno in _NO_SUCH_FILE:
                    raise NotFound("there is no such file") from None
                raise
            found = os.fstat(self._file)
            if not stat.S_ISREG(found.st_mode):
                raise NotFound("there is no such file")
            return found.st_size, _modified(found)

    def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes; empty at the end of the file."""
        with self._lock:
            return b"" if self._file is None else os.pread(self._file, length, offset)

    def close(self) -> None:
        """Close the file; more than once is no error."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                os.close(self._file)
                self._file = None


def delete(root: int, directory: str, name: str) -> None:
    """Remove a stored file if it is there."""
    try:
        folder = _opened_directory(root, directory)
    except OSError as error:
        if error.errno in _NO_SUCH_FILE:
            return
        raise
    try:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        os.fsync(folder)
    finally:
        os.close(folder)


def directories(root: int) -> list[str]:
    """Return the directories that may hold stored files; the root is the empty name."""
    found = [""]
    for directory in found:  # grows by what is below
        with (
            suppress(FileNotFoundError),
            _Folder(root, directory) as folder,
            os.scandir(folder) as entries,
        ):
            below = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            candidates = [paths.joined(directory, name) for name in below]
            found.extend(filter(paths.is_directory, candidates))
    return found


def files(root: int, directory: str) -> list[ListedArtifact]:
    """Return the stored files of one directory; none if it has gone."""
    found = []
    with (
        suppress(FileNotFoundError),
        _Folder(root, directory) as folder,
        os.scandir(folder) as entries,
    ):
        for entry in entries:
            path = paths.joined(directory, entry.name)
            with suppress(FileNotFoundError):
                state = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(state.st_mode) and paths.is_stored_path(path):
                    found.append(ListedArtifact(path, state.st_size, _modified(state)))
    return found


def sweep(incoming: int) -> int:
    """Remove the incoming files whose writers are dead; return how many they were."""
    removed = 0
    with _Folder(incoming, "") as folder, os.scandir(folder) as entries:
        for name in [entry.name for entry in entries]:
            with suppress(FileNotFoundError):
                removed += _remove_if_abandoned(incoming, name)
    return removed


def _remove_if_abandoned(incoming: int, name: str) -> bool:
    file = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=incoming
    )
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            if time.time() - os.fstat(file).st_mtime < _ABANDONED_SECONDS:
                return False
        os.unlink(name, dir_fd=incoming)
    finally:
        os.close(file)
    return True


def _made_directory(root: int, directory: str) -> int:
    try:
        return _opened_directory(root, directory, make=True)
    except OSError as error:
        if error.errno in _NO_SUCH_FILE:
            raise Invalid("directory", "the storage directory cannot be used") from None
        raise


def _opened_directory(root: int, directory: str, *, make: bool = False) -> int:
    """Open a directory one folder after the other, so that no link is followed on the way."""
    folder = os.open(".", FOLDER, dir_fd=root)
    for name in directory.split("/") if directory else ():
        try:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o750, dir_fd=folder)
                    os.fsync(folder)
            below = os.open(name, FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


class _Folder:
    """A descriptor of its own: listing moves its position, which others must not share."""

    def __init__(self, root: int, directory: str) -> None:
        self._file = _opened_directory(root, directory)

    def __enter__(self) -> int:
        return self._file

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _modified(state: os.stat_result) -> datetime:
    return datetime.fromtimestamp(state.st_mtime, UTC)
