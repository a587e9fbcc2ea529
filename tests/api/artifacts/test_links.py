"""Links hold for one path, until they expire, and only if we made them."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest

from polyfleet.api.core.artifacts.links import LinkSigner
from polyfleet.api.core.errors import Forbidden

PATH = "firmware/6f7483ac-5cde-467f-acf7-39e4b397e313"
OTHER = "firmware/00000000-5cde-467f-acf7-39e4b397e313"
BASE = "https://fleet.example"


def query(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))


def test_a_link_leads_to_the_stored_path_below_the_base(signer: LinkSigner) -> None:
    parts = urlsplit(signer.link(PATH, BASE + "/"))
    assert parts.netloc == "fleet.example"
    assert parts.path == f"/local_storage/{PATH}"


def test_a_fresh_link_holds(signer: LinkSigner) -> None:
    signer.check(PATH, query(signer.link(PATH, BASE)))


def test_a_link_holds_until_just_before_its_expiry(
    signer: LinkSigner, clock: SimpleNamespace
) -> None:
    link = signer.link(PATH, BASE)
    clock.now += timedelta(hours=24, seconds=-1)
    signer.check(PATH, query(link))


def test_a_link_does_not_hold_at_its_expiry(signer: LinkSigner, clock: SimpleNamespace) -> None:
    link = signer.link(PATH, BASE)
    clock.now += timedelta(hours=24)
    with pytest.raises(Forbidden, match="expired"):
        signer.check(PATH, query(link))


def test_a_link_does_not_open_another_path(signer: LinkSigner) -> None:
    with pytest.raises(Forbidden):
        signer.check(OTHER, query(signer.link(PATH, BASE)))


@pytest.mark.parametrize(
    "change",
    [
        lambda q: q | {"expires": str(int(q["expires"]) + 1)},
        lambda q: q | {"expires": "0" + q["expires"]},
        lambda q: q | {"expires": "9" * 5000},
        lambda q: q | {"expires": ""},
        lambda q: q | {"signature": q["signature"][1:] + q["signature"][0]},
        lambda q: q | {"signature": q["signature"].upper()},
        lambda q: q | {"signature": ""},
        lambda q: q | {"signature": "ünïcode"},
        lambda q: {"expires": q["expires"]},
        lambda q: {"signature": q["signature"]},
        lambda q: {},
    ],
)  # fmt: skip
def test_a_changed_link_does_not_hold(
    signer: LinkSigner, change: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    with pytest.raises(Forbidden):
        signer.check(PATH, change(query(signer.link(PATH, BASE))))


def test_a_link_of_another_installation_does_not_hold(
    signer: LinkSigner, clock: SimpleNamespace
) -> None:
    stranger = LinkSigner(
        lambda: [b"x" * 32], lifetime=timedelta(hours=24), clock=lambda: clock.now
    )
    with pytest.raises(Forbidden):
        signer.check(PATH, query(stranger.link(PATH, BASE)))


def test_a_link_signed_with_the_key_before_still_holds(
    signer: LinkSigner, clock: SimpleNamespace
) -> None:
    renewed = LinkSigner(
        lambda: [b"n" * 32, b"k" * 32], lifetime=timedelta(hours=24), clock=lambda: clock.now
    )
    renewed.check(PATH, query(signer.link(PATH, BASE)))


def test_a_link_of_the_new_key_does_not_hold_where_only_the_old_is_known(
    signer: LinkSigner, clock: SimpleNamespace
) -> None:
    renewed = LinkSigner(
        lambda: [b"n" * 32, b"k" * 32], lifetime=timedelta(hours=24), clock=lambda: clock.now
    )
    with pytest.raises(Forbidden):
        signer.check(PATH, query(renewed.link(PATH, BASE)))


def test_public_links_are_bare_and_always_hold(clock: SimpleNamespace) -> None:
    public = LinkSigner(
        lambda: [b"k" * 32], lifetime=timedelta(hours=24), clock=lambda: clock.now, public=True
    )
    assert public.link(PATH, BASE) == f"{BASE}/local_storage/{PATH}"
    public.check(PATH, {})


def test_links_of_one_minute_are_the_same_and_hold_at_least_the_lifetime(
    signer: LinkSigner, clock: SimpleNamespace
) -> None:
    clock.now += timedelta(seconds=1)
    first = signer.link(PATH, BASE)
    clock.now += timedelta(seconds=58)
    assert signer.link(PATH, BASE) == first
    clock.now += timedelta(hours=24, seconds=-1)
    signer.check(PATH, query(first))


def test_a_changed_key_makes_another_link_at_once(clock: SimpleNamespace) -> None:
    keys = [b"k" * 32]
    signer = LinkSigner(lambda: keys, lifetime=timedelta(hours=24), clock=lambda: clock.now)
    first = signer.link(PATH, BASE)
    keys[0] = b"n" * 32
    assert signer.link(PATH, BASE) != first


def test_links_to_very_many_files_are_all_good(signer: LinkSigner) -> None:
    for number in range(3000):
        path = f"{number:08x}-5cde-467f-acf7-39e4b397e313"
        signer.check(path, query(signer.link(path, BASE)))
