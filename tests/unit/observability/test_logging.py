"""Logs: one handler for all, no secrets, a bounded tail."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.observability.logging import LogTail, configure_logging


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Put logging back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_logs_and_the_librarys_look_the_same() -> None:
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    structlog.get_logger("gateway.mirror").info("connected", endpoint="wroclaw/plc", items=12)
    logging.getLogger("uvicorn.error").warning("port %d is taken", 8080, extra={"port": 8080})
    ours, theirs = lines(stream)
    assert ours["event"] == "connected"
    assert (ours["endpoint"], ours["items"], ours["level"], ours["logger"]) == ("wroclaw/plc", 12, "info", "gateway.mirror")
    assert str(ours["timestamp"]).endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("port 8080 is taken", "warning", "uvicorn.error")


def test_uvicorn_says_what_is_wrong_once_and_without_colours() -> None:
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert stream.getvalue() == ""
    logging.getLogger("uvicorn.error").error("bind failed", extra={"color_message": "\x1b[31mbind failed\x1b[0m"})
    (line,) = lines(stream)
    assert (line["event"], "color_message" in line) == ("bind failed", False)


def test_asyncua_is_kept_at_warning_and_debug_is_left_out() -> None:
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    logging.getLogger("asyncua.client.client").info("publish result with values")
    structlog.get_logger("x").debug("detail")
    assert stream.getvalue() == ""
    logging.getLogger("asyncua.client.client").warning("lost")
    assert lines(stream)[0]["event"] == "lost"


def test_a_logger_made_before_follows() -> None:
    early = structlog.get_logger("early")
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    early.info("hello")
    assert lines(stream)[0]["logger"] == "early"


def test_secrets_never_leave() -> None:
    stream = io.StringIO()
    tail = configure_logging("json", stream=stream)
    log = structlog.get_logger("x")
    log.info(
        "dialling opc.tcp://gateway:s3cret1@plc:4840",
        password="s3cret2",
        options={"api_key": "s3cret3", "deep": ["mfg_" + "s" * 43]},
    )
    log.info("header Authorization: Bearer s3cret4abc", tokens=3)
    logging.getLogger("lib").warning("login failed: password='s3cret5' user=%s", "olga", extra={"client_secret": "s3cret6"})
    try:
        raise ValueError("password=s3cret7")
    except ValueError:
        log.exception("failed")
    log.info("-----BEGIN RSA PRIVATE KEY-----\ns3cret8\n-----END RSA PRIVATE KEY-----")
    everything = stream.getvalue() + json.dumps(tail.records())
    assert "s3cret" not in everything
    assert "ssss" not in everything
    assert "opc.tcp://gateway:***@plc:4840" in everything
    assert lines(stream)[1]["tokens"] == 3


def test_an_exception_is_one_line_of_json() -> None:
    stream = io.StringIO()
    configure_logging("json", stream=stream)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger("x").exception("failed", path=object())
    (record,) = lines(stream)
    assert "RuntimeError: broken" in str(record["exception"])


def test_console_is_readable_and_without_colours_off_a_terminal() -> None:
    stream = io.StringIO()
    configure_logging("console", stream=stream)
    structlog.get_logger("gateway").warning("degraded", endpoint="wroclaw/plc")
    assert "degraded" in stream.getvalue()
    assert "endpoint=wroclaw/plc" in stream.getvalue()
    assert "\x1b[" not in stream.getvalue()


def test_the_tail_is_bounded_and_json_safe() -> None:
    tail = configure_logging("json", stream=io.StringIO(), tail=LogTail(size=3))
    log = structlog.get_logger("x")
    for number in range(10):
        log.info("tick", number=number, where={"a": {1}}, thing=object)
    assert [record["number"] for record in tail.records()] == [7, 8, 9]
    json.dumps(tail.records())


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="use DEBUG"):
        configure_logging("json", "LOUD", stream=io.StringIO())
