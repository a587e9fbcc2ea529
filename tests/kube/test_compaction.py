"""Views are kept without what they need not hold on to."""

import sys

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet.objects.kinds import DEVICES, GROUPS, PACKAGES, ROLLOUTS
from polyfleet.kube.codec import codec_of
from polyfleet.kube.compaction import compact
from tests.kube.objects import device, device_document

ATTRIBUTES = [{"name": "a", "value": {"string": "v"}}]


def test_encoded_json_does_not_hold_on_to_its_page() -> None:
    page = orjson.dumps({"metadata": {}, "items": [device_document(attributes=ATTRIBUTES)]})
    decoded = codec_of(DEVICES).page(page).items[0]
    pinned = sys.getrefcount(page)

    kept = compact(decoded)
    del decoded

    assert sys.getrefcount(page) < pinned
    assert orjson.loads(bytes(kept.spec.attributes)) == ATTRIBUTES


def test_equal_texts_are_one_object() -> None:
    one, other = (
        compact(device(name, labels={"ring": "canary"}, pin="some-package")) for name in "ab"
    )

    assert one.spec.application is other.spec.application
    assert one.spec.pin is other.spec.pin
    assert one.metadata.labels["ring"] is other.metadata.labels["ring"]


def test_compacting_twice_changes_nothing_more() -> None:
    once = compact(device(attributes=ATTRIBUTES))

    assert compact(once).spec.application is once.spec.application
    assert compact(once).spec.attributes is once.spec.attributes


_texts = st.text(max_size=80)
_labels = st.dictionaries(_texts, _texts, max_size=4)
_metadata = st.fixed_dictionaries({"name": _texts, "labels": _labels})
_group = st.fixed_dictionaries(
    {"application": _texts, "name": _texts},
    optional={
        "packages": st.lists(_texts, max_size=3),
        "selector": st.fixed_dictionaries(
            {"matchLabels": _labels},
            optional={
                "matchExpressions": st.lists(
                    st.fixed_dictionaries(
                        {"key": _texts, "operator": _texts},
                        optional={"values": st.lists(_texts, max_size=2)},
                    ),
                    max_size=2,
                )
            },
        ),
    },
)
_package = st.fixed_dictionaries(
    {"application": _texts, "version": _texts},
    optional={
        "upgradableFrom": st.lists(_texts, max_size=2),
        "artifact": st.fixed_dictionaries({"driver": _texts}, optional={"size": st.integers(0, 9)}),
        "requires": st.lists(st.fixed_dictionaries({"name": _texts, "value": _texts}), max_size=2),
    },
)
_rollout = st.fixed_dictionaries(
    {"application": _texts, "package": _texts},
    optional={
        "steps": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "limit": st.one_of(st.integers(0, 9), _texts),
                    "pause": st.fixed_dictionaries({}, optional={"durationSeconds": st.just(3)}),
                },
            ),
            max_size=3,
        )
    },
)


@given(
    case=st.one_of(
        st.tuples(st.just(GROUPS), _group),
        st.tuples(st.just(PACKAGES), _package),
        st.tuples(st.just(ROLLOUTS), _rollout),
    ),
    metadata=_metadata,
)
def test_a_compacted_view_is_equal(case: tuple[object, object], metadata: object) -> None:
    kind, spec = case
    view = codec_of(kind).object(orjson.dumps({"metadata": metadata, "spec": spec}))  # type: ignore[type-var, arg-type]

    assert compact(view) == view


@given(
    spec=st.fixed_dictionaries(
        {"application": _texts, "deviceId": _texts},
        optional={"publicKeys": st.lists(_texts, max_size=2), "attributes": st.just(ATTRIBUTES)},
    ),
    metadata=_metadata,
)
def test_a_compacted_device_is_written_the_same(spec: object, metadata: object) -> None:
    view = codec_of(DEVICES).object(orjson.dumps({"metadata": metadata, "spec": spec}))

    assert msgspec.json.encode(compact(view)) == msgspec.json.encode(view)
