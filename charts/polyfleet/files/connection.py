"""What `helm test` runs: is the facade there, and does it keep strangers out."""

import os
import sys
import time
import urllib.error
import urllib.request

URL = os.environ["POLYFLEET_TEST_URL"]
SECONDS = float(os.environ.get("POLYFLEET_TEST_SECONDS", "60"))
EXPECTED = {"/polyfleet/v1/whoami": 401, "/api/v2/devices": 401, "/": 200}


def status(path: str) -> int:
    """Return the status of a GET; 0 if nobody answers."""
    try:
        with urllib.request.urlopen(URL + path, timeout=5) as answer:  # noqa: S310 - our own Service
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def main() -> int:
    """Ask until all is as expected; return the exit status."""
    deadline = time.monotonic() + SECONDS
    while True:
        seen = {path: status(path) for path in EXPECTED}
        if seen == EXPECTED:
            sys.stdout.write(f"{URL} answers, and lets no stranger in\n")
            return 0
        if time.monotonic() > deadline:
            sys.stdout.write(f"{URL}: expected {EXPECTED}, got {seen}\n")
            return 1
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
