"""Upkeep of the twin: the log is sealed into compressed segments, and segments beyond the retention are deleted."""

import asyncio
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from gateway.plant.ports import Clock
from gateway.plant.values import DataType
from gateway.plant.variant import DateTime, to_python
from gateway.store.rows import Rows, join, numbers, unpack
from gateway.store.segment import Segment, block_counts, seal
from gateway.store.sqlite.reading import sound
from gateway.store.sqlite.state import TwinState

#: The most that is sealed in one go, to bound memory and the time a commit may have to wait.
_MOST_ROWS: Final = 400_000
_MOST_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Policy:
    """When the log is sealed, and how long history is kept (None: for ever). Times in nanoseconds."""

    seal_rows: int = 200_000
    seal_after_ns: int = 60 * 1_000_000_000
    keep_ns: int | None = None


class Upkeep:
    """Seals and retires, in transactions of its own between the commits."""

    def __init__(self, state: TwinState, clock: Clock, policy: Policy) -> None:
        self._state = state
        self._clock = clock
        self._policy = policy
        self._one_at_a_time = asyncio.Lock()
        self.figures = {"retired_segments": 0.0, "retired_rows": 0.0}  #: what retention deleted since the process began

    async def round(self) -> None:
        """Retire what is too old, then seal as long as there is enough to seal. Retention goes first: it makes room."""
        await self._retire()
        while await self._due():
            await self.seal()

    async def seal(self) -> int:
        """Seal the oldest batches of the log into one segment; gives the rows sealed, 0 for an empty log.

        The batches leave the log in the transaction that stores the segment: a crash leaves one or the other.
        """
        async with self._one_at_a_time:
            batches = await self._oldest_batches()
            if not batches:
                return 0
            segment = await asyncio.to_thread(_seal, self._state.data.twin, batches)
            async with self._state.turn:
                tags = np.array([tag for tag, _ in segment.counts], np.int64)
                newest = self._state.present.newest(tags)
                current = await asyncio.to_thread(_current_rows, newest, segment.counts)
                await self._replace(batches[0][0], batches[-1][0], segment, current)
            return segment.rows

    async def _oldest_batches(self) -> list[tuple[Any, ...]]:
        async with self._state.database.snapshot() as connection:
            reader = self._state.reader(connection)
            last = rows = size = 0
            for id, more_rows, more_size in await reader.rows("log_sizes"):
                rows, size = rows + more_rows, size + more_size
                if last and (rows > _MOST_ROWS or size > _MOST_BYTES):
                    break
                last = id
            return await reader.rows("log_until", last)

    async def _replace(self, first: int, last: int, segment: Segment, current: Sequence[tuple[Any, ...]]) -> None:
        sql = self._state.sql
        async with self._state.database.transaction() as connection:
            cursor = await connection.execute(
                sql["add_segment"],
                (1, first, last, segment.rows, segment.min_time, segment.max_time, segment.crc, segment.received),
            )
            await connection.executemany(
                sql["add_block"],
                [
                    (
                        cursor.lastrowid, block.type, block.rows, block.first_tag, block.last_tag, block.min_time,
                        block.max_time, block.crc, block.data,
                    )
                    for block in segment.blocks
                ],
            )  # fmt: skip
            await connection.executemany(sql["put_current"], current)
            await connection.execute(sql["drop_log"], (last,))

    async def _due(self) -> bool:
        async with self._state.database.snapshot() as connection:
            [(rows, oldest)] = await self._state.reader(connection).rows("log_extent")
        if not rows:
            return False
        return bool(rows >= self._policy.seal_rows or self._clock.now() - oldest >= self._policy.seal_after_ns)

    async def _retire(self) -> None:
        if self._policy.keep_ns is None:
            return
        horizon = self._clock.now() - self._policy.keep_ns
        async with self._state.database.snapshot() as connection:
            old = await self._state.reader(connection).rows("segments_before", horizon)
        for (segment,) in old:
            await self._drop(segment)
        async with self._state.turn, self._state.database.transaction() as connection:
            await connection.execute(self._state.sql["drop_gaps"], (horizon,))

    async def _drop(self, segment: int) -> None:
        sql = self._state.sql
        counts: dict[int, int] = {}
        async with self._state.turn, self._state.database.transaction() as connection:
            for id, rows, crc, data in await connection.execute_fetchall(sql["blocks_of_segment"], (segment,)):
                with sound(self._state.data.twin, f"block {id}", crc, data):
                    found = block_counts(rows, data)
                for tag, count in found:
                    counts[tag] = counts.get(tag, 0) + count
            await connection.executemany(sql["add_retired"], [(count, tag) for tag, count in counts.items()])
            await connection.execute(sql["drop_segment"], (segment,))
        self.figures["retired_segments"] += 1
        self.figures["retired_rows"] += sum(counts.values())


def _seal(path: Path, batches: Sequence[tuple[Any, ...]]) -> Segment:
    by_type: dict[int, list[Rows]] = {}
    for id, kind, count, crc, data in batches:
        with sound(path, f"batch {id} of the log", crc, data):
            by_type.setdefault(kind, []).append(unpack(kind, count, data))
    return seal([(kind, join(parts)) for kind, parts in sorted(by_type.items())])


def _current_rows(newest: Rows, counts: Sequence[tuple[int, int]]) -> list[tuple[Any, ...]]:
    tags, sealed = zip(*counts, strict=True)
    variants = newest.variants()
    readable: list[Any] = [None] * len(newest)
    for kind in np.unique(newest.type).tolist():
        at = np.flatnonzero(newest.type == kind)
        if kind == DataType.VARIANT:
            values = [to_python(variants[row])[0] for row in at.tolist()]
        else:
            values = numbers(DataType(kind), newest.bits[at]).tolist()
            if kind == DataType.DATETIME:
                values = [DateTime(ticks) for ticks in values]
        for row, value in zip(at.tolist(), values, strict=True):
            readable[row] = _readable(value)
    columns = (newest.status, newest.source, newest.server, newest.received, newest.flags)
    return list(zip(tags, readable, variants, *(column.tolist() for column in columns), sealed, strict=True))


def _readable(value: Any) -> int | float | str | None:
    """What a person may read in the table `current`; None for what is no scalar, or what SQLite has no form for."""
    match value:
        case float():
            return None if math.isnan(value) else value
        case int():
            return int(value) if -(2**63) <= value < 2**63 else str(value)
        case str():
            return value
        case DateTime() | uuid.UUID():
            return str(value)
        case _:
            return None
