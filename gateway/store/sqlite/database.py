"""One SQLite file: opened, migrated, with a single writer and a few readers, its errors translated.

Shared by the twin and the ledger. A schema is a folder of package data: `NNNN_*.sql` are its migrations, applied in order and
recorded in `PRAGMA user_version`; `queries.sql` holds its named statements, each below a line `-- name: some_name`.
"""

import asyncio
import errno
import os
import re
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import aiosqlite

from gateway.errors import StoreError, StoreFull, StoreUnreadable

T = TypeVar("T")

#: An I/O error with less than this left on the device is taken for a full one: SQLite reports some of those as plain I/O errors.
SCARCE_BYTES: Final = 1 << 20
#: How long one attempt to begin a transaction waits for another process's lock, and how long attempts go on.
_ATTEMPT_S: Final = 0.25
_PATIENCE_S: Final = 120.0
_READERS: Final = 2
_NAME_LINE = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class Schema:
    """A kind of database: its folder of SQL below this package, and the id that marks its files (`PRAGMA application_id`)."""

    folder: str
    application_id: int
    page_size: int = 4096


@cache
def migrations(schema: Schema) -> tuple[str, ...]:
    """The schema's migration scripts; the script at index i brings a file to version i + 1."""
    found = sorted(
        (item.name, item.read_text("utf-8"))
        for item in files(__package__).joinpath(schema.folder).iterdir()
        if re.match(r"\d{4}_\w+\.sql\Z", item.name)
    )
    for version, (name, _) in enumerate(found, start=1):
        if int(name[:4]) != version:
            raise ValueError(f"migration {schema.folder}/{name}: expected number {version:04}; migrations have no holes")
    return tuple(script for _, script in found)


@cache
def queries(schema: Schema) -> Mapping[str, str]:
    """The schema's named statements."""
    text = files(__package__).joinpath(schema.folder, "queries.sql").read_text("utf-8")
    parts = _NAME_LINE.split(text)
    return MappingProxyType({name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)})


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors about `path` into `StoreError`s that name the cause and the cure."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except OSError as error:
        raise _translate_os(error, path) from error


def _translate(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) or 0
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL or (primary == sqlite3.SQLITE_IOERR and _free_bytes(path) < SCARCE_BYTES):
        return _full(path)
    if primary in _DAMAGED:
        return StoreUnreadable(
            f"{path} is damaged or no database ({error}); it is left as it is: move it away, then `gateway restore` a backup"
        )
    if primary in _BUSY:
        return StoreError(f"{path} is locked by another process; find it (`fuser {path}`) and let it finish")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return StoreError(
            f"{path} cannot be opened for writing ({error}); check the owner and mode of the file and its directory"
        )
    return StoreError(f"{path}: {error}")


def _translate_os(error: OSError, path: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(path)
    return StoreError(
        f"{path} cannot be opened or written ({error.strerror or error}); check the owner and mode of the file and its directory"
    )


def _full(path: Path) -> StoreFull:
    return StoreFull(f"no space left for {path}; free space on its device or shorten the retention")


def _free_bytes(path: Path) -> int:
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return SCARCE_BYTES


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end even when the caller is cancelled meanwhile; the cancellation is raised afterwards.

    For steps after which memory and disk must agree: half of such a step must never be all that happened.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except BaseException:  # noqa: BLE001, S110 -- the task keeps its error; it is raised from task.result() below
            pass
    if cancelled is not None:
        if not task.cancelled():
            task.exception()
        raise cancelled
    return task.result()


class Database:
    """An open database. `transaction()` is for the one writer at a time, `snapshot()` for readers, who never block it."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, readers: list[aiosqlite.Connection]) -> None:
        self.path = path
        self._writer = writer
        self._turn = asyncio.Lock()
        self._idle: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()
        for reader in readers:
            self._idle.put_nowait(reader)

    @asynccontextmanager
    async def transaction(self, then: Callable[[], None] | None = None) -> AsyncIterator[aiosqlite.Connection]:
        """One transaction: durable when the block ends, undone when it raises.

        `then` is called right after the commit, also when the caller was cancelled meanwhile: memory that mirrors the file is
        brought up to date there. Waits up to two minutes for a lock that another process holds; cancelling ends the wait.

        Raises:
            StoreFull: no space left; the transaction is undone.
            StoreError: anything else SQLite complains of; the transaction is undone.
        """
        async with self._turn:
            with translated(self.path):
                try:
                    await self._begin()
                    yield self._writer
                    await to_the_end(self._commit(then))
                except BaseException:  # a cancellation too: no transaction may stay open on the one writer
                    await to_the_end(_undo(self._writer))
                    raise

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[aiosqlite.Connection]:
        """A read-only connection inside a read transaction: every statement sees the same moment."""
        reader = await self._idle.get()
        try:
            with translated(self.path):
                try:
                    await reader.execute("BEGIN")
                    yield reader
                finally:
                    await to_the_end(_undo(reader))
        finally:
            self._idle.put_nowait(reader)

    async def checkpoint(self) -> None:
        """Move what the write-ahead log holds into the file and give its space back, as far as that can be done now."""
        async with self._turn:
            with suppress(sqlite3.OperationalError):
                await self._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    async def _begin(self) -> None:
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while True:
            try:
                await self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                busy = (error.sqlite_errorcode & 0xFF) in _BUSY
                if not busy or asyncio.get_running_loop().time() > deadline:
                    raise
            else:
                return

    async def _commit(self, then: Callable[[], None] | None) -> None:
        await self._writer.commit()
        if then is not None:
            then()


async def _undo(connection: aiosqlite.Connection) -> None:
    # The first statement queues behind whatever a cancelled caller left running. After some errors SQLite has already undone
    # the transaction itself; then there is nothing left to do.
    await connection.execute_fetchall("SELECT 1")
    if connection.in_transaction:
        await connection.rollback()


@asynccontextmanager
async def open_database(path: Path, schema: Schema) -> AsyncIterator[Database]:
    """Open or create the database at `path` and bring it to the newest version.

    Raises:
        StoreUnreadable: damaged, no database of ours, or written by a newer version of the gateway.
        StoreFull: no space left to create or migrate it.
        StoreError: anything else, such as missing permission.
    """
    async with AsyncExitStack() as stack:
        with translated(path):
            # Before SQLite does: the file is private from its first moment, and what is wrong with its directory is said plainly.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            writer = await stack.enter_async_context(aiosqlite.connect(path, isolation_level=None, timeout=_ATTEMPT_S))
            await _prepare(writer, path, schema)
            uri = f"{path.absolute().as_uri()}?mode=ro"  # noqa: ASYNC240 -- touches no file
            readers = []
            for _ in range(_READERS):
                reader = aiosqlite.connect(uri, uri=True, isolation_level=None)
                readers.append(await stack.enter_async_context(reader))
                await reader.execute("PRAGMA query_only = 1")
        yield Database(path, writer, readers)


async def _prepare(writer: aiosqlite.Connection, path: Path, schema: Schema) -> None:
    version = await _number(writer, "PRAGMA user_version")
    application = await _number(writer, "PRAGMA application_id")
    known = migrations(schema)
    empty = await _number(writer, "SELECT count(*) FROM sqlite_master") == 0
    if application != schema.application_id and not (empty and version == 0 and application == 0):
        raise StoreUnreadable(f"{path} is a database of something else (not a gateway's {schema.folder}); give another directory")
    if version > len(known):
        raise StoreUnreadable(
            f"{path} was written by a newer gateway (schema {version}, this one knows {len(known)});"
            " install that version again, or restore a backup made with this one"
        )
    await writer.execute(f"PRAGMA page_size = {schema.page_size}")
    await writer.execute("PRAGMA journal_mode = WAL")
    await writer.execute("PRAGMA synchronous = FULL")
    await writer.execute("PRAGMA foreign_keys = ON")
    await writer.execute("PRAGMA journal_size_limit = 67108864")
    for number, script in enumerate(known[version:], start=version + 1):
        await writer.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {schema.application_id};\n"
            f"{script}\n;PRAGMA user_version = {number}; COMMIT;"
        )


async def _number(connection: aiosqlite.Connection, sql: str) -> int:
    rows = list(await connection.execute_fetchall(sql))
    return int(rows[0][0])
