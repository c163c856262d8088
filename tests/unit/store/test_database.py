"""The data directory's lock and ballast, and transactions of a database."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import StoreError, StoreInUse
from gateway.store.sqlite.database import Schema, migrations, open_database, queries, to_the_end
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.state import TWIN


def test_a_second_gateway_is_told_who_is_first(tmp_path: Path) -> None:
    with claim(tmp_path), pytest.raises(StoreInUse, match=f"process id {os.getpid()}; stop that one"), claim(tmp_path):
        pass
    with claim(tmp_path):
        pass


def test_a_killed_gateway_leaves_no_lock(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, time\nfrom gateway.store.sqlite.directory import claim\n"
        "with claim(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreInUse, match=f"process id {holder.pid}"), claim(tmp_path):
            pass
        holder.kill()
    with claim(tmp_path):
        pass


def test_the_data_directory_is_private(tmp_path: Path) -> None:
    with claim(tmp_path / "a" / "data"):
        assert (tmp_path / "a" / "data").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "data" / "gateway.lock").stat().st_mode & 0o777 == 0o600


def test_the_ballast_takes_space_until_it_is_given_up(tmp_path: Path) -> None:
    with claim(tmp_path, ballast_bytes=1 << 16) as data:
        assert (tmp_path / "ballast").stat().st_size == 1 << 16
        data.ballast.release()
        assert not (tmp_path / "ballast").exists()
        assert data.ballast.reserve()
        assert data.ballast.reserved
    with claim(tmp_path, ballast_bytes=1 << 15) as data:
        assert (tmp_path / "ballast").stat().st_size == 1 << 15, "a smaller one is asked for now"
    with claim(tmp_path / "huge", ballast_bytes=1 << 60) as data:
        assert not data.ballast.reserved, "no reason not to start"


def test_migrations_and_queries_are_found() -> None:
    assert migrations(TWIN)[0].startswith("-- The twin")
    assert queries(TWIN)["drop_log"] == "DELETE FROM log WHERE id <= ?"


async def test_a_failed_transaction_is_undone(tmp_path: Path) -> None:
    async with open_database(tmp_path / "twin.db", TWIN) as database:
        called: list[int] = []
        with pytest.raises(StoreError, match="UNIQUE"):
            async with database.transaction(then=lambda: called.append(1)) as connection:
                await connection.executemany("INSERT INTO endpoint (key) VALUES (?)", [("a",), ("a",)])
        async with database.transaction(then=lambda: called.append(2)) as connection:
            await connection.execute("INSERT INTO endpoint (key) VALUES ('b')")
        async with database.snapshot() as reader:
            assert list(await reader.execute_fetchall("SELECT key FROM endpoint")) == [("b",)]
        assert called == [2]


async def test_a_reader_cannot_write_and_sees_one_moment(tmp_path: Path) -> None:
    async with open_database(tmp_path / "twin.db", TWIN) as database, database.snapshot() as reader:
        assert list(await reader.execute_fetchall("SELECT count(*) FROM endpoint")) == [(0,)]
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO endpoint (key) VALUES ('a')")
        assert list(await reader.execute_fetchall("SELECT count(*) FROM endpoint")) == [(0,)]
    async with open_database(tmp_path / "twin.db", TWIN) as database:
        with pytest.raises(StoreError, match="owner and mode"):
            async with database.snapshot() as reader:
                await reader.execute("DELETE FROM endpoint")


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        async with open_database(tmp_path / "nowhere" / "twin.db", TWIN):
            pass


async def test_another_kind_of_schema_refuses_the_file(tmp_path: Path) -> None:
    async with open_database(tmp_path / "twin.db", TWIN):
        pass
    with pytest.raises(StoreError, match="something else"):
        async with open_database(tmp_path / "twin.db", Schema("twin", 7)):
            pass


async def test_work_goes_to_its_end_before_a_cancellation() -> None:
    gate, done = asyncio.Event(), []

    async def work() -> int:
        await gate.wait()
        done.append(True)
        return 7

    task = asyncio.create_task(to_the_end(work()))
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]
    assert await to_the_end(work()) == 7


async def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise StoreError("it failed")

    with pytest.raises(StoreError, match="it failed"):
        await to_the_end(work())
