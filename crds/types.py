"""Types that several kinds share."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from polyfleet.crds.base import Part
from polyfleet.crds.schema import PRESERVE_UNKNOWN, Extension, ListMap, Rule

ATOMIC = Extension("x-kubernetes-list-type", "atomic")
SET = Extension("x-kubernetes-list-type", "set")
IMMUTABLE = Rule("self == oldSelf", "field is immutable")
IMMUTABLE_SPEC = Rule(
    "self == oldSelf",
    "the spec is immutable in all its parts: create another object",
)


def list_map(*keys: str) -> ListMap:
    """Return the list type whose entries are told apart, and merged, by the keys."""
    return ListMap(keys)


def kept_as_it_was(name: str) -> Rule:
    """Return the rule by which an optional, immutable field is neither added nor removed later."""
    return Rule(f"has(self.{name}) == has(oldSelf.{name})", "field is immutable", f".{name}")


_HOST = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"  # noqa: E501 - one pattern
_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"

ApplicationName = Annotated[str, Field(min_length=1, max_length=253, pattern=_HOST)]
ApplicationField = Annotated[ApplicationName, IMMUTABLE]
ObjectName = Annotated[str, Field(min_length=1, max_length=63, pattern=_HOST)]
HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=_HOST)]
# Whoever lists objects has these in a terminal, and anybody may ask to be let in under an id.
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*$"
PRINTABLE = Rule(f"self.matches(r'{NO_CONTROLS}')", "must have no control characters")
WireName = Annotated[str, Field(min_length=1, max_length=1024), PRINTABLE]
DeviceId = Annotated[WireName, IMMUTABLE]
Version = Annotated[str, Field(min_length=1, max_length=1024), PRINTABLE]
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=4096)]
Text = Annotated[str, Field(max_length=1024)]
JsonText = Annotated[str, Field(min_length=1, max_length=65536)]
Instant = Annotated[str, Field(max_length=40, pattern=_INSTANT), Extension("format", "date-time")]
CreatedAt = Annotated[
    str,
    Field(max_length=40),
    # Without the format: rules would see an instant, not its text.
    Rule(
        "self.matches(r'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$')"
        " && timestamp(self) >= timestamp('0001-01-01T00:00:00Z')",
        "must be an instant in UTC to the microsecond, such as 2026-01-31T09:30:00.000000Z",
    ),
    IMMUTABLE,
]
Sha256 = Annotated[str, Field(max_length=64, pattern="^[0-9a-f]{64}$")]
Uid = Annotated[str, Field(min_length=1, max_length=64)]
UserName = Annotated[str, Field(max_length=1024)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Serial = Annotated[int, Field(ge=1, le=2**53 - 1)]
Bytes = Annotated[int, Field(ge=0, le=2**53 - 1)]
Uuid = Annotated[
    str,
    Field(max_length=36, pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
]
PublicKey = Annotated[str, Field(min_length=1, max_length=8192)]
Scopes = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=256)]], Field(max_length=64), SET
]
LabelKey = Annotated[
    str, Field(max_length=317, pattern=rf"^([a-z0-9]([-a-z0-9.]{{0,251}}[a-z0-9])?/)?{_LABEL}$")
]
LabelValue = Annotated[str, Field(max_length=63, pattern=rf"^({_LABEL})?$")]
FreeObject = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", PRESERVE_UNKNOWN: True, "maxProperties": 1000}),
]


class AttributeValue(Part):
    """A value of one of four types: Kubernetes would change free JSON numbers."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.string), has(self.number), has(self.strings), has(self.numbers)]"
            ".filter(given, given).size() == 1",
            "give exactly one of string, number, strings, numbers",
        ),
    )

    string: Annotated[str, Field(max_length=16_384)] | None = None
    """A text."""
    number: float | None = None
    """A number."""
    strings: Annotated[list[Text], Field(max_length=1000), ATOMIC] | None = None
    """Several texts, in order."""
    numbers: Annotated[list[float], Field(max_length=1000), ATOMIC] | None = None
    """Several numbers, in order."""


class Attribute(Part):
    """A named fact about a device."""

    name: Annotated[str, Field(min_length=1, max_length=1024)]
    """The attribute's name, for example rdfm.hardware.devtype."""
    value: AttributeValue
    """Its value."""
    description: Text | None = None
    """What it means, for people."""


class ReportedAttribute(Attribute):
    """A fact that the device told over one of the APIs."""

    source: Annotated[str, Field(min_length=1, max_length=32, pattern="^[a-z][a-z0-9-]*$")]
    """The API over which it came: rdfm, inventory, drogue or otao. It replaces only its own."""
    at: Instant | None = None
    """When it came."""


Attributes = Annotated[list[Attribute], Field(max_length=200), list_map("name")]
# What a device tells is written whole by one writer. Atomic, or else the record of who owns which
# entry (managedFields) would be larger than the device.
ToldAttributes = Annotated[list[Attribute], Field(max_length=200), ATOMIC]
ReportedAttributes = Annotated[list[ReportedAttribute], Field(max_length=400), ATOMIC]


class SelectorRequirement(Part):
    """One expression of a label selector."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0"
            " : !has(self.values) || self.values.size() == 0",
            "In and NotIn need values, Exists and DoesNotExist take none",
        ),
    )

    key: LabelKey
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is compared."""
    values: Annotated[list[LabelValue], Field(max_length=100), ATOMIC] | None = None
    """The values to compare with."""


class LabelSelector(Part):
    """A Kubernetes label selector over the labels of devices; an empty one matches all."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=64)] | None = None
    """Labels that must be there with exactly these values."""
    match_expressions: Annotated[list[SelectorRequirement], Field(max_length=64), ATOMIC] | None = (
        None
    )
    """Expressions that must all hold."""


class Data(Part):
    """Structured JSON of clients of the Drogue API, kept as they gave it."""

    spec: FreeObject | None = None
    """The client's spec."""
    status: FreeObject | None = None
    """The client's status."""
    annotations: FreeObject | None = None
    """The client's annotations."""


class UserReference(Part):
    """A person by name; the uid keeps a name registered again from inheriting."""

    user: UserName
    """The person's name; empty means callers without credentials."""
    uid: Uid | None = None
    """The uid of the User object, once known."""
