"""The one writer: gathers what all endpoints have received into group commits, and settles the account when they are durable."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from gateway.errors import StoreError, StoreFull
from gateway.mirror.intake import Intake, Load
from gateway.plant.ports import TwinStore

_GATHER_S = 0.25  #: about four commits a second at load
_IDLE_S = 1.0  #: how often an idle endpoint's last word is made durable
_RETRY_S = 1.0
_log = structlog.get_logger(__name__)


class Ingest:
    """Moves loads from intakes to the store. Nothing is dropped: what cannot be stored stays in memory within its bounds,
    and when those are reached the servers' own queues hold it."""

    def __init__(self, store: TwinStore, intakes: Callable[[], Iterable[Intake]]) -> None:
        self._store = store
        self._intakes = intakes
        self._awake = asyncio.Event()
        self._committing = asyncio.Lock()
        self._unsettled: list[tuple[Intake, Load]] = []
        self.trouble = ""  #: why nothing can be stored at present; empty when all is well

    def wake(self) -> None:
        """Something waits to be stored."""
        self._awake.set()

    async def run(self) -> None:
        """Commit again and again; ends only by cancellation. Call `drain` afterwards."""
        while True:
            try:
                async with asyncio.timeout(_IDLE_S):
                    await self._awake.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(_GATHER_S)
            self._awake.clear()
            if not await self.commit():
                await asyncio.sleep(_RETRY_S)
                self._awake.set()

    async def drain(self, of: Iterable[Intake] | None = None) -> None:
        """Commit until nothing waits in the given intakes (all); for ever where the store refuses, so bound it with a timeout."""
        while True:
            if not await self.commit():
                await asyncio.sleep(_RETRY_S)
            elif not any(intake.waiting for intake in (self._intakes() if of is None else of)):
                return

    async def commit(self) -> bool:
        """One group commit over all endpoints. False when the store refused; everything is kept for the next attempt."""
        # When we are cancelled the commit ends and is settled all the same: the store has it then, and must not get it twice.
        return await asyncio.shield(asyncio.ensure_future(self._to_its_end()))

    async def _to_its_end(self) -> bool:
        async with self._committing:
            return await self._commit()

    async def _commit(self) -> bool:
        if not self._unsettled:
            for intake in self._intakes():
                load = intake.take()
                if load is not None:
                    self._unsettled.append((intake, load))
        if not self._unsettled:
            return True
        try:
            receipts = await self._store.commit([load.delivery for _, load in self._unsettled])
        except Exception as fault:  # noqa: BLE001 - whatever keeps values from being stored, they are kept and tried again
            if not isinstance(fault, StoreError):
                _log.error("storing failed unexpectedly", exc_info=fault)
            if not self.trouble:
                _log.error("store refuses", reason=str(fault), values_kept=sum(load.values for _, load in self._unsettled))
            self.trouble = str(fault)
            if isinstance(fault, StoreFull):
                await self._record_gaps()
            return False
        if self.trouble:
            _log.info("store takes values again")
            self.trouble = ""
        for (intake, load), receipt in zip(self._unsettled, receipts, strict=True):
            intake.settle(load, receipt)
        self._unsettled = []
        return True

    async def _record_gaps(self) -> None:
        """On a full disk values wait, and what is missing is recorded all the same, in the space held for it."""
        bare = [replace(load.delivery, changes=()) for _, load in self._unsettled]
        if not any(delivery.gaps or delivery.closes or delivery.closes_tags for delivery in bare):
            return
        with contextlib.suppress(StoreError):  # the space held for it is used up too: the marks stay with their values
            await self._store.commit(bare)
            for _, load in self._unsettled:
                load.delivery = replace(load.delivery, gaps=(), closes=False, closes_tags=())
