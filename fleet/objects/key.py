"""Key: a person's SSH key."""

from polyfleet.fleet.objects.metadata import ObjectMeta, Status, View


class KeySpec(View, frozen=True, kw_only=True):
    """A public key as it was given, and whose it is; `id` is unique among the user's keys."""

    user: str
    user_uid: str
    id: str
    public: str
    fingerprint: str = ""
    created_at: str = ""


class Key(View, frozen=True, kw_only=True):
    """A Key as the cache holds it; its object name is `fleet.names.key_name`."""

    metadata: ObjectMeta
    spec: KeySpec
    status: Status = Status()
