import pytest
from pydantic import ValidationError

from polyfleet.api.settings import Settings

PREFIX = "POLYFLEET_IDENTITY__"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv(f"{PREFIX}OIDC__ISSUER", "https://issuer.example")
    monkeypatch.setenv(f"{PREFIX}OIDC__AUDIENCES", "polyfleet, account")
    return monkeypatch


def test_an_issuer_is_set_by_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(f"{PREFIX}OIDC__ALGORITHMS", "ES256,PS256")
    oidc = Settings().identity.oidc
    assert oidc is not None
    assert oidc.issuer == "https://issuer.example"
    assert oidc.audiences == ("polyfleet", "account")
    assert oidc.algorithms == ("ES256", "PS256")


def test_service_accounts_are_set_by_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(f"{PREFIX}TOKEN_REVIEW__ACCOUNTS", '{"ns:robot": ["rdfm_admin_ro"]}')
    assert Settings().identity.token_review.accounts == {"ns:robot": ("rdfm_admin_ro",)}


def test_a_client_secret_is_not_printed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(f"{PREFIX}INTROSPECTION__URL", "https://issuer.example/introspect")
    environment.setenv(f"{PREFIX}INTROSPECTION__CLIENT_ID", "facade")
    environment.setenv(f"{PREFIX}INTROSPECTION__CLIENT_SECRET", "well-kept")
    settings = Settings()
    assert settings.identity.introspection is not None
    assert settings.identity.introspection.client_secret.get_secret_value() == "well-kept"
    assert "well-kept" not in repr(settings)


def test_a_misspelt_setting_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(f"{PREFIX}OIDC__AUDIENSE", "polyfleet")
    with pytest.raises(ValidationError):
        Settings()


def test_an_answer_of_the_api_server_is_believed_for_a_minute_at_most(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv(f"{PREFIX}TOKEN_REVIEW__CACHE_SECONDS", "61")
    with pytest.raises(ValidationError):
        Settings()


def test_nothing_foreign_is_believed_unless_it_is_set() -> None:
    identity = Settings().identity
    assert identity.oidc is None
    assert identity.introspection is None
    assert identity.token_review.accounts == {}
    assert identity.administrator_scope is None
