"""One emulated controller: machines that live on, and an OPC UA server that can be stopped and built anew."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass
from pathlib import Path

from fake_plc.clock import PlcClock
from fake_plc.equipment.kinds import KINDS
from fake_plc.equipment.machine import Machine
from fake_plc.errors import EndpointRefused
from fake_plc.faults import ActiveFaults, FaultInjector
from fake_plc.handshake import RecipeHandshake
from fake_plc.history import HistoryRing
from fake_plc.pki import ClientTrust
from fake_plc.plant_table import EndpointSpec
from fake_plc.recipe_block import handshake_for
from fake_plc.server import PlcServer
from fake_plc.wire import Wire

_log = logging.getLogger(__name__)

TICK_SECONDS = 0.5


@dataclass(frozen=True)
class EndpointOptions:
    """How the endpoints run. ``time_scale`` is process seconds per second; ``port_base`` 0 means any free port."""

    host: str
    port_base: int
    seed: int
    time_scale: float
    pki_dir: Path
    trust: ClientTrust


class Endpoint:
    """One controller. ``start`` and ``stop`` frame its life; ``restart`` is a power cycle."""

    def __init__(self, spec: EndpointSpec, options: EndpointOptions, password: str | None) -> None:
        self.spec = spec
        self.options = options
        self.clock = PlcClock()
        self.history = HistoryRing()
        self.faults = ActiveFaults()
        self.injector = FaultInjector(self)
        self.machines: dict[str, Machine] = {}
        self.handshakes: dict[str, RecipeHandshake] = {}
        for equipment in spec.equipment:
            # One generator per machine: another machine more or less does not change what this one does.
            rng = random.Random(f"{options.seed}:{spec.key}:{equipment.name}")  # noqa: S311  a simulation, not a secret
            machine = KINDS[equipment.kind](equipment.name, rng)
            self.machines[equipment.name] = machine
            self.handshakes[equipment.name] = handshake_for(machine, equipment.handshake)
        self.wire = Wire(options.host, options.port_base + spec.port_offset if options.port_base else 0)
        self._password = password
        self._server: PlcServer | None = None
        self._ticking: asyncio.Task[None] | None = None
        self.elapsed = 0.0
        """The controller's running time, seconds."""

    @property
    def url(self) -> str:
        """Where clients find it; the port is real once started."""
        return f"opc.tcp://{self.options.host}:{self.wire.port}"

    @property
    def boot_id(self) -> int:
        """Rises with every restart."""
        return next(iter(self.handshakes.values())).boot_id

    @property
    def running(self) -> bool:
        """Whether the server is up."""
        return self._server is not None

    @property
    def server(self) -> PlcServer:
        """The running server. EndpointRefused while it is down."""
        if self._server is None:
            raise EndpointRefused(f"{self.spec.key} is down; wait until it has restarted")
        return self._server

    async def start(self) -> None:
        """Build the server, open the wire, begin to tick. EndpointRefused if the port is taken."""
        try:
            self.wire.bind()
        except OSError as error:
            raise EndpointRefused(
                f"{self.spec.key}: cannot listen on {self.options.host}:{self.wire.port} ({error.strerror}); "
                "stop what uses the port or choose another --port-base"
            ) from error
        server = PlcServer(self)
        try:
            await server.start(self._password)
        except BaseException:  # a cancellation too: the public port must be free again
            await self.wire.close()
            raise
        await self.wire.open(server.address)
        self._server = server
        self._ticking = asyncio.create_task(self._tick_for_ever(), name=f"tick {self.spec.key}")
        self._ticking.add_done_callback(_report_crash)

    async def stop(self) -> None:
        """End every fault under way, then the wire and the server. Safe to call when not started."""
        await self.injector.close()
        await self._power_off()

    async def _power_off(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
            self._ticking = None
        await self.wire.close()
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    async def restart(self, down_seconds: float) -> None:
        """A power cycle: down for ``down_seconds``, then back with a new BootId and other namespace indexes."""
        await self._power_off()
        await asyncio.sleep(down_seconds)
        now = asyncio.get_running_loop().time()
        for handshake in self.handshakes.values():
            handshake.restart(now=now)
        await self.start()

    async def _tick_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        following = loop.time()
        while True:
            await self._tick()
            # A controller that was held up does not catch up: it goes on from now.
            following = max(following + TICK_SECONDS, loop.time())
            await asyncio.sleep(following - loop.time())

    async def _tick(self) -> None:
        server = self.server
        now = self.clock.now()
        for block in server.blocks:
            block.machine.step(TICK_SECONDS * self.options.time_scale, now, hold=block.holds_start())
            block.interlock_open = block.machine.name in self.faults.interlocks
            await block.scan()
        self.elapsed += TICK_SECONDS
        await server.show(now, self.elapsed)


def _report_crash(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.critical("%s has crashed; its values stand still", task.get_name(), exc_info=error)
