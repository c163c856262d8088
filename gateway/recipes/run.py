"""One go at one push: its lease, its journal, its timings. What the flows over the handshake profiles share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.plant.equipment_class import Equipment
from gateway.plant.ports import Clock
from gateway.recipes.block import Look, differing
from gateway.recipes.control_recipe import ControlRecipe, values_to_json
from gateway.recipes.journal import Journal, Lease, Outcome, PushState, Step
from gateway.recipes.progress import Progress, advance
from gateway.recipes.wire import WireValue

#: TxIds are UInt32; the last ones are left alone, so that a transaction that was begun can be finished.
_LAST_TX: Final = 2**32 - 64


@dataclass(frozen=True, slots=True)
class PushTimings:
    """How long the engine waits for what, in seconds."""

    confirm_s: int = 120  #: ConfirmSeconds: above three times the worst reconnect, so that a slow line does not undo a good push
    ready: float = 120.0  #: for the interlocks to be met before Prepare
    reach: float = 60.0  #: for equipment that does not answer, before Commit; then the push ends
    resolve: float = 60.0  #: the same after Commit; then the push rests and is taken up again later
    commit: float = 60.0  #: for a Commit to be carried out
    revert: float = 30.0  #: for a reversion within one go; it may have to wait for the end of a batch
    give_up: float = 86_400.0  #: from Commit until a push that cannot be resolved is quarantined
    answer: float = 30.0  #: for the acknowledgement of a mailbox request
    poll: float = 0.25  #: between two looks
    retry: float = 0.25  #: before the second attempt to reach equipment; doubled each time, up to 5 s


@dataclass(frozen=True, slots=True)
class End:
    """How a push ends. `values` may hold recipe values (wanted and read back), `reason` never does."""

    outcome: Outcome
    reason: str
    values: Mapping[str, Any] | None = None


class Run:
    """The executor's hold on one push. Every method journals under the lease's epoch; a lost lease raises `LeaseLost`."""

    def __init__(
        self,
        journal: Journal,
        lease: Lease,
        control: ControlRecipe,
        equipment: Equipment,
        clock: Clock,
        timings: PushTimings,
        progress: Progress,
        on_step: Callable[[Step], None],
    ) -> None:
        self.control = control
        self.equipment = equipment
        self.clock = clock
        self.timings = timings
        self.progress = progress
        self.wanted: Mapping[str, WireValue] = {item.name: item.wire_value for item in control.parameters}
        self._journal = journal
        self._lease = lease
        self._on_step = on_step

    async def step(
        self,
        state: PushState,
        *,
        tx_id: int | None = None,
        detail: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Journal a step durably. Call it before the effect it names."""
        step = await self._journal.append(self._lease, state, now=self.clock.now(), tx_id=tx_id, detail=detail, values=values)
        self.progress = advance(self.control, self.progress, step)
        self._on_step(step)

    async def new_tx(self, *seen: int) -> int | None:
        """A TxId above every one we journaled or saw, and above the clock's seconds, so that a lost ledger does not fence us out.

        None when the controller's numbers are used up.
        """
        known = max(*seen, await self._journal.last_tx(self._lease.equipment))
        tx_id = max(known + 1, self.clock.now() // 1_000_000_000)
        return tx_id if tx_id <= _LAST_TX else None

    def evidence(self, names: list[str] | tuple[str, ...], got: Mapping[str, WireValue | None]) -> dict[str, Any]:
        """Wanted and read values of some parameters, for the ledger."""
        chosen = [item for item in self.control.parameters if item.name in names]
        present = [item for item in chosen if got[item.name] is not None]
        return {
            "wanted": values_to_json(chosen, self.wanted),
            "got": values_to_json(present, {name: value for name, value in got.items() if value is not None}),
        }

    def already_active(self, look: Look) -> bool:
        """True when this very control recipe is in force: digest and every value."""
        same = not differing(self.control.parameters, self.wanted, look.active)
        return same and look.status.active_digest == self.control.rendered_digest

    async def snapshot(self, look: Look) -> str | None:
        """Journal what the equipment holds; a complaint when some value cannot be read."""
        unread = [name for name, value in look.active.items() if value is None]
        if unread:
            return f"{', '.join(unread)} cannot be read in the type the class declares, so it could not be restored"
        values = {name: value for name, value in look.active.items() if value is not None}
        status = look.status
        await self.step(
            PushState.SNAPSHOT,
            detail={
                "active_digest": status.active_digest,
                "active_tx_id": status.active_tx_id,
                "change_counter": status.change_counter,
                "boot_id": status.boot_id,
            },
            values={"active": values_to_json(self.control.parameters, values)},
        )
        return None


def moved(run: Run, block_change_counter: int, boot_id: int) -> str | None:
    """Why the snapshot no longer holds: a local edit or a restart since; None when it does."""
    snapshot = run.progress.snapshot
    assert snapshot is not None
    if boot_id != snapshot.boot_id:
        return "the controller restarted during the push"
    if block_change_counter != snapshot.change_counter:
        return "a parameter was edited locally during the push"
    return None
