"""A disk that is really full: nothing acknowledged is lost, gaps are still recorded, and values are taken again later."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.errors import StoreError, StoreFull
from gateway.plant.ports import Delivery, Gap, GapReason, TwinStore
from gateway.store.sqlite.backup import backup
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.state import TWIN
from gateway.store.sqlite.twin import SqliteTwin, open_twin
from tests.contract.batches import START, changes, plant
from tests.contract.conftest import SystemClock

PATH = "ochang/electrode/line-1/coater-1/T0"
BALLAST = 8 << 20


@pytest.fixture(params=["device", "limit"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory with little space: a small device where mounting is allowed, and a limited database file everywhere."""
    if request.param == "limit":
        yield tmp_path
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", tmp_path], check=False, capture_output=True)
    if mounted.returncode:
        # Mounting needs privileges; without them the limited file alone stands for the full device.
        yield tmp_path
        return
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


@pytest.fixture
async def twin(directory: Path) -> AsyncIterator[SqliteTwin]:
    with claim(directory, ballast_bytes=BALLAST) as data:
        async with open_twin(data, SystemClock()) as twin:
            if not is_device(directory):
                await limit(twin, 600)
            yield twin


def is_device(directory: Path) -> bool:
    """Whether the directory is the small device (else the database file is limited)."""
    return os.path.ismount(directory)


def enlarge(directory: Path) -> None:
    """Give the small device more space."""
    subprocess.run(["mount", "-o", "remount,size=64m", directory], check=True)


async def limit(twin: SqliteTwin, pages: int) -> None:
    """Let the database file grow to that many pages."""
    await twin._database._writer.execute_fetchall(f"PRAGMA max_page_count = {pages}")


async def put(store: TwinStore, endpoint: int, number: int) -> None:
    values = np.random.default_rng(number).random(2000).tolist()
    await store.commit(
        [Delivery(endpoint, [changes([1] * 2000, range(START + number * 2000, START + (number + 1) * 2000), values)])]
    )


async def fill(store: TwinStore, endpoint: int) -> int:
    """Commit until the disk is full; gives how many commits were acknowledged."""
    for number in range(1000):
        try:
            await put(store, endpoint, number)
        except StoreFull:
            return number
    raise AssertionError("the disk never became full")


async def test_a_full_disk_loses_nothing(twin: SqliteTwin, directory: Path) -> None:
    endpoint = await plant(twin, 1)
    stored = await fill(twin, endpoint)
    assert (await twin.history(PATH, start=0, end=START * 2, limit=1_000_000)).complete
    assert [account.stored for account in await twin.accounts()] == [stored * 2000]

    if is_device(directory):
        with pytest.raises(StoreFull, match="refused"):
            await put(twin, endpoint, stored)
        for second in range(50):
            gap = Gap(endpoint, None, START + second, START + second + 1, GapReason.QUEUE_OVERFLOW)
            await twin.commit([Delivery(endpoint, gaps=[gap], heard=START + second)])
        assert len(await twin.gaps("", start=0, end=START * 2)) == 50
        with pytest.raises(StoreFull):
            await put(twin, endpoint, stored)
        with pytest.raises(StoreFull):
            await backup(directory, directory / "copy")
        assert not any((directory / "copy").iterdir())
        enlarge(directory)
    else:
        await limit(twin, 10_000)
    await put(twin, endpoint, stored)
    assert (directory / "ballast").exists()
    assert await twin.seal() == (stored + 1) * 2000
    assert await twin.verify() == []


async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="check the owner"), claim(tmp_path / "file" / "data"):
        pass


def test_the_twin_marks_its_files() -> None:
    assert TWIN.application_id.to_bytes(4) == b"MFTW"
