"""The SQLite twin beyond the port's contract: opened again, sealed, retired, damaged, interrupted."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreError, StoreUnreadable
from gateway.plant.ports import Delivery, Gap, GapReason, TwinStore
from gateway.plant.values import DataType
from gateway.store.sqlite.database import migrations
from gateway.store.sqlite.state import TWIN
from gateway.store.sqlite.upkeep import Policy
from tests.contract.batches import SECOND, START, changes, plant, record, text
from tests.unit.store.conftest import ManualClock, Open

PATH = "ochang/electrode/line-1/coater-1/T0"


async def values(store: TwinStore, path: str = PATH) -> list[Any]:
    return [sample.value for sample in (await store.history(path, start=0, end=START * 2)).samples]


async def put(store: TwinStore, endpoint: int, time: int, value: Any, tag: int = 1) -> None:
    await store.commit([Delivery(endpoint, [changes([tag], [time], [value])], heard=time)])


@pytest.mark.parametrize("sealed", [False, True])
async def test_everything_is_there_after_opening_again(opened: Open, sealed: bool) -> None:
    gap = Gap(1, 2, START, None, GapReason.ITEM_REJECTED, "BadNodeIdUnknown")
    async with opened() as twin:
        endpoint = await plant(twin, 3)
        await put(twin, endpoint, START, 1.5)
        await put(twin, endpoint, START, 2.5)
        words = changes([2, 99], [START + 1] * 2, [text("on"), text("lost")], DataType.VARIANT)
        await twin.commit([Delivery(endpoint, [words], gaps=[gap], heard=START + 9)])
        if sealed:
            assert await twin.seal() == 3
            await put(twin, endpoint, START, 3.5)
        before = await twin.current("", now=START + 5, grace_ns=1), await twin.accounts(), await values(twin)
    async with opened() as twin:
        assert (await twin.current("", now=START + 5, grace_ns=1), await twin.accounts(), await values(twin)) == before
        assert await twin.open_gaps() == [gap]
        assert await twin.last_heard() == {"ochang/plc": START + 9}
        [mark, *_] = await twin.register_tags([record(PATH)])
        assert (mark.tag, mark.source_time) == (1, START)
        assert await twin.register_endpoint("ochang/plc") == endpoint
        receipt = await twin.commit([Delivery(endpoint, [changes([1, 1], [START] * 2, [1.5, 2.5])])])
        assert receipt[0].rejected == {"duplicate": 2}
        assert await twin.verify() == []


async def test_a_tag_that_moved_is_still_accounted_for_after_opening_again(opened: Open) -> None:
    async with opened() as twin:
        endpoint = await plant(twin, 1)
        await put(twin, endpoint, START, 1)
        other = await twin.register_endpoint("ochang/plc-2")
        await twin.register_tags([record(PATH, "ochang/plc-2")])
        await put(twin, other, START + 1, 2)
    async with opened() as twin:
        await twin.register_tags([record(PATH)])
        await put(twin, endpoint, START + 2, 3)
        await twin.seal()
        assert await twin.verify() == []
        assert [account.stored for account in await twin.accounts()] == [2, 1]


async def test_the_log_is_sealed_when_it_is_long_or_old(opened: Open, clock: ManualClock) -> None:
    async with opened(Policy(seal_rows=3, seal_after_ns=10 * SECOND)) as twin:
        endpoint = await plant(twin, 1)
        clock.time = START
        await put(twin, endpoint, START, 0)
        await twin.maintain()
        assert (await twin.statistics())["segments"] == 0
        clock.time = START + 11 * SECOND
        await twin.maintain()
        assert (await twin.statistics())["segments"] == 1
        for index in range(1, 4):
            await put(twin, endpoint, clock.time + index, index)
        await twin.maintain()
        figures = await twin.statistics()
        assert (figures["segments"], figures["log_rows"], figures["sealed_rows"]) == (2, 0, 4)
        assert await values(twin) == [0, 1, 2, 3]


async def test_a_long_log_is_sealed_in_several_goes(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.sqlite.upkeep._MOST_ROWS", 2)
    async with opened() as twin:
        endpoint = await plant(twin, 1)
        for index in range(5):
            await put(twin, endpoint, START + index, index)
        await twin.commit([Delivery(endpoint, [changes([1] * 3, range(START + 5, START + 8), [5, 6, 7])])])
        assert [await twin.seal() for _ in range(5)] == [2, 2, 1, 3, 0]
        assert await values(twin) == list(range(8))
        assert await twin.verify() == []


async def test_the_table_current_can_be_read_by_people(opened: Open, tmp_path: Path) -> None:
    async with opened() as twin:
        endpoint = await plant(twin, 5)
        batches = [
            changes([1, 2], [START] * 2, [1.5, float("nan")]),
            changes([3], [START], [2**64 - 1], DataType.UINT64),
            changes([4], [START], [text("Läuft")], DataType.VARIANT),
            changes([5], [START], [133_801_632_000_000_000], DataType.DATETIME),
        ]
        await twin.commit([Delivery(endpoint, batches)])
        await twin.seal()
    with closing(sqlite3.connect(tmp_path / "data" / "twin.db")) as file:
        found = [value for (value,) in file.execute("SELECT value FROM current ORDER BY tag")]
    assert found == [1.5, None, str(2**64 - 1), "Läuft", "2025-01-01T00:00:00.0000000Z"]


async def test_retention_deletes_what_is_too_old_and_keeps_the_account(opened: Open, clock: ManualClock) -> None:
    async with opened(Policy(keep_ns=100 * SECOND)) as twin:
        endpoint = await plant(twin, 2)
        await twin.commit([Delivery(endpoint, gaps=[Gap(endpoint, None, START, START + 1, GapReason.DISCONNECTED)])])
        await put(twin, endpoint, START, 1)
        await put(twin, endpoint, START, 2, tag=2)
        await twin.seal()
        await put(twin, endpoint, START + 50 * SECOND, 3)
        await twin.seal()
        clock.time = START + 120 * SECOND
        await twin.maintain()
        assert await values(twin) == [3]
        assert await twin.gaps("", start=0, end=START * 2) == []
        assert [account.stored for account in await twin.accounts()] == [3]
        figures = await twin.statistics()
        assert (figures["retired_segments"], figures["retired_rows"], figures["sealed_rows"]) == (1, 2, 1)
        assert await twin.verify() == []
        readings = await twin.current("", now=clock.time, grace_ns=1)
        assert [reading.sample and reading.sample.value for reading in readings] == [3, 2]
        [receipt] = await twin.commit([Delivery(endpoint, [changes([2, 2], [START] * 2, [2, 9])])])
        assert receipt.rejected == {"duplicate": 1}, "a server repeats its newest value at every reconnection"


async def test_a_cancelled_commit_is_whole_or_not_at_all(opened: Open) -> None:
    async with opened() as twin:
        endpoint = await plant(twin, 1)
        for pause in range(60):
            task = asyncio.create_task(put(twin, endpoint, START + pause, pause))
            for _ in range(pause):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        stored = await values(twin)
        [account] = await twin.accounts()
        assert account.stored == len(stored)
        [reading] = await twin.current(PATH, now=0, grace_ns=1)
        assert (reading.sample and reading.sample.value) == (stored[-1] if stored else None)
        assert await twin.verify() == []


async def test_commits_seals_and_readers_do_not_disturb_each_other(opened: Open) -> None:
    async with opened() as twin:
        endpoint = await plant(twin, 4)

        async def write() -> None:
            for index in range(60):
                batch = changes([1, 2, 3, 4], [START + index] * 4, [index] * 4)
                await twin.commit([Delivery(endpoint, [batch])])

        async def seal(writing: asyncio.Task[None]) -> None:
            while not writing.done():
                await twin.seal()

        async def read(writing: asyncio.Task[None]) -> None:
            while not writing.done():
                found = await values(twin)
                assert found == list(range(len(found)))
                [reading] = await twin.as_of(PATH, moment=START + 5, grace_ns=1)
                assert len(found) < 6 or (reading.sample is not None and reading.sample.value == 5)

        writing = asyncio.create_task(write())
        await asyncio.gather(writing, seal(writing), read(writing), read(writing), read(writing))
        assert await values(twin) == list(range(60))
        assert await twin.verify() == []


def damage(file: Path, sql: str, *parameters: Any) -> None:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute(sql, parameters).rowcount > 0
        connection.commit()


async def filled(opened: Open) -> None:
    async with opened() as twin:
        endpoint = await plant(twin, 2)
        await put(twin, endpoint, START, 1)
        await twin.seal()
        await put(twin, endpoint, START + 1, 2)
        await put(twin, endpoint, START + 1, 2, tag=2)


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("UPDATE endpoint SET stored = stored + 1", "the account says 4 values"),
        ("UPDATE current SET sealed = sealed + 1", "1 tags have other numbers"),
        ("UPDATE block SET data = zeroblob(length(data))", "block 1 is damaged"),
        ("UPDATE block SET max_time = max_time + 1", "block 1 is indexed as"),
        ("UPDATE segment SET received = x'00'", "segment 1 (its receive times) is damaged"),
        ("UPDATE segment SET rows = 7", "segment 1 should hold"),
        ("DELETE FROM log WHERE id = 3", "the account says 3 values"),
        ("UPDATE log SET crc = 0 WHERE id = 3", None),
        ("UPDATE log SET rows = 7 WHERE id = 3", None),
    ],
)
async def test_verify_finds_damage(opened: Open, tmp_path: Path, sql: str, finding: str | None) -> None:
    await filled(opened)
    damage(tmp_path / "data" / "twin.db", sql)
    if finding is None:
        with pytest.raises(StoreUnreadable, match="batch 3 of the log is damaged"):
            async with opened():
                pass
        return
    async with opened() as twin:
        assert any(finding in line for line in await twin.verify())


async def test_reading_a_damaged_block_says_so(opened: Open, tmp_path: Path) -> None:
    await filled(opened)
    damage(tmp_path / "data" / "twin.db", "UPDATE block SET data = CAST(data || x'00' AS BLOB)")
    async with opened() as twin:
        with pytest.raises(StoreUnreadable, match=r"block 1 is damaged.*restore"):
            await values(twin)
        assert await values(twin, PATH.replace("T0", "T1")) == [2]


async def test_a_file_that_is_no_database_is_left_alone(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "twin.db"
    file.write_bytes(b"not a database, " * 1000)
    with pytest.raises(StoreUnreadable, match="left as it is"):
        async with opened():
            pass
    assert file.read_bytes() == b"not a database, " * 1000


async def test_a_torn_file_is_reported(opened: Open, tmp_path: Path) -> None:
    await filled(opened)
    file = tmp_path / "data" / "twin.db"
    content = bytearray(file.read_bytes())
    content[4096 : 3 * 4096] = b"\xff" * (2 * 4096)
    file.write_bytes(content)
    with pytest.raises(StoreUnreadable, match="damaged"):
        async with opened():
            pass


async def test_a_database_of_something_else_is_refused(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with closing(sqlite3.connect(tmp_path / "data" / "twin.db")) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    with pytest.raises(StoreUnreadable, match="something else"):
        async with opened():
            pass


async def test_a_newer_file_is_refused(opened: Open, tmp_path: Path) -> None:
    await filled(opened)
    with closing(sqlite3.connect(tmp_path / "data" / "twin.db")) as connection:
        connection.execute(f"PRAGMA user_version = {len(migrations(TWIN)) + 1}")
    with pytest.raises(StoreUnreadable, match="newer gateway"):
        async with opened():
            pass


async def test_a_lock_held_by_another_process_is_waited_for(opened: Open, tmp_path: Path) -> None:
    async with opened() as twin:
        endpoint = await plant(twin, 1)
        with closing(sqlite3.connect(tmp_path / "data" / "twin.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            task = asyncio.create_task(put(twin, endpoint, START, 1))
            done, _ = await asyncio.wait([task], timeout=0.6)
            assert not done
            assert (await twin.history(PATH, start=0, end=START + 1)).samples == [], "readers go on"
            other.execute("ROLLBACK")
        await task
        assert await values(twin) == [1]


async def test_a_lock_held_for_too_long_is_named(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.sqlite.database._PATIENCE_S", 0.1)
    async with opened() as twin:
        endpoint = await plant(twin, 1)
        with closing(sqlite3.connect(tmp_path / "data" / "twin.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked by another process"):
                await put(twin, endpoint, START, 1)
        await put(twin, endpoint, START, 1)
