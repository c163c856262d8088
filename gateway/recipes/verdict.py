"""What to do about a push whose Commit may have been sent, from one look at the equipment. Pure.

This is the failure table of the handshake: after CommitSent nothing is ever sent again on a guess. The controller's own
transaction number and digest say whose recipe is active, and every value read back says whether it is really there.
"""

from dataclasses import dataclass
from enum import Enum, auto

from gateway.recipes.block import Look, differing
from gateway.recipes.control_recipe import ControlRecipe
from gateway.recipes.handshake.words import BlockState, Result
from gateway.recipes.journal import Outcome
from gateway.recipes.progress import Progress, Snapshot
from gateway.recipes.wire import WireValue


class Act(Enum):
    """What to do next."""

    WAIT = auto()  #: the controller is at it
    CONFIRM = auto()
    CANCEL = auto()  #: not active yet: close the transaction
    UNDO = auto()  #: active: have the old recipe put back
    END = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, why, and how the push ends if it does. `differing` names parameters whose values are not the wanted ones."""

    act: Act
    reason: str
    outcome: Outcome | None = None
    differing: tuple[str, ...] = ()


def judge(control: ControlRecipe, progress: Progress, look: Look) -> Verdict:
    """Decide from the journal and one look, after CommitSent (profiles method and mailbox)."""
    status = look.status
    match status.state:
        case BlockState.FAULTED:
            return _quarantine("the controller reports that its recipe block is faulted: neither recipe may be whole")
        case BlockState.COMMITTING:
            return Verdict(Act.WAIT, "the controller is applying the recipe")
        case BlockState.PREPARED if status.staged_digest == control.rendered_digest:
            return Verdict(Act.CANCEL, progress.abort or "the Commit did not reach the controller or was refused")
        case BlockState.REVERTING if status.active_tx_id == progress.commit_tx:
            return Verdict(Act.WAIT, "the controller puts the old recipe back at its next safe boundary")
        case BlockState.ACTIVE_UNCONFIRMED:
            return _unconfirmed(control, progress, look)
        case BlockState.IDLE | BlockState.PREPARED:
            return _closed(control, progress, look)
    return _quarantine(f"the recipe block is in state {status.state} under transaction {status.active_tx_id}, which is not ours")


def read_back_fault(control: ControlRecipe, snapshot: Snapshot, look: Look) -> tuple[str, tuple[str, ...]] | None:
    """Why the new recipe must not be confirmed, and which parameters differ; None when everything is as wanted."""
    status = look.status
    if status.active_digest != control.rendered_digest:
        return "the controller's ActiveDigest is not the one that was staged", ()
    wrong = differing(control.parameters, _wanted(control), look.active)
    if wrong:
        return f"read back after Commit, {', '.join(wrong)} is not what was staged", tuple(wrong)
    if status.change_counter != snapshot.change_counter:
        return "a parameter was edited locally during the push", ()
    return None


def holds_old(control: ControlRecipe, snapshot: Snapshot, look: Look) -> bool:
    """True when the snapshot's recipe is active. Differences that local edits explain (one count each, L1) are allowed."""
    status = look.status
    if status.active_digest != snapshot.active_digest:
        return False
    return _explained(differing(control.parameters, snapshot.values, look.active), snapshot, look)


def _explained(wrong: list[str], snapshot: Snapshot, look: Look) -> bool:
    edits = (look.status.change_counter - snapshot.change_counter) & 0xFFFF_FFFF
    return len(wrong) <= edits


def _unconfirmed(control: ControlRecipe, progress: Progress, look: Look) -> Verdict:
    if look.status.active_tx_id != progress.commit_tx:
        return _quarantine("another client's recipe is active and unconfirmed")
    if progress.undo is not None:
        return Verdict(Act.UNDO, progress.undo)
    assert progress.snapshot is not None
    fault = read_back_fault(control, progress.snapshot, look)
    if fault is not None:
        return Verdict(Act.UNDO, fault[0], differing=fault[1])
    return Verdict(Act.CONFIRM, "the new recipe is active and every value reads back as wanted")


def _closed(control: ControlRecipe, progress: Progress, look: Look) -> Verdict:
    status, snapshot = look.status, progress.snapshot
    assert snapshot is not None
    if status.active_tx_id == progress.commit_tx:
        wrong = differing(control.parameters, _wanted(control), look.active)
        if status.active_digest == control.rendered_digest and not wrong:
            return Verdict(Act.END, "every value reads back as wanted", Outcome.CONFIRMED)
        if status.active_digest == control.rendered_digest and progress.confirm_sent and _explained(wrong, snapshot, look):
            return Verdict(Act.END, "confirmed, and edited locally since", Outcome.CONFIRMED, tuple(wrong))
        return _quarantine("the controller confirmed a recipe that does not read back as wanted", wrong)
    if status.active_tx_id == snapshot.active_tx_id and holds_old(control, snapshot, look):
        return _old(progress, status.reason, restarted=status.boot_id != snapshot.boot_id)
    wrong = differing(control.parameters, snapshot.values, look.active)
    return _quarantine("neither the new nor the old recipe is active as a whole", wrong)


def _old(progress: Progress, reason: int, *, restarted: bool) -> Verdict:
    if progress.undo is not None:
        return Verdict(Act.END, progress.undo, Outcome.ROLLED_BACK)
    if progress.active_seen or (reason == Result.EXPIRED and progress.abort is None):
        why = "the controller restarted" if restarted else "it was not confirmed in time"
        return Verdict(Act.END, f"{why}: the controller put the old recipe back", Outcome.EXPIRED)
    why = progress.abort or ("the controller restarted" if restarted else "the Commit had no effect")
    return Verdict(Act.END, f"{why}; the old recipe is active", Outcome.ABORTED_CLEAN)


def _wanted(control: ControlRecipe) -> dict[str, WireValue]:
    return {item.name: item.wire_value for item in control.parameters}


def _quarantine(reason: str, wrong: list[str] | None = None) -> Verdict:
    return Verdict(Act.END, reason, Outcome.QUARANTINED, tuple(wrong or ()))
