"""The mirror when connections, the store and the configuration change under it: what is lost shows as a gap, and only that."""

import asyncio
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gateway.errors import RequestRefused, StoreFull
from gateway.mirror import backoff, endpoint, ingest, service
from gateway.mirror.items import items_of
from gateway.mirror.message import Message
from gateway.mirror.service import Mirror
from gateway.plant.equipment_class import Plant
from gateway.plant.ports import Delivery, Gap, GapReason, Reading, Receipt, TagRecord, Watermark
from gateway.plant.values import Changes, DataType
from gateway.runtime.surroundings import SystemClock
from gateway.store.gaps import gaps_to_write
from tests.fakes.plant import plant_with
from tests.fakes.subscriptions import SpokenDialer, until
from tests.fakes.twin_store import MemoryTwin
from tests.unit.mirror.test_intake import SECOND, Bench

T0, T1 = "here/hall/line-1/oven-1/T0", "here/hall/line-1/oven-1/T1"
LONG = 3600 * SECOND
CLOCK = SystemClock()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror's own waits, shortened."""
    monkeypatch.setattr(ingest, "_GATHER_S", 0.005)
    monkeypatch.setattr(ingest, "_RETRY_S", 0.005)
    monkeypatch.setattr(ingest, "_IDLE_S", 0.05)
    monkeypatch.setattr(endpoint, "_WATCH_S", 0.005)
    monkeypatch.setattr(backoff, "_FIRST_S", 0.005)
    monkeypatch.setattr(service, "_DRAIN_S", 0.5)


async def reading(twin: MemoryTwin, path: str = T0, moment: int | None = None) -> Reading:
    """What the twin says now, or said at a moment; a gap makes it Uncertain for an hour."""
    if moment is None:
        (found,) = await twin.current(path, now=time.time_ns(), grace_ns=LONG)
    else:
        (found,) = await twin.as_of(path, moment=moment, grace_ns=LONG)
    return found


def is_uncertain(found: Reading) -> bool:
    return found.status >> 30 == 1 and found.gap is not None


async def stored(mirror: Mirror) -> None:
    """All that was received is in the twin."""
    await until(lambda: all(each.received and not each.in_flight for each in mirror.reports()))


def balanced(mirror: Mirror) -> bool:
    return all(each.received == each.stored + sum(each.rejected.values()) + each.in_flight for each in mirror.reports())


async def all_gaps(twin: MemoryTwin) -> list[Gap]:
    return [gap for _, gap in await twin.gaps("", start=0, end=2**62)]


def renamed(plant: Plant, name: str, url: str) -> Plant:
    """The plant with its one endpoint under another name, at another address."""
    site = plant.sites[0]
    line = site.lines[0]
    equipment = tuple(replace(each, endpoint=name) for each in line.equipment)
    served = replace(site.endpoints[0], name=name, url=url)
    return replace(plant, sites=(replace(site, endpoints=(served,), lines=(replace(line, equipment=equipment),)),))


def with_second_endpoint(count: int) -> Plant:
    """Oven 1 with one temperature at `plc`; oven 2 with `count` at `b`."""
    one, other = plant_with(1), plant_with(count)
    site, line = one.sites[0], one.sites[0].lines[0]
    oven = other.sites[0].lines[0].equipment[0]
    second = replace(oven, path=replace(oven.path, equipment="oven-2"), endpoint="b")
    served = (site.endpoints[0], replace(site.endpoints[0], name="b"))
    both = replace(site, endpoints=served, lines=(replace(line, equipment=(line.equipment[0], second)),))
    return replace(one, sites=(both,))


class RefusingTwin(MemoryTwin):
    """Refuses to register tags while `full`."""

    full = False

    async def register_tags(self, tags: Sequence[TagRecord]) -> list[Watermark]:
        if self.full:
            raise StoreFull("disk full")
        return await super().register_tags(tags)


# --- sessions and the end ---


async def test_an_outage_begins_where_the_quietest_subscription_spoke_last() -> None:
    twin, dialer = MemoryTwin(), SpokenDialer()
    async with Mirror.start(plant_with(2), twin, dialer, CLOCK) as mirror:
        feed = await dialer.feed()
        spoke = feed.say(1.0, (0,), subscription=1)
        for _ in range(3):
            feed.say(2.0, (1,), subscription=2)
        await stored(mirror)
        feed.silent = 100.0
        again = await dialer.feed(2)
        again.say(3.0, (0, 1))
        await stored(mirror)
        (gap,) = await all_gaps(twin)
        assert (gap.tag, gap.reason, gap.start) == (None, GapReason.DISCONNECTED, spoke)
        assert gap.end is not None


async def test_values_are_counted_once_when_the_end_meets_a_commit() -> None:
    """The commit becomes durable although we are cancelled while it does; it must not be delivered again."""

    class SlowTwin(MemoryTwin):
        slow = False

        async def commit(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
            receipts = await super().commit(deliveries)
            if self.slow:
                inside.set()
                await release.wait()
            return receipts

    inside, release = asyncio.Event(), asyncio.Event()
    twin, dialer = SlowTwin(), SpokenDialer()
    async with asyncio.timeout(5), Mirror.start(plant_with(1), twin, dialer, CLOCK) as mirror:
        feed = await dialer.feed()
        feed.say()
        await stored(mirror)
        twin.slow = True
        for value in range(10):
            feed.say(2.0 + value)
        await inside.wait()
        asyncio.get_running_loop().call_later(0.05, release.set)
    (report,) = mirror.reports()
    (account,) = await twin.accounts()
    assert (report.received, report.stored, dict(report.rejected), report.in_flight) == (11, 11, {}, 0)
    assert (account.stored, dict(account.rejected)) == (11, {})
    assert len(await all_gaps(twin)) == 1  # that the gateway was stopped, told once


# --- a new configuration ---


async def test_a_tag_that_moved_to_an_unreachable_endpoint_is_not_good() -> None:
    twin, dialer, plant = MemoryTwin(), SpokenDialer(), plant_with(1)
    async with Mirror.start(plant, twin, dialer, CLOCK) as mirror:
        (await dialer.feed()).say()
        await stored(mirror)
        dialer.down.add("opc.tcp://dead:1")
        assert (await mirror.reload(renamed(plant, "plc2", "opc.tcp://dead:1")))["removed"] == ["here/plc"]
        async with asyncio.timeout(5):
            while not is_uncertain(await reading(twin)):
                await mirror.ingest.commit()


async def test_a_tag_that_is_no_longer_mirrored_has_a_gap_until_it_is() -> None:
    twin, dialer = MemoryTwin(), SpokenDialer()
    async with Mirror.start(plant_with(2), twin, dialer, CLOCK) as mirror:
        (await dialer.feed()).say(1.0, (0, 1))
        await stored(mirror)
        await mirror.reload(plant_with(1))
        between = (await dialer.feed(2)).say(2.0, (0,))
        await stored(mirror)
        assert is_uncertain(await reading(twin, T1))
        assert (await reading(twin, T0)).gap is None
        await mirror.reload(plant_with(2))
        (await dialer.feed(3)).say(3.0, (0, 1))
        await stored(mirror)
        assert (await reading(twin, T1)).gap is None
        assert (await reading(twin, T1, between)).status != 0
        assert (await reading(twin, T1, between)).gap is not None


async def test_an_endpoint_removed_while_the_gateway_was_down_is_not_good() -> None:
    """Without an orderly stop nothing says so but when the endpoint was last heard."""
    twin, plant, heard = MemoryTwin(), plant_with(1), time.time_ns()
    (served,) = plant.endpoints()
    number = await twin.register_endpoint(served.key)
    marks = await twin.register_tags([item.record(served, "") for item in items_of(plant, served)])
    when = np.array([heard], np.int64)
    changes = Changes(
        DataType.DOUBLE, np.array([marks[0].tag], np.uint32), when, when, when, np.zeros(1, np.uint32), np.zeros(1, np.uint8),
        np.ones(1),
    )  # fmt: skip
    await twin.commit([Delivery(number, [changes], (), heard)])
    assert (await reading(twin)).gap is None
    empty = replace(plant, sites=(replace(plant.sites[0], endpoints=(), lines=()),))
    async with Mirror.start(empty, twin, SpokenDialer(), CLOCK):
        found = await reading(twin)
    assert is_uncertain(found)
    assert found.gap is not None
    assert (found.gap.reason, found.gap.start) == (GapReason.GATEWAY_STOPPED, heard)


async def test_counters_do_not_go_back_at_a_reload() -> None:
    twin, dialer = MemoryTwin(), SpokenDialer()
    async with Mirror.start(plant_with(1), twin, dialer, CLOCK) as mirror:
        feed = await dialer.feed()
        for status in (0, 0, 0x480):
            feed.say(status=status)
        await stored(mirror)
        (before,) = mirror.reports()
        assert (before.notifications, before.stored, before.overflows) == (3, 3, 1)
        for count in (2, 3):
            await mirror.reload(plant_with(count))
            (after,) = mirror.reports()
            for name in ("notifications", "received", "stored", "overflows", "gap_seconds", "sessions_created"):
                assert getattr(after, name) >= getattr(before, name), name
            await dialer.feed(count)
            before = mirror.reports()[0]
        assert (before.sessions_created, before.reconnects) == (3, 2)


async def test_a_reload_ends_although_another_endpoint_never_pauses() -> None:
    class BusyTwin(MemoryTwin):
        async def commit(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
            for busy in dialer.feeds("plc"):
                busy.say()
            await asyncio.sleep(0)
            return await super().commit(deliveries)

    dialer = SpokenDialer()
    twin = BusyTwin()
    async with Mirror.start(with_second_endpoint(1), twin, dialer, CLOCK) as mirror:
        await dialer.feed()
        (await dialer.feed(name="b")).say()
        await until(lambda: all(each.stored for each in mirror.reports()))
        async with asyncio.timeout(2):
            done = await mirror.reload(with_second_endpoint(2))
        assert (done["kept"], done["changed"]) == (["here/plc"], ["here/b"])
        dialer.sessions = [each for each in dialer.sessions if each.endpoint.name == "b"]  # quiet now, so that it can end


async def test_a_reload_is_refused_while_the_store_is_known_to_take_nothing() -> None:
    twin, dialer = MemoryTwin(), SpokenDialer()
    async with Mirror.start(plant_with(1), twin, dialer, CLOCK) as mirror:
        feed = await dialer.feed()
        twin.fail_with = StoreFull("full")
        feed.say()
        await until(lambda: bool(mirror.ingest.trouble))
        with pytest.raises(RequestRefused, match="full"):
            await mirror.reload(plant_with(2))
        assert len(dialer.sessions) == 1  # nothing was touched
        twin.fail_with = None
        feed.say()
        await stored(mirror)
        assert mirror.reports()[0].stored == 2
        assert await all_gaps(twin) == []


async def test_endpoints_go_on_when_the_store_refuses_during_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_DRAIN_S", 0.05)
    twin, dialer = MemoryTwin(), SpokenDialer()
    async with Mirror.start(plant_with(1), twin, dialer, CLOCK) as mirror:
        feed = await dialer.feed()
        feed.say()
        await stored(mirror)
        twin.fail_with = StoreFull("full")
        feed.say()
        mirror.ingest.trouble = ""
        with pytest.raises(RequestRefused, match="try again"):
            await mirror.reload(plant_with(2))
        assert [each.endpoint for each in mirror.reports()] == ["plc"]
        (await dialer.feed(2)).say()
        twin.fail_with = None
        await stored(mirror)
        assert mirror.reports()[0].stored == 3
        assert balanced(mirror)
        assert (await reading(twin)).gap is None
        assert [gap.end is None for gap in await all_gaps(twin)] == [False]


async def test_endpoints_go_on_when_a_reload_fails_halfway() -> None:
    twin, dialer = RefusingTwin(), SpokenDialer()
    async with Mirror.start(plant_with(2), twin, dialer, CLOCK) as mirror:
        (await dialer.feed()).say(1.0, (0, 1))
        await stored(mirror)
        twin.full = True
        with pytest.raises(RequestRefused, match="disk full"):
            await mirror.reload(plant_with(1))
        assert [each.endpoint for each in mirror.reports()] == ["plc"]
        twin.full = False
        (await dialer.feed(2)).say(2.0, (0, 1))
        await stored(mirror)
        assert (await reading(twin, T1)).gap is None
        assert (await mirror.reload(plant_with(1)))["changed"] == ["here/plc"]
        assert balanced(mirror)


async def test_new_defaults_are_not_forgotten_when_a_reload_fails_halfway() -> None:
    twin, dialer, plant = RefusingTwin(), SpokenDialer(), plant_with(1)
    covered = replace(plant, mirror=replace(plant.mirror, outage_cover_s=99.0))
    async with Mirror.start(plant, twin, dialer, CLOCK) as mirror:
        await dialer.feed()
        twin.full = True
        with pytest.raises(RequestRefused):
            await mirror.reload(covered)
        twin.full = False
        await dialer.feed(2)
        assert (await mirror.reload(covered))["changed"] == ["here/plc"]


# --- the intake ---


def test_a_tag_accepted_and_rejected_between_two_commits_is_rejected() -> None:
    bench = Bench()
    bench.intake.close_tags([11], 11 * SECOND)
    bench.intake.note_gaps([Gap(7, 11, 12 * SECOND, None, GapReason.ITEM_REJECTED, "x")])
    bench.sink.accept(bench.feed.data(20, [(1, 1.0, SECOND, 0)]))
    load = bench.intake.take()
    assert load is not None
    assert [(gap.tag, gap.start, gap.end) for gap in gaps_to_write(load.delivery)] == [(11, 12 * SECOND, None)]


def test_one_absurd_source_time_does_not_move_the_gaps_that_follow() -> None:
    bench = Bench()
    for number, when in ((10, 10), (11, 4_000_000_000), (12, 12)):
        bench.sink.accept(bench.feed.data(number, [(0, 1.0, when * SECOND, 0)]))
        bench.intake.take()
    bench.sink.accept(bench.feed.data(20, [(0, 1.0, 20 * SECOND, 0x480)]))
    load = bench.intake.take()
    assert load is not None
    assert [(gap.start, gap.end) for gap in load.delivery.gaps] == [(12 * SECOND, 20 * SECOND)]


@pytest.mark.parametrize(("items", "undecodable"), [(23, ""), (0, "torn")])
def test_memory_is_bounded_whatever_the_messages_hold(items: int, undecodable: str) -> None:
    """Small messages cost more than their bytes, and ones that cannot be read cost something too."""
    most = 300_000
    bench = Bench(most_bytes=most)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1, 10_000):
            message = Message(1, number + 1000, time.time_ns(), bytes(items), 1, keep_alive=False, undecodable=undecodable)
            bench.intake.accept(bench.sink, message)
            if bench.intake.full:
                break
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert bench.intake.full
    assert held < 2 * most
