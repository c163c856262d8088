"""A PLC misbehaves in every way it can; the mirror heals by itself, says what was missed, and its account adds up throughout."""

import time

from gateway.mirror.report import EndpointState
from gateway.plant.ports import GapReason
from gateway.plant.values import UNCERTAIN_NO_COMMUNICATION_LAST_USABLE, is_bad, is_good
from tests.integration.mirror.conftest import Bench, Mirrored
from tests.peers.waiting import until

COATER = "ochang/electrode/line-1/coater-1"
HEARTBEAT = f"{COATER}/State/Heartbeat"


async def outages(bench: Bench) -> list[tuple[int, int | None]]:
    """Endpoint-wide gaps for a lost connection."""
    found = await bench.twin.gaps("", start=0, end=time.time_ns())
    return [(gap.start, gap.end) for _, gap in found if gap.tag is None and gap.reason is GapReason.DISCONNECTED]


async def test_a_dropped_connection_is_a_gap_and_heals(mirrored: Mirrored) -> None:
    async with mirrored("ochang.electrode-plc") as bench:
        bench.inject("drop-connections")
        await bench.until_connected(sessions=2)
        await bench.until(lambda: not bench.mirror.ingest.trouble)
        ((start, end),) = await closed_outages(bench, 1)
        assert end is not None
        assert start < end
        assert bench.report.reconnects == 1


async def closed_outages(bench: Bench, count: int) -> list[tuple[int, int | None]]:
    """The outages, once `count` of them are stored with their end."""

    async def found() -> list[tuple[int, int | None]]:
        gaps = await outages(bench)
        return gaps if len(gaps) >= count and all(end is not None for _, end in gaps) else []

    return await until(found, deadline_s=10, what=lambda: "closed outages")


async def test_a_restart_with_other_namespace_indexes_mirrors_the_same_nodes(mirrored: Mirrored) -> None:
    async with mirrored("ochang.electrode-plc") as bench:
        before = {tag.path: tag.node for tag in await bench.twin.tags(f"{COATER}/Process")}
        boot = (await bench.until_reading(f"{COATER}/Recipe/Sts/BootId", lambda it: it.sample is not None)).sample
        assert boot is not None
        bench.inject("restart", down=1.0)
        await bench.until(lambda: bench.report.state is EndpointState.CONNECTING)
        lost = await bench.until_reading(HEARTBEAT, lambda it: it.status == UNCERTAIN_NO_COMMUNICATION_LAST_USABLE)
        assert lost.sample is not None
        await bench.until_connected(sessions=2)
        assert {tag.path: tag.node for tag in await bench.twin.tags(f"{COATER}/Process")} == before
        assert bench.report.items_rejected == 0
        await bench.until_reading(
            f"{COATER}/Recipe/Sts/BootId", lambda it: it.sample is not None and it.sample.value > boot.value
        )
        await bench.until_reading(HEARTBEAT, lambda it: is_good(it.status))
        (start, end), *_ = await closed_outages(bench, 1)
        assert end is not None
        (then,) = await bench.twin.as_of(HEARTBEAT, moment=(start + end) // 2, grace_ns=60 * 10**9)
        assert not is_good(then.status)
        assert then.gap is not None


async def test_connected_but_no_data_flows_is_noticed_and_repaired(mirrored: Mirrored) -> None:
    async with mirrored("ochang.electrode-plc") as bench:
        bench.inject("lose-subscription")
        await bench.until_connected(sessions=2)
        assert await closed_outages(bench, 1)


async def test_a_server_with_tiny_limits_is_mirrored_whole(mirrored: Mirrored) -> None:
    async with mirrored("ochang.electrode-plc") as bench:
        bench.inject("small-limits", operations=7)
        bench.inject("drop-connections")
        await bench.until_connected(sessions=2)
        assert bench.report.items_rejected == 0
        assert bench.report.items_good == bench.report.items_expected


async def test_a_bad_quality_is_stored_as_bad_and_disturbs_nobody(mirrored: Mirrored) -> None:
    async with mirrored("ochang.electrode-plc") as bench:
        bench.inject("bad-quality", tag="coater-1/Process/CoatWeight")
        await bench.until(lambda: bench.report.items_bad == 1)

        await bench.until_reading(f"{COATER}/Process/CoatWeight", lambda it: is_bad(it.status))
        assert is_good((await bench.value(HEARTBEAT)).status)


async def test_a_site_that_measures_otherwise_is_held_in_the_class_s_unit(mirrored: Mirrored) -> None:
    async with mirrored("michigan.electrode-plc") as bench:
        path = "michigan/electrode/line-1/coater-1/Oven/Zone1/Temperature"
        reading = await bench.until_reading(path, lambda it: it.sample is not None)
        assert reading.unit == "degC"
        assert reading.sample is not None
        assert 15.0 < reading.sample.value < 160.0
        assert bench.report.items_rejected == 0


async def test_what_was_received_is_stored_at_the_end(mirrored: Mirrored) -> None:
    async with mirrored("nanjing.cell-plc") as bench:
        stored = bench.report.stored
        assert stored > 0
        twin, mirror = bench.twin, bench.mirror
        bench.inject("drop-connections")
        await bench.until_connected(sessions=2)
        await mirror.ingest.drain()
        assert await twin.verify() == []
        assert sum(account.stored for account in await twin.accounts()) >= stored
