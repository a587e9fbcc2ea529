"""Control characters in texts that people see in terminals."""

import re

import pytest

from polyfleet.crds.types import NO_CONTROLS
from polyfleet.fleet.visible_text import has_controls, visible

CASES = {
    "": "",
    "1.0.2 ü\u202e😀": "1.0.2 ü\u202e😀",
    "1.0\n": "1.0␊",
    "\x1b[2K\x00": "␛[2K␀",
    "a\x7f\x85b": "a␡\ufffdb",
}


@pytest.mark.parametrize(("text", "shown"), CASES.items())
def test_each_control_character_has_a_picture(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert len(shown) == len(text)
    assert has_controls(text) == (text != shown)


def test_the_kinds_and_the_dialects_mean_the_same_characters() -> None:
    taken = re.compile(NO_CONTROLS)
    for code in range(0x300):
        text = f"a{chr(code)}b"
        assert has_controls(text) == (taken.match(text) is None), hex(code)
