"""The intake counts every value once, marks gaps, and is bounded."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from gateway.mirror.account import LossAccount
from gateway.mirror.feed import PublishCounters
from gateway.mirror.intake import Intake, SessionSink
from gateway.mirror.items import Table
from gateway.mirror.message import Decoded, Message, Undecodable
from gateway.plant.ports import GapReason, ItemOutcome, ItemRequest, Receipt
from gateway.plant.values import Changes, DataType
from tests.fakes.plant import items_with

SECOND = 1_000_000_000


class FakeFeed:
    """Decodes messages that were made by `data` below, and remembers acknowledgements."""

    def __init__(self) -> None:
        self.counters = PublishCounters()
        self.silence_limit_s = 10.0
        self.acknowledged: list[int] = []
        self.poison: set[int] = set()
        self.rows: dict[int, list[tuple[int, float, int, int]]] = {}

    def data(self, sequence: int, rows: Sequence[tuple[int, float, int, int]]) -> Message:
        """A message of (handle, value, source time, status) rows."""
        self.rows[sequence] = list(rows)
        return Message(1, sequence, received=sequence * SECOND, items=b"x" * 40 * len(rows), count=len(rows), keep_alive=False)

    def decode(self, messages: Sequence[Message]) -> Decoded:
        good = [message for message in messages if message.sequence not in self.poison]
        bad = [Undecodable(message, "torn") for message in messages if message.sequence in self.poison]
        rows = [(*row, message.received) for message in good for row in self.rows[message.sequence]]
        if not rows:
            return Decoded((), bad)
        handle, value, source, status, received = zip(*rows, strict=True)
        changes = Changes(
            DataType.DOUBLE, np.array(handle, np.uint32), np.array(source, np.int64), np.array(source, np.int64),
            np.array(received, np.int64), np.array(status, np.uint32), np.zeros(len(rows), np.uint8), np.array(value, np.float64),
        )  # fmt: skip
        return Decoded([changes], bad)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        self.acknowledged += [message.sequence for message in messages]

    def subscription_of(self, handle: int) -> int | None:
        return 1 if handle < 2 else 2

    def silent_for(self) -> float:
        return 0.0

    def vouched(self) -> int | None:
        return None

    async def subscribe(self, groups: Sequence[Sequence[ItemRequest]]) -> list[ItemOutcome]:
        return [ItemOutcome(request.handle, 0) for group in groups for request in group]

    async def add(self, requests: Sequence[ItemRequest]) -> list[ItemOutcome]:
        return await self.subscribe([requests])

    async def run(self) -> None:
        await asyncio.Event().wait()


class Bench:
    """An intake of three items (the last one measured in °F), its sink and feed."""

    def __init__(self, most_bytes: int = 10_000) -> None:
        items = items_with(count=3, fahrenheit={2})
        self.table = Table(items, [11, 12, 13], [None, 5 * SECOND, None])
        self.account = LossAccount()
        self.woken = 0
        self.intake = Intake(7, self.table, self.account, self._wake, most_bytes=most_bytes)
        self.sink = SessionSink(self.intake)
        self.feed = self.sink.feed = FakeFeed()

    def _wake(self) -> None:
        self.woken += 1

    def balanced(self) -> bool:
        account = self.account
        return account.received == account.stored + sum(account.rejected.values()) + self.intake.in_flight


def test_values_are_in_flight_until_the_receipt() -> None:
    bench = Bench()
    bench.sink.accept(bench.feed.data(1, [(0, 1.5, SECOND, 0), (1, 2.5, 6 * SECOND, 0)]))
    assert (bench.account.received, bench.intake.in_flight, bench.woken) == (2, 2, 1)
    load = bench.intake.take()
    assert load is not None
    assert bench.balanced()
    assert bench.feed.acknowledged == []
    bench.intake.settle(load, Receipt(7, stored=1, rejected={"duplicate": 1}))
    assert (bench.account.stored, bench.account.rejections(), bench.intake.in_flight) == (1, {"duplicate": 1}, 0)
    assert bench.balanced()
    assert bench.feed.acknowledged == [1]


def test_what_waits_undecoded_is_not_taken_for_silence() -> None:
    """While the store stalls nothing is decoded; whether an item is late is judged as of the oldest message that waits."""
    bench = Bench()
    now = 9 * SECOND
    assert bench.intake.known_until(now) == now
    for sequence in (3, 4):
        bench.sink.accept(bench.feed.data(sequence, [(0, 1.5, SECOND, 0)]))
    assert bench.intake.known_until(now) == 3 * SECOND
    bench.intake.take()
    assert bench.intake.known_until(now) == now


def test_handles_become_tags_and_units_become_the_class_s() -> None:
    bench = Bench()
    bench.sink.accept(bench.feed.data(1, [(0, 20.0, SECOND, 0), (2, 212.0, SECOND, 0)]))
    load = bench.intake.take()
    assert load is not None
    got = {int(tag): float(value) for each in load.delivery.changes for tag, value in zip(each.tag, each.values, strict=True)}
    assert got == {11: 20.0, 13: pytest.approx(100.0)}


def test_an_undecodable_message_is_rejected_by_name_and_leaves_a_gap() -> None:
    bench = Bench()
    bench.feed.poison = {2}
    bench.sink.accept(bench.feed.data(1, [(0, 1.0, SECOND, 0)]))
    bench.sink.accept(bench.feed.data(2, [(0, 1.0, SECOND, 0), (1, 1.0, SECOND, 0)]))
    load = bench.intake.take()
    assert load is not None
    bench.intake.settle(load, Receipt(7, stored=1))
    assert bench.account.rejections() == {"undecodable": 2}
    assert [gap.reason for gap in load.delivery.gaps] == [GapReason.UNDECODABLE]
    assert bench.balanced()
    assert bench.feed.acknowledged == [1, 2]


def test_an_unknown_handle_costs_only_itself() -> None:
    bench = Bench()
    bench.sink.accept(bench.feed.data(1, [(0, 1.0, SECOND, 0), (99, 1.0, SECOND, 0)]))
    load = bench.intake.take()
    assert load is not None
    bench.intake.settle(load, Receipt(7, stored=1))
    assert bench.account.rejections() == {"unknown_item": 1}
    assert bench.balanced()


def test_an_overflow_is_a_gap_that_ends_at_the_flagged_value() -> None:
    bench = Bench()
    bench.sink.accept(bench.feed.data(1, [(1, 1.0, 9 * SECOND, 0x480)]))
    bench.sink.accept(bench.feed.data(2, [(1, 1.0, 10 * SECOND, 0), (1, 2.0, 14 * SECOND, 0x480)]))
    load = bench.intake.take()
    assert load is not None
    assert [(gap.tag, gap.start, gap.end) for gap in load.delivery.gaps] == [
        (12, 5 * SECOND, 9 * SECOND),  # from the watermark of the store
        (12, 10 * SECOND, 14 * SECOND),  # from the value before it in the same batch
    ]
    assert bench.intake.overflows == 2


def test_lost_messages_are_gaps_of_their_subscription_s_items_only() -> None:
    bench = Bench()
    bench.sink.lost(1, SECOND, 3 * SECOND)
    load = bench.intake.take()
    assert load is not None
    assert [(gap.tag, gap.start, gap.end, gap.reason) for gap in load.delivery.gaps] == [
        (11, SECOND, 3 * SECOND, GapReason.SEQUENCE_LOST),
        (12, SECOND, 3 * SECOND, GapReason.SEQUENCE_LOST),
    ]


def test_an_outage_opens_a_gap_that_the_next_message_closes() -> None:
    bench = Bench()
    bench.intake.open_gap(4 * SECOND, GapReason.DISCONNECTED, "pulled")
    bench.intake.open_gap(5 * SECOND, GapReason.DISCONNECTED, "again")
    first = bench.intake.take()
    assert first is not None
    assert [(gap.start, gap.end) for gap in first.delivery.gaps] == [(4 * SECOND, None)]
    bench.sink.accept(bench.feed.data(9, [(0, 1.0, 9 * SECOND, 0)]))
    second = bench.intake.take()
    assert second is not None
    assert second.delivery.closes
    assert second.delivery.heard == 9 * SECOND


def test_an_outage_between_two_commits_is_a_closed_gap() -> None:
    bench = Bench()
    bench.intake.open_gap(4 * SECOND, GapReason.DISCONNECTED, "pulled")
    bench.sink.accept(bench.feed.data(9, [(0, 1.0, 9 * SECOND, 0)]))
    load = bench.intake.take()
    assert load is not None
    assert [(gap.start, gap.end) for gap in load.delivery.gaps] == [(4 * SECOND, 9 * SECOND)]


async def test_a_full_intake_holds_the_reader_until_it_is_stored() -> None:
    bench = Bench(most_bytes=40)
    await bench.sink.room()
    bench.sink.accept(bench.feed.data(1, [(0, 1.0, SECOND, 0)]))
    waiting = asyncio.create_task(bench.sink.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    load = bench.intake.take()
    assert load is not None
    assert not waiting.done()
    bench.intake.settle(load, Receipt(7, stored=1))
    async with asyncio.timeout(1):
        await waiting


def test_an_idle_endpoint_delivers_its_last_word_once() -> None:
    bench = Bench()
    bench.sink.accept(Message(1, 5, received=8 * SECOND, items=b"", count=0, keep_alive=True))
    load = bench.intake.take()
    assert load is not None
    assert load.delivery.heard == 8 * SECOND
    bench.intake.settle(load, Receipt(7, stored=0))
    assert bench.intake.take() is None


def test_a_defect_in_decoding_costs_its_own_messages_and_shows() -> None:
    bench = Bench()
    other = SessionSink(bench.intake)
    other.feed = broken = FakeFeed()

    def explode(messages: Sequence[Message]) -> Decoded:
        raise IndexError("a defect of ours")

    broken.decode = explode  # type: ignore[method-assign]
    other.accept(broken.data(1, [(0, 1.0, SECOND, 0), (1, 1.0, SECOND, 0)]))
    bench.sink.accept(bench.feed.data(2, [(0, 1.0, 2 * SECOND, 0)]))
    load = bench.intake.take()
    assert load is not None
    assert sum(map(len, load.delivery.changes)) == 1
    assert [gap.reason for gap in load.delivery.gaps] == [GapReason.UNDECODABLE]
    bench.intake.settle(load, Receipt(7, stored=1))
    assert bench.account.rejections() == {"internal_error": 2}
    assert bench.balanced()


def test_gap_seconds_count_while_an_outage_lasts_and_after_it() -> None:
    bench = Bench()
    bench.intake.open_gap(4 * SECOND, GapReason.DISCONNECTED, "pulled")
    assert bench.intake.take() is not None
    assert bench.intake.gap_ns(6 * SECOND) == 2 * SECOND
    bench.sink.accept(bench.feed.data(9, [(0, 1.0, 9 * SECOND, 0)]))
    assert bench.intake.gap_ns(20 * SECOND) == 5 * SECOND
