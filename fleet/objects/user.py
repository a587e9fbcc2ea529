"""User and AccessToken: people, and the tokens they hand to programs."""

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class UserSpec(View, frozen=True, kw_only=True):
    """A person. The password's hash lives in a Secret, never here."""

    name: str
    created_at: str = ""
    administrator: bool = False
    disabled: bool = False
    scopes: tuple[str, ...] = ()
    email: str | None = None
    first_name: str = ""
    last_name: str = ""
    subjects: tuple[str, ...] = ()
    login_epoch: int = 0


class UserStatus(Status, frozen=True, kw_only=True):
    """The serial, to be restored from if the label is lost."""

    serial: int | None = None


class User(View, frozen=True, kw_only=True):
    """A User as the cache holds it."""

    metadata: ObjectMeta
    spec: UserSpec
    status: UserStatus = UserStatus()

    @property
    def serial(self) -> int | None:
        """The small integer by which RDFM knows it: labels may be changed by hand, status not."""
        known = self.status.serial
        return self.metadata.serial if known is None else known


class AccessTokenSpec(View, frozen=True, kw_only=True):
    """A token by the hash of its text. `scopes` absent means all that the user has."""

    user: str
    user_uid: str
    prefix: str
    hash: str
    created_at: str = ""
    description: str | None = None
    scopes: tuple[str, ...] | None = None
    expires_at: str | None = None


class AccessToken(View, frozen=True, kw_only=True):
    """An AccessToken as the cache holds it."""

    metadata: ObjectMeta
    spec: AccessTokenSpec
    status: Status = Status()
