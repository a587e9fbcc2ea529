"""Settings as the environment gives them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from polyfleet.api.settings import Settings


def test_every_setting_has_a_default() -> None:
    settings = Settings()
    assert settings.default_application == "default"
    assert not settings.insecure


def test_sections_and_lists_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "NAMESPACE": "fleet",
        "PUBLIC_URL": "https://fleet.example/",
        "ATTRIBUTE_LABELS": "ring, site",
        "DIALECTS_OFF": "deis,otao",
        "ARTIFACTS__PUBLIC": "true",
        "ENROLLMENT__MAXIMUM_PER_SOURCE": "7",
        "REPORTS__INTERVAL": "2.5",
        "IDENTITY__DEVICE_TOKEN_LIFETIME": "60",
    }.items():
        monkeypatch.setenv(f"POLYFLEET_{name}", value)
    settings = Settings()
    assert settings.namespace == "fleet"
    assert settings.public_url == "https://fleet.example"
    assert settings.attribute_labels == ("ring", "site")
    assert settings.dialects_off == ("deis", "otao")
    assert settings.artifacts.public
    assert settings.enrollment.maximum_per_source == 7
    assert settings.reports.interval == 2.5
    assert settings.identity.device_token_lifetime == 60


def test_the_artifacts_folder_has_a_short_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYFLEET_ARTIFACTS_DIRECTORY", "/srv/files")
    monkeypatch.setenv("POLYFLEET_ARTIFACTS__PUBLIC", "true")
    artifacts = Settings().artifacts
    assert (artifacts.directory, artifacts.public) == (Path("/srv/files"), True)


def test_keys_of_object_storage_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYFLEET_ARTIFACTS__DRIVER", "s3")
    monkeypatch.setenv("POLYFLEET_ARTIFACTS__S3__BUCKET", "files")
    monkeypatch.setenv("POLYFLEET_ARTIFACTS__S3__SECRET_ACCESS_KEY", "hunter2")
    settings = Settings()
    assert settings.artifacts.s3 is not None
    assert settings.artifacts.s3.bucket == "files"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("PUBLIC_URL", "fleet.example", "http"),
        ("DIALECTS_OFF", "soap", "no such dialect: soap"),
        ("ARTIFACTS__DRIVER", "s3", "needs a bucket"),
        ("PORT", "70000", "65535"),
        ("DEFAULT_APPLICATION", "Not A Name", "pattern"),
        ("MAXIMUM_BODY", "1", "1024"),
    ],
)
def test_a_wrong_setting_is_told_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str
) -> None:
    monkeypatch.setenv(f"POLYFLEET_{name}", value)
    with pytest.raises(ValidationError, match=text):
        Settings()
