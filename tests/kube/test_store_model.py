"""The store against a model of the API server: whatever arrives, in whatever order."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from polyfleet.fleet.objects.device import Device
from polyfleet.fleet.objects.kinds import DEVICES
from polyfleet.fleet.objects.metadata import SERIAL_LABEL
from polyfleet.fleet.selectors import parse
from polyfleet.kube.store import Change, Store
from tests.kube.objects import device

NAMES = st.sampled_from(["a", "b", "c"])
RINGS = ["one", "two"]


@dataclass
class Server:
    """What an API server does: one counter of versions, objects, and a log of all events."""

    version: int = 1
    objects: dict[str, Device] = field(default_factory=dict)
    log: list[tuple[int, str, Device]] = field(default_factory=list)
    born: int = 0

    def write(self, name: str, ring: str, serial: int) -> Device:
        known = self.objects.get(name)
        self.version += 1
        if known is None:
            self.born += 1
        uid = known.metadata.uid if known else f"uid-{self.born}"
        labels = {"ring": ring, SERIAL_LABEL: str(serial)}
        written = device(name, uid=uid, version=self.version, labels=labels)
        self.objects[name] = written
        self.log.append((self.version, "MODIFIED" if known else "ADDED", written))
        return written

    def delete(self, name: str) -> Device:
        known = self.objects.pop(name)
        self.version += 1
        last = device(name, uid=known.metadata.uid, version=self.version)
        self.log.append((self.version, "DELETED", last))
        return known


class StoreAgainstServer(RuleBasedStateMachine):
    """Lists, events, cuts, relists, own and others' writes, deletions and names used again."""

    @initialize()
    def start(self) -> None:
        self.server = Server()
        self.store: Store[Device] = Store(DEVICES)
        self.store.add_index("ring", _ring)
        self.store.add_index("ordered", _ring, order=lambda item: item.metadata.serial)
        self.mirror: dict[str, Device] = {}
        self.store.subscribe(self._mirror)
        self.cursor: int | None = None
        self.list: tuple[int, list[Device]] | None = None
        self.answers: list[tuple[str, Device]] = []
        self.newest_seen: dict[str, int] = defaultdict(int)
        self.told_dead: set[str] = set()

    @rule(name=NAMES, ring=st.sampled_from(RINGS), serial=st.integers(1, 4), ours=st.booleans())
    def write(self, name: str, ring: str, serial: int, ours: bool) -> None:
        written = self.server.write(name, ring, serial)
        if ours:
            self.answers.append(("written", written))

    @precondition(lambda self: self.server.objects)
    @rule(data=st.data(), ours=st.booleans())
    def delete(self, data: st.DataObject, ours: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.server.objects)))
        uid = self.server.delete(name).metadata.uid
        if ours:
            # Whoever deletes without a check may know only an old version.
            versions = [e[2] for e in self.server.log if e[2].metadata.uid == uid][:-1]
            self.answers.append(("deleted", data.draw(st.sampled_from(versions))))

    @precondition(lambda self: self.server.objects)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.server.objects)))
        self.answers.append(("written", self.server.objects[name]))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def receive_answer(self, data: st.DataObject) -> None:
        kind, item = self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))
        if kind == "deleted":
            self.store.remove(item, confirmed=False)
            self.told_dead.add(item.metadata.uid)
            return
        self.store.apply(item)
        current = self.store.get(item.metadata.name)
        if item.metadata.uid not in self.told_dead and self._lives(item):
            assert current is not None, "an own write is read at once"
            assert int(current.metadata.resource_version) >= int(item.metadata.resource_version)

    @precondition(lambda self: self.cursor is not None and self.list is None)
    @rule(count=st.integers(1, 5))
    def receive_events(self, count: int) -> None:
        assert self.cursor is not None
        for version, kind, item in [e for e in self.server.log if e[0] > self.cursor][:count]:
            if kind == "DELETED":
                self.store.remove(item, confirmed=True)
                self.told_dead.add(item.metadata.uid)
            else:
                self.store.apply(item)
            self.store.progressed(str(version))
            self.cursor = version

    @precondition(lambda self: self.cursor is not None and self.list is None)
    @rule()
    def receive_bookmark(self) -> None:
        self.receive_events(len(self.server.log))
        self.store.progressed(str(self.server.version))
        self.cursor = self.server.version

    @precondition(lambda self: self.list is None)
    @rule()
    def begin_list(self) -> None:
        items = [self.store.admit(item) for item in self.server.objects.values()]
        self.list = (self.server.version, items)

    @precondition(lambda self: self.list is not None)
    @rule()
    def finish_list(self) -> None:
        assert self.list is not None
        self.cursor, items = self.list
        self.list = None
        self.store.replace_all(items, str(self.cursor))

    @precondition(lambda self: self.list is not None)
    @rule()
    def lose_list(self) -> None:
        self.list = None

    @precondition(lambda self: self.cursor is not None and self.list is None)
    @rule()
    def synchronise(self) -> None:
        self.receive_bookmark()

        ours = {name: item.metadata.resource_version for name, item in self._visible().items()}
        theirs = {
            name: item.metadata.resource_version for name, item in self.server.objects.items()
        }
        assert ours == theirs

    @invariant()
    def no_older_version_is_seen_after_a_newer_one(self) -> None:
        for name, item in self._visible().items():
            version = int(item.metadata.resource_version)
            assert version >= self.newest_seen[name]
            self.newest_seen[name] = version

    @invariant()
    def the_dead_stay_dead(self) -> None:
        assert not {item.metadata.uid for item in self._visible().values()} & self.told_dead

    @invariant()
    def indexes_are_what_a_new_one_would_be(self) -> None:
        items = list(self._visible().values())
        for ring in RINGS:
            having = [item for item in items if item.metadata.labels["ring"] == ring]
            assert sorted(self.store.names("ring", ring)) == sorted(_names(having))
            assert _by_name(self.store.find("ring", ring)) == _by_name(having)
            assert _by_name(self.store.select(parse(f"ring={ring}"))) == _by_name(having)
            ordered = sorted(having, key=lambda item: (item.metadata.serial, item.metadata.name))
            assert list(self.store.find("ordered", ring)) == ordered
        assert {item.metadata.uid: item for item in items} == {
            item.metadata.uid: self.store.by_uid(item.metadata.uid) for item in items
        }
        serials = [item.metadata.serial for item in self.store.in_serial_order()]
        assert serials == sorted(item.metadata.serial or 0 for item in items)
        for serial in range(1, 5):
            found = self.store.by_serial(serial)
            assert (found is not None) == (serial in serials)

    @invariant()
    def who_listens_knows_the_same(self) -> None:
        assert self.mirror == self._visible()
        assert len(self.store) == len(self.mirror)

    def _mirror(self, change: Change[Device]) -> None:
        if change.old is not None:
            assert self.mirror.pop(change.old.metadata.name) is change.old
        if change.new is not None:
            assert change.new.metadata.name not in self.mirror
            self.mirror[change.new.metadata.name] = change.new

    def _visible(self) -> dict[str, Device]:
        return {item.metadata.name: item for item in self.store.values()}

    def _lives(self, item: Device) -> bool:
        known = self.server.objects.get(item.metadata.name)
        return known is not None and known.metadata.uid == item.metadata.uid


def _ring(item: Device) -> tuple[str]:
    return (item.metadata.labels["ring"],)


def _names(items: Any) -> list[str]:
    return [item.metadata.name for item in items]


def _by_name(items: Any) -> dict[str, Device]:
    return {item.metadata.name: item for item in items}


TestStoreAgainstServer = StoreAgainstServer.TestCase
TestStoreAgainstServer.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
