"""Applications over the Deis API, one and a page of them: `python -m benchmarks.applications`."""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.figures import MEASURED_SECONDS, Rate
from benchmarks.messages import json_request, request
from benchmarks.report import Row, rate_row
from benchmarks.stand import FACADE, NAMESPACE, Stand
from polyfleet.local.control_plane import API_SERVER

SECTION = "applications"
APPLICATIONS = 1_000


def main() -> None:
    """Measure, print the table and write it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.applications", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="print only, with 50 applications")
    options = parser.parse_args()
    names = [f"app-{number}" for number in range(50 if options.dry_run else APPLICATIONS)]
    busy = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="polyfleet-bench-") as directory,
        Stand(Path(directory)) as stand,
    ):
        stand.start_service(FACADE)
        rows = _rows(stand, names)
    rows.append(Row("load of the machine before", measured=f"{busy:.1f}"))
    text = report.table("python -m benchmarks.applications", rows)
    print(text)
    if not options.dry_run:
        report.write(SECTION, text)


def _rows(stand: Stand, names: Sequence[str]) -> list[Row]:
    token = {"Authorization": f"token {stand.management_token}"}
    outcome, usage = stand.load_facade(
        "create applications",
        [json_request("POST", "/v1/apps/", {"id": name}, token) for name in names],
        expect={"201"},
    )
    created = Rate(FACADE, outcome, usage)

    def read(title: str, paths: Sequence[str]) -> Rate:
        sent = [request("GET", path, token) for path in paths]
        stand.load_facade(f"{title}, warming up", sent, expect={"200"})
        outcome, usage = stand.load_facade(
            title, sent, expect={"200"}, repeat_seconds=MEASURED_SECONDS
        )
        return Rate(FACADE, outcome, usage)

    bearer = {"Authorization": f"Bearer {stand.api_token}"}
    path = f"/apis/polyfleet.dev/v1alpha1/namespaces/{NAMESPACE}/applications"
    outcome, usage = stand.load_api_server(
        "read one application, kube-apiserver",
        [request("GET", f"{path}/{name}", bearer) for name in names],
        expect={"200"},
        repeat_seconds=MEASURED_SECONDS,
    )
    return [
        rate_row("read one application, kube-apiserver", Rate(API_SERVER, outcome, usage)),
        rate_row("read one application", read("one", [f"/v1/apps/{name}/" for name in names])),
        rate_row(
            "list 20 applications of all",
            read("20", [f"/v1/apps?page_size=20&page={page}" for page in range(1, 3)]),
        ),
        rate_row("list 100 applications of all", read("100", ["/v1/apps"])),
        rate_row("create an application", created),
    ]


if __name__ == "__main__":
    main()
