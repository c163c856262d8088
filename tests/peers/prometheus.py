"""A real Prometheus, and promtool."""

import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.peers.process import free_port, running
from tests.peers.waiting import until


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus that scrapes each second."""

    url: str
    client: httpx.AsyncClient

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query: `{"metric": labels, "value": [time, text]}` for each series."""
        answer = await self.client.get(f"{self.url}/api/v1/query", params={"query": expression})
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    async def until(self, expression: str, *, deadline_s: float = 30.0) -> list[dict[str, Any]]:
        """Ask again until the expression has a result.

        Raises:
            AssertionError: none before the deadline.
        """
        return await until(
            lambda: self.query(expression), deadline_s=deadline_s, what=lambda: f"a result of {expression!r} at {self.url}"
        )

    async def alerts(self) -> list[dict[str, Any]]:
        """Pending and firing alerts of the loaded rules."""
        answer = await self.client.get(f"{self.url}/api/v1/alerts")
        answer.raise_for_status()
        alerts: list[dict[str, Any]] = answer.json()["data"]["alerts"]
        return alerts


@asynccontextmanager
async def prometheus(directory: Path, *, target: str, rules: Sequence[Path] = ()) -> AsyncIterator[Prometheus]:
    """Prometheus with its data in `directory`, scraping `target` ("host:port") as job `gateway`; up when the block begins."""
    file = _write_config(directory, target, rules)
    port = free_port()
    command = [
        "prometheus", f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    async with running(command, log=directory / "prometheus.log"), httpx.AsyncClient(timeout=5) as client:
        server = Prometheus(f"http://127.0.0.1:{port}", client)
        await until(lambda: _is_ready(client, server.url), deadline_s=30, what=lambda: f"Prometheus; its log is in {directory}")
        await server.until('up{job="gateway"} == 1')
        yield server


def _write_config(directory: Path, target: str, rules: Sequence[Path]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path.resolve()) for path in rules],
        "scrape_configs": [{"job_name": "gateway", "static_configs": [{"targets": [target]}]}],
    }
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/-/ready")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def promtool(*arguments: str, stdin: bytes = b"") -> str:
    """Run promtool and give what it said.

    Raises:
        AssertionError: it found fault, with its words.
    """
    done = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, f"promtool {' '.join(arguments)}:\n{said}"
    return said
