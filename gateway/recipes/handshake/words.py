"""The words of docs/handshake.md: states, operations and results, and what a profile must offer."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class BlockState(IntEnum):
    """`Sts/State`."""

    IDLE = 0
    PREPARED = 1
    COMMITTING = 2
    ACTIVE_UNCONFIRMED = 3
    REVERTING = 4
    FAULTED = 5


class Op(IntEnum):
    """`Cmd/Op` of the mailbox profile."""

    NONE = 0
    PREPARE = 1
    COMMIT = 2
    CONFIRM = 3
    CANCEL = 4


class Result(IntEnum):
    """`Sts/Reason`, and the Result of the methods."""

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


_MEANING = {
    Result.OK: "OK",
    Result.FENCED_TX_ID: "FencedTxId (another client uses higher transaction numbers)",
    Result.WRONG_STATE: "WrongState (another change is under way)",
    Result.NOT_READY: "NotReady (the machine is not at a safe boundary)",
    Result.DIGEST_MISMATCH: "DigestMismatch",
    Result.STAGING_INCOMPLETE: "StagingIncomplete",
    Result.OUT_OF_RANGE: "OutOfRange (the controller's own range of a parameter, or of ConfirmSeconds)",
    Result.LOCAL_EDIT: "LocalEdit (somebody changed a parameter at the panel)",
    Result.EXPIRED: "Expired (the transaction ended by itself)",
    Result.INTERNAL_ERROR: "InternalError (the controller could not carry it out)",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the controller answered; `result` None when the request itself failed, and `text` says how."""

    result: Result | None
    text: str

    @property
    def ok(self) -> bool:
        """True when the controller did what was asked."""
        return self.result is Result.OK

    @classmethod
    def of(cls, code: object) -> "Answer":
        """The answer behind a Result code as read from the wire."""
        if isinstance(code, int) and code in set(Result):
            return cls(Result(code), _MEANING[Result(code)])
        return cls(None, f"an unknown result ({code!r})")


class Handshake(Protocol):
    """One profile with staging. Every method raises `gateway.errors.EquipmentError` when no answer came."""

    @property
    def tx_per_operation(self) -> bool:
        """True when every request needs a new TxId (F3), False when one names the whole transaction (F2)."""

    async def prepare(self, tx_id: int, digest: str) -> Answer:
        """Open a transaction."""

    async def commit(self, tx_id: int, digest: str, confirm_seconds: int) -> Answer:
        """Make the staged values active, until confirmed."""

    async def confirm(self, tx_id: int, digest: str) -> Answer:
        """Make the change permanent."""

    async def cancel(self, tx_id: int) -> Answer:
        """Give the transaction up."""
