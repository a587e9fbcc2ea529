"""What an identity provider says about a caller, and the principal that this makes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from polyfleet.api.core.errors import Unauthenticated
from polyfleet.api.core.identity.directory import Directory, principal_of
from polyfleet.api.core.identity.signed_tokens import REFUSAL
from polyfleet.fleet.rights import Principal


@dataclass(frozen=True, slots=True)
class Foreigner:
    """Somebody whom an identity provider vouches for."""

    source: str
    issuer: str
    subject: str
    scopes: frozenset[str]
    user_name: str | None = None
    """The User that the provider says it is, where a setting lets it say so."""
    ends: float | None = None
    """When the provider's word ends, in seconds since the epoch."""


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes of a token: its `scope` (text or list) and its realm's roles."""
    access = claims.get("realm_access")
    roles = access.get("roles") if isinstance(access, Mapping) else None
    return frozenset(_words(claims.get("scope"))) | frozenset(_words(roles))


def principal_of_foreigner(
    foreigner: Foreigner, directory: Directory, *, administrator_scope: str | None
) -> Principal:
    """Return the User that a foreigner is here; else a principal with its scopes and no roles.

    The User is the one that lists the subject, as `<issuer>#<subject>`, or has the name that the
    provider gave. Raises Unauthenticated if that User is disabled, or several fit.
    """
    scopes = foreigner.scopes
    administrator = administrator_scope is not None and administrator_scope in scopes
    qualified = f"{foreigner.issuer}#{foreigner.subject}"
    if directory.is_barred(foreigner.user_name, qualified):
        raise Unauthenticated(REFUSAL)
    user = directory.user_by_subject(qualified)
    if user is None and foreigner.user_name is not None:
        user = directory.user(foreigner.user_name)
    if user is not None:
        return principal_of(
            user, source=foreigner.source, added=scopes, administrator=administrator
        )
    return Principal(
        kind="user",
        name=foreigner.subject,
        # Never a uid of the cluster's: those are plain UUIDs.
        uid=f"{foreigner.source}:{qualified}",
        scopes=scopes,
        administrator=administrator,
        source=foreigner.source,
    )


def _words(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return value.split()
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    return ()
