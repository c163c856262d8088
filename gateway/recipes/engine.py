"""The push engine: takes the lease, dials, carries the push on, and after any loss of contact starts again from the journal.

A first attempt, a reconnection, a later retry and the recovery after a crash are one path: read the journal, look, act.
"""

import asyncio
from collections.abc import Callable

from gateway.errors import ConnectionLost, EquipmentError, ServiceFault, Unreachable
from gateway.plant import ports
from gateway.plant.equipment_class import Endpoint, Equipment
from gateway.plant.ports import Clock, Dialer
from gateway.recipes.block import RecipeBlock
from gateway.recipes.handshake.direct import DirectPush
from gateway.recipes.handshake.mailbox import MailboxHandshake
from gateway.recipes.handshake.method import MethodHandshake
from gateway.recipes.journal import Journal, Lease, Outcome, Push, PushState, Step
from gateway.recipes.progress import replay
from gateway.recipes.render import binding_changes
from gateway.recipes.run import End, PushTimings, Run
from gateway.recipes.transaction import StagedPush

#: Before Commit these may pass by themselves; the other errors need a person.
_PASSING = (Unreachable, ConnectionLost, ServiceFault)
_LONGEST_PAUSE = 5.0


def _ignore(step: Step) -> None:
    """Nobody watches."""


class PushEngine:
    """Carries out one push at a time a call; calls for different equipment may run side by side."""

    def __init__(self, journal: Journal, dialer: Dialer, clock: Clock, timings: PushTimings | None = None) -> None:
        self._journal = journal
        self._dialer = dialer
        self._clock = clock
        self._timings = timings or PushTimings()

    async def carry_out(
        self, push: Push, equipment: Equipment, endpoint: Endpoint, on_step: Callable[[Step], None] = _ignore
    ) -> Push | None:
        """Bring a push to its end; None when it must rest and be taken up again later (or another push holds the equipment).

        Raises:
            LeaseLost: another executor took the push over.
            StoreError: the ledger failed; nothing was done that is not journaled.
        """
        lease = await self._journal.lease(push, now=self._clock.now())
        if lease is None:
            return None
        run = await self._run(push, lease, equipment, on_step)
        if run.progress.committed_at is None and (refusal := await self._barred(push, equipment)):
            return await self._give_up(run, lease, endpoint, refusal)
        return await self._until_done(run, lease, endpoint)

    async def withdraw(self, push: Push, reason: str) -> Push | None:
        """End a push whose equipment is no more; None when it may already have been committed and so must wait for it."""
        lease = await self._journal.lease(push, now=self._clock.now())
        if lease is None:
            return None
        progress = replay(push.control, await self._journal.steps(push.id))
        if progress.committed_at is not None:
            return None
        outcome = Outcome.REFUSED if progress.prepare_tx is None else Outcome.ABORTED_CLEAN
        return await self._journal.end(lease, outcome, reason, now=self._clock.now())

    async def _run(self, push: Push, lease: Lease, equipment: Equipment, on_step: Callable[[Step], None]) -> Run:
        progress = replay(push.control, await self._journal.steps(push.id))
        return Run(self._journal, lease, push.control, equipment, self._clock, self._timings, progress, on_step)

    async def _barred(self, push: Push, equipment: Equipment) -> str | None:
        """Why this push may not begin, checked before connecting."""
        for quarantine in await self._journal.quarantines():
            if quarantine.equipment == str(equipment.path):
                return f"{equipment.path} is quarantined since push {quarantine.push}: {quarantine.reason}"
        changes = binding_changes(push.control, equipment)
        return f"{'; '.join(changes)}: push again to render anew" if changes else None

    async def _until_done(self, run: Run, lease: Lease, endpoint: Endpoint) -> Push | None:
        failing_since: float | None = None
        pause = self._timings.retry
        while True:
            try:
                return await self._once(run, lease, endpoint)
            except EquipmentError as error:
                now = self._clock.monotonic()
                failing_since = now if failing_since is None else failing_since
                if run.progress.committed_at is not None:
                    if end := await self._indeterminate(run, error):
                        return await self._end(lease, end)
                    if now - failing_since >= self._timings.resolve:
                        return None
                elif not isinstance(error, _PASSING) or now - failing_since >= self._timings.reach:
                    return await self._give_up(run, lease, endpoint, str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _once(self, run: Run, lease: Lease, endpoint: Endpoint) -> Push | None:
        """One session. What it journals is in `run.progress`, also when it fails."""
        ended: Push | None = None
        try:
            async with self._dialer.dial(endpoint) as session:
                flow = await self._flow(run, session)
                end = flow if isinstance(flow, End) else await flow.go()
                ended = await self._end(lease, end) if end is not None else None
        except EquipmentError:
            if ended is None:
                raise  # else only the hanging up failed, after the push had ended
        return ended

    async def _flow(self, run: Run, session: ports.Equipment) -> StagedPush | DirectPush | End:
        control = run.control
        block = await RecipeBlock.open(session, run.equipment, control, state_tag=run.equipment.equipment_class.state)
        if isinstance(block, str):
            if run.progress.committed_at is not None or run.progress.prepare_tx is not None:
                raise ServiceFault(block, 0)
            return End(Outcome.REFUSED, block)
        match control.handshake:
            case "method":
                return StagedPush(run, block, MethodHandshake(block))
            case "mailbox":
                timings = self._timings
                return StagedPush(run, block, MailboxHandshake(block, self._clock, answer_s=timings.answer, poll_s=timings.poll))
            case "direct":
                return DirectPush(run, block)

    async def _indeterminate(self, run: Run, error: EquipmentError) -> End | None:
        """Contact was lost after Commit may have been sent. Only a look can tell; quarantine when none succeeds for too long."""
        committed = run.progress.committed_at
        assert committed is not None
        if self._clock.now() - committed > self._timings.give_up * 1e9:
            return End(Outcome.QUARANTINED, f"it could not be found out which recipe is active: {error}")
        if run.progress.state is not PushState.INDETERMINATE:
            await run.step(PushState.INDETERMINATE, detail={"error": str(error)})
        return None

    async def _give_up(self, run: Run, lease: Lease, endpoint: Endpoint, reason: str) -> Push:
        """Before Commit: close the transaction if one may be open and the equipment answers, and end the push."""
        end = End(Outcome.REFUSED, reason)
        if run.progress.prepare_tx is not None:
            end = End(Outcome.ABORTED_CLEAN, f"{reason} (the controller ends the open transaction by itself)")
            try:
                async with self._dialer.dial(endpoint) as session:
                    flow = await self._flow(run, session)
                    if not isinstance(flow, End):
                        end = await flow.abort(reason)
            except EquipmentError:
                pass  # the transaction was never committed and runs out in the controller (T1)
        return await self._end(lease, end)

    async def _end(self, lease: Lease, end: End) -> Push:
        return await self._journal.end(lease, end.outcome, end.reason, now=self._clock.now(), values=end.values)
