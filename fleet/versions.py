"""Versions of software in the order of Semantic Versioning 2.0."""

from semver import Version

from polyfleet.fleet.memory import remembering

_REMEMBERED = 16_384


@remembering(lambda text: (text,), _REMEMBERED)
def precedence(text: str) -> Version | None:
    """Return what the version is compared by; None if it has no place in the order.

    A leading `v` and a missing minor or patch number are read as what they mean (`v1.2` is 1.2.0):
    to take such a version for unknown would let a downgrade pass.
    """
    try:
        return Version.parse(text.removeprefix("v"), optional_minor_and_patch=True)
    except ValueError:
        return None


@remembering(lambda version, than: (version, than), _REMEMBERED)
def is_later(version: str, than: str | None) -> bool:
    """Say whether a version comes after another; anything comes after an unknown one.

    A version that is no semantic one is as good as unknown; as the later one, it never is.
    """
    before = precedence(than) if than is not None else None
    if before is None:
        return version != than
    after = precedence(version)
    return after is not None and after > before
