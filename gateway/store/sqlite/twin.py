"""The twin in SQLite: `gateway.plant.ports.TwinStore`. docs/store.md explains the layout, docs/decisions/0002 the reasons."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiosqlite
import numpy as np

from gateway.errors import NotFound, StoreFull
from gateway.plant.hierarchy import matches
from gateway.plant.ports import Account, Clock, Delivery, Gap, History, Reading, Receipt, TagRecord, Watermark
from gateway.plant.quality import effective_status, governing
from gateway.plant.values import Sample
from gateway.store.gaps import OpenGaps, gaps_to_write
from gateway.store.intake import Intake, settle, sift, split_by_type
from gateway.store.present import NEVER, Present
from gateway.store.rows import EMPTY, Rows, from_variants, pack, unpack
from gateway.store.sqlite.database import Database, Schema, open_database, queries
from gateway.store.sqlite.directory import DataDirectory
from gateway.store.sqlite.reading import Reader, to_gap, with_crc

TWIN: Final = Schema("twin", 0x4D465457)  # "MFTW"


class SqliteTwin:
    """The twin store. Current values live in memory and are rebuilt from the file; history is read from the file."""

    def __init__(self, data: DataDirectory, database: Database, clock: Clock) -> None:
        self._data = data
        self._database = database
        self._clock = clock
        self._sql = queries(TWIN)
        self._present = Present()
        self._open_gaps = OpenGaps(())
        self._endpoints: dict[int, str] = {}
        self._heard: dict[int, int] = {}
        self._turn = asyncio.Lock()
        self._full = False
        self._figures = {"commits": 0.0, "commit_seconds": 0.0, "last_commit_seconds": 0.0, "last_commit_rows": 0.0}

    # --- what there is ---------------------------------------------------------------------------------------------

    async def register_endpoint(self, key: str) -> int:
        """See `TwinStore`."""
        async with self._turn:
            for number, known in self._endpoints.items():
                if known == key:
                    return number
            async with self._database.transaction() as connection:
                rows = list(await connection.execute_fetchall(self._sql["add_endpoint"], (key,)))
            self._endpoints[rows[0][0]] = key
            return int(rows[0][0])

    async def register_tags(self, tags: Sequence[TagRecord]) -> list[Watermark]:
        """See `TwinStore`.

        Raises:
            NotFound: an endpoint is not registered.
        """
        async with self._turn:
            present = self._present
            endpoints = {key: number for number, key in self._endpoints.items()}
            free = present.known + 1
            numbered: dict[str, tuple[int, TagRecord]] = {}
            for record in tags:
                if record.endpoint not in endpoints:
                    raise NotFound(f"tag {record.path}: endpoint '{record.endpoint}' is not registered; register it first")
                number = present.numbers.get(record.path) or (numbered[record.path][0] if record.path in numbered else 0)
                if not number:
                    number, free = free, free + 1
                numbered[record.path] = (number, record)
            moved = [
                (number, int(present.endpoint[number]), int(present.stored[number]))
                for number, record in numbered.values()
                if number <= present.known and present.endpoint[number] != endpoints[record.endpoint] and present.stored[number]
            ]

            def learn() -> None:
                for number, record in numbered.values():
                    present.learn(number, record, endpoints[record.endpoint])
                for number, _, _ in moved:
                    present.stored[number] = 0

            async with self._database.transaction(then=learn) as connection:
                await connection.executemany(self._sql["add_moved"], moved)
                await connection.executemany(
                    self._sql["put_tag"],
                    [_tag_row(number, record, endpoints[record.endpoint]) for number, record in numbered.values()],
                )
            return [_watermark(present, numbered[record.path][0]) for record in tags]

    async def tags(self, pattern: str) -> list[TagRecord]:
        """See `TwinStore`."""
        async with self._database.snapshot() as connection:
            rows = await self._reader(connection).rows("tags")
        return sorted((_record(row) for row in rows if matches(pattern, row[1])), key=lambda record: record.path)

    # --- storing ---------------------------------------------------------------------------------------------------

    async def commit(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """See `TwinStore`. While the disk is full only deliveries without values are taken, into the space held for them.

        Raises:
            NotFound: a delivery names an endpoint, or a gap a tag, that is not registered.
        """
        async with self._turn:
            began = time.perf_counter()
            self._check(deliveries)
            if self._full and any(len(changes) for item in deliveries for changes in item.changes):
                if not self._data.ballast.reserve():
                    raise StoreFull(f"no space left for {self._data.twin}: values are refused until there is; free some")
                self._full = False
            try:
                intake = await self._store(deliveries)
            except StoreFull:
                await self._make_room()
                raise
            self._note(len(intake.rows), time.perf_counter() - began)
            return [
                Receipt(item.endpoint, stored, rejected)
                for item, stored, rejected in zip(
                    deliveries, intake.stored(len(deliveries)), intake.rejected(len(deliveries)), strict=True
                )
            ]

    async def _store(self, deliveries: Sequence[Delivery]) -> Intake:
        intake = await asyncio.to_thread(sift, deliveries, self._present)
        gaps = [gaps_to_write(item) for item in deliveries]
        accepted = EMPTY

        def apply() -> None:
            self._present.count(accepted)
            self._present.apply(intake.newest_rows())
            for item, written in zip(deliveries, gaps, strict=True):
                self._open_gaps.apply(item, written)
                if item.heard is not None:
                    self._heard[item.endpoint] = max(self._heard.get(item.endpoint, item.heard), item.heard)

        async with self._database.transaction(then=apply) as connection:
            if intake.questions is not None:
                known = await self._reader(connection).keys(intake.questions) if len(intake.questions) else set()
                await asyncio.to_thread(settle, intake, self._present, known)
            accepted = intake.accepted()
            batches = await asyncio.to_thread(_log_batches, accepted)
            if batches:
                await connection.executemany(self._sql["append_log"], batches)
            await self._write_accounts(connection, deliveries, intake)
            for item, written in zip(deliveries, gaps, strict=True):
                await self._write_gaps(connection, item, written)
        return intake

    async def _write_accounts(self, connection: aiosqlite.Connection, deliveries: Sequence[Delivery], intake: Intake) -> None:
        count = len(deliveries)
        await connection.executemany(
            self._sql["add_account"],
            [(stored, item.heard, item.endpoint) for item, stored in zip(deliveries, intake.stored(count), strict=True)],
        )
        refused = [
            (item.endpoint, reason, number)
            for item, reasons in zip(deliveries, intake.rejected(count), strict=True)
            for reason, number in reasons.items()
        ]
        if refused:
            await connection.executemany(self._sql["add_rejected"], refused)
        if intake.complaints:
            rows = intake.rows
            await connection.executemany(
                self._sql["add_quarantine"],
                [
                    (
                        deliveries[intake.delivery[row]].endpoint, int(rows.tag[row]), complaint, int(rows.source[row]),
                        int(rows.server[row]), int(rows.received[row]), int(rows.status[row]), rows.variant(row),
                    )
                    for row, complaint in intake.complaints.items()
                ],
            )  # fmt: skip
            await connection.execute(self._sql["trim_quarantine"])

    async def _write_gaps(self, connection: aiosqlite.Connection, item: Delivery, written: Sequence[Gap]) -> None:
        if item.closes:
            await connection.execute(self._sql["close_endpoint_gaps"], (item.heard, item.endpoint))
        if item.closes_tags:
            closed = [(item.heard, item.endpoint, tag) for tag in item.closes_tags]
            await connection.executemany(self._sql["close_tag_gaps"], closed)
        if written:
            rows = [(gap.endpoint, gap.tag, gap.start, gap.end, gap.reason.value, gap.detail) for gap in written]
            await connection.executemany(self._sql["add_gap"], rows)

    def _check(self, deliveries: Sequence[Delivery]) -> None:
        for item in deliveries:
            if item.endpoint not in self._endpoints:
                raise NotFound(f"endpoint number {item.endpoint} is not registered; register it before its first delivery")
            if (item.closes or item.closes_tags) and item.heard is None:
                raise ValueError("a delivery that closes gaps must say when the endpoint was heard: they end there")
            for gap in item.gaps:
                if gap.endpoint != item.endpoint or not (gap.tag is None or 0 < gap.tag <= self._present.known):
                    raise NotFound(f"a gap of endpoint {item.endpoint} names endpoint {gap.endpoint}, tag {gap.tag}")

    async def _make_room(self) -> None:
        """After the disk was found full: give up the ballast, so that gaps can be recorded until there is space again."""
        self._full = True
        self._data.ballast.release()
        await self._database.checkpoint()

    def _note(self, rows: int, seconds: float) -> None:
        self._figures["commits"] += 1
        self._figures["commit_seconds"] += seconds
        self._figures["last_commit_seconds"] = seconds
        self._figures["last_commit_rows"] = rows

    # --- reading ---------------------------------------------------------------------------------------------------

    async def last_heard(self) -> dict[str, int]:
        """See `TwinStore`."""
        return {self._endpoints[number]: heard for number, heard in self._heard.items()}

    async def open_gaps(self) -> list[Gap]:
        """See `TwinStore`."""
        return self._open_gaps.all()

    async def current(self, pattern: str, *, now: int, grace_ns: int) -> list[Reading]:
        """See `TwinStore`. Answered from memory."""
        present = self._present
        return [
            self._reading(
                number, present.sample(number), self._open_gaps.of(int(present.endpoint[number]), number), now, grace_ns
            )
            for number in self._matching(pattern)
        ]

    async def as_of(self, pattern: str, *, moment: int, grace_ns: int) -> list[Reading]:
        """See `TwinStore`."""
        numbers = self._matching(pattern)
        samples = {number: self._present.sample(number) for number in numbers}
        since = {number for number, sample in samples.items() if sample is not None and sample.source_time > moment}
        async with self._database.snapshot() as connection:
            reader = self._reader(connection)
            gaps = await reader.gaps(moment, moment)
            earlier = await reader.latest(np.array(sorted(since), np.int64), moment)
        return [
            self._reading(
                number,
                earlier.get(number) if number in since else samples[number],
                self._concerning(gaps, number),
                moment,
                grace_ns,
            )
            for number in numbers
        ]

    async def history(self, path: str, *, start: int, end: int, limit: int = 10_000) -> History:
        """See `TwinStore`. Samples of one source time are never parted, so a cut history may exceed `limit` by some."""
        number = self._present.numbers.get(path)
        if number is None:
            raise NotFound(f"no tag '{path}' in the twin; `gateway twin get` lists what there is")
        async with self._database.snapshot() as connection:
            reader = self._reader(connection)
            rows, complete = await reader.of_tag(number, start, end, max(limit, 1))
            gaps = self._concerning(await reader.gaps(start, end), number)
        samples = await asyncio.to_thread(lambda: [rows.sample(row) for row in range(len(rows))])
        return History(path, self._present.units[number], samples, gaps, complete)

    async def gaps(self, pattern: str, *, start: int, end: int) -> list[tuple[str, Gap]]:
        """See `TwinStore`. Endpoint-wide gaps are given where the endpoint's key or one of its tags matches."""
        numbers = set(self._matching(pattern))
        endpoints = {int(self._present.endpoint[number]) for number in numbers}
        endpoints |= {number for number, key in self._endpoints.items() if matches(pattern, key)}
        async with self._database.snapshot() as connection:
            found = await self._reader(connection).gaps(start, end)
        return [
            (self._endpoints[gap.endpoint] if gap.tag is None else self._present.paths[gap.tag], gap)
            for gap in found
            if (gap.endpoint in endpoints if gap.tag is None else gap.tag in numbers)
        ]

    async def accounts(self) -> list[Account]:
        """See `TwinStore`."""
        async with self._database.snapshot() as connection:
            reader = self._reader(connection)
            endpoints, refused = await reader.rows("endpoints"), await reader.rows("rejected")
        return [
            Account(key, stored, {reason: count for endpoint, reason, count in refused if endpoint == number})
            for number, key, _, stored in endpoints
        ]

    async def statistics(self) -> Mapping[str, float]:
        """See `TwinStore`."""
        async with self._database.snapshot() as connection:
            rows = await self._reader(connection).rows("figures")
        names = ("log_batches", "log_rows", "segments", "sealed_rows", "blocks", "gaps_open", "quarantined")
        figures = {name: float(value or 0) for name, value in zip(names, rows[0], strict=True)}
        return {**self._figures, **figures, "tags": float(self._present.known), "bytes": float(self._bytes())}

    def _bytes(self) -> int:
        return sum(file.stat().st_size for file in self._data.path.glob(f"{self._data.twin.name}*"))

    def _matching(self, pattern: str) -> list[int]:
        exact = self._present.numbers.get(pattern.strip("/"))
        if exact is not None:
            return [exact]
        return [number for path, number in sorted(self._present.numbers.items()) if matches(pattern, path)]

    def _concerning(self, gaps: Sequence[Gap], number: int) -> list[Gap]:
        endpoint = self._present.endpoint[number]
        return [gap for gap in gaps if (gap.endpoint == endpoint if gap.tag is None else gap.tag == number)]

    def _reading(self, number: int, sample: Sample | None, gaps: Sequence[Gap], moment: int, grace_ns: int) -> Reading:
        gap = governing(gaps, moment)
        status = effective_status(None if sample is None else sample.status, gap, moment, grace_ns)
        present = self._present
        return Reading(present.paths[number], present.units[number], present.types[number], sample, status, gap)

    def _reader(self, connection: aiosqlite.Connection) -> Reader:
        return Reader(connection, self._sql, self._data.twin)

    # --- opening ---------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Rebuild memory from the file: what is known, the checkpoint of current values, and the log since then."""
        async with self._database.snapshot() as connection:
            reader = self._reader(connection)
            for number, key, heard, _ in await reader.rows("endpoints"):
                self._endpoints[number] = key
                if heard is not None:
                    self._heard[number] = heard
            for row in await reader.rows("tags"):
                self._present.learn(row[0], _record(row), row[9])
            await self._load_current(reader)
            async for rows in self._log(connection):
                self._present.count(rows)
                self._present.replay(rows)
            for tag, _, rows_left in await reader.rows("moved"):
                self._present.stored[tag] -= rows_left
            self._open_gaps = OpenGaps(to_gap(row) for row in await reader.rows("open_gaps"))

    async def _load_current(self, reader: Reader) -> None:
        rows = await reader.rows("current")
        if not rows:
            return
        tag, encoded, status, source, server, received, flags, sealed = zip(*rows, strict=True)
        columns = Rows(
            np.array(tag, np.uint32), np.array(source, np.int64), np.array(server, np.int64), np.array(received, np.int64),
            np.array(status, np.uint32), np.array(flags, np.uint8), np.zeros(len(tag), np.uint8), np.zeros(0, np.uint64),
        )  # fmt: skip
        self._present.apply(from_variants(columns, encoded))
        self._present.stored[list(tag)] = sealed

    async def _log(self, connection: aiosqlite.Connection) -> AsyncIterator[Rows]:
        async with connection.execute(self._sql["whole_log"]) as cursor:
            async for id, kind, count, crc, data in cursor:
                with_crc(self._data.twin, f"batch {id} of the log", crc, data)
                yield unpack(kind, count, data)


@asynccontextmanager
async def open_twin(data: DataDirectory, clock: Clock) -> AsyncIterator[SqliteTwin]:
    """Open or create the twin in a data directory that is held (`directory.claim`).

    Raises:
        StoreUnreadable: the file is damaged, or written by a newer version of the gateway.
        StoreError: it cannot be opened.
    """
    async with open_database(data.twin, TWIN) as database:
        twin = SqliteTwin(data, database, clock)
        await twin.load()
        yield twin


def _log_batches(rows: Rows) -> list[tuple[Any, ...]]:
    if not len(rows):
        return []
    batches = []
    for kind, part in split_by_type(rows):
        data = pack(part, kind)
        batches.append(
            (kind, len(part), int(part.source.min()), int(part.source.max()), int(part.received.min()), zlib.crc32(data), data)
        )
    return batches


def _tag_row(number: int, record: TagRecord, endpoint: int) -> tuple[Any, ...]:
    return (
        number, record.path, endpoint, record.node, record.equipment_class, record.type, record.unit, record.stepped,
        record.masked,
    )  # fmt: skip


def _record(row: Sequence[Any]) -> TagRecord:
    _, path, endpoint, node, equipment_class, type, unit, stepped, masked = row[:9]
    return TagRecord(path, endpoint, node, equipment_class, type, unit, bool(stepped), bool(masked))


def _watermark(present: Present, number: int) -> Watermark:
    source = int(present.source[number])
    return Watermark(number, None if source == NEVER else source)
