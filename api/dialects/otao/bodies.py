"""Reading what clients say about software: free JSON stays the text that it was."""

import json
import re
from typing import Any, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request

from polyfleet.api.core.errors import Invalid, UnsupportedMediaType
from polyfleet.api.core.requests import read_body
from polyfleet.api.dialects.otao.translate import dates
from polyfleet.api.dialects.otao.translate.software import strict

STRATEGIES = ("suspended", "targeted", "general")
LARGEST_TEXT = 65_536
MOST_VERSIONS = 1000
MOST_FILTERS = 200
LONGEST_VERSION = 1024
LONGEST_FILTER = 1024
DEEPEST = 64

Struct = TypeVar("Struct")

_TYPE = re.compile(r"application/(?:[a-z0-9.-]+\+)?json", re.IGNORECASE)
_PLACE = re.compile(r"(?P<text>.*) - at `\$\.?(?P<field>[^`]*)`", re.DOTALL)
_NAME = re.compile(r"`(\w+)[^`]*`")
_WORDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


class SoftwareBody(NamedTuple):
    """What a client says about a version; the texts are JSON, None where it says nothing.

    Fields that the document does not list are passed over, and so is what a PUT says about the
    specification: it cannot change.
    """

    strategy: str
    filters: list[dict[str, str]]
    upgradable_from: list[str] | None
    metadata: str | None
    specification: str | None

    def changing(self) -> dict[str, Any]:
        """Return the part of a Package's spec that a PUT decides; None takes a field away."""
        return {
            "metadata": self.metadata,
            "upgradableFrom": self.upgradable_from,
            "offer": {"strategy": self.strategy, "filters": self.filters},
        }


class _Filter(msgspec.Struct, rename="camel"):
    filter_id: str
    rollout_date: str | None = None


class _Body(msgspec.Struct, rename="camel"):
    rollout_strategy: str
    filters: list[_Filter] | None = None
    upgradable_from: list[str] | None = None
    metadata: msgspec.Raw = msgspec.Raw()
    specification: msgspec.Raw = msgspec.Raw()


async def read_software(request: Request, maximum: int) -> SoftwareBody:
    """Return the checked body.

    Raises UnsupportedMediaType, TooLarge, and Invalid that names the field.
    """
    given = request.headers.get("content-type")
    if given is not None and not _TYPE.fullmatch(given.partition(";")[0].strip()):
        raise UnsupportedMediaType("the body must be application/json")
    body = decode(await read_body(request, maximum), _Body)
    if body.rollout_strategy not in STRATEGIES:
        raise Invalid("rolloutStrategy", f"must be one of {', '.join(STRATEGIES)}")
    return SoftwareBody(
        strategy=body.rollout_strategy,
        filters=_filters(body.filters or []),
        upgradable_from=_versions(body.upgradable_from),
        metadata=_text("metadata", body.metadata),
        specification=_text("specification", body.specification),
    )


def decode(body: bytes, kind: type[Struct]) -> Struct:
    """Return the JSON body as a struct. Raises Invalid that names the field."""
    if not body.strip():
        raise Invalid("", "the body is empty; JSON is expected")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _told(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("", f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Invalid("", "the body is nested too deeply") from None


def _told(text: str) -> Invalid:
    place = _PLACE.fullmatch(text)
    said = _NAME.sub(lambda name: _WORDS.get(name[1], name[1]), place["text"] if place else text)
    return Invalid(place["field"] if place else "", said[:1].lower() + said[1:])


def _filters(filters: list[_Filter]) -> list[dict[str, str]]:
    if len(filters) > MOST_FILTERS:
        raise Invalid("filters", f"may have at most {MOST_FILTERS} entries")
    return [_filter(f"filters[{number}]", part) for number, part in enumerate(filters)]


def _filter(place: str, part: _Filter) -> dict[str, str]:
    if not 1 <= len(part.filter_id) <= LONGEST_FILTER:
        raise Invalid(f"{place}.filterId", f"must have 1 to {LONGEST_FILTER} characters")
    found = {"group": part.filter_id}
    if part.rollout_date is not None:
        try:
            found["from"] = dates.stored(part.rollout_date)
        except ValueError as error:
            raise Invalid(f"{place}.rolloutDate", f"is no date: {error}") from None
    return found


def _versions(versions: list[str] | None) -> list[str] | None:
    if versions is None:
        return None
    if len(versions) > MOST_VERSIONS:
        raise Invalid("upgradableFrom", f"may have at most {MOST_VERSIONS} versions")
    for number, version in enumerate(versions):
        check_version(f"upgradableFrom[{number}]", version)
    if len(set(versions)) < len(versions):
        raise Invalid("upgradableFrom", "names a version twice")
    return versions


def check_version(field: str, version: str) -> None:
    """Raise Invalid unless the text is a semantic version."""
    if len(version) > LONGEST_VERSION or strict(version) is None:
        raise Invalid(field, "must be a semantic version (https://semver.org), such as 1.0.2")


def _text(field: str, raw: msgspec.Raw) -> str | None:
    """Return a value's own JSON text, and so every number as it was written."""
    encoded = bytes(raw)
    if not encoded:
        return None
    try:
        text = encoded.decode()
        value = json.loads(text, parse_int=str, parse_float=str)
    except UnicodeDecodeError:
        raise Invalid(field, "is not UTF-8") from None
    except ValueError:
        raise Invalid(field, "is not JSON") from None
    except RecursionError:
        raise Invalid(field, f"is nested deeper than {DEEPEST} levels") from None
    if len(text) > LARGEST_TEXT:
        raise Invalid(field, f"is longer than {LARGEST_TEXT} characters of JSON")
    if _depth(value) > DEEPEST:
        raise Invalid(field, f"is nested deeper than {DEEPEST} levels")
    return text


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        level = [
            item
            for part in level
            if isinstance(part, dict | list)
            for item in (part.values() if isinstance(part, dict) else part)
        ]
        depth += 1
    return depth
