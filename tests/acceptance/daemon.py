"""A gateway's directories and its daemon, and what can be asked of it from outside."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.commands import GATEWAY, Said, say, surroundings, until
from tests.acceptance.plant import PASSWORDS

#: What a mirror may take from the gateway's start until every endpoint of a plant is connected.
CONNECTED_S = 15.0
_LIVE_S = 30.0
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer of /metrics: samples by name and labels."""

    samples: Mapping[str, Sequence[tuple[Mapping[str, str], float]]]

    def by_endpoint(self, name: str) -> dict[str, float]:
        """The metric of each endpoint; several series of one endpoint are added up."""
        found: dict[str, float] = {}
        for labels, value in self.samples.get(name, ()):
            key = f"{labels['site']}/{labels['endpoint']}"
            found[key] = found.get(key, 0.0) + value
        return found

    def check_account(self) -> None:
        """For every endpoint: received = stored + rejected + in flight.

        Raises:
            AssertionError: not so.
        """
        received, stored = self.by_endpoint("gateway_values_received_total"), self.by_endpoint("gateway_values_stored_total")
        rejected, flying = self.by_endpoint("gateway_values_rejected_total"), self.by_endpoint("gateway_values_in_flight")
        assert received
        for key, count in received.items():
            assert count == stored[key] + rejected[key] + flying[key], f"{key}: {count}, {stored}, {rejected}, {flying}"


def scraped(text: str) -> Scrape:
    """A scrape from its text."""
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return Scrape(samples)


class Gateway:
    """The directories of one gateway, its daemon while it runs, and its command line."""

    def __init__(self, root: Path, *, environment: Mapping[str, str] = PASSWORDS) -> None:
        self.root, self.config, self.data = root, root / "config", root / "data"
        self.log = root / "gateway.log"
        self.environment = dict(environment)
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    # --- the daemon ---

    def launch(self, *options: str) -> subprocess.Popen[bytes]:
        """`gateway run` without waiting for anything; `options` come last."""
        command = [
            GATEWAY, "run", "--config", str(self.config), "--data-dir", str(self.data), "--port", "0", "--log-format", "json",
            *options,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=surroundings(self.environment), stdout=log, stderr=log, cwd=self.root)
        return self.process

    def start(self, *options: str) -> None:
        """`gateway run`, until it answers."""
        process = self.launch(*options)
        until(lambda: process.poll() is not None or self._answers(process.pid), within=_LIVE_S, what=self.last_words)
        assert process.poll() is None, self.last_words()

    def _answers(self, pid: int) -> bool:
        try:
            told = json.loads((self.data / "gateway.json").read_text())
            self.url = told["url"]
            return bool(told["pid"] == pid and httpx.get(f"{self.url}/livez", trust_env=False).is_success)
        except (OSError, ValueError, httpx.TransportError):
            return False

    def signal(self, number: int) -> None:
        """Send the daemon a signal."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def stop(self, within: float = _STOP_S) -> int:
        """SIGTERM, and its exit code.

        Raises:
            AssertionError: it did not end in time.
        """
        assert self.process is not None
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"SIGTERM did not end the gateway within {within:g} s: {self.last_words()}") from late

    def kill(self) -> None:
        """SIGKILL, as by a power cut."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def runs(self) -> bool:
        """True while the daemon's process lives."""
        return self.process is not None and self.process.poll() is None

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-3000:] if self.log.exists() else "(no log)"

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Log records of one event, oldest first."""
        lines = (line for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [record for record in map(json.loads, lines) if record.get("event") == event]

    # --- its command line ---

    def say(self, *arguments: str, environment: Mapping[str, str] | None = None, limit: float = 60) -> Said:
        """`gateway …` with this gateway's directories in the environment."""
        own = {"GATEWAY_DATA_DIR": str(self.data), "GATEWAY_CONFIG_DIR": str(self.config)}
        return say([GATEWAY, *arguments], own | self.environment | dict(environment or {}), cwd=self.root, limit=limit)

    # --- its API ---

    @property
    def token(self) -> str:
        """The operator's token."""
        return (self.data / "operator.token").read_text().strip()

    def ask(self, route: str, **query: Any) -> Any:
        """The JSON answer to GET `/api/v1` + route."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.get(f"{self.url}/api/v1{route}", params=query, headers=headers, timeout=30, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json()

    def scrape(self) -> Scrape:
        """/metrics, which needs no token."""
        answer = httpx.get(f"{self.url}/metrics", timeout=30, trust_env=False)
        assert answer.is_success, answer.text
        return scraped(answer.text)

    def endpoints(self) -> dict[str, dict[str, Any]]:
        """Reports by `site/endpoint`."""
        return {f"{each['site']}/{each['endpoint']}": each for each in self.ask("/endpoints")["endpoints"]}

    def states(self) -> dict[str, tuple[str, str]]:
        """State and reason by `site/endpoint`."""
        return {key: (each["state"], each["reason"]) for key, each in self.endpoints().items()}

    def until_state(self, state: str, *keys: str, within: float = 20.0) -> dict[str, dict[str, Any]]:
        """Wait until these endpoints (none: all) are in a state; gives all reports."""

        def reached() -> dict[str, dict[str, Any]]:
            found = self.endpoints()
            return found if all(found[key]["state"] == state for key in keys or found) else {}

        return until(reached, within=within, what=self.states)

    def until_flowing(self, *keys: str, more_than: int = 0, within: float = 20.0) -> None:
        """Wait until these endpoints (none: all) are connected and have stored some values in this run."""
        self.until_state("connected", *keys, within=within)
        until(
            lambda: all(each["stored"] > more_than for key, each in self.endpoints().items() if not keys or key in keys),
            within=within,
            what=self.endpoints,
        )

    def reading(self, path: str) -> dict[str, Any]:
        """The current value of one tag."""
        (found,) = self.ask("/twin/current", pattern=path)["readings"]
        reading: dict[str, Any] = found
        return reading

    def gaps(self, pattern: str = "") -> list[dict[str, Any]]:
        """Gaps of the last day."""
        gaps: list[dict[str, Any]] = self.ask("/twin/gaps", pattern=pattern)["gaps"]
        return gaps

    def verified(self) -> dict[str, int]:
        """`gateway twin verify`: the twin is sound; gives how many values it holds by endpoint."""
        document = self.say("twin", "verify", "--json").ended(0).json
        assert document["sound"], document["findings"]
        return {account["endpoint"]: account["stored"] for account in document["accounts"]}


@contextmanager
def gone_afterwards(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway; its daemon is gone after the block, however it ended."""
    try:
        yield gateway
    finally:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.process.kill()
            gateway.process.wait()


def now() -> int:
    """Nanoseconds since the Unix epoch."""
    return time.time_ns()
