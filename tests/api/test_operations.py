"""Probes and metrics of a running facade."""

import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.facade_fixtures import FacadeServer, StartFacade

DEADLINE = 30.0


def test_a_facade_with_a_filled_cache_is_healthy_and_ready(facade_server: FacadeServer) -> None:
    with facade_server.client() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "reasons": []})
    assert facade_server.facade.offers_allowed()


def test_without_news_it_is_unready_and_makes_no_offers(start_facade: StartFacade) -> None:
    with start_facade(stale_after=0.05) as server, server.client() as client:
        end = time.monotonic() + DEADLINE
        while (answer := client.get("/readyz")).status_code != 503 and time.monotonic() < end:
            time.sleep(0.05)
        assert answer.status_code == 503
        assert answer.json()["status"] == "unready"
        assert "no news of groups, packages or rollouts" in answer.json()["reasons"][0]
        assert not server.facade.offers_allowed()
        assert client.get("/healthz").status_code == 200


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
    assert families["polyfleet_offers_allowed"].samples[0].value == 1
    assert "secret-device-7" not in text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_the_probes_only_read(facade_server: FacadeServer, path: str) -> None:
    with facade_server.client() as client:
        assert client.post(path).status_code == 405
        assert client.head(path).status_code == 200
