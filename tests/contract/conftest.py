"""Every implementation of the twin store, fresh, for the contract suite."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.plant.ports import TwinStore
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import open_twin
from tests.fakes.twin_store import MemoryTwin


class SystemClock:
    """The real clock."""

    def now(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.fixture(params=["sqlite", "sqlite-sealed", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TwinStore]:
    """The store under test; `sqlite-sealed` seals after every commit, so that all history is read from blocks."""
    if request.param == "memory":
        yield MemoryTwin()
        return
    with claim(tmp_path, ballast_bytes=1 << 16) as data:
        async with open_twin(data, SystemClock()) as twin:
            if request.param == "sqlite-sealed":
                commit = twin.commit

                async def commit_and_seal(deliveries):  # type: ignore[no-untyped-def]
                    receipts = await commit(deliveries)
                    await twin.seal()
                    return receipts

                twin.commit = commit_and_seal  # type: ignore[method-assign]
            yield twin
