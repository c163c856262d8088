"""The port of the push ledger: intents, leases with epochs, and steps written durably before each outside effect.

The ledger is the single source of truth for pushes. Whoever executes a push derives everything from its steps, so that a lost
connection, a restarted daemon and a later retry are all the same case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from gateway.recipes.control_recipe import ControlRecipe


class PushState(StrEnum):
    """Where an open push stands. A state is journaled before the effect it names."""

    PLANNED = "Planned"
    LEASED = "Leased"
    PREFLIGHT = "Preflight"
    SNAPSHOT = "Snapshot"  #: values: what the equipment held before
    STAGING = "Staging"  #: Prepare and the staging writes may have been sent under this TxId
    STAGED_VERIFIED = "StagedVerified"
    COMMIT_SENT = "CommitSent"  #: Commit may have been sent (direct: Active may have been written)
    INDETERMINATE = "Indeterminate"  #: contact was lost after CommitSent; to be resolved by reading
    ACTIVE_UNCONFIRMED = "ActiveUnconfirmed"
    CONFIRM_SENT = "ConfirmSent"
    CANCEL_SENT = "CancelSent"
    REVERTING = "Reverting"  #: the controller puts the old recipe back at its next safe boundary
    RESTORING = "Restoring"  #: direct: the snapshot may have been written back


class Outcome(StrEnum):
    """How a push ended."""

    CONFIRMED = "Confirmed"
    NO_OP = "NoOp"
    REFUSED = "Refused"
    ABORTED_CLEAN = "AbortedClean"
    ROLLED_BACK = "RolledBack"
    EXPIRED = "Expired"
    QUARANTINED = "Quarantined"


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody asked for. The same `idempotency_key` of the same person names the same push for ever."""

    control: ControlRecipe
    requested_by: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Push:
    """One control recipe on its way into one piece of equipment. Times are ns since the Unix epoch."""

    id: int
    control: ControlRecipe
    requested_by: str
    requested_at: int
    idempotency_key: str
    state: str  #: of the last step: a `PushState`, or the `Outcome` once ended
    outcome: Outcome | None = None
    reason: str = ""
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a push's journal. `values` may hold recipe values: only for those who may see them; `detail` never does."""

    push: int
    number: int
    time: int
    epoch: int
    state: str
    tx_id: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act on one piece of equipment for one push. A newer epoch ends an older one's right to journal."""

    push: int
    equipment: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Equipment that no push may touch until a person has looked at it."""

    equipment: str
    push: int
    since: int
    reason: str


class LeaseLost(Exception):
    """Another executor took the push over under a newer epoch: stop at once, touch nothing."""


class Journal(Protocol):
    """The ledger of pushes. Every method that writes returns only when its effect is durable.

    All may raise `gateway.errors.StoreError`. `tests/contract/test_journal.py` holds what every implementation must do.
    """

    async def submit(self, intent: Intent, *, now: int) -> Push:
        """Record an intent, or find the push that the same person's same key already named."""

    async def push(self, id: int) -> Push:
        """One push.

        Raises:
            NotFound: there is none.
        """

    async def pushes(self, pattern: str = "", *, limit: int = 100) -> Sequence[Push]:
        """Pushes into equipment that `plant.hierarchy.matches(pattern, path)`, newest first."""

    async def open_pushes(self) -> Sequence[Push]:
        """Pushes without an end, oldest first."""

    async def steps(self, id: int) -> Sequence[Step]:
        """The journal of one push, in order."""

    async def lease(self, push: Push, *, now: int) -> Lease | None:
        """Take the equipment for this push under a new epoch and journal `Leased`; None while another open push holds it."""

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
        """Journal a step.

        Raises:
            LeaseLost: the lease's epoch is over, or the push has ended.
        """

    async def end(
        self, lease: Lease, outcome: Outcome, reason: str, *, now: int, values: Mapping[str, Any] | None = None
    ) -> Push:
        """Journal the end and release the lease in one transaction; `Quarantined` also blocks the equipment.

        Raises:
            LeaseLost: the lease's epoch is over, or the push has ended.
        """

    async def last_tx(self, equipment: str) -> int:
        """The highest TxId ever journaled for this equipment; 0 for none."""

    async def quarantines(self) -> Sequence[Quarantine]:
        """Equipment that is blocked."""

    async def release_quarantine(self, equipment: str, *, by: str, reason: str, now: int) -> None:
        """Unblock equipment, and keep who did it and why.

        Raises:
            NotFound: it is not blocked.
        """

    async def outcomes(self) -> Mapping[tuple[str, Outcome], int]:
        """How many pushes ended how, by (site, outcome)."""
