"""A live gateway with the whole example plant behind it, for peers to meet: `gateway demo` as a process of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.peers.process import running

_START_S = 60.0


@dataclass(frozen=True, slots=True)
class LiveGateway:
    """A running gateway; `url` is its base address."""

    url: str
    client: httpx.AsyncClient

    async def metrics(self) -> bytes:
        """One scrape."""
        answer = await self.client.get("/metrics")
        answer.raise_for_status()
        return answer.content

    async def endpoints_not_connected(self) -> list[str]:
        """`site/endpoint: state: cause` of every endpoint that is not connected; one line too while there is none at all."""
        answer = await self.client.get("/api/v1/endpoints")
        answer.raise_for_status()
        endpoints = answer.json()["endpoints"]
        trouble = [f"{e['site']}/{e['endpoint']}: {e['state']}: {e['reason']}" for e in endpoints if e["state"] != "connected"]
        return trouble if endpoints else ["no endpoints at all"]


@asynccontextmanager
async def live_gateway(directory: Path) -> AsyncIterator[LiveGateway]:
    """Fake plant and gateway, with their data below `directory`, while the block runs."""
    program = str(Path(sys.executable).parent / "gateway")
    command = [program, "demo", "--data-dir", str(directory / "data"), "--port", "0", "--json"]
    async with running(command, log=_log_file(directory)) as process:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), timeout=_START_S)
        assert line, f"the gateway ended before it was ready; its words are in {directory}"
        where = json.loads(line)
        token = await asyncio.to_thread(Path(where["token"]).read_text)
        url = where["API"].removesuffix("/api/v1")
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token.strip()}"}, timeout=10) as client:
            yield LiveGateway(url, client)


def _log_file(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory / "gateway-demo.log"
