"""What the twin holds in memory, and how it is rebuilt from the file."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiosqlite
import numpy as np

from gateway.plant.ports import TagRecord
from gateway.store.gaps import OpenGaps
from gateway.store.present import Present
from gateway.store.rows import Rows, from_variants, unpack
from gateway.store.sqlite.database import Database, Schema, queries
from gateway.store.sqlite.directory import DataDirectory
from gateway.store.sqlite.reading import Reader, sound, to_gap

TWIN: Final = Schema("twin", 0x4D465457)  # "MFTW"


@dataclass(slots=True)
class TwinState:
    """The open twin. `turn` is held by whoever changes it; memory changes only after the file has."""

    data: DataDirectory
    database: Database
    sql: Mapping[str, str] = field(default_factory=lambda: queries(TWIN))
    present: Present = field(default_factory=Present)
    open_gaps: OpenGaps = field(default_factory=lambda: OpenGaps(()))
    endpoints: dict[int, str] = field(default_factory=dict)
    heard: dict[int, int] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def reader(self, connection: aiosqlite.Connection) -> Reader:
        """Reads through that connection."""
        return Reader(connection, self.sql, self.data.twin)


async def load(data: DataDirectory, database: Database) -> TwinState:
    """Rebuild memory: what is known, the checkpoint of current values, and the log since then.

    Raises:
        StoreUnreadable: something of it is damaged.
    """
    state = TwinState(data, database)
    async with database.snapshot() as connection:
        reader = state.reader(connection)
        for number, key, heard, _ in await reader.rows("endpoints"):
            state.endpoints[number] = key
            if heard is not None:
                state.heard[number] = heard
        for row in await reader.rows("tags"):
            state.present.learn(row[0], to_record(row), row[9])
        await _load_current(state, reader)
        async for rows in log_batches(reader, connection):
            state.present.count(rows)
            state.present.replay(rows)
        for tag, _, left_behind in await reader.rows("moved"):
            state.present.stored[tag] -= left_behind
        state.open_gaps = OpenGaps(to_gap(row) for row in await reader.rows("open_gaps"))
    return state


async def _load_current(state: TwinState, reader: Reader) -> None:
    rows = await reader.rows("current")
    if not rows:
        return
    tag, encoded, status, source, server, received, flags, sealed = zip(*rows, strict=True)
    columns = Rows(
        np.array(tag, np.uint32), np.array(source, np.int64), np.array(server, np.int64), np.array(received, np.int64),
        np.array(status, np.uint32), np.array(flags, np.uint8), np.zeros(len(tag), np.uint8), np.zeros(0, np.uint64),
    )  # fmt: skip
    state.present.apply(from_variants(columns, encoded))
    state.present.stored[list(tag)] = sealed


async def log_batches(reader: Reader, connection: aiosqlite.Connection) -> AsyncIterator[Rows]:
    """The batches of the log, one after the other.

    Raises:
        StoreUnreadable: a batch is damaged.
    """
    async with connection.execute(reader.sql["whole_log"]) as cursor:
        async for id, kind, count, crc, data in cursor:
            with sound(reader.path, f"batch {id} of the log", crc, data):
                rows = unpack(kind, count, data)
            yield rows


def to_record(row: Sequence[Any]) -> TagRecord:
    """A tag from its row of the query `tags`."""
    _, path, endpoint, node, equipment_class, type, unit, stepped, masked = row[:9]
    return TagRecord(path, endpoint, node, equipment_class, type, unit, bool(stepped), bool(masked))
