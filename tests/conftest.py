"""Rules for every test: which programs a test needs, and what a skip means.

`@pytest.mark.peer("node")` marks a test that needs a program which is not Python. Where the program is absent the test
skips and says so; with REQUIRE_PEERS=1 (continuous integration) it fails, and so does any other skip.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

REQUIRED = os.environ.get("REQUIRE_PEERS", "") not in {"", "0"}
PEERS_DIRECTORY = Path(__file__).parent / "peers"


def _missing_programs(*alternatives: tuple[str, ...], package: str) -> str | None:
    for names in alternatives:
        if not any(shutil.which(name) for name in names):
            return f"{names[0]} is not on PATH: install it (Debian: apt install {package})"
    return None


def _missing_node() -> str | None:
    missing = _missing_programs(("node",), package="nodejs npm")
    if missing is None and not (PEERS_DIRECTORY / "node_modules" / "node-opcua").is_dir():
        return "the Node.js packages of tests/peers are not installed: run `make peers`"
    return missing


#: For each peer, why it cannot be met here (None: it can).
PEERS: dict[str, Callable[[], str | None]] = {
    "node": _missing_node,
    "prometheus": lambda: _missing_programs(("prometheus",), ("promtool",), package="prometheus"),
    "systemd": lambda: _missing_programs(("systemd-analyze",), package="systemd"),
    "root": lambda: None if os.geteuid() == 0 else "only root may mount a device: run the tests as root",
    "chromium": lambda: _missing_programs(("chromium", "chromium-browser", "google-chrome"), package="chromium"),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail where peers are required, a test whose peer is absent."""
    for mark in item.iter_markers("peer"):
        name = mark.args[0]
        if name not in PEERS:
            pytest.fail(f"unknown peer {name!r}: tests/conftest.py knows {', '.join(sorted(PEERS))}", pytrace=False)
        reason = PEERS[name]()
        if reason is None:
            continue
        if REQUIRED:
            pytest.fail(f"{reason} (REQUIRE_PEERS=1)", pytrace=False)
        pytest.skip(reason)


class SkipsAreFailures:
    """With REQUIRE_PEERS=1 a session in which anything was skipped has failed, whatever the reason given."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that was skipped; an expected failure is none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that was skipped as a whole."""
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a session that would have passed into a failed one."""
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say why the session failed."""
        if self.skipped:
            terminalreporter.section("skipped, which REQUIRE_PEERS=1 forbids", red=True)
            for nodeid in self.skipped:
                terminalreporter.line(nodeid)


def pytest_configure(config: pytest.Config) -> None:
    """Forbid skips where continuous integration asks for it."""
    if REQUIRED:
        config.pluginmanager.register(SkipsAreFailures(), "skips-are-failures")
