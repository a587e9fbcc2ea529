"""The search: operators, order, projection, ids."""

import secrets
from typing import Any

import httpx
import pytest

from tests.dialects.inventory.fleet import SEARCH, Fleet, attributes_of, error_text


def mark() -> str:
    return secrets.token_hex(6)


@pytest.mark.parametrize(
    ("operator", "operand", "expected"),
    [
        ("$eq", 5, ["five"]),
        ("$eq", 5.0, ["five"]),
        ("$eq", "5", ["text five"]),
        ("$eq", "b", ["list"]),
        ("$ne", 5, ["seven", "text five", "list", "none"]),
        ("$gt", 5, ["seven"]),
        ("$gte", 5, ["five", "seven"]),
        ("$lt", 7, ["five"]),
        ("$lte", 7, ["five", "seven"]),
        ("$gt", "a", ["list"]),
        ("$lt", "6", ["text five"]),
        ("$ltne", 6, ["five", "none"]),
        ("$in", [5, "a"], ["five", "list"]),
        ("$in", [], []),
        ("$nin", [5, "a"], ["seven", "text five", "none"]),
        ("$exists", True, ["five", "seven", "text five", "list"]),
        ("$exists", False, ["none"]),
        ("$regex", "^[ab]$", ["list"]),
        ("$regex", "5", ["text five"]),
        ("$regex", "z", []),
    ],
)
def test_an_operator_finds_what_it_says(
    fleet: Fleet, operator: str, operand: Any, expected: list[str]
) -> None:
    own = mark()
    values: dict[str, Any] = {"five": 5, "seven": 7, "text five": "5", "list": ["a", "b"]}
    made = {name: fleet.device(own=own, v=value) for name, value in values.items()}
    made["none"] = fleet.device(own=own)
    found = fleet.found(("own", "$eq", own), ("v", operator, operand))
    assert found == [made[name] for name in expected]


def test_several_filters_must_all_hold(fleet: Fleet) -> None:
    own = mark()
    made = [fleet.device(own=own, load=load, zone="ab"[load % 2]) for load in range(6)]
    found = fleet.found(
        ("own", "$eq", own), ("load", "$gte", 1), ("load", "$lt", 5), ("zone", "$ne", "a")
    )
    assert found == [made[1], made[3]]


def test_a_search_sorts_by_several_keys(fleet: Fleet) -> None:
    own = mark()
    made = {
        (rack, name): fleet.device(own=own, rack=rack, name=name)
        for name in ("b", "a")
        for rack in (1, 2)
    }

    def key(attribute: str, order: str) -> dict[str, str]:
        return {"scope": "inventory", "attribute": attribute, "order": order}

    found = fleet.found(("own", "$eq", own), sort=[key("rack", "desc"), key("name", "asc")])
    assert found == [made[2, "a"], made[2, "b"], made[1, "a"], made[1, "b"]]


def test_scopes_reach_the_group_the_id_and_the_times(fleet: Fleet) -> None:
    own = mark()
    one, two = fleet.device(own=own), fleet.device(own=own)
    fleet.move(two, group := f"g-{own}")
    here = ("own", "$eq", own)
    assert fleet.found(here, ("group", "$eq", group, "system")) == [two]
    assert fleet.found(here, ("group", "$exists", False, "system")) == [one]
    assert fleet.found(here, ("id", "$eq", one, "identity")) == [one]
    assert fleet.found(here, ("status", "$eq", "accepted", "identity")) == [one, two]
    assert fleet.found(here, ("status", "$eq", "pending", "identity")) == []
    assert fleet.found(here, ("own", "$exists", True, "tags")) == []
    assert fleet.found(here, ("alerts", "$exists", False, "monitor")) == [one, two]
    assert fleet.found(here, ("created_ts", "$lt", "2001-01-01T00:00:00Z", "system")) == []
    after = ("created_ts", "$gt", "2001-01-01T00:00:00+02:00", "system")
    assert fleet.found(here, after) == [one, two]


def test_a_device_is_shown_with_the_scope_of_each_attribute(fleet: Fleet) -> None:
    own = mark()
    identifier = fleet.device(own=own)
    fleet.upload(identifier, [{"name": "ip", "value": "1.2.3.4", "description": "address"}])
    fleet.move(identifier, group := f"g-{own}")
    [found] = fleet.manager.post(SEARCH, json={"device_ids": [identifier]}).json()
    assert found.keys() == {"id", "attributes", "updated_ts"}
    shown = {(entry["scope"], entry["name"]): entry for entry in found["attributes"]}
    assert shown.keys() == {
        ("identity", "id"),
        ("identity", "status"),
        ("system", "group"),
        ("system", "created_ts"),
        ("system", "updated_ts"),
        ("inventory", "own"),
        ("inventory", "ip"),
    }
    assert shown["identity", "id"]["value"] == identifier
    assert shown["system", "group"]["value"] == group
    assert shown["system", "updated_ts"]["value"] == found["updated_ts"]
    address = shown["inventory", "ip"]
    assert address.pop("timestamp").endswith("Z")
    assert address == {
        "name": "ip",
        "value": "1.2.3.4",
        "scope": "inventory",
        "description": "address",
    }
    fleet.move(identifier, other := f"h-{own}")
    [moved] = fleet.manager.post(SEARCH, json={"device_ids": [identifier]}).json()
    assert attributes_of(moved)["group"] == other


def test_only_chosen_attributes_are_shown(fleet: Fleet) -> None:
    identifier = fleet.device(a=1, b=2)
    fields = [
        {"scope": "inventory", "attribute": "a"},
        {"scope": "inventory", "attribute": "absent"},
        {"scope": "identity", "attribute": "status"},
        {"scope": "identity", "attribute": "mac"},
    ]
    body = {"device_ids": [identifier], "attributes": fields}
    [found] = fleet.manager.post(SEARCH, json=body).json()
    assert attributes_of(found) == {"a": 1, "status": "accepted"}
    assert found["updated_ts"] == fleet.show(identifier)["updated_ts"]


def test_ids_narrow_a_search_and_unknown_ones_are_passed_over(fleet: Fleet) -> None:
    own = mark()
    made = [fleet.device(own=own) for _ in range(3)]
    body = {"device_ids": [made[2], "nothing", made[0]]}
    reply = fleet.manager.post(SEARCH, json=body)
    assert [item["id"] for item in reply.json()] == [made[0], made[2]]
    assert reply.headers["x-total-count"] == "2"


def test_a_search_is_paged(fleet: Fleet) -> None:
    own = mark()
    made = [fleet.device(own=own) for _ in range(21)]
    filters = [{"scope": "inventory", "attribute": "own", "type": "$eq", "value": own}]
    first = fleet.manager.post(SEARCH, json={"filters": filters})
    assert [item["id"] for item in first.json()] == made[:20]
    assert first.headers["x-total-count"] == "21"
    second = fleet.manager.post(SEARCH, json={"filters": filters, "page": 2})
    assert [item["id"] for item in second.json()] == made[20:]
    assert fleet.manager.post(SEARCH, json={"filters": filters, "page": 3}).json() == []


def test_an_empty_search_finds_all(fleet: Fleet) -> None:
    fleet.device()
    reply = fleet.manager.post(SEARCH, json={"per_page": 1})
    assert len(reply.json()) == 1
    assert int(reply.headers["x-total-count"]) > 0


def one_filter(**changes: Any) -> dict[str, Any]:
    given = {"scope": "inventory", "attribute": "a", "type": "$eq", "value": 1, **changes}
    return {"filters": [{key: value for key, value in given.items() if value is not None}]}


def one_key(**changes: Any) -> dict[str, Any]:
    given = {"scope": "inventory", "attribute": "a", "order": "asc", **changes}
    return {"sort": [{key: value for key, value in given.items() if value is not None}]}


FAILURE = "failed to decode request body"
SCALAR = "must be a string or a number."


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], f"{FAILURE}: a JSON object is expected"),
        ({"filters": {}}, f"{FAILURE}: filters must be a list"),
        ({"filters": [5]}, f"{FAILURE}: a JSON object is expected"),
        ({"filters": [{}] * 17}, "filters: the length must be no more than 16."),
        ({"sort": [{}] * 9}, "sort: the length must be no more than 8."),
        ({"attributes": [{}] * 101}, "attributes: the length must be no more than 100."),
        ({"page": "1"}, f"{FAILURE}: page must be an integer"),
        ({"page": True}, f"{FAILURE}: page must be an integer"),
        ({"page": -1}, "page: must be between 1 and 4294967295."),
        ({"per_page": 501}, "per_page: must be between 1 and 500."),
        ({"device_ids": "x"}, f"{FAILURE}: a list of strings is expected"),
        ({"device_ids": [5]}, f"{FAILURE}: a list of strings is expected"),
        ({"text": "words"}, "text: full text search is not offered."),
        (one_filter(attribute=""), "filters: (0: (attribute: cannot be blank.).)."),
        (one_filter(attribute=5), "filters: (0: (attribute: must be a string.).)."),
        (one_filter(scope=None), "filters: (0: (scope: cannot be blank.).)."),
        (one_filter(scope="other"), "filters: (0: (scope: must be a valid value.).)."),
        (one_filter(type=None), "filters: (0: (type: cannot be blank.).)."),
        (one_filter(type="$where"), "filters: (0: (type: must be a valid value.).)."),
        (one_filter(type=["$eq"]), "filters: (0: (type: must be a valid value.).)."),
        (one_filter(value=None), "filters: (0: (value: cannot be blank.).)."),
        (one_filter(value=True), f"filters: (0: (value: {SCALAR}).)."),
        (one_filter(value={"a": 1}), f"filters: (0: (value: {SCALAR}).)."),
        (one_filter(type="$gt", value=[1]), f"filters: (0: (value: {SCALAR}).)."),
        (
            one_filter(type="$in"),
            "filters: (0: (value: must be an array of strings or numbers.).).",
        ),
        (one_filter(type="$nin", value=[True]), f"filters: (0: (value: {SCALAR}).)."),
        (one_filter(type="$exists", value="yes"), "filters: (0: (value: must be a boolean.).)."),
        (one_filter(type="$regex"), "filters: (0: (value: must be a string.).)."),
        (one_filter(type="$regex", value="("), "filters: (0: (value: not a regular expression"),
        (
            one_filter(type="$regex", value="a{1000}{1000}{1000}"),
            "filters: (0: (value: not a regular expression",
        ),
        (
            one_filter(type="$regex", value="a" * 257),
            "filters: (0: (value: a regular expression has at most 256 characters.).).",
        ),
        (one_key(order=None), "sort: (0: (order: cannot be blank.).)."),
        (one_key(order="up"), "sort: (0: (order: must be a valid value.).)."),
        (one_key(attribute=None), "sort: (0: (attribute: cannot be blank.).)."),
        (
            {"attributes": [{"scope": "nowhere", "attribute": "a"}]},
            "attributes: (0: (scope: must be a valid value.).).",
        ),
    ],
)
def test_what_is_wrong_with_a_search_is_told(manager: httpx.Client, body: Any, text: str) -> None:
    reply = manager.post(SEARCH, json=body)
    assert reply.status_code == 400
    assert error_text(reply).startswith(text)


def test_a_pattern_that_others_choke_on_is_answered(fleet: Fleet) -> None:
    own = mark()
    fleet.device(own=own, v="a" * 4000)
    assert fleet.found(("own", "$eq", own), ("v", "$regex", "^(a+)+$b")) == []
