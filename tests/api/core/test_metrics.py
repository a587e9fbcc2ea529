"""Request metrics as a scraper reads them."""

import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from polyfleet.api.core.metrics import RequestMetrics


def scrape(metrics: RequestMetrics) -> dict[str, dict[str, float]]:
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    return {
        family.name: {sample.name + str(sample.labels): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def test_nothing_is_exposed_before_the_first_request() -> None:
    assert all(not samples for samples in scrape(RequestMetrics()).values())


def test_times_are_counted_in_classes_that_add_up() -> None:
    metrics = RequestMetrics()
    now = time.perf_counter()
    for seconds in (0.0, 0.02, 0.2, 60.0):
        metrics.count("rdfm", "GET", "/x", 200, now - seconds)
    samples = scrape(metrics)["polyfleet_http_request_seconds"]
    by_bound = {
        key.split("'le': '")[1].split("'")[0]: value
        for key, value in samples.items()
        if "_bucket" in key
    }
    assert by_bound["0.001"] == 1
    assert by_bound["0.025"] == 2
    assert by_bound["0.25"] == 3
    assert by_bound["10.0"] == 3
    assert by_bound["+Inf"] == 4
    total = next(value for key, value in samples.items() if "_sum" in key)
    assert total == pytest.approx(60.22, abs=0.5)
