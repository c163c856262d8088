"""Runs endpoints together: start all, tell that they listen, wait for the signal to stop."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from fake_plc.control import ControlChannel
from fake_plc.endpoint import Endpoint, EndpointOptions
from fake_plc.errors import EndpointRefused
from fake_plc.plant_table import EndpointSpec


def passwords(specs: Sequence[EndpointSpec], environment: Mapping[str, str]) -> dict[str, str | None]:
    """The password of each endpoint by key. EndpointRefused, naming every variable that is missing."""
    missing = {s.password_variable: s.key for s in specs if s.password_variable and not environment.get(s.password_variable)}
    if missing:
        listed = ", ".join(f"{variable} (for {key})" for variable, key in missing.items())
        raise EndpointRefused(f"no password for user 'gateway': set the environment variable {listed}")
    return {s.key: environment[s.password_variable] if s.password_variable else None for s in specs}


class Plant:
    """Several endpoints in one process."""

    def __init__(
        self, specs: Sequence[EndpointSpec], options: EndpointOptions, environment: Mapping[str, str], control: Path
    ) -> None:
        found = passwords(specs, environment)
        self.endpoints = {spec.key: Endpoint(spec, options, found[spec.key]) for spec in specs}
        self.control = ControlChannel(control, self.endpoints)

    async def start(self) -> None:
        """Start every endpoint; stops those already started when one cannot."""
        try:
            for endpoint in self.endpoints.values():
                await endpoint.start()
            await self.control.start()
        except BaseException:  # a cancellation too: ports and tasks must not outlive a failed start
            await self.stop()
            raise
        # The address spaces live as long as the process: scanning them in full collections would cost more than the simulation.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """Stop every endpoint."""
        await self.control.stop()
        for endpoint in self.endpoints.values():
            await endpoint.stop()

    def listening(self) -> dict[str, object]:
        """What the ready file says."""
        urls = {key: endpoint.url for key, endpoint in self.endpoints.items()}
        return {"pid": os.getpid(), "control": str(self.control.path), "endpoints": urls}


def write_atomically(path: Path, content: Mapping[str, object]) -> None:
    """Write JSON so that a reader sees nothing or all of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


async def run_plant(plant: Plant, ready_file: Path | None) -> None:
    """Run until SIGTERM or SIGINT; ``ready_file`` exists while every endpoint listens."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await plant.start()
    try:
        if ready_file is not None:
            write_atomically(ready_file, plant.listening())
        await stopping.wait()
    finally:
        await plant.stop()
        if ready_file is not None:
            await asyncio.to_thread(ready_file.unlink, missing_ok=True)
