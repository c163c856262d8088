"""Random commits, seals and reopenings: the SQLite twin answers as the plain in-memory model does."""

import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.plant.ports import Delivery, Gap, GapReason, TwinStore
from gateway.plant.values import Changes, DataType, Sample
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import open_twin
from tests.contract.batches import changes, record, text
from tests.contract.conftest import SystemClock
from tests.fakes.twin_store import MemoryTwin

PATHS = [f"ochang/electrode/line-1/coater-{number}/T" for number in range(1, 4)]
TIMES = st.integers(0, 12)
STATUSES = st.sampled_from([0, 0, 0x80340000])
VARIANTS = [
    text("a"),
    text("b"),
    b"\x00",
    b"\x0c\x05",  # no Variant
    bytes((DataType.DOUBLE,)) + struct.pack("<d", 1.0),  # the same as in a column
    bytes((0x80 | DataType.BYTE,)) + struct.pack("<i2B", 2, 1, 2),
]
ROW = st.tuples(st.integers(1, 4), TIMES, STATUSES)


def batch(kind: DataType, values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[DataType, list[Any]]]:
    return st.tuples(st.just(kind), st.lists(st.tuples(ROW, values), min_size=1, max_size=8))


BATCH = st.one_of(
    batch(DataType.DOUBLE, st.sampled_from([1.0, 2.0, float("nan"), -0.0, 0.0])),
    batch(DataType.INT16, st.integers(-2, 2)),
    batch(DataType.VARIANT, st.sampled_from(VARIANTS)),
)
GAP = st.tuples(st.sampled_from([None, 1, 2]), TIMES, st.one_of(st.none(), TIMES), st.sampled_from(GapReason))
DELIVERY = st.tuples(
    st.integers(1, 2),
    st.lists(BATCH, max_size=3),
    st.lists(GAP, max_size=1),
    st.one_of(st.none(), TIMES),
    st.booleans(),
    st.lists(st.integers(1, 3), max_size=2),
)
STEP = st.one_of(st.lists(DELIVERY, min_size=1, max_size=3), st.sampled_from(["seal", "reopen"]))


def to_changes(spec: tuple[DataType, list[Any]], received: int) -> Changes:
    kind, rows = spec
    tags, times, statuses = zip(*(row for row, _ in rows), strict=True)
    return changes(tags, times, [value for _, value in rows], kind, status=statuses, received=received)


def to_delivery(spec: Any, received: int) -> Delivery:
    endpoint, batches, gaps, heard, closes, tags = spec
    return Delivery(
        endpoint,
        [to_changes(each, received) for each in batches],
        [Gap(endpoint, tag and (3 if endpoint == 2 else tag), start, end, reason) for tag, start, end, reason in gaps],
        heard,
        closes and heard is not None,
        tags if heard is not None else (),
    )


def bits(sample: Sample | None) -> Any:
    """A sample to compare bit by bit."""
    if sample is None or not isinstance(sample.value, float):
        return sample
    return (np.float64(sample.value).tobytes(), sample.type, sample.status, sample.source_time, sample.received_time)


async def observed(store: TwinStore, limit: int) -> Any:
    """Everything a reader can see."""
    histories = [await store.history(path, start=2, end=11, limit=limit) for path in PATHS]
    readings = [await store.as_of("", moment=moment, grace_ns=3) for moment in (1, 4, 6, 9, 13)]
    readings.append(await store.current("", now=20, grace_ns=3))
    return (
        [(history.complete, [bits(sample) for sample in history.samples]) for history in histories],
        [[(each.path, each.status, bits(each.sample)) for each in line] for line in readings],
        sorted(await store.gaps("", start=0, end=100), key=repr),
        sorted(await store.open_gaps(), key=repr),
        await store.accounts(),
        await store.last_heard(),
        await store.verify(),
    )


async def register(store: TwinStore) -> None:
    for key in ("ochang/a", "ochang/b"):
        await store.register_endpoint(key)
    await store.register_tags([record(PATHS[0], "ochang/a"), record(PATHS[1], "ochang/a"), record(PATHS[2], "ochang/b")])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=12), st.integers(1, 20))
async def test_the_store_answers_as_the_model_does(steps: list[Any], limit: int) -> None:
    model = MemoryTwin()
    await register(model)
    with tempfile.TemporaryDirectory() as directory, claim(Path(directory), ballast_bytes=1 << 16) as data:
        received = 100
        todo = [*steps, "reopen", "seal"]
        while todo:
            async with open_twin(data, SystemClock()) as twin:
                await register(twin)
                while todo and (step := todo.pop(0)) != "reopen":
                    if step == "seal":
                        await twin.seal()
                        continue
                    received += 1
                    deliveries = [to_delivery(spec, received) for spec in step]
                    assert await twin.commit(deliveries) == await model.commit(deliveries)
                assert await observed(twin, limit) == await observed(model, limit)
