"""Makes views small enough to be kept by the hundred thousand.

A freshly decoded view pins the whole page that it came from (its Raw fields are views on it), and
has its own copy of texts that thousands of others have too.
"""

from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from polyfleet.fleet.objects.kinds import Object
from polyfleet.fleet.objects.metadata import (
    GROUP_LABEL_PREFIX,
    JOINED_LABEL_PREFIX,
    SERIAL_LABEL,
    ManagedFields,
    Owned,
    OwnedFields,
    OwnedMetadata,
    last_change,
    last_labelling,
)

_Shrink = Callable[[Any], Any]

# Texts that differ from object to object: looking for their like would be in vain.
_UNIQUE: Final = frozenset(
    {
        "name",
        "uid",
        "resource_version",
        "device_id",
        "created_at",
        "public_key",
        "hash",
        "last_seen",
    }
)
_UNSHARED_LABELS: Final = (SERIAL_LABEL, GROUP_LABEL_PREFIX, JOINED_LABEL_PREFIX)
_LONGEST_SHARED: Final = 64
_MOST_SHARED: Final = 65_536

_plans: dict[type, _Shrink | None] = {}
_texts: dict[str, str] = {}
_raws: dict[bytes, msgspec.Raw] = {}


_LABELS: Final = OwnedFields(metadata=OwnedMetadata(labels=Owned()))
_OTHERS: Final = OwnedFields()


def _last_changes(entries: tuple[ManagedFields, ...]) -> tuple[ManagedFields, ...]:
    """Keep of all writers who wrote last, and who of those with labels did: no more is read."""
    last = last_change(entries)
    if last is None:
        return ()
    kept = [last]
    if not last.labels:
        of_labels = last_labelling(entries)
        if of_labels is not None:
            kept.append(of_labels)
    return tuple([_small(entry) for entry in kept])


def _small(entry: ManagedFields) -> ManagedFields:
    if entry.fields_v1 is None:
        return entry
    fields = _LABELS if entry.labels else _OTHERS
    return msgspec.structs.replace(entry, fields_v1=fields)


_SPECIAL: Final[dict[str, _Shrink]] = {"managed_fields": _last_changes}


def compact(view: Object) -> Object:
    """Return a view that holds no more memory than it must, equal in all that anybody reads."""
    kind = type(view)
    if kind not in _plans:
        _plans[kind] = _of_struct(kind)
    shrink = _plans[kind]
    return view if shrink is None else cast("Object", shrink(view))


def _of_struct(kind: type) -> _Shrink | None:
    structure = msgspec.inspect.type_info(kind)
    if not isinstance(structure, msgspec.inspect.StructType):
        raise TypeError(f"{kind} is no view")
    plan = [
        (field.name, shrink)
        for field in structure.fields
        if field.name not in _UNIQUE
        and (shrink := _SPECIAL.get(field.name) or _of_type(field.type)) is not None
    ]
    return _struct_shrinker(tuple(plan)) if plan else None


def _struct_shrinker(plan: tuple[tuple[str, _Shrink], ...]) -> _Shrink:
    replace = msgspec.structs.replace

    def shrink(view: Any) -> Any:
        changes: dict[str, Any] = {}
        for name, inner in plan:
            value = getattr(view, name)
            smaller = inner(value)
            if smaller is not value:
                changes[name] = smaller
        return replace(view, **changes) if changes else view

    return shrink


def _of_type(kind: msgspec.inspect.Type) -> _Shrink | None:  # noqa: PLR0911 - a table
    match kind:
        case msgspec.inspect.RawType():
            return _raw
        case msgspec.inspect.StrType():
            return _shared
        case msgspec.inspect.StructType(cls=cls):
            return _of_struct(cls)
        case msgspec.inspect.DictType():
            return _labels
        case msgspec.inspect.VarTupleType(item_type=item):
            return _of_tuple(_of_type(item))
        case msgspec.inspect.UnionType(types=types):
            return _of_optional(types)
        case _:
            return None


def _of_tuple(shrink: _Shrink | None) -> _Shrink | None:
    if shrink is None:
        return None
    return lambda items: tuple([shrink(item) for item in items]) if items else items


def _of_optional(types: tuple[msgspec.inspect.Type, ...]) -> _Shrink | None:
    inner = [kind for kind in types if not isinstance(kind, msgspec.inspect.NoneType)]
    shrink = _of_type(inner[0]) if len(inner) == 1 else None
    if shrink is None:
        return None
    return lambda value: None if value is None else shrink(value)


def _raw(value: msgspec.Raw) -> msgspec.Raw:
    data = memoryview(value)
    if len(data) > 2:  # noqa: PLR2004 - the length of [] and {}
        return value.copy()
    return _raws.setdefault(bytes(data), value.copy())


def _shared(text: str) -> str:
    if len(text) > _LONGEST_SHARED:
        return text
    if len(_texts) >= _MOST_SHARED:
        # Rather forget all at times than let texts that came once stay for ever.
        _texts.clear()
    return _texts.setdefault(text, text)


def _labels(labels: dict[str, Any]) -> dict[str, Any]:
    """Share keys and values, but for the values that only one object has."""
    if not labels:
        return labels
    return {
        _shared(key): value
        if not isinstance(value, str) or key.startswith(_UNSHARED_LABELS)
        else _shared(value)
        for key, value in labels.items()
    }
