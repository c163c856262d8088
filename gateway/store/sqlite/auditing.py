"""The twin recounted: every block and batch decoded, every count compared with what the accounts say."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiosqlite
import numpy as np
from numpy.typing import NDArray

from gateway.errors import StoreUnreadable
from gateway.store.rows import Rows, unpack
from gateway.store.segment import open_block, receive_times
from gateway.store.sqlite.reading import Reader, sound


async def verify(reader: Reader, connection: aiosqlite.Connection) -> list[str]:
    """Each finding one sentence, none when the twin is sound. Reads everything: minutes for a large twin."""
    try:
        return [finding async for finding in _findings(reader, connection)]
    except sqlite3.DatabaseError as error:
        return [f"{reader.path} is damaged: {error}"]


async def _findings(reader: Reader, connection: aiosqlite.Connection) -> AsyncIterator[str]:
    for (line,) in await connection.execute_fetchall("PRAGMA quick_check(20)"):
        if line != "ok":
            yield f"{reader.path}: {line}"
    for table, row, *_ in await connection.execute_fetchall("PRAGMA foreign_key_check"):
        yield f"row {row} of table {table} refers to what is not there"
    recount = _Recount(max([row[0] for row in await reader.rows("tags")], default=0))
    async with connection.execute(reader.sql["whole_log"]) as cursor:
        async for id, kind, count, crc, data in cursor:
            for finding in await asyncio.to_thread(recount.log, reader, id, kind, count, crc, data):
                yield finding
    for id, rows, low, high, crc, received in await reader.rows("whole_segments"):
        blocks = await reader.rows("whole_blocks", id)
        for finding in await asyncio.to_thread(recount.segment, reader, id, (rows, low, high), crc, received, blocks):
            yield finding
    for finding in await _accounts(reader, recount):
        yield finding


class _Recount:
    """Rows found in the log and in blocks, by tag."""

    def __init__(self, tags: int) -> None:
        self.log_rows: NDArray[np.int64] = np.zeros(tags + 1, np.int64)
        self.block_rows: NDArray[np.int64] = np.zeros(tags + 1, np.int64)

    def log(self, reader: Reader, id: int, kind: int, count: int, crc: int, data: bytes) -> list[str]:
        try:
            with sound(reader.path, f"batch {id} of the log", crc, data):
                self._add(self.log_rows, unpack(kind, count, data))
        except StoreUnreadable as error:
            return [str(error)]
        return []

    def segment(
        self, reader: Reader, id: int, extent: tuple[int, int, int], crc: int, received: bytes, blocks: list[Any]
    ) -> list[str]:
        try:
            with sound(reader.path, f"segment {id} (its receive times)", crc, received):
                times = receive_times(received)
        except StoreUnreadable as error:
            return [str(error)]
        findings = [finding for block in blocks for finding in self._block(reader, times, *block)]
        found = (
            sum(block[2] for block in blocks),
            min((block[5] for block in blocks), default=0),
            max((block[6] for block in blocks), default=0),
        )
        if found != extent:
            findings.append(f"segment {id} should hold (rows, from, to) {extent}, its blocks hold {found}")
        return findings

    def _block(self, reader: Reader, times: NDArray[np.int64], id: int, kind: int, count: int, *index: Any) -> list[str]:
        *extent, crc, data = index
        try:
            with sound(reader.path, f"block {id}", crc, data):
                rows = open_block(kind, count, data, times)
                self._add(self.block_rows, rows)
        except StoreUnreadable as error:
            return [str(error)]
        found = [int(rows.tag[0]), int(rows.tag[-1]), int(rows.source.min()), int(rows.source.max())]
        return [] if found == extent else [f"block {id} is indexed as (tags, times) {extent} and holds {found}"]

    def _add(self, counts: NDArray[np.int64], rows: Rows) -> None:
        if len(rows) and int(rows.tag.max()) >= len(counts):
            raise ValueError(f"it names tag number {int(rows.tag.max())}, which is not known")
        np.add.at(counts, rows.tag, 1)


async def _accounts(reader: Reader, recount: _Recount) -> list[str]:
    findings = []
    total = recount.log_rows.copy()
    sealed_rows = np.zeros_like(total)
    for tag, _, sealed, retired in await reader.rows("tallies"):
        sealed_rows[tag] = sealed - retired
        total[tag] += sealed
    wrong = np.flatnonzero(sealed_rows != recount.block_rows)
    if len(wrong):
        tag = int(wrong[0])
        findings.append(
            f"{len(wrong)} tags have other numbers of sealed rows than were counted at sealing; the first is tag number {tag}:"
            f" {int(recount.block_rows[tag])} rows instead of {int(sealed_rows[tag])}"
        )
    endpoint_of = {row[0]: row[9] for row in await reader.rows("tags")}
    counted: Counter[int] = Counter()
    for tag, endpoint in endpoint_of.items():
        counted[endpoint] += int(total[tag])
    for tag, endpoint, rows in await reader.rows("moved"):
        counted[endpoint_of[tag]] -= rows
        counted[endpoint] += rows
    for number, key, _, stored in await reader.rows("endpoints"):
        if counted[number] != stored:
            findings.append(f"endpoint {key}: the account says {stored} values were stored, the twin has kept {counted[number]}")
    return findings
