"""Batches of changes for tests, from plain Python values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.plant.ports import TagRecord, TwinStore
from gateway.plant.values import FIXED, Changes, DataType, Ragged

SECOND = 1_000_000_000
#: 2025-01-01T00:00:00Z
START = 1_735_689_600 * SECOND


def changes(
    tags: Sequence[int],
    times: Sequence[int],
    values: Sequence[Any],
    type: DataType = DataType.DOUBLE,
    *,
    status: int | Sequence[int] = 0,
    received: int | Sequence[int] | None = None,
    flags: int = 0,
) -> Changes:
    """One batch; `values` are numbers of a fixed type, or encoded Variants where `type` is `VARIANT`."""
    count = len(tags)
    source = np.array(times, np.int64)
    column = Ragged.of(list(values)) if type is DataType.VARIANT else np.array(values, FIXED[type])
    return Changes(
        type, np.array(tags, np.uint32), source, source + 1_000_000,
        source + 2_000_000 if received is None else np.broadcast_to(np.array(received, np.int64), count).copy(),
        np.broadcast_to(np.array(status, np.uint32), count).copy(), np.full(count, flags, np.uint8), column,
    )  # fmt: skip


def text(value: str) -> bytes:
    """The Variant of a String."""
    raw = value.encode()
    return bytes((DataType.STRING,)) + len(raw).to_bytes(4, "little") + raw


def record(path: str, endpoint: str = "ochang/plc", type: str = "Double", unit: str | None = None) -> TagRecord:
    """A tag of that path."""
    return TagRecord(path, endpoint, f"nsu=urn:test;s={path}", "coater", type, unit)


async def plant(
    store: TwinStore, tags: int, endpoint: str = "ochang/plc", prefix: str = "ochang/electrode/line-1/coater-1"
) -> int:
    """Register an endpoint with tags `T0`, `T1`, …; gives the endpoint's number. Tag numbers are 1, 2, … on a fresh store."""
    number = await store.register_endpoint(endpoint)
    await store.register_tags([record(f"{prefix}/T{index}", endpoint) for index in range(tags)])
    return number
