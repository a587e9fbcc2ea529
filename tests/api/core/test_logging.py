"""Logs as an operator of the installation reads them."""

import json
import logging
import secrets
from collections.abc import Iterator

import pytest
import structlog

from polyfleet.api.core.logging import configure_logging, request_id


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capture: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capture.readouterr().err.splitlines()]


def test_a_line_is_one_json_object_with_the_request_it_belongs_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("json", "info")
    token = request_id.set("r-1")
    structlog.get_logger("a.b").info("package made", serial=3)
    request_id.reset(token)
    (line,) = lines(capsys)
    assert line["event"] == "package made"
    assert line["serial"] == 3
    assert line["level"] == "info"
    assert line["logger"] == "a.b"
    assert line["request_id"] == "r-1"
    assert str(line["timestamp"]).endswith("Z")


def test_libraries_write_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    logging.getLogger("uvicorn.error").warning("slow %s", "down")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"]) == ("slow down", "uvicorn.error")


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "warning")
    structlog.get_logger("a").info("quiet")
    logging.getLogger("b").info("quiet")
    assert lines(capsys) == []


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_does_not_show_the_values_of_variables(
    capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    configure_logging(log_format, "info")  # type: ignore[arg-type]
    password = secrets.token_hex()
    try:
        int("seven" + password[:0])
    except ValueError:
        structlog.get_logger("a").exception("failed")
    written = capsys.readouterr().err
    assert "invalid literal" in written
    assert password not in written


def test_the_token_in_a_websockets_address_is_not_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("json", "info")
    token = secrets.token_hex(16)
    # As uvicorn says it, from its own logger.
    logging.getLogger("uvicorn.error").info(
        '%s - "WebSocket %s" [accepted]', "127.0.0.1:5", f"/api/v1/devices/ws?token={token}"
    )
    [line] = lines(capsys)
    assert line["event"] == '127.0.0.1:5 - "WebSocket /api/v1/devices/ws" [accepted]'


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/kp1/kettle-v1/cmx_ota/SECRET/config/json", "/kp1/…"),
        ("/kpc/kp1/kettle/cmx_ota/SECRET?SECRET", "/kpc/…"),
        ("//kp1/SECRET", "//kp1/…"),
        ("/kp1", "/kp1"),
        ("/kp10/seen", "/kp10/seen"),
    ],
)
def test_the_token_in_a_kaa_devices_path_is_not_logged(
    capsys: pytest.CaptureFixture[str], path: str, shown: str
) -> None:
    configure_logging("json", "info")
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" 403', "127.0.0.1:5", path)
    [line] = lines(capsys)
    assert line["event"] == f'127.0.0.1:5 - "WebSocket {shown}" 403'
