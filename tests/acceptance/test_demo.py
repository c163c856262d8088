"""`gateway demo`: one command shows a mother factory and its child sites, mirrored."""

import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.commands import GATEWAY, say, surroundings, until
from tests.acceptance.daemon import CONNECTED_S, Gateway

DURATION_S = 20
SCRAPES = 30


@contextmanager
def demo(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo while the block runs."""
    command = [GATEWAY, "demo", "--duration", str(DURATION_S), "--data-dir", str(directory / "demo-data"), "--port", "0"]
    with (directory / "stderr").open("w") as errors:
        process = subprocess.Popen(command, env=surroundings({}), stdout=subprocess.PIPE, stderr=errors, text=True, cwd=directory)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


def test_one_command_shows_every_site_healthy_and_the_account_adds_up(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        told: dict[str, str] = {}
        while "fake plant" not in told:  # the last line
            what, place = re.split(r"\s{2,}", process.stdout.readline().strip(), maxsplit=1)
            told[what] = place
        started = time.monotonic()
        assert {"API", "metrics", "token", "data", "configuration", "gateway's log"} <= set(told)
        gateway = Gateway(tmp_path)
        gateway.data, gateway.url = Path(told["data"]), told["API"].removesuffix("/api/v1")
        assert stat.S_IMODE(Path(told["token"]).stat().st_mode) == 0o600

        found = gateway.until_state("connected", within=CONNECTED_S - (time.monotonic() - started))
        assert len(found) == 9
        for number in range(SCRAPES):
            scrape = gateway.scrape()
            scrape.check_account()
            assert len(scrape.by_endpoint("gateway_values_stored_total")) == 9
            if number % 10 == 0:  # what a person would type meanwhile, in the directory of the demo
                said = say([GATEWAY, "status"], cwd=tmp_path)
                assert said.ended(0).out.count("connected") == 9
        until(lambda: sum(each["stored"] for each in gateway.endpoints().values()) > 3000, within=10, what=gateway.endpoints)
        token, plant = gateway.token, int(re.findall(r"process (\d+)", told["fake plant"])[0])
        passwords = passwords_of(process.pid, plant)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, (tmp_path / "stderr").read_text()
    assert rest.count("connected") == 9
    assert not Path(f"/proc/{plant}").exists()

    logs = [tmp_path / "stderr", *gateway.data.glob("*.log")]
    assert len(logs) == 3
    for log in logs:
        for secret in (token, *passwords):
            assert secret not in log.read_text(), f"{log} holds a secret"
    events = [json.loads(line) for line in Path(told["gateway's log"]).read_text().splitlines()]
    assert not [event for event in events if event["level"] in ("error", "critical")]


def passwords_of(gateway: int, plant: int) -> list[str]:
    """What the demo made up for the sites' users: the gateway gives them to the fake plant in its environment."""
    pairs = [pair.partition("=") for pair in Path(f"/proc/{plant}/environ").read_text().split("\0")]
    found = [value for name, _, value in pairs if name.endswith("_PASSWORD") and name not in os.environ]
    assert len(found) >= 3, gateway
    return found
