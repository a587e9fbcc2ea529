"""The same seed gives the same behaviour; rates are shares of devices."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.simulator.faults import HOPELESS, Fault, parse_rates
from polyfleet.simulator.script import Round, Script
from polyfleet.simulator.simulation import Plan, machines_of

ROUNDS = 20
ALL = dict.fromkeys(Fault, 0.5)


def behaviour(seed: int, number: int, rates: Mapping[Fault, float] = ALL) -> tuple[object, ...]:
    """Return everything that a script says."""
    script = Script(seed, number, rates, sockets=0.5)
    rounds: list[Round] = [script.round(index) for index in range(ROUNDS)]
    drawn = (script.faults, script.start, script.lie, script.deaths, script.holds_socket)
    return (*drawn, tuple(rounds))


@given(seed=st.integers(0, 2**63), number=st.integers(0, 100_000))
def test_the_same_seed_gives_the_same_behaviour(seed: int, number: int) -> None:
    assert behaviour(seed, number) == behaviour(seed, number)


def test_a_round_is_the_same_whenever_it_is_asked_for() -> None:
    script = Script(7, 3, ALL)
    late = script.round(9)
    assert [script.round(index) for index in range(10)][9] == late


def test_other_seeds_and_other_devices_behave_otherwise() -> None:
    seen = {behaviour(seed, number) for seed in range(10) for number in range(10)}
    assert len(seen) == 100


def test_a_fault_does_not_change_what_else_a_device_does() -> None:
    calm, flapping = Script(5, 1, {}), Script(5, 1, {Fault.FLAPPING: 1.0})
    assert [calm.round(n).pause for n in range(9)] == [flapping.round(n).pause for n in range(9)]
    assert calm.start == flapping.start


@pytest.mark.parametrize("fault", Fault)
def test_a_rate_is_the_share_of_devices_that_have_the_fault(fault: Fault) -> None:
    scripts = [Script(1, number, {fault: 0.2}) for number in range(2_000)]
    having = [script for script in scripts if fault in script.faults]
    assert 320 < len(having) < 480
    assert all(script.faults <= {fault} for script in scripts)
    assert {script.hopeful for script in having} == {fault not in HOPELESS}


def test_each_fault_shows_in_the_script() -> None:
    sure = Script(1, 1, dict.fromkeys(Fault, 1.0))
    assert sure.lie in {"version", "type"}
    assert 1 <= len(sure.deaths) <= 3
    assert all(0 <= death.at < 1 and death.rounds for death in sure.deaths)
    rounds = [sure.round(index) for index in range(ROUNDS)]
    assert {found.away for found in rounds} == {True, False}
    assert all(found.lag > 0 for found in rounds)
    calm = Script(1, 1, {})
    assert (calm.faults, calm.lie, calm.deaths) == (frozenset(), None, ())
    assert not any(calm.round(index).away or calm.round(index).lag for index in range(ROUNDS))


def test_a_fleet_is_the_same_for_the_same_plan_and_dealt_out_to_its_dialects() -> None:
    plan = Plan(url="http://127.0.0.1:1", devices=9, seed=4, dialects=("rdfm", "drogue"))
    first, again = machines_of(plan), machines_of(plan)
    assert [m.identifier for m in first] == [m.identifier for m in again]
    assert first[0].identifier == "sim-4-00000"
    assert [m.dialect for m in first][:3] == ["rdfm", "drogue", "rdfm"]


def test_rates_are_read_from_text() -> None:
    assert parse_rates("") == {}
    assert parse_rates("slow=0.5, dying=1") == {Fault.SLOW: 0.5, Fault.DYING: 1.0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sleepy=0.1", "'sleepy' is no fault; there are offline, slow, lying"),
        ("slow", "the rate of slow must be a number from 0 to 1"),
        ("slow=2", "from 0 to 1"),
        ("slow=nan", "from 0 to 1"),
        ("slow=-0.1", "from 0 to 1"),
    ],
)
def test_rates_that_mean_nothing_are_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_rates(text)
