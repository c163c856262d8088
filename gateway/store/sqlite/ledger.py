"""The ledger of pushes in SQLite: its own database beside the twin's, durable on every commit, its journal append-only."""

import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosqlite

from gateway.errors import NotFound, StoreUnreadable
from gateway.plant.hierarchy import matches
from gateway.recipes.control_recipe import ControlRecipe
from gateway.recipes.journal import Intent, Lease, LeaseLost, Outcome, Push, PushState, Quarantine, Step
from gateway.store.sqlite.database import Database, Schema, open_database, queries

SCHEMA: Final = Schema("ledger", 0x4D46474C)  # "MFGL"


class SqliteLedger:
    """Implements `gateway.recipes.journal.Journal`. Get one from `open_ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = queries(SCHEMA)

    async def submit(self, intent: Intent, *, now: int) -> Push:
        control, path = intent.control, intent.control.equipment
        async with self._database.transaction() as connection:
            known = await self._rows(connection, "push_by_key", intent.requested_by, intent.idempotency_key)
            if known:
                return await self._push(connection, known[0][0])
            cursor = await connection.execute(
                self._sql["insert_push"],
                (
                    intent.requested_by, intent.idempotency_key, now, path.site, str(path), control.name,
                    control.master_digest, control.rendered_digest, _dump(control.to_json()),
                ),
            )  # fmt: skip
            assert cursor.lastrowid is not None
            await self._insert_step(connection, cursor.lastrowid, now, 0, PushState.PLANNED, None, {}, {})
            return await self._push(connection, cursor.lastrowid)

    async def push(self, id: int) -> Push:
        async with self._database.snapshot() as connection:
            return await self._push(connection, id)

    async def pushes(self, pattern: str = "", *, limit: int = 100) -> Sequence[Push]:
        async with self._database.snapshot() as connection:
            known = await self._rows(connection, "pushed_equipment")
            wanted = [equipment for (equipment,) in known if matches(pattern, equipment)]
            return [self._to_push(row) for row in await self._rows(connection, "pushes", json.dumps(wanted), limit)]

    async def open_pushes(self) -> Sequence[Push]:
        async with self._database.snapshot() as connection:
            return [self._to_push(row) for row in await self._rows(connection, "open_pushes")]

    async def steps(self, id: int) -> Sequence[Step]:
        async with self._database.snapshot() as connection:
            rows = await self._rows(connection, "steps", id)
        return [
            Step(push, number, time, epoch, state, tx_id, json.loads(detail), json.loads(values))
            for push, number, time, epoch, state, tx_id, detail, values in rows
        ]

    async def lease(self, push: Push, *, now: int) -> Lease | None:
        equipment = str(push.control.equipment)
        async with self._database.transaction() as connection:
            if await self._rows(connection, "ended", push.id):
                return None
            taken = await self._rows(connection, "take_lease", equipment, push.id)
            if not taken:
                return None
            lease = Lease(push.id, equipment, taken[0][0])
            await self._insert_step(connection, push.id, now, lease.epoch, PushState.LEASED, None, {}, {})
        return lease

    async def append(
        self,
        lease: Lease,
        state: PushState,
        *,
        now: int,
        tx_id: int | None = None,
        detail: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> Step:
        async with self._held(lease) as connection:
            number = await self._insert_step(connection, lease.push, now, lease.epoch, state, tx_id, detail or {}, values or {})
            if tx_id is not None:
                await connection.execute(self._sql["raise_last_tx"], (tx_id, lease.equipment))
        return Step(lease.push, number, now, lease.epoch, state, tx_id, detail or {}, values or {})

    async def end(
        self, lease: Lease, outcome: Outcome, reason: str, *, now: int, values: Mapping[str, Any] | None = None
    ) -> Push:
        async with self._held(lease) as connection:
            detail = {"reason": reason}
            await self._insert_step(connection, lease.push, now, lease.epoch, outcome, None, detail, values or {})
            await connection.execute(self._sql["insert_end"], (lease.push, now, outcome, reason))
            await connection.execute(self._sql["release_lease"], (lease.equipment, lease.push))
            if outcome is Outcome.QUARANTINED:
                await connection.execute(self._sql["insert_quarantine"], (lease.equipment, lease.push, now, reason))
            return await self._push(connection, lease.push)

    async def last_tx(self, equipment: str) -> int:
        async with self._database.snapshot() as connection:
            rows = await self._rows(connection, "last_tx", equipment)
        return int(rows[0][0]) if rows else 0

    async def quarantines(self) -> Sequence[Quarantine]:
        async with self._database.snapshot() as connection:
            return [Quarantine(*row) for row in await self._rows(connection, "quarantines")]

    async def release_quarantine(self, equipment: str, *, by: str, reason: str, now: int) -> None:
        async with self._database.transaction() as connection:
            cursor = await connection.execute(self._sql["release_quarantine"], (now, by, reason, equipment))
            if cursor.rowcount == 0:
                raise NotFound(f"{equipment} is not quarantined")

    async def outcomes(self) -> Mapping[tuple[str, Outcome], int]:
        async with self._database.snapshot() as connection:
            rows = await self._rows(connection, "outcomes")
        return {(site, Outcome(outcome)): count for site, outcome, count in rows}

    @asynccontextmanager
    async def _held(self, lease: Lease) -> AsyncIterator[aiosqlite.Connection]:
        """A transaction that only the holder of the lease gets."""
        async with self._database.transaction() as connection:
            if not await self._rows(connection, "holds_lease", lease.equipment, lease.push, lease.epoch):
                raise LeaseLost(f"push {lease.push} no longer holds {lease.equipment} under epoch {lease.epoch}")
            yield connection

    async def _rows(self, connection: aiosqlite.Connection, name: str, *parameters: object) -> list[sqlite3.Row]:
        return list(await connection.execute_fetchall(self._sql[name], parameters))

    async def _insert_step(
        self,
        connection: aiosqlite.Connection,
        push: int,
        now: int,
        epoch: int,
        state: str,
        tx_id: int | None,
        detail: Mapping[str, Any],
        values: Mapping[str, Any],
    ) -> int:
        parameters = (push, now, epoch, str(state), tx_id, _dump(detail), _dump(values))
        return int((await self._rows(connection, "insert_step", *parameters))[0][0])

    async def _push(self, connection: aiosqlite.Connection, id: int) -> Push:
        rows = await self._rows(connection, "push_by_id", id)
        if not rows:
            raise NotFound(f"there is no push {id}; `gateway recipe status` lists them")
        return self._to_push(rows[0])

    def _to_push(self, row: sqlite3.Row) -> Push:
        id, document, by, at, key, state, outcome, reason, ended = row
        try:
            control = ControlRecipe.from_json(json.loads(document))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreUnreadable(
                f"{self._database.path}: the control recipe of push {id} is damaged; restore a backup of the ledger"
            ) from error
        return Push(id, control, by, at, key, state, Outcome(outcome) if outcome else None, reason or "", ended)


@asynccontextmanager
async def open_ledger(path: Path) -> AsyncIterator[SqliteLedger]:
    """Open or create the ledger at `path`.

    Raises:
        StoreError: as `gateway.store.sqlite.database.open_database`.
    """
    async with open_database(path, SCHEMA) as database:
        yield SqliteLedger(database)


def _dump(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
