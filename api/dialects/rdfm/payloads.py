"""What an uploaded file holds, read from the header of an RDFM artifact.

An artifact is a tar archive: version, manifest, perhaps the manifest's signature, then
`header.tar`, itself a tar archive (also compressed) that begins with the JSON text
`header-info`. Only these forms are read, from bytes in memory and within bounds. Whatever else
there is - a name in an extension record, another order - makes the file no artifact: what cannot
be read for certain gives nobody a right.
"""

import zlib
from collections.abc import Iterator

import orjson

from polyfleet.fleet.rights import Right

HEAD = 1024 * 1024
"""How much of the file's beginning is looked at, in bytes; the header must end in it."""

_BLOCK = 512
_LARGEST_HEADER = 1024 * 1024
"""Of the header when it is no longer compressed."""
_REGULAR = frozenset({b"0", b"\0"})
_BEFORE_HEADER = frozenset({b"version", b"manifest", b"manifest.sig"})
_HEADERS = frozenset({b"header.tar", b"header.tar.gz"})
_GZIP = b"\x1f\x8b"
_RIGHTS = {
    "single-file": Right.UPLOAD_SINGLE_FILE,
    "rootfs-image": Right.UPLOAD_ROOTFS_IMAGE,
}
UPLOADS = frozenset({*_RIGHTS.values(), Right.UPLOAD_NONSTANDARD_ARTIFACT})
"""The rights that a kind of file may need."""


def upload_right(head: bytes) -> Right:
    """Return the right to upload a file that begins so.

    A file that is no artifact, or one of several or other payloads, needs the one for
    nonstandard artifacts. Works for as long as a megabyte takes: call it in a thread.
    """
    kinds = _payload_types(head)
    if len(kinds) != 1:
        return Right.UPLOAD_NONSTANDARD_ARTIFACT
    return _RIGHTS.get(kinds.pop(), Right.UPLOAD_NONSTANDARD_ARTIFACT)


def _payload_types(head: bytes) -> set[str]:
    try:
        header = _plain(_header(head))
        name, info = next(_members(header))
        payloads = orjson.loads(info)["payloads"] if name == b"header-info" else []
        return {str(payload["type"]) for payload in payloads}
    except (ValueError, KeyError, TypeError, StopIteration, zlib.error):
        return set()


def _header(head: bytes) -> bytes:
    for name, content in _members(head):
        if name in _HEADERS:
            return content
        if name not in _BEFORE_HEADER:
            break
    raise ValueError("there is no header where one must be")


def _plain(header: bytes) -> bytes:
    if not header.startswith(_GZIP):
        return header
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(header, _LARGEST_HEADER)


def _members(archive: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and contents of a tar archive; ValueError where it is not as it must be."""
    start = 0
    while len(block := archive[start : start + _BLOCK]) == _BLOCK:
        size = _number(block[124:136])
        unsigned = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
        if block[156:157] not in _REGULAR or _number(block[148:156]) != unsigned:
            raise ValueError("not the record of a regular file")
        start += _BLOCK
        content = archive[start : start + size]
        if len(content) != size:
            raise ValueError("the archive is cut off")
        yield block[:100].rstrip(b"\0"), content
        start += -(-size // _BLOCK) * _BLOCK


def _number(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits.isdigit():
        raise ValueError("not an octal number")
    return int(digits, 8)
