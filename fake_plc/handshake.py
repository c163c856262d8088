"""The controller's side of the recipe handshake, as a state machine without I/O.

Written from ``docs/handshake.md``; the rule names (P1, K4, T2 …) in comments are the rows of that page. Time is a
monotonic number of seconds given by the caller, so every rule is testable without waiting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

Scalar = bool | int | float | str
"""A recipe parameter's value, already in its wire type."""

PREPARE_SECONDS = 300.0
HOLD_SECONDS = 60.0
MAX_CONFIRM_SECONDS = 3600


class State(IntEnum):
    """``Sts/State``."""

    IDLE = 0
    PREPARED = 1
    COMMITTING = 2
    ACTIVE_UNCONFIRMED = 3
    REVERTING = 4
    FAULTED = 5


class Op(IntEnum):
    """``Cmd/Op`` of the mailbox profile."""

    NONE = 0
    PREPARE = 1
    COMMIT = 2
    CONFIRM = 3
    CANCEL = 4


class Result(IntEnum):
    """``Sts/Reason`` and the methods' Result."""

    OK = 0
    FENCED_TX_ID = 1
    WRONG_STATE = 2
    NOT_READY = 3
    DIGEST_MISMATCH = 4
    STAGING_INCOMPLETE = 5
    OUT_OF_RANGE = 6
    LOCAL_EDIT = 7
    EXPIRED = 8
    INTERNAL_ERROR = 9


RESULT_TEXT: Mapping[Result, str] = {
    Result.OK: "OK",
    Result.FENCED_TX_ID: "TxId is fenced: not above the last one seen, or not that of the open transaction",
    Result.WRONG_STATE: "not allowed in the present state",
    Result.NOT_READY: "machine is not at a safe boundary",
    Result.DIGEST_MISMATCH: "digest is not the one of the transaction",
    Result.STAGING_INCOMPLETE: "not every parameter was written since Prepare",
    Result.OUT_OF_RANGE: "a value, or ConfirmSeconds, is out of range",
    Result.LOCAL_EDIT: "a parameter was edited locally meanwhile",
    Result.EXPIRED: "the transaction has ended by itself",
    Result.INTERNAL_ERROR: "the controller could not carry it out",
}


@dataclass(frozen=True)
class Limits:
    """Allowed values of one parameter, in its own unit; None where it has no bounds (Boolean, String)."""

    low: float | None = None
    high: float | None = None

    def allow(self, value: Scalar) -> bool:
        """Whether ``value`` is finite and within the bounds."""
        if self.low is None or self.high is None or isinstance(value, str):
            return True
        return math.isfinite(value) and self.low <= value <= self.high


@dataclass(frozen=True)
class Snapshot:
    """What was in force before a Commit."""

    values: Mapping[str, Scalar]
    digest: str
    tx_id: int


@dataclass
class RecipeHandshake:
    """One recipe block. ``tx_per_operation`` is the mailbox rule F3, else the method rule F2 holds."""

    limits: Mapping[str, Limits]
    active: dict[str, Scalar]
    tx_per_operation: bool = False
    commit_seconds: float = 0.0
    """How long the controller stays in Committing before the values are active."""
    fail_commit: Literal["", "restored", "broken"] = ""
    """Makes the next Commit fail while applying: with the old values put back, or with half of the new ones (rule K8)."""

    state: State = State.IDLE
    reason: Result = Result.OK
    ack_tx_id: int = 0
    last_tx_id: int = 0
    active_tx_id: int = 0
    staged_digest: str = ""
    active_digest: str = ""
    prev_digest: str = ""
    change_counter: int = 0
    boot_id: int = 1
    staging: dict[str, Scalar] = field(default_factory=dict)

    _open_tx: int = 0
    _commit_tx: int = 0
    _confirm_seconds: int = 0
    _baseline: int = 0
    _since: float = 0.0
    _deadline: float = 0.0
    _previous: Snapshot | None = None
    _ran_out: bool = False
    _reverted: bool = False

    # -- requests -----------------------------------------------------------------------------------------------

    def prepare(self, tx_id: int, digest: str, *, now: float) -> Result:
        """Open a transaction (P1-P3)."""
        if not self._fence(tx_id, opening=True):
            return self._answer(tx_id, Result.FENCED_TX_ID)
        if self.state not in (State.IDLE, State.PREPARED):
            return self._answer(tx_id, Result.WRONG_STATE)
        self._open_tx = tx_id
        self.staging.clear()
        self.staged_digest = digest
        self._baseline = self.change_counter
        self._since = now
        self._ran_out = self._reverted = False
        self.state = State.PREPARED
        return self._answer(tx_id, Result.OK)

    def stage(self, name: str, value: Scalar) -> bool:
        """Take a write of ``Staging/<name>``; False where the state forbids it (S1, S2)."""
        if self.state is not State.PREPARED:
            return False
        self.staging[name] = value
        return True

    def commit(self, tx_id: int, confirm_seconds: int, *, now: float, ready: bool, digest: str | None = None) -> Result:
        """Check the transaction and begin to apply it (K1-K9).

        OK leaves the state in COMMITTING where ``commit_seconds`` is above zero, else in ACTIVE_UNCONFIRMED; in the
        first case the answer is given to the client only when ``scan`` has finished it. ``digest`` is None for the
        method profile.
        """
        if not self._fence(tx_id, opening=False):
            return self._answer(tx_id, Result.FENCED_TX_ID)
        refusal = self._commit_refusal(confirm_seconds, ready=ready, digest=digest)
        if refusal is not None:
            return self._answer(tx_id, refusal)
        if self.fail_commit:
            self._break_off(restored=self.fail_commit == "restored")
            return self._answer(tx_id, Result.INTERNAL_ERROR)
        self.state = State.COMMITTING
        self._commit_tx, self._confirm_seconds, self._since = tx_id, confirm_seconds, now
        if self.commit_seconds <= 0:
            self._apply(now)
        return self._answer(tx_id, Result.OK) if self.state is not State.COMMITTING else Result.OK

    def confirm(self, tx_id: int, *, digest: str | None = None) -> Result:
        """Make the change permanent (N1-N6)."""
        if not self._fence(tx_id, opening=False):
            return self._answer(tx_id, Result.FENCED_TX_ID)
        if self.state is State.REVERTING or (self.state is State.IDLE and self._reverted):
            return self._answer(tx_id, Result.EXPIRED)
        if self.state is not State.ACTIVE_UNCONFIRMED:
            return self._answer(tx_id, Result.WRONG_STATE)
        if digest is not None and digest != self.active_digest:
            return self._answer(tx_id, Result.DIGEST_MISMATCH)
        if self.change_counter != self._baseline:
            return self._answer(tx_id, Result.LOCAL_EDIT)
        self.state = State.IDLE
        return self._answer(tx_id, Result.OK)

    def cancel(self, tx_id: int, *, now: float) -> Result:
        """Give up the transaction (C1-C5)."""
        if not self._fence(tx_id, opening=False):
            return self._answer(tx_id, Result.FENCED_TX_ID)
        if self.state is State.ACTIVE_UNCONFIRMED:
            self._begin_reverting(now)
        elif self.state in (State.PREPARED, State.COMMITTING, State.FAULTED):
            self._end(State.IDLE)
        return self._answer(tx_id, Result.OK)

    def refuse(self, tx_id: int, result: Result) -> Result:
        """Answer a mailbox request that names no operation; it is fenced like any other."""
        if not self._fence(tx_id, opening=False):
            result = Result.FENCED_TX_ID
        return self._answer(tx_id, result)

    # -- what happens by itself -----------------------------------------------------------------------------------

    def scan(self, *, now: float, ready: bool) -> None:
        """One controller cycle: finish a Commit, run out of time, revert (K10, T1-T3)."""
        if self.state is State.COMMITTING and now - self._since >= self.commit_seconds:
            self._apply(now)
            self._answer(self._commit_tx, Result.OK)
        elif self.state is State.PREPARED and now - self._since >= PREPARE_SECONDS:
            self._end(State.IDLE)
            self._ran_out = True
            self.reason = Result.EXPIRED
        elif self.state is State.ACTIVE_UNCONFIRMED and now >= self._deadline:
            self._begin_reverting(now)
            self.reason = Result.EXPIRED
        if self.state is State.REVERTING and ready:
            self._revert()

    def local_edit(self, name: str, value: Scalar) -> None:
        """An operator changes an active parameter at the panel (L1). KeyError if there is no such parameter."""
        if name not in self.active:
            raise KeyError(name)
        self.active[name] = value
        self.change_counter = (self.change_counter + 1) & 0xFFFFFFFF

    def restart(self, *, now: float) -> None:
        """A power cycle (R1-R4)."""
        self.boot_id += 1
        if self.state is State.ACTIVE_UNCONFIRMED:
            self._begin_reverting(now)
        elif self.state in (State.PREPARED, State.COMMITTING):
            self._end(State.IDLE)
        self.staging.clear()
        self.staged_digest = ""

    def holds_start(self, now: float) -> bool:
        """Whether the machine must not begin its next batch (T4)."""
        return self.state in (State.PREPARED, State.COMMITTING, State.REVERTING) and now - self._since < HOLD_SECONDS

    # -- inner rules ----------------------------------------------------------------------------------------------

    def _fence(self, tx_id: int, *, opening: bool) -> bool:
        if opening or self.tx_per_operation:
            if tx_id <= self.last_tx_id:
                return False
            self.last_tx_id = tx_id
            return True
        return self._open_tx != 0 and tx_id == self._open_tx

    def _answer(self, tx_id: int, result: Result) -> Result:
        self.ack_tx_id, self.reason = tx_id, result
        return result

    def _commit_refusal(self, confirm_seconds: int, *, ready: bool, digest: str | None) -> Result | None:
        if self.state is State.IDLE and self._ran_out:
            return Result.EXPIRED
        if self.state is not State.PREPARED:
            return Result.WRONG_STATE
        if digest is not None and digest != self.staged_digest:
            return Result.DIGEST_MISMATCH
        if self.change_counter != self._baseline:
            return Result.LOCAL_EDIT
        if any(name not in self.staging for name in self.limits):
            return Result.STAGING_INCOMPLETE
        in_range = all(limit.allow(self.staging[name]) for name, limit in self.limits.items())
        if not in_range or not 1 <= confirm_seconds <= MAX_CONFIRM_SECONDS:
            return Result.OUT_OF_RANGE
        return None if ready else Result.NOT_READY

    def _apply(self, now: float) -> None:
        self._previous = Snapshot(dict(self.active), self.active_digest, self.active_tx_id)
        self.prev_digest = self.active_digest
        self.active.update(self.staging)
        self.active_digest = self.staged_digest
        self.active_tx_id = self._commit_tx
        self._baseline = self.change_counter
        self._deadline = now + self._confirm_seconds
        self._end(State.ACTIVE_UNCONFIRMED)

    def _break_off(self, *, restored: bool) -> None:
        self.fail_commit = ""
        if not restored:
            names = list(self.staging)
            self.active.update({name: self.staging[name] for name in names[: (len(names) + 1) // 2]})
            self.active_digest = ""
        self._end(State.IDLE if restored else State.FAULTED)

    def _begin_reverting(self, now: float) -> None:
        self.state = State.REVERTING
        self._since = now
        self._reverted = True

    def _revert(self) -> None:
        if self._previous is not None:
            self.active.update(self._previous.values)
            self.active_digest = self._previous.digest
            self.active_tx_id = self._previous.tx_id
            self._previous = None
        self.prev_digest = ""
        self.state = State.IDLE

    def _end(self, state: State) -> None:
        self.staging.clear()
        self.staged_digest = ""
        self.state = state
