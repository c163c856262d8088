"""Between the socket and the store: messages of one endpoint wait here, counted and bounded, until they are durable."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.mirror.account import LossAccount
from gateway.mirror.feed import Feed
from gateway.mirror.items import Table
from gateway.mirror.message import Message
from gateway.plant.ports import Delivery, Gap, GapReason, Receipt
from gateway.plant.values import OVERFLOW_BITS, Changes

_log = structlog.get_logger(__name__)

#: Bytes of undelivered messages one endpoint may hold: at 40 bytes a value, a minute of 40,000 values a second.
MOST_BYTES = 96 * 2**20


@dataclass(slots=True)
class Marks:
    """Gaps that the next delivery carries, in the order they happened."""

    gaps: list[Gap] = field(default_factory=list)
    closes: bool = False
    closes_tags: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.gaps) or self.closes or bool(self.closes_tags)


@dataclass(slots=True)
class Load:
    """What was taken from an intake for one commit, and goes back to it with the receipt."""

    delivery: Delivery
    messages: dict["SessionSink", list[Message]]
    values: int
    size: int
    unstorable: dict[str, int]


class Intake:
    """One endpoint's undelivered messages and marks. Lives as long as the endpoint is configured, over all sessions."""

    def __init__(
        self, endpoint: int, table: Table, account: LossAccount, wake: Callable[[], None], *, most_bytes: int = MOST_BYTES
    ) -> None:
        self.endpoint = endpoint
        self.table = table
        self.account = account
        self.in_flight = 0
        self.size = 0
        self.overflows = 0
        self.closed_gap_ns = 0  #: endpoint-wide gaps that have ended
        self.heard: int | None = None
        self.last_data: int | None = None
        self.marks = Marks()
        self.gap_since: int | None = None  #: when the endpoint-wide gap began that is open
        self._wake = wake
        self._most_bytes = most_bytes
        self._pending: dict[SessionSink, list[Message]] = {}
        self._room = asyncio.Event()
        self._room.set()
        self._heard_told: int | None = None

    # --- the socket's side ---

    async def room(self) -> None:
        """Wait until there is room; meanwhile no further PublishRequest is sent and the server's queues fill."""
        await self._room.wait()

    def accept(self, sink: "SessionSink", message: Message) -> None:
        """Take a message in. Its values count as received from here on."""
        self.heard = message.received
        if self.gap_since is not None:
            self.close_gap(message.received)
        if message.undecodable:
            self.marks.gaps.append(_torn(self.endpoint, message, message.undecodable))
        if message.keep_alive:
            return
        self.last_data = message.received
        self.account.received += message.count
        self.in_flight += message.count
        self.size += _cost(message)
        self._pending.setdefault(sink, []).append(message)
        if self.size >= self._most_bytes:
            self._room.clear()
        self._wake()

    def open_gap(self, start: int, reason: GapReason, detail: str) -> None:
        """From `start` on the twin cannot vouch for any tag of this endpoint."""
        if self.gap_since is None:
            self.gap_since = start
            self.marks.gaps.append(Gap(self.endpoint, None, start, None, reason, detail))
            self._wake()

    def close_gap(self, end: int) -> None:
        """The endpoint speaks again."""
        self.closed_gap_ns = self.gap_ns(end)
        self.gap_since = None
        still_here = [gap for gap in self.marks.gaps if gap.tag is None and gap.end is None]
        if still_here:  # opened and closed between two commits: it never was open in the store
            self.marks.gaps = [replace(gap, end=max(end, gap.start)) if gap in still_here else gap for gap in self.marks.gaps]
        self.marks.closes = True

    def gap_ns(self, now: int) -> int:
        """How long, in this run, the twin could not vouch for the endpoint as a whole; what lasts counts until now."""
        return self.closed_gap_ns + (max(0, now - self.gap_since) if self.gap_since is not None else 0)

    def note_gaps(self, gaps: Sequence[Gap]) -> None:
        """Gaps of single tags."""
        self.marks.gaps += gaps
        self._wake()

    def close_tags(self, tags: Sequence[int], now: int) -> None:
        """Tags that the server monitors again, as it has just said."""
        if tags:
            self.heard = max(self.heard or now, now)
            closed = set(tags)  # what opens after this opens anew: the store's closing must not touch it
            self.marks.gaps = [
                replace(gap, end=max(now, gap.start)) if gap.end is None and gap.tag in closed else gap for gap in self.marks.gaps
            ]
            self.marks.closes_tags += tags
            self._wake()

    def known_until(self, now: int) -> int:
        """The moment until which the table knows all that was received: what waits to be decoded came no earlier."""
        return min((messages[0].received for messages in self._pending.values()), default=now)

    @property
    def full(self) -> bool:
        """True while no further messages are asked for."""
        return not self._room.is_set()

    # --- the store's side ---

    @property
    def waiting(self) -> bool:
        """True when there is something to deliver."""
        return bool(self._pending) or bool(self.marks)

    def take(self) -> Load | None:
        """Everything that waits, decoded into the class's terms; None when nothing does and nothing was heard."""
        if not self.waiting and self.heard == self._heard_told:
            return None
        pending, self._pending = self._pending, {}
        marks, self.marks = self.marks, Marks()
        changes: list[Changes] = []
        unstorable: dict[str, int] = {}
        for sink, messages in pending.items():
            try:
                changes += self._decoded(sink, messages, marks, unstorable)
            except Exception as fault:  # noqa: BLE001 - a defect of ours here must cost these messages alone; it is logged whole
                _log.error("messages could not be decoded", endpoint=self.endpoint, messages=len(messages), exc_info=fault)
                _count(unstorable, "internal_error", sum(message.count for message in messages))
                marks.gaps += [_torn(self.endpoint, message, f"internal error: {type(fault).__name__}") for message in messages]
        messages = [message for each in pending.values() for message in each]
        self._heard_told = self.heard
        delivery = Delivery(self.endpoint, changes, tuple(marks.gaps), self.heard, marks.closes, tuple(marks.closes_tags))
        values, size = sum(message.count for message in messages), sum(map(_cost, messages))
        return Load(delivery, pending, values, size, unstorable)

    def _decoded(
        self, sink: "SessionSink", messages: Sequence[Message], marks: Marks, unstorable: dict[str, int]
    ) -> list[Changes]:
        rejected: dict[str, int] = {}
        decoded = sink.feed.decode(messages)
        changes = [part for each in decoded.changes for part in self._in_twin_terms(each, marks, rejected)]
        for bad in decoded.undecodable:
            _count(rejected, "undecodable", bad.message.count)
            marks.gaps.append(_torn(self.endpoint, bad.message, bad.reason))
        for reason, count in rejected.items():
            _count(unstorable, reason, count)
        return changes

    def settle(self, load: Load, receipt: Receipt) -> None:
        """The load is durable: account for it, make room, and let the server forget it."""
        self.account.settle(receipt)
        for reason, count in load.unstorable.items():
            self.account.reject(reason, count)
        self.in_flight -= load.values
        self.size -= load.size
        if self.size < self._most_bytes:
            self._room.set()
        for sink, messages in load.messages.items():
            sink.feed.acknowledge(messages)

    def _in_twin_terms(self, changes: Changes, marks: Marks, unstorable: dict[str, int]) -> list[Changes]:
        known = changes.tag < len(self.table)
        if not known.all():
            _count(unstorable, "unknown_item", int((~known).sum()))
            changes = changes.take(known.nonzero()[0])
            if not len(changes):
                return []
        if (changes.status & OVERFLOW_BITS == OVERFLOW_BITS).any():
            marks.gaps += self._overflow_gaps(changes)
        self.table.note(changes)
        return self.table.in_class_terms(changes)

    def _overflow_gaps(self, changes: Changes) -> list[Gap]:
        """With discard-oldest the overflow bit marks the value after the loss: the gap ends there (OPC 10000-4, 5.13.1.5)."""
        before = _row_before(changes.tag)
        gaps = []
        for row in (changes.status & OVERFLOW_BITS == OVERFLOW_BITS).nonzero()[0].tolist():
            handle, end = int(changes.tag[row]), int(changes.source_time[row])
            earlier = int(before[row])
            start = int(changes.source_time[earlier]) if earlier >= 0 else int(self.table.last_source[handle])
            start = min(start or end, end)
            gaps.append(Gap(self.endpoint, int(self.table.tag[handle]), start, end, GapReason.QUEUE_OVERFLOW))
        self.overflows += len(gaps)
        return gaps


def _row_before(handles: NDArray[np.uint32]) -> NDArray[np.intp]:
    """For each row the last row before it with the same handle, or -1."""
    order = np.argsort(handles, kind="stable")
    same = handles[order][1:] == handles[order][:-1]
    before = np.full(len(handles), -1, np.intp)
    before[order[1:][same]] = order[:-1][same]
    return before


def _cost(message: Message) -> int:
    """Bytes a waiting message takes, the objects around its items included."""
    return len(message.items) + 300


def _count(reasons: dict[str, int], reason: str, values: int) -> None:
    reasons[reason] = reasons.get(reason, 0) + values


def _torn(endpoint: int, message: Message, reason: str) -> Gap:
    """What an unreadable message held is missing since its subscription spoke before."""
    return Gap(endpoint, None, message.since or message.received, message.received, GapReason.UNDECODABLE, reason)


class SessionSink:
    """The intake as one session sees it: remembers which feed a message must be acknowledged to."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.feed: Feed

    async def room(self) -> None:
        """See `feed.Sink`."""
        await self._intake.room()

    def accept(self, message: Message) -> None:
        """See `feed.Sink`."""
        self._intake.accept(self, message)

    def lost(self, subscription: int, since: int, until: int) -> None:
        """See `feed.Sink`: every item of the subscription has a gap."""
        intake = self._intake
        handles = [handle for handle in range(len(intake.table)) if self.feed.subscription_of(handle) == subscription]
        intake.note_gaps(
            [Gap(intake.endpoint, int(intake.table.tag[handle]), since, until, GapReason.SEQUENCE_LOST) for handle in handles]
        )
