"""Which stored paths exist at all: `<uuid>` or `<directory>/<uuid>`.

Everything else is refused by pattern before any store is asked.
"""

import re
from uuid import uuid4

from polyfleet.api.core.errors import Invalid, NotFound

_FOLDER = "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}"
_DIRECTORY = re.compile(f"{_FOLDER}(?:/{_FOLDER}){{0,5}}", re.ASCII)
_NAME = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def new_name() -> str:
    """Return a file name that was never used before."""
    return str(uuid4())


def checked_directory(text: str, *, field: str = "directory") -> str:
    """Return the directory, empty for the root (also written `.`); Invalid if not allowed."""
    if text in ("", "."):
        return ""
    if not _DIRECTORY.fullmatch(text):
        raise Invalid(
            field,
            "the storage directory must be at most six names, with '/' between them, each of at "
            "most 64 letters, digits, '.', '_' and '-' and not beginning with a dot",
        )
    return text


def joined(directory: str, name: str) -> str:
    """Return the stored path of a file in a directory that was checked."""
    return f"{directory}/{name}" if directory else name


def split(path: str) -> tuple[str, str]:
    """Return (directory, file name); NotFound for any text that is not a stored path."""
    directory, slash, name = path.rpartition("/")
    good = _DIRECTORY.fullmatch(directory) if slash else True
    if not good or not _NAME.fullmatch(name):
        raise NotFound("there is no such file")
    return directory, name


def is_directory(text: str) -> bool:
    """Tell whether a text is what a storage directory may be called."""
    return _DIRECTORY.fullmatch(text) is not None


def is_stored_path(path: str) -> bool:
    """Tell whether a text has the form of a stored path."""
    try:
        split(path)
    except NotFound:
        return False
    return True
