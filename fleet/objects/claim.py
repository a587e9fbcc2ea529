"""Claim: a name that must be unique, taken before the object that wants it."""

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class ClaimHolder(View, frozen=True, kw_only=True):
    """The object that the name is for; `uid` is absent if it was not made yet."""

    kind: str
    name: str
    uid: str | None = None


class ClaimSpec(View, frozen=True, kw_only=True):
    """What is taken; without `application` it is unique everywhere."""

    type: str
    value: str
    holder: ClaimHolder
    application: str | None = None
    created_at: str = ""


class Claim(View, frozen=True, kw_only=True):
    """A Claim as it is read."""

    metadata: ObjectMeta
    spec: ClaimSpec
    status: Status = Status()
