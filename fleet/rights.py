"""Who may do what in an application: roles given in it, and scopes on the default one."""

from enum import Enum
from typing import Literal

import msgspec

from polyfleet.fleet.objects.application import Application, UserReference

READ_ONLY_SCOPE = "rdfm_admin_ro"
READ_WRITE_SCOPE = "rdfm_admin_rw"


class Right(Enum):
    """What may be done in an application."""

    READ = "read"
    READ_DEVICES = "read devices"
    READ_SOFTWARE = "read software"
    WRITE = "write"
    WRITE_SOFTWARE = "write software"
    UPLOAD_SINGLE_FILE = "upload a single file"
    UPLOAD_ROOTFS_IMAGE = "upload a rootfs image"
    UPLOAD_NONSTANDARD_ARTIFACT = "upload a nonstandard artifact"
    CREATE_GROUP = "create a group"
    DEPLOY = "see and change what runs in the cluster"
    ADMIN = "administer members"
    OWN = "own"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a request.

    `uid` is what rights are bound to, never the name. `device` is (application, uid of the
    Device). `restricted` marks a token that names its scopes: then only these count, not the
    roles of the user behind it. `source` says how the principal proved itself.
    """

    kind: Literal["user", "device"]
    name: str
    uid: str
    scopes: frozenset[str] = frozenset()
    administrator: bool = False
    device: tuple[str, str] | None = None
    source: str = ""
    restricted: bool = False


_ROLES = ("reader", "manager", "admin", "owner")

_LEAST_ROLE = {
    Right.READ: "reader",
    Right.READ_DEVICES: "reader",
    Right.READ_SOFTWARE: "reader",
    Right.WRITE: "manager",
    Right.WRITE_SOFTWARE: "manager",
    Right.UPLOAD_SINGLE_FILE: "manager",
    Right.UPLOAD_ROOTFS_IMAGE: "manager",
    Right.UPLOAD_NONSTANDARD_ARTIFACT: "manager",
    Right.CREATE_GROUP: "manager",
    Right.DEPLOY: "manager",
    Right.ADMIN: "admin",
    Right.OWN: "owner",
}

_READERS = frozenset({READ_ONLY_SCOPE, READ_WRITE_SCOPE})
_WRITERS = frozenset({READ_WRITE_SCOPE})
_SOFTWARE_WRITERS = _WRITERS | {"application:software:update"}

_SCOPES = {
    Right.READ: _READERS,
    Right.READ_DEVICES: _READERS | {"endpoint:read"},
    Right.READ_SOFTWARE: _READERS | {"application:software:read"},
    Right.WRITE: _WRITERS,
    Right.WRITE_SOFTWARE: _SOFTWARE_WRITERS,
    Right.UPLOAD_SINGLE_FILE: _SOFTWARE_WRITERS | {"rdfm_upload_single_file"},
    Right.UPLOAD_ROOTFS_IMAGE: _SOFTWARE_WRITERS | {"rdfm_upload_rootfs_image"},
    Right.UPLOAD_NONSTANDARD_ARTIFACT: _SOFTWARE_WRITERS | {"rdfm_upload_nonstandard_artifact"},
    Right.CREATE_GROUP: _WRITERS | {"rdfm_create_group"},
    # Scopes are about devices; what runs may do more than any of them says.
    Right.DEPLOY: frozenset[str](),
    Right.ADMIN: frozenset[str](),
    Right.OWN: frozenset[str](),
}


def allowed(
    principal: Principal, right: Right, application: Application, *, default_application: str
) -> bool:
    """Say whether the principal has the right in the application.

    Devices have no rights here. Scopes reach only the default application (its object name);
    anywhere else a role is needed, or to be an administrator.
    """
    if principal.kind != "user":
        return False
    if not principal.restricted:
        if principal.administrator:
            return True
        role = role_of(principal, application)
        if role is not None and _ROLES.index(role) >= _ROLES.index(_LEAST_ROLE[right]):
            return True
    is_default = application.metadata.name == default_application
    return is_default and not _SCOPES[right].isdisjoint(principal.scopes)


def role_of(principal: Principal, application: Application) -> str | None:
    """Return the highest role that the principal was given in the application, if any."""
    if principal.kind != "user" or not principal.uid:
        return None
    bound = {reference.user: reference.uid for reference in application.status.members}
    spec = application.spec
    if spec.owner is not None and _is(principal, spec.owner, bound):
        return "owner"
    roles = [member.role for member in spec.members if _is(principal, member, bound)]
    known = [role for role in roles if role in _ROLES]
    return max(known, key=_ROLES.index, default=None)


def is_meant(
    principal: Principal, reference: UserReference | None, application: Application
) -> bool:
    """Say whether a reference of the application, such as its new owner, means the principal.

    Tokens that name their scopes stand for no person.
    """
    if reference is None or principal.kind != "user" or not principal.uid or principal.restricted:
        return False
    bound = {member.user: member.uid for member in application.status.members}
    return _is(principal, reference, bound)


def _is(principal: Principal, reference: UserReference, bound: dict[str, str | None]) -> bool:
    # A name without a uid counts once the operator has bound it: a name registered again must
    # not inherit what its last bearer had.
    uid = reference.uid or bound.get(reference.user)
    return uid is not None and uid == principal.uid
