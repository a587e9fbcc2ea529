"""The ids of applications: what they may be, and ones for who gives none."""

import re
import secrets

from polyfleet.api.core.errors import Invalid

LONGEST = 63
RESERVED = frozenset({"deis"})
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_ADJECTIVES = (
    "active", "amiable", "binary", "bouncy", "breezy", "bright", "candid", "clever", "cosmic",
    "dapper", "daring", "earthy", "frosty", "gentle", "golden", "honest", "jovial", "kindly",
    "lively", "mellow", "modern", "nimble", "patient", "placid", "polite", "proper", "quaint",
    "rustic", "serene", "silent", "simple", "smooth", "snappy", "stable", "steady", "sunlit",
    "swift", "tender", "timely", "upbeat", "valiant", "velvet", "vivid", "warmly", "witty",
)  # fmt: skip
_NOUNS = (
    "airplane", "backpack", "barnacle", "birdbath", "bookcase", "bracelet", "building", "campfire",
    "capstone", "cardinal", "coastline", "corridor", "crescent", "daffodil", "doorbell", "eggplant",
    "evergreen", "farmland", "fountain", "goldfish", "graphite", "greenery", "headland", "hedgehog",
    "hillside", "ironwood", "keyboard", "keystone", "ladybird", "lakeside", "magnolia", "milkweed",
    "mushroom", "notebook", "overcoat", "parsnips", "pavement", "peacocks", "pinecone", "postcard",
    "rainfall", "sandpipe", "sapphire", "seashell", "snowdrop", "starfish", "teaspoon", "treetops",
    "umbrella", "wildfire", "windmill", "woodland", "zeppelin",
)  # fmt: skip


def checked(given: str) -> str:
    """Return the id. Raises Invalid unless an application can have it."""
    if not re.fullmatch(r"[a-z0-9-]+", given):
        raise Invalid("id", "App IDs can only contain [a-z0-9-]")
    if given in RESERVED:
        raise Invalid("id", f"App IDs cannot be '{given}'")
    if len(given) > LONGEST:
        raise Invalid(
            "id", f"Ensure this value has at most {LONGEST} characters (it has {len(given)})."
        )
    if not _DNS_LABEL.fullmatch(given):
        raise Invalid("id", "App IDs cannot begin or end with '-'")
    return given


def generated() -> str:
    """Return an id made of an adjective and a noun."""
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}"
