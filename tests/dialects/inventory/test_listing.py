"""The list of devices: pages, filters, order."""

import secrets
import socket
from typing import Any

import httpx
import pytest

from tests.dialects.inventory.fleet import BASE, Fleet, error_text


def mark() -> str:
    """Return a value by which a test's own devices are found."""
    return secrets.token_hex(6)


def test_a_page_has_ten_devices_unless_told_otherwise(fleet: Fleet) -> None:
    own = mark()
    made = [fleet.device(own=own) for _ in range(11)]
    reply = fleet.manager.get(f"{BASE}/devices", params={"own": own})
    assert [item["id"] for item in reply.json()] == made[:10]
    assert reply.headers["x-total-count"] == "11"


def test_pages_are_in_the_order_of_creation_and_linked(fleet: Fleet) -> None:
    own = mark()
    made = [fleet.device(own=own) for _ in range(5)]
    path = f"{BASE}/devices"
    pages = [
        fleet.manager.get(path, params={"per_page": 2, "own": own, "page": page})
        for page in (1, 2, 3, 4)
    ]
    assert [[item["id"] for item in page.json()] for page in pages] == [
        made[:2],
        made[2:4],
        made[4:],
        [],
    ]

    def link(page: int, relation: str) -> str:
        return f'<devices?own={own}&page={page}&per_page=2>; rel="{relation}"'

    assert [page.headers.get_list("link") for page in pages] == [
        [link(2, "next"), link(1, "first")],
        [link(1, "prev"), link(3, "next"), link(1, "first")],
        [link(2, "prev"), link(1, "first")],
        [link(3, "prev"), link(1, "first")],
    ]
    followed = pages[0].url.join(pages[0].links["next"]["url"])
    assert fleet.manager.get(followed).json() == pages[1].json()


def test_links_keep_the_whole_query(fleet: Fleet) -> None:
    reply = fleet.manager.get(f"{BASE}/devices?z=a%26b&a=%C3%A9&a=2&per_page=7&page=")
    assert reply.headers["link"] == (
        '<devices?a=2&a=%C3%A9&page=1&per_page=7&z=a%26b>; rel="first"'
    )


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("page=0", "Param page is out of bounds"),
        ("per_page=0", "Param per_page is out of bounds"),
        ("per_page=501", "Param per_page is out of bounds"),
        ("page=-1", "Can't parse param page"),
        ("page=x", "Can't parse param page"),
        ("page=1_0", "Can't parse param page"),
        ("page=%D9%A3", "Can't parse param page"),
        ("page=4294967296", "Can't parse param page"),
        ("page=" + "9" * 400, "Can't parse param page"),
        ("page=" + "0" * 5000, "Param page is out of bounds"),
        ("per_page=1.5", "Can't parse param per_page"),
        ("has_group=maybe", "Can't parse param has_group"),
        ("has_group=yes", "Can't parse param has_group"),
        ("sort=a:up", "invalid sort order"),
        ("sort=a:ASC", "invalid sort order"),
        ("sort=a:asc,b:sideways", "invalid sort order"),
        ("sort=" + ",".join("abcdefghi"), "at most 8 attributes can be sorted by"),
        ("&".join(f"a{n}=1" for n in range(17)), "at most 16 attributes can be searched at once"),
        ("&".join(f"a{n}=1" for n in range(65)), "too many request parameters"),
    ],
)
def test_bad_parameters_are_told(manager: httpx.Client, query: str, text: str) -> None:
    reply = manager.get(f"{BASE}/devices?{query}")
    assert reply.status_code == 400
    assert error_text(reply) == text


@pytest.mark.parametrize("query", ["page=", "per_page=", "has_group=", "sort=", "group=", ""])
def test_an_empty_parameter_is_none(manager: httpx.Client, query: str) -> None:
    assert manager.get(f"{BASE}/devices?{query}").status_code == 200


def test_a_page_past_the_end_is_empty(manager: httpx.Client) -> None:
    reply = manager.get(f"{BASE}/devices?page=4294967295&per_page=500")
    assert (reply.status_code, reply.content) == (200, b"[]")


@pytest.mark.parametrize(
    ("value", "query", "matches"),
    [
        ("foo", "foo", True),
        ("foo", "eq:foo", True),
        ("foo", "fo", False),
        ("foo", "FOO", False),
        ("eq:foo", "eq:eq:foo", True),
        ("00:01:02", "00:01:02", True),
        ("ne:x", "ne:x", True),
        ("5", "5", True),
        (5, "5", True),
        (5, "5.0", True),
        (5, "05", True),
        (1000, "1e3", True),
        (5, "eq:5", True),
        (5, "6", False),
        (5, "five", False),
        (0.1, "0.1", True),
        ("", "", True),
        ("x", "", False),
        (["a", "b"], "b", True),
        (["a", "b"], "c", False),
        (["a", "b"], "a,b", False),
        ([80, 443], "443", True),
        ([80, 443], "8", False),
        ([], "", False),
        ("a b+c%&é", "a b+c%&é", True),
        ("50%25", "50%25", True),
    ],
)
def test_a_filter_compares_with_the_value_or_an_element(
    fleet: Fleet, value: Any, query: str, matches: bool
) -> None:
    own = mark()
    identifier = fleet.device(own=own, value=value)
    assert fleet.listed(own=own, value=query) == ([identifier] if matches else [])


@pytest.mark.parametrize("target", ["devices/{id}", "devices?own={id}&stadt=Zürich"])
def test_letters_may_be_sent_as_they_are(fleet: Fleet, manager: httpx.Client, target: str) -> None:
    name = f"é-{mark()}"
    fleet.device(name, own=name, stadt="Zürich")
    head = f"GET {BASE}/{target.format(id=name)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += f"Authorization: {manager.headers['authorization']}\r\n\r\n"
    # A client library would encode them before it sends them; curl does not.
    with socket.create_connection(("127.0.0.1", fleet.server.port), timeout=30) as connection:
        connection.sendall(head.encode())
        with connection.makefile("rb") as file:
            answer = file.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    body = answer.partition(b"\r\n\r\n")[2].decode()
    assert f'"id":"{name}"' in body


def test_filters_must_all_hold(fleet: Fleet) -> None:
    own = mark()
    one = fleet.device(own=own, a="1", b="x")
    fleet.device(own=own, a="1", b="y")
    fleet.device(own=own, a="2", b="x")
    assert fleet.listed(own=own, a="1", b="x") == [one]
    assert fleet.listed(own=own, a="2", b="y") == []


def test_of_a_repeated_filter_the_first_counts(fleet: Fleet) -> None:
    own = mark()
    one = fleet.device(own=own, a="1")
    fleet.device(own=own, a="2")
    reply = fleet.manager.get(f"{BASE}/devices?own={own}&a=1&a=2")
    assert [item["id"] for item in reply.json()] == [one]


def test_a_filter_on_what_nobody_has_finds_nothing(manager: httpx.Client) -> None:
    reply = manager.get(f"{BASE}/devices", params={mark(): "x"})
    assert (reply.status_code, reply.content) == (200, b"[]")


def test_names_may_hold_anything_also_a_slash_and_a_dot(fleet: Fleet) -> None:
    own = mark()
    names = ("a.b", "$x", "location/site", "with space", "é", "a:b")
    identifier = fleet.device(own=own, **dict.fromkeys(names, "v"))
    for name in names:
        assert fleet.listed(own=own, **{name: "v"}) == [identifier]


def test_a_scope_may_be_named(fleet: Fleet) -> None:
    own = mark()
    identifier = fleet.device(own=own, ip="1.2.3.4")
    fleet.move(identifier, group := f"g-{own}")
    for scoped in (
        {"inventory/ip": "1.2.3.4"},
        {"identity/id": identifier},
        {"identity/status": "accepted"},
        {"system/group": group},
    ):
        assert fleet.listed(own=own, **scoped) == [identifier]
    assert fleet.listed(own=own, **{"tags/ip": "1.2.3.4"}) == []


def test_a_device_is_found_by_when_its_attributes_changed(fleet: Fleet) -> None:
    identifier = fleet.device(own=mark())
    [found] = fleet.manager.post(
        "/api/management/v2/inventory/filters/search", json={"device_ids": [identifier]}
    ).json()
    created = next(a["value"] for a in found["attributes"] if a["name"] == "created_ts")
    whole = fleet.cached(identifier).spec.created_at
    assert fleet.listed(**{"system/created_ts": whole}) == [identifier]
    assert whole.startswith(created.rstrip("Z"))


def test_devices_with_and_without_a_group_are_told_apart(fleet: Fleet) -> None:
    own = mark()
    grouped, free = fleet.device(own=own), fleet.device(own=own)
    fleet.move(grouped, group := f"g-{own}")
    for truth in ("1", "t", "T", "TRUE", "true", "True"):
        assert fleet.listed(own=own, has_group=truth) == [grouped]
    for truth in ("0", "f", "F", "FALSE", "false", "False"):
        assert fleet.listed(own=own, has_group=truth) == [free]
    assert fleet.listed(own=own, group=group) == [grouped]
    assert fleet.listed(own=own, group=group, has_group="false") == []
    assert fleet.listed(own=own, group="nobody") == []


def test_sorting_goes_by_numbers_then_texts_and_what_is_missing_is_lowest(fleet: Fleet) -> None:
    own = mark()
    text_b = fleet.device(own=own, key="b")
    number_10 = fleet.device(own=own, key=10)
    missing = fleet.device(own=own)
    number_9 = fleet.device(own=own, key=9.5)
    text_a = fleet.device(own=own, key="a")
    ascending = [missing, number_9, number_10, text_a, text_b]
    assert fleet.listed(own=own, sort="key:asc") == ascending
    assert fleet.listed(own=own, sort="key:desc") == ascending[::-1]
    assert fleet.listed(own=own, sort="key") == ascending[::-1]


def test_a_list_sorts_by_its_least_or_greatest_element(fleet: Fleet) -> None:
    own = mark()
    wide = fleet.device(own=own, key=[1, 9])
    narrow = fleet.device(own=own, key=[4, 5])
    empty = fleet.device(own=own, key=[])
    assert fleet.listed(own=own, sort="key:asc") == [empty, wide, narrow]
    assert fleet.listed(own=own, sort="key:desc") == [wide, narrow, empty]


def test_a_list_of_sort_keys_sorts_by_each_in_turn(fleet: Fleet) -> None:
    own = mark()
    made = {
        (rack, name): fleet.device(own=own, rack=rack, name=name)
        for rack in (2, 1)
        for name in ("a", "ab", "b")
    }
    order = [(1, "b"), (1, "ab"), (1, "a"), (2, "b"), (2, "ab"), (2, "a")]
    wanted = [made[key] for key in order]
    assert fleet.listed(own=own, sort="rack:asc,name:desc") == wanted
    assert fleet.listed(own=own, sort="rack:asc, name") == wanted


def test_what_sorts_alike_is_in_the_order_of_creation_both_ways(fleet: Fleet) -> None:
    own = mark()
    made = [fleet.device(own=own, key="same") for _ in range(3)]
    assert fleet.listed(own=own, sort="key:asc") == made
    assert fleet.listed(own=own, sort="key:desc") == made


def test_a_sort_key_may_hold_a_colon(fleet: Fleet) -> None:
    own = mark()
    values: list[dict[str, Any]] = [{"a:b": 2}, {"a:b": 1}]
    made = [fleet.device(own=own, **value) for value in values]
    assert fleet.listed(own=own, sort="a:b:asc") == made[::-1]


def test_lists_follow_every_change(fleet: Fleet) -> None:
    own = mark()
    one, two = fleet.device(own=own, load=1), fleet.device(own=own, load=2)
    queries: list[dict[str, Any]] = [
        {"sort": "load:desc"},
        {"load": "1"},
        {"has_group": "false"},
    ]
    assert [fleet.listed(own=own, **query) for query in queries] == [
        [two, one],
        [one],
        [one, two],
    ]
    assert fleet.upload(one, [{"name": "load", "value": 3}]).status_code == 200
    fleet.move(two, f"g-{own}")
    three = fleet.device(own=own, load=1)
    assert [fleet.listed(own=own, **query) for query in queries] == [
        [one, two, three],
        [three],
        [one, three],
    ]
    fleet.manager.delete(f"{BASE}/devices/{one}")
    assert [fleet.listed(own=own, **query) for query in queries] == [[two, three], [three], [three]]
