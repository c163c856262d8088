"""What every twin store must do."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gateway.errors import NotFound
from gateway.plant.ports import Delivery, Gap, GapReason, Receipt, TwinStore
from gateway.plant.values import (
    BAD_NO_COMMUNICATION,
    BAD_WAITING_FOR_INITIAL_DATA,
    UNCERTAIN_NO_COMMUNICATION_LAST_USABLE,
    Changes,
    DataType,
    Flag,
)
from gateway.plant.variant import DateTime, LocalizedText, Matrix, Structure
from tests.contract.batches import SECOND, START, changes, plant, record, text

PATH = "ochang/electrode/line-1/coater-1/T0"
GRACE = 60 * SECOND


async def put(store: TwinStore, endpoint: int, *batches: Changes) -> Receipt:
    return (await store.commit([Delivery(endpoint, batches)]))[0]


async def values(store: TwinStore, path: str = PATH, start: int = 0, end: int = START * 2, limit: int = 10_000) -> list[Any]:
    return [sample.value for sample in (await store.history(path, start=start, end=end, limit=limit)).samples]


async def newest(store: TwinStore, path: str = PATH) -> Any:
    [reading] = await store.current(path, now=START, grace_ns=GRACE)
    return reading.sample and reading.sample.value


async def test_numbers_are_kept_for_ever(store: TwinStore) -> None:
    first, second = await store.register_endpoint("ochang/plc"), await store.register_endpoint("wroclaw/plc")
    assert first != second
    assert await store.register_endpoint("ochang/plc") == first
    [a, b] = await store.register_tags([record("a/b/c/d/x"), record("a/b/c/d/y")])
    [again, fresh] = await store.register_tags([record("a/b/c/d/y"), record("a/b/c/d/z")])
    assert again.tag == b.tag
    assert len({a.tag, b.tag, fresh.tag}) == 3
    assert a.source_time is None


async def test_a_tag_of_an_unknown_endpoint_is_refused(store: TwinStore) -> None:
    with pytest.raises(NotFound):
        await store.register_tags([record("a/b/c/d/x", endpoint="nowhere/plc")])


async def test_what_is_stored_can_be_read(store: TwinStore) -> None:
    endpoint = await plant(store, 2)
    receipt = await put(
        store, endpoint, changes([1, 2, 1], [START, START, START + 5], [1.5, 2.5, 3.5], flags=Flag.SERVER_TIME_ABSENT)
    )
    assert receipt == Receipt(endpoint, 3, {})
    history = await store.history(PATH, start=START, end=START + 6)
    assert history.complete
    assert [(s.value, s.source_time) for s in history.samples] == [(1.5, START), (3.5, START + 5)]
    sample = history.samples[0]
    assert (sample.server_time, sample.received_time, sample.flags) == (START + 1_000_000, START + 2_000_000, 2)
    assert sample.type is DataType.DOUBLE
    assert await newest(store) == 3.5
    [mark] = await store.register_tags([record(PATH)])
    assert mark.source_time == START + 5


async def test_history_includes_its_start_and_not_its_end(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1, 1, 1], [START, START + 1, START + 2], [0, 1, 2]))
    assert await values(store, start=START, end=START + 2) == [0, 1]
    assert await values(store, start=START + 1, end=START + 1) == []


async def test_history_of_an_unknown_tag_is_an_error(store: TwinStore) -> None:
    await plant(store, 1)
    with pytest.raises(NotFound, match="no tag"):
        await store.history("ochang/nothing", start=0, end=START)


async def test_a_cut_history_can_be_read_on(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    for second in range(0, 20, 2):
        await put(store, endpoint, changes([1, 1], [START + second, START + second + 1], [second, second + 1]))
    found, start = [], START
    while True:
        history = await store.history(PATH, start=start, end=START + 100, limit=3)
        found += [sample.value for sample in history.samples]
        if history.complete:
            break
        assert len(history.samples) == 3
        start = history.samples[-1].source_time + 1
    assert found == list(range(20))


async def test_samples_of_one_time_are_never_parted(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1] * 5, [START] * 4 + [START + 1], range(5)))
    history = await store.history(PATH, start=START, end=START + 9, limit=2)
    assert [sample.value for sample in history.samples] == [0, 1, 2, 3]
    assert not history.complete


ARRAY = bytes((0x80 | DataType.FLOAT,)) + struct.pack("<i2f", 2, 1.5, float("inf"))
MATRIX = bytes((0xC0 | DataType.INT32,)) + struct.pack("<i4i", 4, 1, 2, 3, 4) + struct.pack("<i2i", 2, 2, 2)
STRUCTURE = bytes((DataType.EXTENSIONOBJECT, 1, 2)) + struct.pack("<H", 500) + b"\x01" + struct.pack("<i", 3) + b"abc"
LOCALIZED = bytes((DataType.LOCALIZEDTEXT, 3)) + struct.pack("<i", 2) + b"pl" + struct.pack("<i", 4) + b"stop"


@pytest.mark.parametrize(
    ("type", "given", "expected", "base"),
    [
        (DataType.BOOLEAN, 1, True, DataType.BOOLEAN),
        (DataType.SBYTE, -128, -128, DataType.SBYTE),
        (DataType.UINT16, 65535, 65535, DataType.UINT16),
        (DataType.INT32, -(2**31), -(2**31), DataType.INT32),
        (DataType.INT64, -(2**63), -(2**63), DataType.INT64),
        (DataType.UINT64, 2**64 - 1, 2**64 - 1, DataType.UINT64),
        (DataType.FLOAT, 0.5, 0.5, DataType.FLOAT),
        (DataType.DOUBLE, float("-inf"), float("-inf"), DataType.DOUBLE),
        (DataType.DATETIME, 133_801_632_000_000_001, DateTime(133_801_632_000_000_001), DataType.DATETIME),
        (DataType.STATUSCODE, 0x80340000, 0x80340000, DataType.STATUSCODE),
        (DataType.VARIANT, b"\x00", None, DataType.NULL),
        (DataType.VARIANT, text("Beschichter äöü"), "Beschichter äöü", DataType.STRING),
        (DataType.VARIANT, ARRAY, [1.5, float("inf")], DataType.FLOAT),
        (DataType.VARIANT, MATRIX, Matrix([1, 2, 3, 4], (2, 2)), DataType.INT32),
        (DataType.VARIANT, STRUCTURE, Structure("ns=2;i=500", b"abc"), DataType.EXTENSIONOBJECT),
        (DataType.VARIANT, LOCALIZED, LocalizedText("pl", "stop"), DataType.LOCALIZEDTEXT),
        (DataType.VARIANT, b"\x0f\xff\xff\xff\xff", None, DataType.BYTESTRING),
    ],
)
async def test_every_type_survives(store: TwinStore, type: DataType, given: Any, expected: Any, base: DataType) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1], [START], [given], type, status=0x80340000))
    [sample] = (await store.history(PATH, start=0, end=START + 1)).samples
    [reading] = await store.current(PATH, now=START, grace_ns=GRACE)
    assert sample == reading.sample
    assert (sample.value, sample.type, sample.status) == (expected, base, 0x80340000)


async def test_nan_and_negative_zero_survive(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    odd = np.array([0x7FF8_0000_0000_0001, 0x8000_0000_0000_0000], "<u8").view("<f8")
    await put(store, endpoint, changes([1, 1], [START, START + 1], odd.tolist()))
    first, second = await values(store)
    assert np.isnan(first)
    assert (second, np.signbit(second)) == (0.0, True)


async def test_a_repeated_sample_is_a_duplicate(store: TwinStore) -> None:
    endpoint = await plant(store, 2)
    batch = changes([1, 2, 1], [START, START, START + 1], [1, float("nan"), 2])
    assert (await put(store, endpoint, batch)).stored == 3
    assert await put(store, endpoint, batch) == Receipt(endpoint, 0, {"duplicate": 3})
    assert await put(store, endpoint, changes([1, 1], [START + 2] * 2, [3, 3])) == Receipt(endpoint, 1, {"duplicate": 1})
    assert await values(store) == [1, 2, 3]


async def test_a_sample_is_the_same_in_a_column_and_on_its_own(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1], [START], [2.5]))
    alone = bytes((DataType.DOUBLE,)) + struct.pack("<d", 2.5)
    assert (await put(store, endpoint, changes([1], [START], [alone], DataType.VARIANT))).rejected == {"duplicate": 1}


@pytest.mark.parametrize("encoded", [text("a"), ARRAY, STRUCTURE, b"\x00"])
async def test_a_repeated_variant_is_a_duplicate(store: TwinStore, encoded: bytes) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1], [START], [encoded], DataType.VARIANT))
    receipt = await put(store, endpoint, changes([1, 1], [START] * 2, [encoded, text("b")], DataType.VARIANT))
    assert receipt == Receipt(endpoint, 1, {"duplicate": 1})


async def test_other_content_at_the_same_time_is_a_further_sample(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1], [START], [1]))
    await put(store, endpoint, changes([1], [START], [2], received=START + 3_000_000))
    receipt = await put(
        store, endpoint, changes([1, 1, 1], [START] * 3, [2, 1, 2], status=[0x80000000, 0, 0], received=START + 4_000_000)
    )
    assert receipt == Receipt(endpoint, 1, {"duplicate": 2})
    assert await values(store) == [1, 2, 2]
    [reading] = await store.current(PATH, now=START, grace_ns=GRACE)
    assert reading.status == 0x80000000


async def test_late_samples_are_history_and_never_current(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1], [START + 10], [10]))
    receipt = await put(store, endpoint, changes([1, 1, 1], [START, START + 5, START], [0, 5, 0], flags=Flag.BACKFILLED))
    assert receipt == Receipt(endpoint, 2, {"duplicate": 1})
    assert await newest(store) == 10
    assert await values(store) == [0, 5, 10]
    again = changes([1, 1, 1], [START + 5, START + 10, START + 11], [5, 10, 11], flags=Flag.BACKFILLED)
    assert await put(store, endpoint, again) == Receipt(endpoint, 1, {"duplicate": 2})
    assert await newest(store) == 11


async def test_a_tag_may_change_its_type(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    same: dict[str, Any] = {"received": START + 7}
    await put(
        store,
        endpoint,
        changes([1], [START], [b"\x00"], DataType.VARIANT, status=0x80320000, **same),
        changes([1, 1], [START, START + 1], [1.0, 2.0], **same),
        changes([1], [START + 1], [text("x")], DataType.VARIANT, **same),
    )
    await put(store, endpoint, changes([1], [START + 1], [3], DataType.INT32, received=START + 9))
    assert await values(store) == [None, 1.0, 2.0, "x", 3]
    assert await newest(store) == 3


async def test_a_batch_goes_on_around_poison(store: TwinStore) -> None:
    endpoint = await plant(store, 2)
    other = await plant(store, 1, "wroclaw/plc", "wroclaw/electrode/line-1/coater-1")
    assert await put(store, endpoint, changes([1, 99, 3, 2], [START] * 4, [1, 2, 3, 4])) == Receipt(endpoint, 2, {"poison": 2})
    broken = [text("fine"), b"\x0c\xff\xff\xff\x7fx", b"", b"\x3f\x01"]
    receipt = await put(store, endpoint, changes([1] * 4, range(START + 1, START + 5), broken, DataType.VARIANT))
    assert receipt == Receipt(endpoint, 1, {"poison": 3})
    absurd = changes([3, 3, 3], [-1, START + 2 * 86400 * SECOND, START], [1, 2, 3], received=START)
    assert await put(store, other, absurd) == Receipt(other, 1, {"poison": 2})
    assert await values(store) == [1, "fine"]


async def test_the_account_adds_up(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    other = await plant(store, 1, "wroclaw/plc", "wroclaw/electrode/line-1/coater-1")
    batch = changes([1, 1, 7], [START, START, START], [1, 1, 1])
    receipts = await store.commit([Delivery(endpoint, [batch]), Delivery(other), Delivery(endpoint, [batch])])
    assert [receipt.stored for receipt in receipts] == [1, 0, 0]
    accounts = {account.endpoint: account for account in await store.accounts()}
    assert accounts["ochang/plc"].stored == 1
    assert accounts["ochang/plc"].rejected == {"duplicate": 3, "poison": 2}
    assert accounts["wroclaw/plc"].stored == 0
    assert await store.verify() == []


async def test_a_delivery_of_a_stranger_is_an_error(store: TwinStore) -> None:
    with pytest.raises(NotFound):
        await store.commit([Delivery(5, [changes([1], [START], [1])])])
    endpoint = await plant(store, 1)
    for stranger in (Gap(endpoint, 2, 1, 2, GapReason.UNDECODABLE), Gap(endpoint + 1, None, 1, 2, GapReason.UNDECODABLE)):
        with pytest.raises(NotFound, match="gap"):
            await store.commit([Delivery(endpoint, gaps=[stranger])])


async def test_a_tag_that_moves_keeps_its_history(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1, 1], [START, START + 1], [1, 2]))
    await store.commit([Delivery(endpoint, gaps=[Gap(endpoint, 1, START, None, GapReason.ITEM_REJECTED)], heard=START + 1)])
    other = await store.register_endpoint("ochang/plc-2")
    await store.register_tags([record(PATH, "ochang/plc-2")])
    assert await store.open_gaps() == []
    assert [gap.end for _, gap in await store.gaps(PATH, start=START, end=START)] == [START + 1]
    assert (await put(store, endpoint, changes([1], [START + 2], [3]))).rejected == {"poison": 1}
    assert (await put(store, other, changes([1], [START + 2], [3]))).stored == 1
    await store.register_tags([record(PATH)])
    assert (await put(store, endpoint, changes([1], [START + 3], [4]))).stored == 1
    assert await values(store) == [1, 2, 3, 4]
    assert await store.verify() == []


async def readings(store: TwinStore, moment: int, pattern: str = "") -> list[tuple[Any, int]]:
    found = await store.as_of(pattern, moment=moment, grace_ns=GRACE)
    return [(reading.sample and reading.sample.value, reading.status) for reading in found]


async def test_as_of_goes_back_in_time(store: TwinStore) -> None:
    endpoint = await plant(store, 3)
    await put(store, endpoint, changes([1, 2], [START, START + 10], [1, 10]))
    await put(store, endpoint, changes([1, 2, 1], [START + 20, START + 5, START + 20], [2, 5, 3]))
    waiting = (None, BAD_WAITING_FOR_INITIAL_DATA)
    assert await readings(store, START - 1) == [waiting] * 3
    assert await readings(store, START) == [(1, 0), waiting, waiting]
    assert await readings(store, START + 7) == [(1, 0), (5, 0), waiting]
    assert await readings(store, START + 19) == [(1, 0), (10, 0), waiting]
    assert await readings(store, START + 20) == [(3, 0), (10, 0), waiting]


async def test_an_outage_shows_as_an_outage(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1], [START], [1]))
    lost = Gap(endpoint, None, START + SECOND, None, GapReason.DISCONNECTED, "connection refused")
    await store.commit([Delivery(endpoint, gaps=[lost], heard=START + SECOND)])
    assert await store.open_gaps() == [lost]
    [reading] = await store.current(PATH, now=START + 2 * SECOND, grace_ns=GRACE)
    assert (reading.status, reading.gap) == (UNCERTAIN_NO_COMMUNICATION_LAST_USABLE, lost)
    assert reading.sample is not None
    assert (reading.sample.value, reading.sample.status) == (1, 0)
    [reading] = await store.current(PATH, now=START + SECOND + GRACE, grace_ns=GRACE)
    assert reading.status == BAD_NO_COMMUNICATION
    back = START + 100 * SECOND
    await store.commit([Delivery(endpoint, [changes([1], [back], [2])], heard=back, closes=True)])
    assert await store.open_gaps() == []
    assert await store.last_heard() == {"ochang/plc": back}
    assert await readings(store, START) == [(1, 0)]
    assert await readings(store, START + 2 * SECOND) == [(1, UNCERTAIN_NO_COMMUNICATION_LAST_USABLE)]
    assert await readings(store, START + 99 * SECOND) == [(1, BAD_NO_COMMUNICATION)]
    assert await readings(store, back) == [(2, 0)]
    history = await store.history(PATH, start=START, end=back + 1)
    assert [(gap.start, gap.end) for gap in history.gaps] == [(START + SECOND, back)]


async def test_gaps_open_and_close(store: TwinStore) -> None:
    endpoint = await plant(store, 2)
    await plant(store, 1, "wroclaw/plc", "wroclaw/electrode/line-1/coater-1")

    async def commit(heard: int, gaps: Sequence[Gap] = (), closes: bool = False, tags: Sequence[int] = ()) -> None:
        await store.commit([Delivery(endpoint, gaps=gaps, heard=heard, closes=closes, closes_tags=tags)])

    def gap(start: int, end: int | None = None, tag: int | None = None) -> Gap:
        return Gap(endpoint, tag, start, end, GapReason.ITEM_REJECTED if tag else GapReason.DISCONNECTED)

    await commit(10, [gap(10), gap(10, tag=1), gap(11, tag=2), gap(3, 5)])
    assert len(await store.open_gaps()) == 3
    await commit(20, closes=True)
    assert await store.open_gaps() == [gap(10, tag=1), gap(11, tag=2)]
    await commit(30, [gap(25), gap(30)], closes=True, tags=[1])
    assert sorted(await store.open_gaps(), key=lambda item: item.start) == [gap(11, tag=2), gap(25), gap(30)]
    await commit(15, closes=True, tags=[2])
    found = await store.gaps("ochang", start=0, end=100)
    assert [(name[-2:], item.start, item.end) for name, item in found] == [
        ("lc", 3, 5), ("lc", 10, 20), ("T0", 10, 30), ("T1", 11, 15), ("lc", 25, 25), ("lc", 30, 30),
    ]  # fmt: skip
    assert [item.start for _, item in await store.gaps(PATH, start=22, end=24)] == [10]
    assert await store.gaps("wroclaw", start=0, end=100) == []
    assert len(await store.gaps("ochang/plc", start=0, end=100)) == 4
    assert await store.last_heard() == {"ochang/plc": 30}


async def test_closing_needs_a_time(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    with pytest.raises(ValueError, match="heard"):
        await store.commit([Delivery(endpoint, closes=True)])


async def test_tags_and_patterns(store: TwinStore) -> None:
    await plant(store, 3)
    await plant(store, 1, "wroclaw/plc", "wroclaw/electrode/line-1/coater-1")
    assert len(await store.tags("")) == 4
    assert [tag.path[-2:] for tag in await store.tags("ochang/electrode")] == ["T0", "T1", "T2"]
    assert [tag.endpoint for tag in await store.tags("*/T0")] == ["ochang/plc", "wroclaw/plc"]
    assert await store.tags("ochang/elec") == []
    changed = record(PATH, unit="g/m2")
    await store.register_tags([changed])
    assert await store.tags(PATH) == [changed]
    [reading] = await store.current(PATH, now=START, grace_ns=GRACE)
    assert (reading.unit, reading.type, reading.sample) == ("g/m2", "Double", None)


async def test_statistics_are_numbers(store: TwinStore) -> None:
    endpoint = await plant(store, 1)
    await put(store, endpoint, changes([1], [START], [1]))
    figures = await store.statistics()
    assert figures["commits"] >= 1
    assert figures["tags"] == 1
