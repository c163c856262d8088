"""The Prometheus of the tests scrapes, evaluates rules, and is gone afterwards."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.peers.prometheus import prometheus, promtool

pytestmark = pytest.mark.peer("prometheus")


class Exposition(BaseHTTPRequestHandler):
    """One gauge, in Prometheus text format."""

    def do_GET(self) -> None:
        """Answer a scrape."""
        body = b"# HELP line_speed Speed\n# TYPE line_speed gauge\nline_speed 42\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def target() -> Iterator[str]:
    """`host:port` of a scrape target."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Exposition) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_scrapes_a_target_and_fires_a_rule(tmp_path: Path, target: str) -> None:
    """What the target shows can be queried, and a rule about it fires."""
    rules = tmp_path / "fast.rules.yml"
    rules.write_text("groups: [{name: g, rules: [{alert: Fast, expr: line_speed > 40}]}]")
    async with prometheus(tmp_path / "prometheus", target=target, rules=[rules]) as server:
        (series,) = await server.query("line_speed")
        assert series["value"][1] == "42"
        await server.until('ALERTS{alertname="Fast", alertstate="firing"}')
        assert [alert["labels"]["alertname"] for alert in await server.alerts()] == ["Fast"]


def test_promtool_finds_fault_with_metrics() -> None:
    """A counter whose name does not end in _total is a fault, not a remark."""
    promtool("check", "metrics", stdin=b"# HELP a_total A.\n# TYPE a_total counter\na_total 1\n")
    with pytest.raises(AssertionError, match="_total"):
        promtool("check", "metrics", stdin=b"# HELP a A.\n# TYPE a counter\na 1\n")
