"""Tell the service manager how the daemon is: the sd_notify protocol (systemd, `Type=notify`), written out.

Without `NOTIFY_SOCKET` every call does nothing, so that the daemon runs the same in a terminal or a container.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Where to send notifications. `watchdog_s` is the time within which the manager wants a sign of life, if it does."""

    address: str | None
    watchdog_s: float | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, *, pid: int | None = None) -> "ServiceManager":
        """Read `NOTIFY_SOCKET`, and `WATCHDOG_USEC` where `WATCHDOG_PID` names us or is absent."""
        values = os.environ if environment is None else environment
        address = values.get("NOTIFY_SOCKET") or None
        micros, owner = values.get("WATCHDOG_USEC", ""), values.get("WATCHDOG_PID", "")
        ours = not owner or owner == str(os.getpid() if pid is None else pid)
        watchdog = int(micros) / 1e6 if micros.isdigit() and int(micros) > 0 and ours else None
        return cls(address, watchdog)

    def ready(self, status: str = "") -> None:
        """The daemon serves. Also ends a reload."""
        self._send("READY=1", *([f"STATUS={_line(status)}"] if status else []))

    def reloading(self) -> None:
        """The configuration is being read again; `ready` must follow."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        """The daemon shuts down."""
        self._send("STOPPING=1", *([f"STATUS={_line(status)}"] if status else []))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={_line(text)}")

    def extend(self, seconds: float) -> None:
        """Ask for more time to start or stop."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    async def keep_watchdog(self, alive: Callable[[], bool]) -> None:
        """Send a sign of life twice in each watchdog period for as long as `alive()`; returns at once without a watchdog.

        It runs on the daemon's event loop: a loop that hangs sends nothing and is restarted.
        """
        if self.watchdog_s is None or self.address is None:
            return
        while True:
            if alive():
                self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 2)

    def _send(self, *lines: str) -> None:
        if self.address is None:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.connect(address)
                sender.send("\n".join(lines).encode())
        except OSError as error:
            # The manager's absence must not stop production.
            _log.warning("cannot notify the service manager", address=self.address, error=str(error))


def _line(text: str) -> str:
    return text.replace("\n", "; ")
