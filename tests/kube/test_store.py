"""The store: what it takes in, what it refuses, and what it tells."""

import asyncio
from typing import Any

import pytest

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.metadata import SERIAL_LABEL
from polyfleet.fleet.selectors import parse
from polyfleet.kube.store import Change, Store
from tests.kube.objects import device


@pytest.fixture
def store() -> Store[Device]:
    return Store(DEVICES)


def _names(items: Any) -> list[str]:
    return [item.metadata.name for item in items]


def _serial(name: str, serial: int, **fields: Any) -> Device:
    return device(name, labels={SERIAL_LABEL: str(serial)}, **fields)


def test_an_older_version_does_not_replace_a_newer_one(store: Store[Device]) -> None:
    store.apply(device(version=10, hold=True))

    assert not store.apply(device(version=9, hold=False))
    assert not store.apply(device(version=10, hold=False))
    held = store.get("d1")
    assert held is not None
    assert held.spec.hold


def test_versions_are_compared_as_numbers(store: Store[Device]) -> None:
    store.apply(device(version=9))

    assert store.apply(device(version=10))


def test_a_name_used_again_is_a_deletion_and_an_addition(store: Store[Device]) -> None:
    store.apply(device(uid="first", version=1))
    told: list[Change[Device]] = []
    store.subscribe(told.append)

    store.apply(device(uid="second", version=5))

    assert [change.type for change in told] == ["deleted", "added"]
    assert store.by_uid("first") is None
    assert store.by_uid("second") is store.get("d1")


def test_the_late_word_of_a_former_bearers_end_spares_the_new_one(store: Store[Device]) -> None:
    store.apply(device(uid="second", version=5))

    assert not store.remove(device(uid="first", version=4), confirmed=True)
    assert len(store) == 1


def test_what_we_deleted_does_not_come_back_by_a_late_event(store: Store[Device]) -> None:
    known = device(version=5)
    store.apply(known)
    store.remove(known, confirmed=False)

    assert not store.apply(device(version=6))
    assert store.apply(device(uid="other", version=8))


def test_an_earlier_bearer_does_not_come_back_either(store: Store[Device]) -> None:
    known = device(uid="second", version=5)
    store.apply(known)
    store.remove(known, confirmed=False)

    assert not store.apply(device(uid="first", version=4))


def test_the_late_answer_of_an_earlier_deletion_does_not_reopen_the_last(
    store: Store[Device],
) -> None:
    store.remove(device(uid="second", version=5), confirmed=False)
    store.remove(device(uid="first", version=3), confirmed=False)

    assert not store.apply(device(uid="second", version=6))


def test_what_the_watch_has_passed_is_deleted_if_it_is_absent(store: Store[Device]) -> None:
    store.replace_all([], "20")

    assert not store.apply(device(version=12))
    assert store.apply(device(version=21))


def test_a_list_spares_what_was_written_after_it(store: Store[Device]) -> None:
    store.apply(device("written", version=30))
    store.apply(device("gone", version=10))

    store.replace_all([device("listed", version=15)], "20")

    assert sorted(_names(store.values())) == ["listed", "written"]


def test_a_list_does_not_bring_back_what_we_deleted_meanwhile(store: Store[Device]) -> None:
    known = device(version=5)
    store.apply(known)
    listed = [store.admit(device(version=5))]
    store.remove(known, confirmed=False)

    store.replace_all(listed, "20")

    assert len(store) == 0


def test_a_list_from_a_restored_backup_counts_alone(store: Store[Device]) -> None:
    store.replace_all([device("old", version=5)], "100")
    store.apply(device("lost", version=101))

    store.replace_all([device("old", version=5)], "50")

    assert _names(store.values()) == ["old"]
    assert store.apply(device("new", version=51))


def test_a_list_tells_only_what_differs(store: Store[Device]) -> None:
    store.replace_all([device("same", version=1), device("gone", version=2)], "10")
    told: list[Change[Device]] = []
    store.subscribe(told.append)

    store.replace_all(
        [store.admit(device("same", version=1)), device("new", version=11)],
        "12",
    )

    assert [(change.type, (change.new or change.old).metadata.name) for change in told] == [  # type: ignore[union-attr]
        ("deleted", "gone"),
        ("added", "new"),
    ]


def test_subscribers_see_the_new_state_whole(store: Store[Device]) -> None:
    seen: list[int] = []
    store.subscribe(lambda _: seen.append(len(store)))

    store.replace_all([device(name, version=1) for name in "abc"], "3")

    assert seen == [3, 3, 3]


def test_a_failing_subscriber_does_not_keep_others_from_hearing(store: Store[Device]) -> None:
    heard: list[Change[Device]] = []

    def fail(_: Change[Device]) -> None:
        raise RuntimeError("broken")

    store.subscribe(fail)
    store.subscribe(heard.append)

    store.apply(device())

    assert len(heard) == 1


def test_who_has_unsubscribed_hears_nothing(store: Store[Device]) -> None:
    heard: list[Change[Device]] = []
    store.subscribe(heard.append)()

    store.apply(device())

    assert heard == []


def test_a_failing_index_does_not_stop_the_store(store: Store[Device]) -> None:
    store.add_index("broken", lambda item: {}[item])  # type: ignore[index]
    store.add_index("disordered", lambda _: ("all",), order=lambda item: {}[item])  # type: ignore[index]

    assert store.apply(device())
    assert store.find("broken", "x") == []


def test_the_serial_of_two_belongs_to_the_older(store: Store[Device]) -> None:
    store.apply(_serial("younger", 7, version=1, created="2026-02-01T00:00:00Z"))
    store.apply(_serial("older", 7, version=2, created="2026-01-01T00:00:00Z"))

    found = store.by_serial(7)

    assert found is not None
    assert found.metadata.name == "older"
    assert store.by_serial(6) is None
    assert store.by_serial(8) is None


def test_serial_order_is_numeric_and_leaves_out_who_has_none(store: Store[Device]) -> None:
    store.apply(device("none", version=1))
    for version, serial in enumerate([10, 9, 100], start=2):
        store.apply(_serial(f"n{serial}", serial, version=version))

    assert _names(store.in_serial_order()) == ["n9", "n10", "n100"]
    assert _names(store.in_serial_order()[1:2]) == ["n10"]


def test_an_ordered_index_is_sliced_in_order(store: Store[Device]) -> None:
    store.add_index("hold", lambda item: (item.spec.hold,), order=lambda item: item.spec.created_at)
    for version, created in enumerate(["3", "1", "2"], start=1):
        store.apply(device(f"d{created}", version=version, hold=True, createdAt=created))

    assert _names(store.find("hold", True)[:2]) == ["d1", "d2"]
    assert list(store.names("hold", True)) == ["d1", "d2", "d3"]
    assert list(store.find("hold", False)) == []


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", ["a", "b", "c", "d"]),
        ("ring=one", ["a", "b"]),
        ("ring in (one,two)", ["a", "b", "c"]),
        ("ring in (one,two),zone=x", ["a", "c"]),
        ("ring!=one", ["c", "d"]),
        ("!ring", ["d"]),
        ("ring,zone notin (x)", ["b"]),
        ("ring=nobody", []),
    ],
)
def test_labels_are_selected_as_kubernetes_does(
    store: Store[Device], selector: str, expected: list[str]
) -> None:
    labels = {
        "a": {"ring": "one", "zone": "x"},
        "b": {"ring": "one", "zone": "y"},
        "c": {"ring": "two", "zone": "x"},
        "d": {},
    }
    for version, (name, values) in enumerate(labels.items(), start=1):
        store.apply(device(name, version=version, labels=values))

    assert sorted(_names(store.select(parse(selector)))) == expected


def test_selecting_by_very_many_keys_still_answers(store: Store[Device]) -> None:
    store.apply(device("d1", labels={f"key{n}": "v" for n in range(100)}))

    assert all(len(store.select(parse(f"key{n}=v"))) == 1 for n in range(100))


def test_a_snapshot_does_not_change(store: Store[Device]) -> None:
    store.apply(device("a", version=1))
    before = store.values()

    store.apply(device("b", version=2))

    assert _names(before) == ["a"]
    assert len(store.values()) == 2


def test_an_object_that_became_unreadable_is_dropped(store: Store[Device]) -> None:
    store.apply(device(version=5))

    store.forget("d1", "5")
    assert len(store) == 1
    store.forget("d1", "6")

    assert len(store) == 0


async def test_waiting_ends_when_the_version_has_come(store: Store[Device]) -> None:
    waiting = asyncio.create_task(store.wait_for_version("d1", "5", 60))
    await asyncio.sleep(0)
    store.apply(device(version=4))
    await asyncio.sleep(0)
    assert not waiting.done()

    store.apply(device(version=5))

    assert await waiting


async def test_waiting_ends_when_the_watch_has_passed_the_version(store: Store[Device]) -> None:
    waiting = asyncio.create_task(store.wait_for_version("d1", "5", 60))
    await asyncio.sleep(0)

    store.progressed("7")

    assert await waiting


async def test_waiting_in_vain_ends_too(store: Store[Device]) -> None:
    assert not await store.wait_for_version("d1", "5", 0.01)


def test_a_store_that_heard_nothing_is_infinitely_stale(store: Store[Device]) -> None:
    assert store.seconds_since_progress() == float("inf")
    assert not store.synced

    store.replace_all([], "1")

    assert store.seconds_since_progress() < 60
    assert store.synced
