"""A real Prometheus scrapes a live gateway, with the rules of deploy/ loaded."""

from pathlib import Path

import pytest

from tests.peers.live_gateway import live_gateway
from tests.peers.prometheus import prometheus, promtool
from tests.peers.waiting import until

pytestmark = pytest.mark.peer("prometheus")

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules" / "gateway.rules.yml"
BALANCE = """
  sum by (site, endpoint) (gateway_values_received_total) - sum by (site, endpoint) (gateway_values_stored_total)
    - sum by (site, endpoint) (gateway_values_rejected_total) - sum by (site, endpoint) (gateway_values_in_flight)
"""


async def test_prometheus_scrapes_the_gateway_and_has_nothing_to_alert(tmp_path: Path) -> None:
    """promtool has no fault to find; nine endpoints, an empty balance and no alert in Prometheus."""
    async with live_gateway(tmp_path / "gateway") as gateway:

        async def connected() -> bool:
            return not await gateway.endpoints_not_connected()

        await until(connected, deadline_s=40, what=lambda: "all endpoints connected")
        promtool("check", "metrics", stdin=await gateway.metrics())
        target = gateway.url.removeprefix("http://")
        async with prometheus(tmp_path / "prometheus", target=target, rules=[RULES]) as server:
            await server.until("increase(gateway_store_commits_total[10s]) > 0")
            assert len(await server.query('gateway_endpoint_state{state="connected"} == 1')) == 9
            balances = {series["value"][1] for series in await server.query(BALANCE)}
            assert balances == {"0"}
            assert await server.alerts() == []
