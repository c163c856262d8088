"""A twin in a directory, to be closed and opened again."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import SqliteTwin, open_twin
from gateway.store.sqlite.upkeep import Policy

Open = Callable[..., AbstractAsyncContextManager[SqliteTwin]]


class ManualClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the twins that `opened` opens."""
    return ManualClock()


@pytest.fixture
def opened(tmp_path: Path, clock: ManualClock) -> Open:
    """Opens the twin in the test's directory."""

    @asynccontextmanager
    async def open_it(policy: Policy = Policy()) -> AsyncIterator[SqliteTwin]:
        with claim(tmp_path / "data", ballast_bytes=1 << 16) as data:
            async with open_twin(data, clock, policy) as twin:
                yield twin

    return open_it
