"""The failure table after CommitSent, row by row: what one look at the equipment decides."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.recipes.block import BlockStatus, Look
from gateway.recipes.handshake.words import BlockState, Result
from gateway.recipes.journal import Outcome, PushState, Step
from gateway.recipes.progress import Progress, Snapshot, replay
from gateway.recipes.verdict import Act, judge
from tests.unit.recipes.scenario import control_recipe

CONTROL = control_recipe("method")
NEW = {item.name: item.wire_value for item in CONTROL.parameters}
OLD: dict[str, Any] = {"foil": "Al-12", "oven": 100.0, "passes": 2, "speed": 20.0, "vacuum": False}
SNAPSHOT = Snapshot(OLD, "sha256:old", active_tx_id=7, change_counter=5, boot_id=1)
SENT = Progress(PushState.COMMIT_SENT, SNAPSHOT, prepare_tx=50, commit_tx=50, committed_at=1)
SEEN = replace(SENT, state=PushState.ACTIVE_UNCONFIRMED, active_seen=True)
CONFIRMING = replace(SEEN, state=PushState.CONFIRM_SENT, confirm_sent=True)
UNDOING = replace(SEEN, state=PushState.CANCEL_SENT, undo="read-back differed")
ABORTING = replace(SENT, state=PushState.CANCEL_SENT, abort="Commit was refused")

OLD_ACTIVE = BlockStatus("sha256:old", 5, 1, ready=True, active_tx_id=7, ack_tx_id=50)
NEW_ACTIVE = replace(OLD_ACTIVE, active_digest=CONTROL.rendered_digest, active_tx_id=50)
UNCONFIRMED = replace(NEW_ACTIVE, state=BlockState.ACTIVE_UNCONFIRMED)
LOST = Result.EXPIRED


def look(status: BlockStatus, active: dict[str, Any], **changes: Any) -> Look:
    return Look(replace(status, **changes), active)


QUARANTINE = (Act.END, Outcome.QUARANTINED)
ROWS = {
    # the controller is at it, or in trouble
    "committing": (SENT, look(OLD_ACTIVE, OLD, state=BlockState.COMMITTING), (Act.WAIT, None)),
    "committing, cancelled": (ABORTING, look(OLD_ACTIVE, OLD, state=BlockState.COMMITTING), (Act.WAIT, None)),
    "reverting": (SEEN, look(NEW_ACTIVE, NEW, state=BlockState.REVERTING), (Act.WAIT, None)),
    "another's reversion": (SENT, look(OLD_ACTIVE, OLD, state=BlockState.REVERTING, active_tx_id=77), QUARANTINE),
    "faulted": (SENT, look(OLD_ACTIVE, OLD, state=BlockState.FAULTED, active_digest=""), QUARANTINE),
    "faulted over the new values": (SENT, look(NEW_ACTIVE, NEW, state=BlockState.FAULTED), QUARANTINE),
    "a state nobody knows": (SENT, look(NEW_ACTIVE, NEW, state=9), QUARANTINE),
    # our transaction is open and not active
    "still prepared": (
        SENT, look(OLD_ACTIVE, OLD, state=BlockState.PREPARED, staged_digest=CONTROL.rendered_digest), (Act.CANCEL, None),
    ),
    "prepared by another, old whole": (
        SENT, look(OLD_ACTIVE, OLD, state=BlockState.PREPARED, staged_digest="sha256:x"), (Act.END, Outcome.ABORTED_CLEAN),
    ),
    # active and unconfirmed
    "new, whole": (SENT, look(UNCONFIRMED, NEW), (Act.CONFIRM, None)),
    "new, confirmation lost": (CONFIRMING, look(UNCONFIRMED, NEW), (Act.CONFIRM, None)),
    "new, one value off": (SENT, look(UNCONFIRMED, {**NEW, "speed": 28.500002}), (Act.UNDO, None)),
    "new, one value unreadable": (SENT, look(UNCONFIRMED, {**NEW, "speed": None}), (Act.UNDO, None)),
    "new label over old values": (SENT, look(UNCONFIRMED, OLD), (Act.UNDO, None)),
    "new values under another label": (SENT, look(UNCONFIRMED, NEW, active_digest="sha256:x"), (Act.UNDO, None)),
    "new, edited and edited back": (SENT, look(UNCONFIRMED, NEW, change_counter=7), (Act.UNDO, None)),
    "new, whole, but to be undone": (UNDOING, look(UNCONFIRMED, NEW), (Act.UNDO, None)),
    "another's, unconfirmed": (SENT, look(UNCONFIRMED, NEW, active_tx_id=77), QUARANTINE),
    # closed, and it is ours
    "confirmed": (CONFIRMING, look(NEW_ACTIVE, NEW), (Act.END, Outcome.CONFIRMED)),
    "confirmed, then edited": (
        CONFIRMING, look(NEW_ACTIVE, {**NEW, "speed": 30.0}, change_counter=6), (Act.END, Outcome.CONFIRMED),
    ),
    "confirmed, two values off after one edit": (
        CONFIRMING, look(NEW_ACTIVE, {**NEW, "speed": 30.0, "oven": 1.0}, change_counter=6), QUARANTINE,
    ),
    "closed without our confirmation, one value off": (
        SEEN, look(NEW_ACTIVE, {**NEW, "speed": 30.0}, change_counter=6), QUARANTINE,
    ),
    "closed with old values under the new label": (SENT, look(NEW_ACTIVE, OLD), QUARANTINE),
    "closed with the new values under no label": (CONFIRMING, look(NEW_ACTIVE, NEW, active_digest=""), QUARANTINE),
    # closed, and the old recipe is there
    "old, never active": (SENT, look(OLD_ACTIVE, OLD), (Act.END, Outcome.ABORTED_CLEAN)),
    "old, cancelled before it was active": (ABORTING, look(OLD_ACTIVE, OLD, reason=LOST), (Act.END, Outcome.ABORTED_CLEAN)),
    "old, run out unseen": (SENT, look(OLD_ACTIVE, OLD, reason=LOST), (Act.END, Outcome.EXPIRED)),
    "old, after it was seen active": (SEEN, look(OLD_ACTIVE, OLD), (Act.END, Outcome.EXPIRED)),
    "old, after we had it undone": (UNDOING, look(OLD_ACTIVE, OLD), (Act.END, Outcome.ROLLED_BACK)),
    "old, edited once since": (
        SENT, look(OLD_ACTIVE, {**OLD, "speed": 21.0}, change_counter=6), (Act.END, Outcome.ABORTED_CLEAN),
    ),
    "the counter wrapped around": (
        replace(SENT, snapshot=replace(SNAPSHOT, change_counter=2**32 - 1)),
        look(OLD_ACTIVE, {**OLD, "speed": 21.0}, change_counter=0), (Act.END, Outcome.ABORTED_CLEAN),
    ),
    # neither
    "old label, one value off": (SENT, look(OLD_ACTIVE, {**OLD, "speed": 28.5}), QUARANTINE),
    "old values under another label": (SENT, look(OLD_ACTIVE, OLD, active_digest="sha256:x"), QUARANTINE),
    "old values, another's transaction": (SENT, look(OLD_ACTIVE, OLD, active_tx_id=77), QUARANTINE),
    "rolled back halfway": (UNDOING, look(OLD_ACTIVE, {**OLD, "speed": 28.5}), QUARANTINE),
}  # fmt: skip


@pytest.mark.parametrize(("progress", "seen", "expected"), ROWS.values(), ids=ROWS.keys())
def test_each_row_of_the_failure_table(progress: Progress, seen: Look, expected: tuple[Act, Outcome | None]) -> None:
    verdict = judge(CONTROL, progress, seen)
    assert (verdict.act, verdict.outcome) == expected
    for value in ("28.5", "30.0", "21.0", "Al-1"):
        assert value not in verdict.reason


def test_what_may_have_been_committed_is_never_forgotten() -> None:
    steps = [
        Step(1, 1, 0, 0, PushState.PLANNED),
        Step(1, 2, 10, 1, PushState.COMMIT_SENT, 50),
        Step(1, 3, 20, 2, PushState.LEASED),
        Step(1, 4, 30, 2, PushState.PREFLIGHT),
    ]
    assert replay(CONTROL, steps).committed_at == 10


def test_a_new_preflight_forgets_the_staging_before_it() -> None:
    steps = [Step(1, 1, 0, 1, PushState.STAGING, 50), Step(1, 2, 10, 2, PushState.PREFLIGHT)]
    assert replay(CONTROL, steps) == Progress(PushState.PREFLIGHT)
