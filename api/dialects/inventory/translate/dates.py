"""Instants as the original writes them: RFC 3339 in UTC, milliseconds, trailing zeros cut."""

_MILLISECONDS = len("2026-03-01T12:00:00.000")


def instant(text: str) -> str:
    """Write an instant that `full_instant` gave."""
    return text[:_MILLISECONDS].rstrip("0").rstrip(".") + "Z" if text else ""
