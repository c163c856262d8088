"""The twin in SQLite: `gateway.plant.ports.TwinStore`. docs/store.md explains the layout, docs/decisions/0002 the reasons."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
import numpy as np

from gateway.errors import NotFound, StoreFull
from gateway.plant.hierarchy import matches
from gateway.plant.ports import Account, Clock, Delivery, Gap, History, Reading, Receipt, TagRecord, Watermark
from gateway.plant.quality import effective_status, governing
from gateway.plant.values import Sample
from gateway.store.gaps import gaps_to_write
from gateway.store.intake import Intake, settle, sift, split_by_type
from gateway.store.present import NEVER, Present
from gateway.store.rows import EMPTY, Rows, pack
from gateway.store.sqlite.auditing import verify
from gateway.store.sqlite.database import open_database
from gateway.store.sqlite.directory import DataDirectory
from gateway.store.sqlite.state import TWIN, TwinState, load, to_record
from gateway.store.sqlite.upkeep import Policy, Upkeep


class SqliteTwin:
    """The twin store. Current values live in memory and are rebuilt from the file; history is read from the file."""

    def __init__(self, state: TwinState, upkeep: Upkeep) -> None:
        self._data = state.data
        self._database = state.database
        self._sql = state.sql
        self._present = state.present
        self._open_gaps = state.open_gaps
        self._endpoints = state.endpoints
        self._heard = state.heard
        self._turn = state.turn
        self._state = state
        self._upkeep = upkeep
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
                if number <= present.known and present.endpoint[number] != endpoints[record.endpoint]
            ]

            def learn() -> None:
                for number, record in numbered.values():
                    present.learn(number, record, endpoints[record.endpoint])
                for number, _, _ in moved:
                    present.stored[number] = 0
                    self._open_gaps.forget(number)

            async with self._database.transaction(then=learn) as connection:
                await connection.executemany(self._sql["add_moved"], moved)
                await connection.executemany(self._sql["close_moved_gaps"], [(number,) for number, _, _ in moved])
                await connection.executemany(
                    self._sql["put_tag"],
                    [_tag_row(number, record, endpoints[record.endpoint]) for number, record in numbered.values()],
                )
            return [_watermark(present, numbered[record.path][0]) for record in tags]

    async def tags(self, pattern: str) -> list[TagRecord]:
        """See `TwinStore`."""
        async with self._database.snapshot() as connection:
            rows = await self._state.reader(connection).rows("tags")
        return sorted((to_record(row) for row in rows if matches(pattern, row[1])), key=lambda record: record.path)

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
                known = await self._state.reader(connection).keys(intake.questions) if len(intake.questions) else set()
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
                tag = gap.tag if gap.tag is None or 0 < gap.tag <= self._present.known else 0
                if gap.endpoint != item.endpoint or (tag is not None and self._present.endpoint[tag] != item.endpoint):
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
            reader = self._state.reader(connection)
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
            reader = self._state.reader(connection)
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
            found = await self._state.reader(connection).gaps(start, end)
        return [
            (self._endpoints[gap.endpoint] if gap.tag is None else self._present.paths[gap.tag], gap)
            for gap in found
            if (gap.endpoint in endpoints if gap.tag is None else gap.tag in numbers)
        ]

    async def accounts(self) -> list[Account]:
        """See `TwinStore`."""
        async with self._database.snapshot() as connection:
            reader = self._state.reader(connection)
            endpoints, refused = await reader.rows("endpoints"), await reader.rows("rejected")
        return [
            Account(key, stored, {reason: count for endpoint, reason, count in refused if endpoint == number})
            for number, key, _, stored in endpoints
        ]

    async def statistics(self) -> Mapping[str, float]:
        """See `TwinStore`."""
        async with self._database.snapshot() as connection:
            rows = await self._state.reader(connection).rows("figures")
        names = ("log_batches", "log_rows", "segments", "sealed_rows", "blocks", "gaps_open", "quarantined")
        figures = {name: float(value or 0) for name, value in zip(names, rows[0], strict=True)}
        return {
            **self._figures,
            **self._upkeep.figures,
            **figures,
            "tags": float(self._present.known),
            "bytes": float(self._bytes()),
        }

    def _bytes(self) -> int:
        return sum(file.stat().st_size for file in self._data.path.glob(f"{self._data.twin.name}*"))

    def _matching(self, pattern: str) -> list[int]:
        exact = self._present.numbers.get(pattern.strip("/"))
        if exact is not None:
            return [exact]
        return [number for path, number in self._present.by_path() if matches(pattern, path)]

    def _concerning(self, gaps: Sequence[Gap], number: int) -> list[Gap]:
        endpoint = self._present.endpoint[number]
        return [gap for gap in gaps if (gap.endpoint == endpoint if gap.tag is None else gap.tag == number)]

    def _reading(self, number: int, sample: Sample | None, gaps: Sequence[Gap], moment: int, grace_ns: int) -> Reading:
        gap = governing(gaps, moment)
        status = effective_status(None if sample is None else sample.status, gap, moment, grace_ns)
        present = self._present
        return Reading(present.paths[number], present.units[number], present.types[number], sample, status, gap)

    # --- upkeep ----------------------------------------------------------------------------------------------------

    async def seal(self) -> int:
        """Compress the older part of the log; gives the number of rows sealed. Cancelling it loses nothing."""
        return await self._upkeep.seal()

    async def maintain(self) -> None:
        """One round of upkeep: retention, and sealing where it is due. To be called every few seconds.

        Raises:
            StoreFull: no space left to do it.
            StoreError: anything else; the next round tries again.
        """
        await self._upkeep.round()

    async def verify(self) -> list[str]:
        """See `TwinStore`."""
        async with self._database.snapshot() as connection:
            return await verify(self._state.reader(connection), connection)


@asynccontextmanager
async def open_twin(data: DataDirectory, clock: Clock, policy: Policy = Policy()) -> AsyncIterator[SqliteTwin]:
    """Open or create the twin in a data directory that is held (`directory.claim`).

    Raises:
        StoreUnreadable: the file is damaged, or written by a newer version of the gateway.
        StoreError: it cannot be opened.
    """
    async with open_database(data.twin, TWIN) as database:
        state = await load(data, database)
        yield SqliteTwin(state, Upkeep(state, clock, policy))


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


def _watermark(present: Present, number: int) -> Watermark:
    source = int(present.source[number])
    return Watermark(number, None if source == NEVER else source)
