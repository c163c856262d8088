"""A push over the direct profile: no staging, so each value takes effect at once, alone. Labelled non-atomic.

The machine stands still while the push is open. What goes wrong after the first write is undone from the snapshot, in reverse
order, and verified; where that fails the equipment is quarantined.
"""

from collections.abc import Mapping, Sequence

from gateway.plant.status_names import name as status_name
from gateway.recipes import preflight
from gateway.recipes.block import Look, RecipeBlock, differing
from gateway.recipes.control_recipe import RenderedParameter
from gateway.recipes.journal import Outcome, PushState
from gateway.recipes.run import End, Run, moved
from gateway.recipes.wire import WireValue


class DirectPush:
    """Snapshot, write, verify, label — or restore. ActiveDigest is empty while the values are not known to be whole."""

    def __init__(self, run: Run, block: RecipeBlock) -> None:
        self._run = run
        self._block = block
        self._parameters = run.control.parameters
        self._digest = run.control.rendered_digest

    async def go(self) -> End | None:
        """Carry the push on from where its journal stands.

        Raises:
            EquipmentError: contact was lost or a service failed; what was journaled says what may have happened.
        """
        progress = self._run.progress
        if progress.restoring is not None:
            return await self._restore(progress.restoring)
        if progress.committed_at is not None:
            return await self._settle()
        return await self._from_preflight()

    async def abort(self, reason: str) -> End:
        """Give the push up before anything was written."""
        return End(Outcome.REFUSED, reason)

    async def _from_preflight(self) -> End:
        run, block = self._run, self._block
        await run.step(PushState.PREFLIGHT)
        if faults := await preflight.conformance(block):
            return End(Outcome.REFUSED, "; ".join(faults))
        if run.already_active(await block.look()):
            return End(Outcome.NO_OP, "this control recipe is already active, every value read back")
        if hindrances := await preflight.await_readiness(run, block):
            return End(Outcome.REFUSED, "; ".join(hindrances))
        if refusal := await run.snapshot(await block.look()):
            return End(Outcome.REFUSED, refusal)
        await run.step(PushState.COMMIT_SENT, detail={"profile": "direct, not atomic"})
        return await self._write()

    async def _write(self) -> End:
        status = await self._block.write_active_digest("")
        if status != 0:
            return await self._restore(f"the controller did not take ActiveDigest ({status_name(status)})")
        failed = await self._write_each(self._parameters, self._run.wanted)
        if failed:
            again = [item for item in self._parameters if item.name in failed]
            failed = await self._write_each(again, self._run.wanted)
        if failed:
            named = ", ".join(f"{name} ({status_name(status)})" for name, status in failed.items())
            return await self._restore(f"the controller did not take {named}")
        return await self._settle()

    async def _settle(self) -> End:
        """Every value may have been written: read them all, then label the recipe or restore the old one."""
        look = await self._block.look()
        wrong = differing(self._parameters, self._run.wanted, look.active)
        if wrong:
            evidence = self._run.evidence(wrong, look.active)
            return await self._restore(f"read back, {', '.join(wrong)} is not what was written", evidence)
        if reason := moved(self._run, look.status.change_counter, look.status.boot_id):
            return await self._restore(reason)
        await self._run.step(PushState.ACTIVE_UNCONFIRMED)
        if look.status.active_digest != self._digest:
            status = await self._block.write_active_digest(self._digest)
            if status != 0:
                return await self._restore(f"the controller did not take ActiveDigest ({status_name(status)})")
            look = await self._block.look()
        if not self._run.already_active(look):
            return await self._restore("read back after labelling, the recipe is not whole")
        return End(Outcome.CONFIRMED, "every value reads back as wanted")

    async def _restore(self, reason: str, values: dict[str, object] | None = None) -> End:
        """Write the snapshot back, last written first, and the old label at the end."""
        run, block = self._run, self._block
        snapshot = run.progress.snapshot
        assert snapshot is not None
        await run.step(PushState.RESTORING, detail={"reason": reason}, values=values)
        changed = differing(self._parameters, snapshot.values, (await block.look()).active)
        backwards = [item for item in reversed(self._parameters) if item.name in changed]
        failed = await self._write_each(backwards, snapshot.values)
        if failed:
            again = [item for item in backwards if item.name in failed]
            await self._write_each(again, snapshot.values)
        if not differing(self._parameters, snapshot.values, (await block.look()).active):
            await block.write_active_digest(snapshot.active_digest)
        return self._restored(await block.look(), reason, values)

    def _restored(self, look: Look, reason: str, values: dict[str, object] | None) -> End:
        snapshot = self._run.progress.snapshot
        assert snapshot is not None
        wrong = differing(self._parameters, snapshot.values, look.active)
        if wrong:
            unlike = self._run.evidence(wrong, look.active)
            return End(Outcome.QUARANTINED, f"{reason}; the old values of {', '.join(wrong)} could not be put back", unlike)
        if look.status.active_digest != snapshot.active_digest:
            return End(Outcome.QUARANTINED, f"{reason}; the old values are back, but ActiveDigest is not", values)
        return End(Outcome.ROLLED_BACK, reason, values)

    async def _write_each(self, parameters: Sequence[RenderedParameter], values: Mapping[str, WireValue]) -> dict[str, int]:
        """One Write a value: within one request the order would be the server's (OPC 10000-4, 5.11.4)."""
        failed: dict[str, int] = {}
        for item in parameters:
            failed.update(await self._block.write("Active", [item], values))
        return failed
