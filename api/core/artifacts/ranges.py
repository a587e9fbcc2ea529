"""Which part of a file a Range header asks for (RFC 9110, section 14)."""

import re

_SINGLE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class UnsatisfiableRange(Exception):  # noqa: N818 - an answer rather than a fault
    """The range is well-formed but lies outside the file."""


def requested_part(header: str, size: int) -> range | None:
    """Return the bytes asked for of a file of `size` bytes; None to send the whole file.

    A header that is not understood is to be ignored, and more than one range at a time may be:
    both give None. Raises UnsatisfiableRange.
    """
    found = _SINGLE.fullmatch(header)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return _suffix(int(last), size)
    start = int(first)
    end = int(last) if last else size - 1
    if last and end < start:
        return None
    if start >= size:
        raise UnsatisfiableRange
    return range(start, min(end + 1, size))


def _suffix(length: int, size: int) -> range | None:
    if length == 0:
        raise UnsatisfiableRange
    # An empty file is whole already; there is no way to name a part of it.
    return range(max(0, size - length), size) if size else None
