"""Names of objects and flat ids of devices."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet.names import (
    config_secret_name,
    domain_name,
    enrollment_name,
    flat_id,
    given_config_secret_name,
    ingress_name,
    key_name,
    object_name,
    parse_flat_id,
    release_name,
    workload_name,
)

DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

kinds = st.sampled_from(["Device", "Package"])
applications = st.one_of(
    st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True), st.just("default")
)
wire_names = st.one_of(
    st.text(min_size=1, max_size=80),
    st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,40}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"[a-z]-x[0-9a-f]{16}", fullmatch=True),
)


def test_dns_labels_stay_readable() -> None:
    assert object_name("Device", "default", "sensor-1") == "default.sensor-1"


def test_a_kind_above_applications_is_named_by_itself() -> None:
    assert object_name("Application", "", "thermostats") == "thermostats"


@pytest.mark.parametrize(
    "wire_name",
    ["00:11:22:33:44:55", "Sensor", "a.b", "a" * 60, "a-x0123456789abcdef", "ü", "a/b c"],
)
def test_other_names_become_a_slug_and_a_hash(wire_name: str) -> None:
    assert re.fullmatch(r"default-.*x[0-9a-f]{16}", object_name("Device", "default", wire_name))


def test_the_slug_shows_what_can_be_shown() -> None:
    assert object_name("Device", "default", "00:11:AA").startswith("default-00-11-aa-x")


@given(kinds, applications, wire_names)
def test_a_name_is_a_dns_name_of_at_most_63(kind: str, application: str, wire: str) -> None:
    name = object_name(kind, application, wire)

    assert len(name) <= 63
    assert DNS_SUBDOMAIN.fullmatch(name)


@given(st.lists(st.tuples(applications, wire_names), unique=True, max_size=20))
def test_different_inputs_have_different_names(inputs: list[tuple[str, str]]) -> None:
    names = {object_name("Device", application, wire) for application, wire in inputs}

    assert len(names) == len(inputs)


def test_where_one_part_ends_matters() -> None:
    left = enrollment_name("a", "b:c", "d")

    assert left != enrollment_name("a", "b", "c:d")
    assert left != enrollment_name("a", "b:", "cd")


def test_a_wire_name_that_spells_a_hashed_name_does_not_get_it() -> None:
    hashed = object_name("User", "", "Some One")

    assert object_name("User", "", hashed) != hashed


@given(wire_names, applications)
def test_a_flat_id_can_be_read_back(device_id: str, application: str) -> None:
    text = flat_id(application, device_id, default_application="default")

    assert parse_flat_id(text, default_application="default") == (application, device_id)


@given(st.text(alphabet="~ab-", max_size=12))
def test_a_text_that_can_be_read_is_the_flat_id_of_what_was_read(text: str) -> None:
    try:
        application, device_id = parse_flat_id(text, default_application="a")
    except ValueError:
        return

    assert flat_id(application, device_id, default_application="a") == text


def test_an_id_of_the_default_application_is_itself() -> None:
    assert flat_id("default", "a b/c", default_application="default") == "a b/c"


@pytest.mark.parametrize("text", ["", "~", "~a", "~a~", "~default~id"])
def test_what_is_no_flat_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="id"):
        parse_flat_id(text, default_application="default")


hosts = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True).flatmap(
    lambda label: st.integers(1, 4).map(lambda times: ".".join([label] * times)[:253].strip("-."))
)
process_types = st.one_of(
    st.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True),
    st.sampled_from(["web", "b-web", "x0123456789abcdef"]),
)
CONFIG = "0b0c7b56-5d0c-4c5c-8f2f-0a9c3b1d2e3f"


def test_names_of_a_workload_are_readable() -> None:
    assert release_name("shop", 12) == "shop-v12"
    assert config_secret_name("shop", CONFIG) == f"app-shop-config-{CONFIG}"
    assert given_config_secret_name("shop") == "app-shop-config"
    assert workload_name("shop") == "app-shop"
    assert workload_name("shop", "web") == "app-shop-web"
    assert re.fullmatch("app-shop-[0-9a-f]{16}", ingress_name("shop", "shop.example"))
    assert domain_name("shop.example") == "shop.example"


@given(hosts, process_types, st.integers(1, 10**9))
def test_names_of_a_workload_fit(application: str, process_type: str, version: int) -> None:
    assert len(release_name(application, version)) <= 63
    assert DNS_SUBDOMAIN.fullmatch(release_name(application, version))
    assert len(config_secret_name(application, CONFIG)) <= 253
    assert DNS_SUBDOMAIN.fullmatch(config_secret_name(application, CONFIG))
    for name in (
        workload_name(application),
        workload_name(application, process_type),
        ingress_name(application, "shop.example"),
    ):
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name)
    # A ReplicaSet and a Pod append to it.
    assert len(workload_name(application, process_type)) <= 46
    assert len(domain_name(application)) <= 63


@given(st.lists(st.tuples(hosts, process_types), unique=True, max_size=20))
def test_no_two_deployments_share_a_name(inputs: list[tuple[str, str]]) -> None:
    names = {workload_name(application, process_type) for application, process_type in inputs}
    assert len(names) == len(inputs)


def test_what_could_be_read_as_another_application_is_hashed() -> None:
    assert workload_name("a", "b-c") != workload_name("a-b", "c")
    assert workload_name("a", "x0123456789abcdef") != "app-a-x0123456789abcdef"
    assert release_name("a-x0123456789abcdef", 1) != "a-x0123456789abcdef-v1"


def test_the_comment_of_a_key_does_not_count() -> None:
    assert key_name("ssh-rsa AAAA ann@laptop\n") == key_name("ssh-rsa AAAA")
    assert key_name("ssh-rsa AAAA") != key_name("ssh-rsa AAAB")
    assert re.fullmatch("key-[0-9a-f]{32}", key_name("ssh-rsa AAAA"))
