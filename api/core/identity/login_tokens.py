"""The token that a login over the Deis API gives: the same one each time, and stored nowhere.

It is an HMAC of a shared key, the User's uid and the User's `loginEpoch`, cut to the forty hex
digits that Deis' clients keep. Whose a token is cannot be read from it, so the tokens of all users
are known here by their hashes.
"""

import hashlib
import hmac
import re

from polyfleet.api.core.identity.signing_keys import KeyRing, Purpose, SigningKey, SigningKeys
from polyfleet.fleet.objects.user import User
from polyfleet.kube.changes import Change
from polyfleet.kube.store import Store

_LENGTH = 40
_FORM = re.compile(r"[0-9a-f]{40}")


class LoginTokens:
    """Makes login tokens, and tells whose one is.

    A token holds until the User is deleted, its `loginEpoch` changes, or the signing key that
    made it is dropped, two rotations later.
    """

    def __init__(self, keys: SigningKeys, users: Store[User]) -> None:
        """Follow the users of the store."""
        self._keys = keys
        self._users = users
        self._ring: KeyRing | None = None
        self._owners: dict[bytes, tuple[str, str]] = {}
        users.subscribe(self._changed)

    def issue(self, user: User) -> str:
        """Return the user's token."""
        return _token(self._keys.current(Purpose.LOGINS), user)

    def user_uid(self, token: str) -> str | None:
        """Return the uid of the User whose token it is; None if it is nobody's."""
        if not _FORM.fullmatch(token):
            return None
        if self._ring is not self._keys.ring:
            self._rebuild(self._keys.ring)
        # Found by its hash, so that the time of looking tells nothing about the token.
        found = self._owners.get(_digest(token))
        if found is None or not hmac.compare_digest(found[0], token):
            return None
        return found[1]

    def _rebuild(self, ring: KeyRing) -> None:
        self._ring = ring
        self._owners.clear()
        for user in self._users.values():
            self._add(user)

    def _changed(self, change: Change[User]) -> None:
        if self._ring is None:
            return
        if change.old is not None:
            for token in self._tokens(change.old):
                self._owners.pop(_digest(token), None)
        if change.new is not None:
            self._add(change.new)

    def _add(self, user: User) -> None:
        for token in self._tokens(user):
            self._owners[_digest(token)] = (token, user.metadata.uid)

    def _tokens(self, user: User) -> list[str]:
        ring = self._ring
        return [] if ring is None else [_token(key, user) for key in ring.all(Purpose.LOGINS)]


def _token(key: SigningKey, user: User) -> str:
    text = f"{user.metadata.uid}\n{user.spec.login_epoch}".encode()
    return hmac.new(key.secret, text, hashlib.sha256).hexdigest()[:_LENGTH]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
