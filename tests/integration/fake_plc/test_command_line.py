"""The real command and real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-c", "from fake_plc.cli import main; main()"]


def environment(**more: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.endswith("_PASSWORD")}
    return {**clean, "COLUMNS": "200", **more}


def invoke(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=environment(**more), timeout=60, check=False
    )


@contextmanager
def process(*arguments: str, ready: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A running command, once its ready file is there."""
    command = [*COMMAND, *arguments, "--ready-file", str(ready), "--port-base", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(**more)) as running:
        deadline = time.monotonic() + 60
        try:
            while not ready.exists():
                if running.poll() is not None or time.monotonic() > deadline:
                    running.kill()
                    raise AssertionError(running.communicate()[1])
                time.sleep(0.05)
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def test_list_and_faults() -> None:
    rows = json.loads(invoke("list", "--json", "--port-base", "50000").stdout)
    assert len(rows) >= 8
    assert sum(row["tags"] for row in rows) >= 1000
    assert rows[0]["port"] == 50001
    assert "wroclaw" in invoke("list").stdout
    assert "local-edit" in invoke("faults").stdout
    assert any(fault["name"] == "restart" for fault in json.loads(invoke("faults", "--json").stdout))


def test_run_a_site_until_sigterm(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    pki = tmp_path / "pki"
    arguments = ("run", "nanjing", "--pki-dir", str(pki), "--trust-any")
    with process(*arguments, ready=ready, NANJING_PASSWORD="x") as running:
        told = json.loads(ready.read_text())
        assert told["pid"] == running.pid
        assert set(told["endpoints"]) == {"nanjing.cell-plc", "nanjing.formation-plc"}
        assert (pki / "nanjing.formation-plc" / "cert.der").is_file()
        assert (pki / "nanjing.formation-plc" / "key.pem").stat().st_mode & 0o777 == 0o600
        done = invoke("fault", "nanjing.cell-plc", "trip", "equipment=mixer-1", "--pki-dir", str(pki))
        assert (done.returncode, done.stdout.strip()) == (0, "mixer-1 has tripped")
        refused = invoke("fault", "nanjing.cell-plc", "trip", "--control", told["control"])
        assert refused.returncode == 1
        assert "equipment= is missing" in refused.stderr
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
        assert not ready.exists()
        assert not Path(told["control"]).exists()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("run", "atlantis"), 2, "no site 'atlantis'; there are ochang, wroclaw, michigan, nanjing"),
        (("run", "wroclaw", "--trust-any"), 1, "set the environment variable WROCLAW_PASSWORD"),
        (("plant", "--trust", "/nonexistent.der"), 2, "no such file; make the client's certificate first"),
        (("fault", "x", "trip", "equipment"), 2, "'equipment' is not KEY=VALUE"),
        (("fault", "x", "trip", "--control", "/nonexistent/c.sock"), 1, "no fake plant answers at /nonexistent/c.sock"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, arguments: tuple[str, ...], code: int, text: str) -> None:
    done = invoke(*arguments, "--pki-dir", str(tmp_path))
    assert done.returncode == code
    assert text in " ".join(done.stderr.split())
