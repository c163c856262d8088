"""Reading history: sealed blocks and the hot log as one, within one snapshot. Decoding runs in a thread."""

import asyncio
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiosqlite
import numpy as np
from numpy.typing import NDArray

from gateway.errors import StoreUnreadable
from gateway.plant.ports import Gap, GapReason
from gateway.plant.values import Sample
from gateway.store.intake import Key, keys
from gateway.store.present import NEVER
from gateway.store.rows import EMPTY, Rows, join, unpack
from gateway.store.segment import open_block, receive_times

#: Blobs fetched at once: enough to hide the trips to the thread, few enough to bound memory.
_GROUP: Final = 32


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where rows are to be found: a block of a segment, or (segment 0) a batch of the log. `sequence` orders by arrival."""

    segment: int
    id: int
    first_tag: int
    last_tag: int
    min_time: int
    max_time: int
    sequence: int


def newest_last(rows: Rows) -> Rows:
    """Rows by source time; of equal ones the later received last. `rows` come in order of arrival."""
    return rows.take(np.lexsort((rows.received, rows.source)))


class Reader:
    """Reads rows through a connection that stays in one transaction."""

    def __init__(self, connection: aiosqlite.Connection, sql: Mapping[str, str], path: Path) -> None:
        self._connection = connection
        self.sql = sql
        self.path = path

    async def rows(self, name: str, *parameters: Any) -> list[Any]:
        """The result of a named query."""
        return list(await self._connection.execute_fetchall(self.sql[name], parameters))

    async def chunks(self, *, start: int, end: int, low: int, high: int) -> list[Chunk]:
        """What may hold rows of tags `low` to `high` with source times from `start` to `end`, both included."""
        wanted = {"start": start, "end": end, "low": low, "high": high}
        return [Chunk(*row) for row in await self._connection.execute_fetchall(self.sql["chunks"], wanted)]

    async def load(self, chunks: Sequence[Chunk], tag: int | None = None) -> list[Rows]:
        """The rows of each chunk (those of `tag` alone, where given).

        Raises:
            StoreUnreadable: a chunk is damaged.
        """
        logs = await self._blobs("log_data", [chunk.id for chunk in chunks if not chunk.segment])
        blocks = await self._blobs("block_data", [chunk.id for chunk in chunks if chunk.segment])
        segments = await self._blobs("segment_data", {chunk.segment for chunk in chunks if chunk.segment})

        def decode() -> list[Rows]:
            times = {id: self._received(id, *row) for id, row in segments.items()}
            return [
                self._block(chunk, times[chunk.segment], tag, *blocks[chunk.id])
                if chunk.segment
                else self._log(tag, chunk.id, *logs[chunk.id])
                for chunk in chunks
            ]

        return await asyncio.to_thread(decode)

    async def of_tag(self, tag: int, start: int, end: int, limit: int) -> tuple[Rows, bool]:
        """(rows of a tag in [start, end), complete?): at least `limit` of them, where there are as many."""
        found: list[tuple[int, int, Rows]] = []
        chunks = sorted(
            await self.chunks(start=start, end=end - 1, low=tag, high=tag), key=lambda chunk: (chunk.min_time, chunk.sequence)
        )
        final = 0
        for index in range(0, len(chunks), _GROUP):
            group = chunks[index : index + _GROUP]
            for chunk, rows in zip(group, await self.load(group, tag), strict=True):
                found.append((chunk.sequence, chunk.id, rows.take((rows.source >= start) & (rows.source < end))))
            following = chunks[index + _GROUP].min_time if index + _GROUP < len(chunks) else end
            final = sum(int((rows.source < following).sum()) for *_, rows in found)
            if final > limit:
                break
        found.sort(key=lambda item: item[:2])
        rows = newest_last(join([rows for *_, rows in found]))
        if len(rows) <= limit:
            return rows, True
        # Rows of one source time are never parted: a reader goes on from the last one's time without missing any.
        cut = int(np.searchsorted(rows.source, rows.source[limit - 1], side="right"))
        return rows.take(slice(0, cut)), cut == len(rows)

    async def keys(self, asked: Rows) -> set[Key]:
        """The keys of the stored rows at the tags and source times of `asked`."""
        found: set[Key] = set()
        chunks = await self.chunks(
            start=int(asked.source.min()), end=int(asked.source.max()), low=int(asked.tag.min()), high=int(asked.tag.max())
        )
        tags, times = np.unique(asked.tag), np.unique(asked.source)
        for index in range(0, len(chunks), _GROUP):
            for rows in await self.load(chunks[index : index + _GROUP]):
                found |= keys(rows, np.flatnonzero(np.isin(rows.source, times) & np.isin(rows.tag, tags)).tolist())
        return found

    async def latest(self, tags: NDArray[np.int64], moment: int) -> dict[int, Sample]:
        """Of each tag its last row at or before `moment` by source time, where there is one."""
        if not len(tags):
            return {}
        chunks = await self.chunks(start=NEVER, end=moment, low=int(tags.min()), high=int(tags.max()))
        chunks.sort(key=lambda chunk: -chunk.max_time)
        best = np.full(int(tags.max()) + 1, np.iinfo(np.int64).max)
        best[tags] = NEVER
        found: list[tuple[int, int, Rows]] = []
        for index in range(0, len(chunks), _GROUP):
            group = [
                chunk
                for chunk in chunks[index : index + _GROUP]
                if (best[chunk.first_tag : chunk.last_tag + 1] <= chunk.max_time).any()
            ]
            for chunk, rows in zip(group, await self.load(group), strict=True):
                last = _last_of_each(rows.take(np.isin(rows.tag, tags) & (rows.source <= moment)))
                best[last.tag] = np.maximum(best[last.tag], last.source)
                found.append((chunk.sequence, chunk.id, last))
        found.sort(key=lambda item: item[:2])
        last = _last_of_each(join([rows for *_, rows in found]))
        return {int(last.tag[row]): last.sample(row) for row in range(len(last))}

    async def gaps(self, start: int, end: int) -> list[Gap]:
        """Gaps that touch [start, end], by start."""
        return [to_gap(row) for row in await self.rows("gaps_between", end, start)]

    async def _blobs(self, name: str, ids: Iterable[int]) -> dict[int, tuple[Any, ...]]:
        wanted = list(ids)
        return {row[0]: row[1:] for row in await self.rows(name, json.dumps(wanted))} if wanted else {}

    def _received(self, id: int, crc: int, data: bytes) -> NDArray[np.int64]:
        with sound(self.path, f"segment {id} (its receive times)", crc, data):
            return receive_times(data)

    def _block(
        self, chunk: Chunk, received: NDArray[np.int64], tag: int | None, kind: int, count: int, crc: int, data: bytes
    ) -> Rows:
        with sound(self.path, f"block {chunk.id}", crc, data):
            return open_block(kind, count, data, received, tag)

    def _log(self, tag: int | None, id: int, kind: int, count: int, crc: int, data: bytes) -> Rows:
        with sound(self.path, f"batch {id} of the log", crc, data):
            rows = unpack(kind, count, data)
        return rows if tag is None else rows.take(rows.tag == tag)


@contextmanager
def sound(path: Path, what: str, crc: int, data: bytes) -> Iterator[None]:
    """Check a blob against its checksum, then decode it in the block.

    Raises:
        StoreUnreadable: the checksum differs, or the block raised `ValueError`.
    """
    try:
        if zlib.crc32(data) != crc:
            raise ValueError("its checksum differs")
        yield
    except ValueError as error:
        raise StoreUnreadable(
            f"{path}: {what} is damaged ({error}); `gateway restore` a backup into another directory to get it back"
        ) from error


def _last_of_each(rows: Rows) -> Rows:
    """The last row of each tag by source time, then receipt, then order; sorted by tag."""
    if not len(rows):
        return EMPTY
    rows = rows.take(np.lexsort((rows.received, rows.source, rows.tag)))
    return rows.take(np.append(rows.tag[1:] != rows.tag[:-1], True))


def to_gap(row: Sequence[Any]) -> Gap:
    """A gap from its row."""
    endpoint, tag, start, end, reason, detail = row
    return Gap(endpoint, tag, start, end, GapReason(reason), detail)
