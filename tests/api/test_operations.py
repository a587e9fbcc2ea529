"""Probes and metrics of a running facade."""

import json
import secrets
import time
from collections.abc import Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from polyfleet.fleet.objects.kinds import GROUPS, PACKAGES, ROLLOUTS
from tests.facade_fixtures import FacadeServer, StartFacade

DEADLINE = 30.0


def wait_for(client: httpx.Client, status: int) -> httpx.Response:
    """Return what /readyz answers once it has that status."""
    end = time.monotonic() + DEADLINE
    while (answer := client.get("/readyz")).status_code != status:
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)
    return answer


def test_a_facade_with_a_filled_cache_is_healthy_and_ready(facade_server: FacadeServer) -> None:
    with facade_server.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "reasons": []})
    assert facade_server.facade.offers_allowed()


def test_without_news_it_is_unready_and_makes_no_offers(start_facade: StartFacade) -> None:
    with start_facade(stale_after=0.05) as server, server.client() as client:
        answer = wait_for(client, 503)
        assert answer.json()["status"] == "unready"
        assert "no news of groups, packages or rollouts" in answer.json()["reasons"][0]
        assert not server.facade.offers_allowed()
        assert client.get("/healthz").status_code == 200


def test_news_make_it_ready_again(start_facade: StartFacade, kubectl: Callable[..., str]) -> None:
    news = (
        (GROUPS, {"name": "g"}),
        (PACKAGES, {"version": "v1"}),
        (ROLLOUTS, {"package": "news", "targets": {"groups": ["news"]}}),
    )

    def tell_news(text: str) -> None:
        items = [
            {
                "apiVersion": kind.api_version,
                "kind": kind.name,
                "metadata": {"name": "news", "labels": {"news": text}},
                "spec": {"application": "default", **spec},
            }
            for kind, spec in news
        ]
        document = {"apiVersion": "v1", "kind": "List", "items": items}
        kubectl("apply", "-f", "-", stdin=json.dumps(document))

    with start_facade(stale_after=1.0) as server, server.client() as client:
        wait_for(client, 503)
        end = time.monotonic() + DEADLINE
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < end, "the facade does not become ready again"
            tell_news(secrets.token_hex(4))


def test_metrics_count_requests_and_name_no_device(
    facade_server: FacadeServer, admin: httpx.Client
) -> None:
    assert admin.get("/polyfleet/v1/devices/secret-device-7/decision").status_code == 404
    admin.get("/nowhere")
    text = admin.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    counts = {
        (sample.labels["dialect"], sample.labels["route"], sample.labels["status"])
        for sample in families["polyfleet_http_requests"].samples
    }
    assert ("native", "/polyfleet/v1/devices/{device_id:path}/decision", "404") in counts
    assert ("none", "unmatched", "404") in counts
    assert any("cache" in name and family.samples for name, family in families.items())
    assert families["polyfleet_offers_allowed"].samples[0].value == 1
    assert "secret-device-7" not in text
    assert "_created" not in text


def test_what_waits_and_what_was_decided_is_counted(
    facade_server: FacadeServer, admin: httpx.Client
) -> None:
    facade_server.facade.decisions.count("rdfm", "UpToDate")
    families = {
        family.name: family for family in text_string_to_metric_families(admin.get("/metrics").text)
    }
    assert families["polyfleet_decisions"].samples[0].labels == {
        "dialect": "rdfm",
        "reason": "UpToDate",
    }
    assert families["polyfleet_enrollments_waiting"].samples[0].value == 0
    assert families["polyfleet_reports_pending"].samples[0].value == 0


def test_the_root_names_the_openapi_documents_and_they_are_counted(admin: httpx.Client) -> None:
    documents = admin.get("/").json()["openapi"]
    assert documents
    for path in documents.values():
        assert admin.get(path).json()["openapi"]
    text = admin.get("/metrics").text
    assert all(f'route="{path}"' in text for path in documents.values())


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_the_probes_only_read(facade_server: FacadeServer, path: str) -> None:
    with facade_server.client() as client:
        assert client.post(path).status_code == 405
        assert client.head(path).status_code == 200
