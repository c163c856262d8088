"""What a push's journal says about how far it came. Pure: whoever takes a push up again, after whatever, starts from here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.recipes.control_recipe import ControlRecipe, values_from_json
from gateway.recipes.journal import PushState, Step
from gateway.recipes.wire import WireValue


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the equipment held before anything was written, in its own representation."""

    values: Mapping[str, WireValue]
    active_digest: str
    active_tx_id: int
    change_counter: int
    boot_id: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a push came, at the furthest: a journaled step may or may not have had its effect."""

    state: PushState = PushState.PLANNED
    snapshot: Snapshot | None = None
    prepare_tx: int | None = None  #: Prepare may have been sent under it, and nothing since gave it up
    commit_tx: int | None = None
    committed_at: int | None = None  #: ns; Commit (direct: the first write) may have been sent
    active_seen: bool = False  #: the new recipe was found active
    confirm_sent: bool = False
    undo: str | None = None  #: why we ask the controller to put the old recipe back
    abort: str | None = None  #: why we gave up before the recipe was active
    restoring: str | None = None  #: direct: why we write the snapshot back


def replay(control: ControlRecipe, steps: Sequence[Step]) -> Progress:
    """Read the journal of one push."""
    progress = Progress()
    for step in steps:
        progress = advance(control, progress, step)
    return progress


def advance(control: ControlRecipe, before: Progress, step: Step) -> Progress:
    """One step further."""
    state = PushState(step.state)
    now = replace(before, state=state)
    match state:
        case PushState.PREFLIGHT if before.committed_at is None:
            return Progress(state=state)
        case PushState.SNAPSHOT:
            return replace(now, snapshot=_snapshot(control, step))
        case PushState.STAGING:
            return replace(now, prepare_tx=step.tx_id)
        case PushState.COMMIT_SENT:
            return replace(now, commit_tx=step.tx_id, committed_at=step.time)
        case PushState.ACTIVE_UNCONFIRMED:
            return replace(now, active_seen=True)
        case PushState.CONFIRM_SENT:
            return replace(now, confirm_sent=True)
        case PushState.CANCEL_SENT:
            reason = str(step.detail["reason"])
            return replace(now, undo=reason) if step.detail["undo"] else replace(now, abort=reason)
        case PushState.RESTORING:
            return replace(now, restoring=str(step.detail["reason"]))
    return now


def _snapshot(control: ControlRecipe, step: Step) -> Snapshot:
    detail = step.detail
    return Snapshot(
        values=values_from_json(control.parameters, step.values["active"]),
        active_digest=detail["active_digest"],
        active_tx_id=detail["active_tx_id"],
        change_counter=detail["change_counter"],
        boot_id=detail["boot_id"],
    )
