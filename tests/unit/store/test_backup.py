"""Backups of a live twin and ledger, and putting them back."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import RequestRefused, StoreInUse, StoreUnreadable
from gateway.plant.ports import Delivery
from gateway.store.sqlite.backup import backup, restore
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import SqliteTwin, open_twin
from tests.contract.batches import START, changes, plant
from tests.contract.conftest import SystemClock
from tests.unit.store.conftest import Open

PATH = "ochang/electrode/line-1/coater-1/T0"


async def put(twin: SqliteTwin, endpoint: int, number: int) -> None:
    await twin.commit([Delivery(endpoint, [changes([1], [START + number], [number])])])


async def made(opened: Open, data: Path, target: Path) -> None:
    """A backup of a twin with values 0, 1, 2 and of a ledger with one table."""
    async with opened() as twin:
        endpoint = await plant(twin, 1)
        for number in range(3):
            await put(twin, endpoint, number)
        with closing(sqlite3.connect(data / "ledger.db")) as ledger:
            ledger.execute("CREATE TABLE decision (id INTEGER PRIMARY KEY)")
        await backup(data, target)


async def test_a_live_backup_is_one_moment_and_can_be_restored(opened: Open, tmp_path: Path) -> None:
    data, target, fresh = tmp_path / "data", tmp_path / "copies" / "monday", tmp_path / "fresh"
    async with opened() as twin:
        endpoint = await plant(twin, 1)

        enough = asyncio.Event()

        async def write() -> None:
            for number in range(200):
                await put(twin, endpoint, number)
                if number == 20:
                    enough.set()

        writing = asyncio.create_task(write())
        await enough.wait()
        manifest = await backup(data, target)
        await writing
    assert [file.name for file in manifest.files] == ["twin.db"]
    assert sorted(file.name for file in target.iterdir()) == ["manifest.json", "twin.db"]
    assert json.loads((target / "manifest.json").read_bytes())["files"][0]["sha256"] == manifest.files[0].sha256
    assert await restore(target, fresh) == manifest
    with claim(fresh) as held:
        async with open_twin(held, SystemClock()) as restored:
            found = [sample.value for sample in (await restored.history(PATH, start=0, end=START * 2)).samples]
            assert found == list(range(len(found)))
            assert len(found) >= 20
            assert await restored.verify() == []


async def test_the_ledger_is_copied_too(opened: Open, tmp_path: Path) -> None:
    await made(opened, tmp_path / "data", tmp_path / "copy")
    await restore(tmp_path / "copy", tmp_path / "fresh")
    with closing(sqlite3.connect(tmp_path / "fresh" / "ledger.db")) as ledger:
        assert ledger.execute("SELECT count(*) FROM decision").fetchall() == [(0,)]


async def test_a_stopped_gateway_can_be_backed_up(opened: Open, tmp_path: Path) -> None:
    await made(opened, tmp_path / "data", tmp_path / "first")
    manifest = await backup(tmp_path / "data", tmp_path / "second")
    assert [file.name for file in manifest.files] == ["twin.db", "ledger.db"]


async def test_a_backup_needs_a_new_directory_and_a_twin(opened: Open, tmp_path: Path) -> None:
    await made(opened, tmp_path / "data", tmp_path / "copy")
    with pytest.raises(RequestRefused, match="not empty"):
        await backup(tmp_path / "data", tmp_path / "copy")
    with pytest.raises(RequestRefused, match=r"holds no twin\.db"):
        await backup(tmp_path / "copy" / "nowhere", tmp_path / "other")


async def test_restoring_never_overwrites(opened: Open, tmp_path: Path) -> None:
    await made(opened, tmp_path / "data", tmp_path / "copy")
    with pytest.raises(RequestRefused, match=r"twin\.db already"):
        await restore(tmp_path / "copy", tmp_path / "data")
    async with opened():
        with pytest.raises(StoreInUse, match="process id"):
            await restore(tmp_path / "copy", tmp_path / "data")
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / "twin.db-wal").touch()
    with pytest.raises(RequestRefused, match=r"twin\.db-wal already"):
        await restore(tmp_path / "copy", tmp_path / "fresh")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda copy: (copy / "manifest.json").unlink(), "was not finished"),
        (lambda copy: (copy / "manifest.json").write_text("{}"), "cannot be read"),
        (lambda copy: (copy / "manifest.json").write_text("[1]"), "cannot be read"),
        (lambda copy: (copy / "twin.db").unlink(), "not what its manifest says"),
        (lambda copy: (copy / "ledger.db").write_bytes(b"x" * (copy / "ledger.db").stat().st_size), "not what its manifest says"),
        (
            lambda copy: (copy / "manifest.json").write_text(
                (copy / "manifest.json").read_text().replace('"twin.db"', '"../../etc/passwd"')
            ),
            "format",
        ),
    ],
)
async def test_a_damaged_backup_is_refused_whole(opened: Open, tmp_path: Path, spoil: object, complaint: str) -> None:
    await made(opened, tmp_path / "data", tmp_path / "copy")
    assert callable(spoil)
    spoil(tmp_path / "copy")
    with pytest.raises(StoreUnreadable, match=complaint):
        await restore(tmp_path / "copy", tmp_path / "fresh")
    assert not list((tmp_path / "fresh").glob("*.db*"))


async def test_a_damaged_database_is_not_backed_up(opened: Open, tmp_path: Path) -> None:
    await made(opened, tmp_path / "data", tmp_path / "copy")
    file = tmp_path / "data" / "twin.db"
    content = bytearray(file.read_bytes())
    content[5 * 4096 : 9 * 4096] = b"\xff" * (4 * 4096)
    file.write_bytes(content)
    with pytest.raises(StoreUnreadable, match="damaged"):
        await backup(tmp_path / "data", tmp_path / "other")
    assert not any((tmp_path / "other").iterdir())
