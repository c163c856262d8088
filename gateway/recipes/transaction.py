"""A push over a profile with staging (method, mailbox), on one live session.

The journal decides where to begin; what may have been sent and what was not is never remembered anywhere else.
"""

import asyncio

from gateway.plant.status_names import name as status_name
from gateway.recipes import preflight
from gateway.recipes.block import BlockStatus, RecipeBlock, differing
from gateway.recipes.handshake.words import BlockState, Handshake
from gateway.recipes.journal import Outcome, PushState
from gateway.recipes.run import End, Run, moved
from gateway.recipes.verdict import Act, Verdict, judge

#: Confirmations asked for in one go before we give up, and requests of any kind before the push rests.
_CONFIRMATIONS, _REQUESTS = 3, 8


class StagedPush:
    """Prepare, stage, verify, Commit, verify, Confirm — or the way back."""

    def __init__(self, run: Run, block: RecipeBlock, handshake: Handshake) -> None:
        self._run = run
        self._block = block
        self._handshake = handshake
        self._control = run.control
        self._digest = run.control.rendered_digest

    async def go(self) -> End | None:
        """Carry the push on from where its journal stands; None when it has to rest and be taken up again later.

        Raises:
            EquipmentError: contact was lost or a service failed; what was journaled says what may have happened.
        """
        progress = self._run.progress
        if progress.committed_at is not None:
            return await self._resolve()
        if progress.abort is not None:
            return await self._abort(progress.abort)
        if progress.prepare_tx is not None and await self._staging_survived():
            return await self._stage()
        return await self._from_preflight()

    async def abort(self, reason: str) -> End:
        """Give the push up before Commit: close the transaction if one may be open."""
        if self._run.progress.prepare_tx is None:
            return End(Outcome.REFUSED, reason)
        return await self._abort(reason)

    async def _from_preflight(self) -> End | None:
        run, block = self._run, self._block
        await run.step(PushState.PREFLIGHT)
        if faults := await preflight.conformance(block):
            return End(Outcome.REFUSED, "; ".join(faults))
        look = await block.look()
        if look.status.state == BlockState.IDLE and run.already_active(look):
            return End(Outcome.NO_OP, "this control recipe is already active, every value read back")
        if refusal := await self._make_idle(look.status):
            return End(Outcome.REFUSED, refusal)
        if hindrances := await preflight.await_readiness(run, block):
            return End(Outcome.REFUSED, "; ".join(hindrances))
        look = await block.look()
        if refusal := await run.snapshot(look):
            return End(Outcome.REFUSED, refusal)
        return await self._prepare(look.status)

    async def _make_idle(self, status: BlockStatus) -> str | None:
        """Why the block cannot take a transaction. A fault left behind is cleared: only Cancel does that (C5)."""
        if status.state in (BlockState.IDLE, BlockState.PREPARED):
            return None
        if status.state != BlockState.FAULTED:
            return "another change is under way in the controller; try again when Sts/State is Idle"
        tx_id = await self._next_tx(status, current=status.ack_tx_id)
        if tx_id is None:
            return "the controller's transaction numbers are used up"
        await self._run.step(PushState.PREFLIGHT, tx_id=tx_id, detail={"clears": "a fault of the recipe block"})
        answer = await self._handshake.cancel(tx_id)
        return None if answer.ok else f"the recipe block is faulted and does not take a Cancel: {answer.text}"

    async def _prepare(self, status: BlockStatus) -> End | None:
        run = self._run
        tx_id = await run.new_tx(status.ack_tx_id, status.active_tx_id)
        if tx_id is None:
            return End(Outcome.REFUSED, "the controller's transaction numbers are used up: reset its LastTxId")
        await run.step(PushState.STAGING, tx_id=tx_id, detail={"rendered_digest": self._digest})
        answer = await self._handshake.prepare(tx_id, self._digest)
        if answer.result is None:
            return await self._abort(f"Prepare: {answer.text}")
        if not answer.ok:
            return End(Outcome.REFUSED, f"the controller answered Prepare with {answer.text}")
        return await self._stage()

    async def _staging_survived(self) -> bool:
        """True when the transaction we opened before contact was lost is still open: a restart would have ended it (R2)."""
        status = await self._block.status()
        return (
            status.state == BlockState.PREPARED
            and status.staged_digest == self._digest
            and status.ack_tx_id == self._run.progress.prepare_tx
        )

    async def _stage(self) -> End | None:
        run, block = self._run, self._block
        if reason := await self._moved():
            return await self._abort(reason)
        failed = await block.write("Staging", self._control.parameters, run.wanted)
        if failed:
            again = [item for item in self._control.parameters if item.name in failed]
            failed = await block.write("Staging", again, run.wanted)
        if failed:
            named = ", ".join(f"{name} ({status_name(status)})" for name, status in failed.items())
            return await self._abort(f"the controller did not take {named} into staging")
        staged = await block.staged()
        if wrong := differing(self._control.parameters, run.wanted, staged):
            return await self._abort(
                f"read back from staging, {', '.join(wrong)} is not what was written", run.evidence(wrong, staged)
            )
        status = await block.status()
        if status.state != BlockState.PREPARED or status.staged_digest != self._digest:
            return await self._abort("the controller no longer holds the transaction with the digest we staged")
        await run.step(PushState.STAGED_VERIFIED)
        return await self._commit(status)

    async def _commit(self, status: BlockStatus) -> End | None:
        run = self._run
        reason = await self._moved()
        if reason is None and (hindrances := await preflight.hindrances(self._block, run.equipment)):
            reason = "; ".join(hindrances)
        if reason is not None:
            return await self._abort(reason)
        tx_id = await self._next_tx(status)
        if tx_id is None:
            return await self._abort("the controller's transaction numbers are used up")
        confirm_s = run.timings.confirm_s
        await run.step(PushState.COMMIT_SENT, tx_id=tx_id, detail={"confirm_seconds": confirm_s})
        answer = await self._handshake.commit(tx_id, self._digest, confirm_s)
        if answer.ok:
            return await self._resolve()
        return await self._resolve(f"the controller answered Commit with {answer.text}")

    async def _resolve(self, refused: str | None = None) -> End | None:
        """After CommitSent: look, judge, act, until it ends or has to rest. `refused` is why Commit did not succeed."""
        run, requests = self._run, 0
        begun = run.clock.monotonic()
        while requests < _REQUESTS:
            look = await self._block.look()
            verdict = judge(self._control, run.progress, look)
            evidence = run.evidence(verdict.differing, look.active) if verdict.differing else None
            match verdict.act:
                case Act.END:
                    return self._end(verdict, evidence, refused)
                case Act.WAIT:
                    if await self._waited_enough(look.status, begun):
                        return None
                    continue
                case Act.CONFIRM if requests < _CONFIRMATIONS:
                    await self._confirm(look.status)
                case Act.CONFIRM:
                    await self._cancel(look.status, "the controller does not take the confirmation", undo=True)
                case Act.UNDO:
                    await self._cancel(look.status, verdict.reason, undo=True, values=evidence)
                case Act.CANCEL:
                    await self._cancel(look.status, refused or verdict.reason, undo=False)
            requests += 1
            if requests > 1:
                await asyncio.sleep(run.timings.poll)
        return None

    async def _waited_enough(self, status: BlockStatus, begun: float) -> bool:
        """Wait a little; True when this go has waited long enough. A Commit that hangs is cancelled (C2)."""
        run = self._run
        waited = run.clock.monotonic() - begun
        if status.state == BlockState.REVERTING:
            if run.progress.state is not PushState.REVERTING:
                await run.step(PushState.REVERTING)
            if waited > run.timings.revert:
                return True
        elif waited > run.timings.commit:
            await self._cancel(status, "the controller did not finish the Commit in time", undo=False)
            return (await self._block.status()).state == BlockState.COMMITTING
        await asyncio.sleep(run.timings.poll)
        return False

    async def _confirm(self, status: BlockStatus) -> None:
        run = self._run
        if not run.progress.active_seen:
            await run.step(PushState.ACTIVE_UNCONFIRMED, detail={"active_digest": status.active_digest})
        tx_id = await self._next_tx(status)
        if tx_id is not None:
            await run.step(PushState.CONFIRM_SENT, tx_id=tx_id)
            await self._handshake.confirm(tx_id, self._digest)  # the next look tells what came of it

    async def _cancel(self, status: BlockStatus, reason: str, *, undo: bool, values: dict[str, object] | None = None) -> None:
        run = self._run
        tx_id = await self._next_tx(status)
        if tx_id is not None:
            detail = {"reason": reason, "undo": undo}
            await run.step(PushState.CANCEL_SENT, tx_id=tx_id, detail=detail, values=values)
            await self._handshake.cancel(tx_id)  # the next look tells what came of it

    async def _abort(self, reason: str, values: dict[str, object] | None = None) -> End:
        """Close the transaction before any Commit. Whatever becomes of the Cancel, the active recipe was never touched."""
        status = await self._block.status()
        ours = status.state == BlockState.PREPARED and status.staged_digest == self._digest
        if ours or status.state == BlockState.IDLE:  # Idle: a late Prepare must find a higher number before it
            await self._cancel(status, reason, undo=False, values=values)
        after = await self._block.status()
        if after.state == BlockState.PREPARED and after.staged_digest == self._digest:
            reason += " (the controller did not take the Cancel; it ends the transaction by itself)"
        return End(Outcome.ABORTED_CLEAN, reason, values)

    async def _moved(self) -> str | None:
        status = await self._block.status()
        return moved(self._run, status.change_counter, status.boot_id)

    async def _next_tx(self, status: BlockStatus, current: int | None = None) -> int | None:
        """The number for the next request of the open transaction."""
        if self._handshake.tx_per_operation:
            return await self._run.new_tx(status.ack_tx_id, status.active_tx_id)
        return current if current is not None else self._run.progress.prepare_tx

    def _end(self, verdict: Verdict, evidence: dict[str, object] | None, refused: str | None) -> End:
        assert verdict.outcome is not None
        reason = verdict.reason
        if refused is not None and refused not in reason and verdict.outcome is not Outcome.CONFIRMED:
            reason = f"{refused}; {reason}"
        return End(verdict.outcome, reason, evidence)
