"""sd_notify, against a socket of the test's own."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from gateway.observability.notify import ServiceManager


@pytest.fixture(params=["file", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's socket and how the environment names it."""
    name = f"@gateway-test-{uuid4()}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name[1:] if name.startswith("@") else name)
        receiver.settimeout(5)
        yield receiver, name


def test_every_message_arrives_as_systemd_reads_it(listener: tuple[socket.socket, str]) -> None:
    receiver, name = listener
    manager = ServiceManager.from_environment({"NOTIFY_SOCKET": name})
    manager.ready("8 endpoints\nconnected")
    assert receiver.recv(4096) == b"READY=1\nSTATUS=8 endpoints; connected"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.reloading()
    first, second = receiver.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.status("busy")
    assert receiver.recv(4096) == b"STATUS=busy"
    manager.extend(1.5)
    assert receiver.recv(4096) == b"EXTEND_TIMEOUT_USEC=1500000"
    manager.stopping()
    assert receiver.recv(4096) == b"STOPPING=1"


async def test_the_watchdog_gets_a_sign_of_life_while_alive(listener: tuple[socket.socket, str]) -> None:
    receiver, name = listener
    receiver.setblocking(False)
    manager = ServiceManager.from_environment({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "7"}, pid=7)
    alive = True
    task = asyncio.create_task(manager.keep_watchdog(lambda: alive))
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        assert await loop.sock_recv(receiver, 4096) == b"WATCHDOG=1"
        assert await loop.sock_recv(receiver, 4096) == b"WATCHDOG=1"
    alive = False
    with suppress(BlockingIOError):
        while receiver.recv(4096):  # what was sent before
            pass
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(loop.sock_recv(receiver, 4096), 0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("environment", "period"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_period(environment: dict[str, str], period: float | None) -> None:
    assert ServiceManager.from_environment(environment, pid=7).watchdog_s == period


async def test_without_a_service_manager_nothing_happens() -> None:
    manager = ServiceManager.from_environment({})
    manager.ready()
    manager.stopping()
    await manager.keep_watchdog(lambda: True)


def test_an_absent_service_manager_does_not_stop_the_daemon(tmp_path: Path) -> None:
    ServiceManager(str(tmp_path / "nobody")).ready()
