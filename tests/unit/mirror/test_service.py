"""The mirror as a whole, with equipment and store of the tests' own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.mirror import service
from gateway.mirror.feed import MirrorSession
from gateway.mirror.service import Mirror
from gateway.plant.equipment_class import Endpoint
from gateway.runtime.surroundings import SystemClock
from tests.fakes.plant import plant_with
from tests.fakes.twin_store import MemoryTwin


class DeafDialer:
    """Dials for ever, and swallows the first cancellation, as asyncio.wait_for may."""

    def __init__(self) -> None:
        self.dialling = asyncio.Event()
        self.swallowed = 0

    @asynccontextmanager
    async def dial(self, endpoint: Endpoint) -> AsyncIterator[MirrorSession]:
        self.dialling.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.swallowed += 1
        session: MirrorSession = await asyncio.get_running_loop().create_future()  # never
        yield session


async def test_it_ends_although_a_cancellation_was_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_CANCEL_AGAIN_S", 0.05)
    dialer = DeafDialer()
    async with asyncio.timeout(5), Mirror.start(plant_with(1), MemoryTwin(), dialer, SystemClock()):
        await dialer.dialling.wait()
    assert dialer.swallowed == 1
