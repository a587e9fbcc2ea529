"""Who may do what in an application."""

import pytest

from polyfleet.fleet.objects.application import Application, Member, UserReference
from polyfleet.fleet.rights import Principal, Right, allowed, is_meant, role_of
from tests.fleet import make


def user(*scopes: str, **fields: object) -> Principal:
    return Principal(kind="user", name="ann", uid="u1", scopes=frozenset(scopes), **fields)  # type: ignore[arg-type]


def may(principal: Principal, right: Right, application: Application | None = None) -> bool:
    target = application or make.application()
    return allowed(principal, right, target, default_application="default")


def rights(principal: Principal, application: Application | None = None) -> set[Right]:
    return {right for right in Right if may(principal, right, application)}


READING = {Right.READ, Right.READ_DEVICES, Right.READ_SOFTWARE}
UPLOADING = {
    Right.UPLOAD_SINGLE_FILE,
    Right.UPLOAD_ROOTFS_IMAGE,
    Right.UPLOAD_NONSTANDARD_ARTIFACT,
}
WRITING = READING | UPLOADING | {Right.WRITE, Right.WRITE_SOFTWARE, Right.CREATE_GROUP}


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("reader", READING),
        ("manager", WRITING | {Right.DEPLOY}),
        ("admin", WRITING | {Right.DEPLOY, Right.ADMIN}),
        ("emperor", set()),
    ],
)
def test_a_role_gives_its_rights_and_those_below(role: str, expected: set[Right]) -> None:
    member = Member(user="ann", uid="u1", role=role)

    assert rights(user(), make.application("app", members=(member,))) == expected


def test_the_owner_has_all_rights() -> None:
    owned = make.application("app", owner=UserReference(user="ann", uid="u1"))

    assert rights(user(), owned) == set(Right)


def test_an_administrator_has_all_rights_everywhere() -> None:
    assert rights(user(administrator=True), make.application("app")) == set(Right)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("rdfm_admin_ro", READING),
        ("rdfm_admin_rw", WRITING),
        ("application:software:read", {Right.READ_SOFTWARE}),
        ("application:software:update", {Right.WRITE_SOFTWARE} | UPLOADING),
        ("rdfm_upload_single_file", {Right.UPLOAD_SINGLE_FILE}),
        ("rdfm_upload_rootfs_image", {Right.UPLOAD_ROOTFS_IMAGE}),
        ("rdfm_upload_nonstandard_artifact", {Right.UPLOAD_NONSTANDARD_ARTIFACT}),
        ("endpoint:read", {Right.READ_DEVICES}),
        ("rdfm_create_group", {Right.CREATE_GROUP}),
        ("other", set()),
    ],
)
def test_a_scope_gives_rights_on_the_default_application_only(
    scope: str, expected: set[Right]
) -> None:
    assert rights(user(scope)) == expected
    assert rights(user(scope), make.application("other")) == set()


def test_a_name_registered_again_inherits_nothing() -> None:
    member = Member(user="ann", uid="of-the-first-ann", role="admin")

    assert rights(user(), make.application("app", members=(member,))) == set()


def test_a_member_named_without_uid_counts_once_bound() -> None:
    member = Member(user="ann", role="reader")
    unbound = make.application("app", members=(member,))
    bound = make.application("app", members=(member,), bound=(UserReference(user="ann", uid="u1"),))

    assert role_of(user(), unbound) is None
    assert role_of(user(), bound) == "reader"


def test_a_principal_without_uid_has_no_role() -> None:
    nobody = Principal(kind="user", name="ann", uid="")
    member = Member(user="ann", uid="", role="admin")

    assert role_of(nobody, make.application("app", members=(member,))) is None


def test_of_two_roles_the_higher_counts() -> None:
    members = (
        Member(user="ann", uid="u1", role="admin"),
        Member(user="ann", uid="u1", role="reader"),
    )

    assert role_of(user(), make.application("app", members=members)) == "admin"


def test_a_restricted_token_has_only_what_its_scopes_say() -> None:
    owned = make.application(owner=UserReference(user="ann", uid="u1"))
    token = user("rdfm_admin_ro", restricted=True, administrator=True)

    assert rights(token, owned) == READING


def test_a_device_has_no_rights_of_management() -> None:
    device = Principal(
        kind="device",
        name="d1",
        uid="u1",
        scopes=frozenset({"rdfm_admin_rw"}),
        administrator=True,
        device=("default", "u1"),
    )

    assert rights(device) == set()


def test_an_offer_means_the_person_of_its_uid_and_nobody_else() -> None:
    offered = UserReference(user="ann", uid="u1")
    application = make.application("app")

    assert is_meant(user(), offered, application)
    assert not is_meant(user(), UserReference(user="ann", uid="u0"), application)
    assert not is_meant(user(), UserReference(user="ann"), application)
    assert not is_meant(user(restricted=True), offered, application)


def test_no_offer_means_nobody() -> None:
    nobody = Principal(kind="user", name="", uid="")

    assert not is_meant(nobody, None, make.application("app"))
    assert not is_meant(nobody, UserReference(user=""), make.application("app"))
