"""docs/settings.md says what the models of the settings say."""

import re

import pytest

from polyfleet.api.settings import Settings
from polyfleet.cli.settings_page import PAGE, rendered


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == rendered(), "run `make docs`"


def test_the_variables_of_the_page_are_those_that_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = set(re.findall(r"`(POLYFLEET_[A-Z0-9_]+)`", rendered()))
    values = {
        "POLYFLEET_PORT": "4711",
        "POLYFLEET_REPORTS__PATIENCE": "7",
        "POLYFLEET_ARTIFACTS__S3__BUCKET": "files",
        "POLYFLEET_IDENTITY__TOKEN_REVIEW__AUDIENCE": "us",
    }
    for name, value in values.items():
        assert name in listed
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.port == 4711
    assert settings.reports.patience == 7
    assert settings.artifacts.s3 is not None
    assert settings.artifacts.s3.bucket == "files"
    assert settings.identity.token_review.audience == "us"
