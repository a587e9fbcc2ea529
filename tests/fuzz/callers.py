"""Who calls, and how each dialect's clients say so."""

from typing import Any

PREFIXES = {"rdfm": "Bearer token="}
"""What goes before a token in `Authorization`, where it is not `Bearer `."""

PEOPLE: dict[str, dict[str, Any]] = {
    "administrator": {"administrator": True},
    "reader": {"scopes": ["rdfm_admin_ro"]},
    "stranger": {"scopes": []},
}
"""Fields of `User.spec`."""


def authorization(dialect: str, token: str) -> str:
    """Return the header's value."""
    return f"{PREFIXES.get(dialect, 'Bearer ')}{token}"
