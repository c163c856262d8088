"""Decoding data-change notifications into columns, a run of items at a time.

Within a run of items that share encoding mask and value type every item has the same size, so a run is one structured
NumPy view of the bytes; each position before the first mismatch is proven by the ones before it. Items of varying size
(strings, arrays, structures) are cut out by `wire` and kept as their encoded Variant. No object is made per value of a run.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.errors import DecodingFailed
from gateway.mirror.message import Decoded, Message, Undecodable
from gateway.opcua.wire import I64, SIZES, U32, skip_variant
from gateway.plant.values import FIXED, Changes, DataType, Flag, Ragged

#: 100 ns ticks between 1601-01-01 (DateTime, OPC 10000-6, 5.2.2.5) and the Unix epoch.
EPOCH_TICKS = 116_444_736_000_000_000
#: Ticks outside this cannot be nanoseconds in an int64, or mean "no time" (0 and the latest possible).
_FIRST_TICKS, _LAST_TICKS = EPOCH_TICKS - 2**63 // 100 + 1, EPOCH_TICKS + 2**63 // 100 - 1

_SMALLEST_ITEM = 5  #: a client handle and a mask without anything
_NULL_VARIANT = b"\x00"

type_of = {int(kind): kind for kind in FIXED}


@lru_cache(maxsize=1024)
def _layout(mask: int, kind: int) -> np.dtype[Any] | None:
    """The record of one item with this encoding mask and value type, or None where the size varies."""
    fields: list[tuple[str, Any]] = [("handle", "<u4"), ("mask", "u1")]
    if mask & 0x01:
        if kind not in type_of:
            return None
        fields += [("type", "u1"), ("value", FIXED[type_of[kind]])]
    for bit, name, form in (
        (0x02, "status", "<u4"), (0x04, "source", "<i8"), (0x10, "source_pico", "<u2"),
        (0x08, "server", "<i8"), (0x20, "server_pico", "<u2"),
    ):  # fmt: skip
        if mask & bit:
            fields.append((name, form))
    return np.dtype(fields)


class _Columns:
    """Columns of one value type as they grow, a run at a time."""

    __slots__ = ("handles", "rows", "servers", "sources", "statuses", "values")

    def __init__(self) -> None:
        self.rows: list[NDArray[np.intp]] = []
        self.handles: list[NDArray[np.uint32]] = []
        self.statuses: list[NDArray[np.uint32]] = []
        self.sources: list[NDArray[np.int64]] = []
        self.servers: list[NDArray[np.int64]] = []
        self.values: list[Any] = []

    def add_run(self, run: NDArray[Any], mask: int, first_row: int) -> None:
        count = len(run)
        self.rows.append(np.arange(first_row, first_row + count))
        self.handles.append(run["handle"])
        self.statuses.append(run["status"] if mask & 0x02 else np.zeros(count, np.uint32))
        self.sources.append(run["source"] if mask & 0x04 else np.zeros(count, np.int64))
        self.servers.append(run["server"] if mask & 0x08 else np.zeros(count, np.int64))
        if mask & 0x01:
            self.values.append(run["value"])
        else:
            self.values.extend([_NULL_VARIANT] * count)

    def changes(self, kind: DataType, received_of_row: NDArray[np.int64]) -> Changes:
        received = received_of_row[np.concatenate(self.rows)]
        source_ticks, server_ticks = np.concatenate(self.sources), np.concatenate(self.servers)
        server, no_server = _to_ns(server_ticks, received)
        source, no_source = _to_ns(source_ticks, server)
        flags = no_source * np.uint8(Flag.SOURCE_TIME_ABSENT) | no_server * np.uint8(Flag.SERVER_TIME_ABSENT)
        values = Ragged.of(self.values) if kind is DataType.VARIANT else np.concatenate(self.values)
        return Changes(
            kind, np.concatenate(self.handles), source, server, received, np.concatenate(self.statuses),
            flags.astype(np.uint8), values,
        )  # fmt: skip


def _to_ns(ticks: NDArray[np.int64], instead: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """DateTime ticks as ns since the Unix epoch; where there is no time, `instead`, and a mark."""
    absent = (ticks <= _FIRST_TICKS) | (ticks >= _LAST_TICKS)
    if not absent.any():
        return (ticks - EPOCH_TICKS) * 100, absent
    return np.where(absent, instead, (np.where(absent, EPOCH_TICKS, ticks) - EPOCH_TICKS) * 100), absent


def _run(buf: bytes, at: int, count: int, record: np.dtype[Any], mask: int, kind: int) -> NDArray[Any]:
    """The longest run of equal layout at `at`: probed in doubling steps, so that a short run costs little."""
    most = min(count, (len(buf) - at) // record.itemsize)
    if most == 0:
        raise DecodingFailed("the last item is cut off")
    probed, step = 1, 64
    view: NDArray[Any] = np.frombuffer(buf, record, most, at)
    while probed < most:
        part = view[probed : probed + step]
        other = part["mask"] != mask
        if mask & 0x01:
            other |= part["type"] != kind
        if other.any():
            return view[: probed + int(np.argmax(other))]
        probed, step = probed + len(part), step * 4
    return view


class _Borders:
    """Where each message begins in the joined bytes. Items must begin there too: a message that is cut off must not be
    completed by the bytes of the next one."""

    __slots__ = ("_next", "_offsets", "_rows")

    def __init__(self, messages: Sequence[Message]) -> None:
        self._rows = list(accumulate(message.count for message in messages))
        self._offsets = list(accumulate(len(message.items) for message in messages))
        self._next = 0

    def check(self, row: int, at: int, rows: int, size: int) -> None:
        """`rows` items of `size` bytes each have been decoded from `row` at offset `at` on."""
        while self._next < len(self._rows) and self._rows[self._next] <= row + rows:
            if self._offsets[self._next] != at + (self._rows[self._next] - row) * size:
                raise DecodingFailed("the items of a message do not fill it exactly")
            self._next += 1


def _split(buf: bytes, count: int, columns: dict[DataType, _Columns], borders: _Borders) -> None:
    """Decode `count` items that fill `buf` exactly.

    Raises:
        DecodingFailed: they do not.
    """
    at = row = 0
    while row < count:
        if len(buf) - at < _SMALLEST_ITEM:
            raise DecodingFailed(f"{count - row} items are missing")
        mask = buf[at + 4]
        kind = buf[at + 5] if mask & 0x01 and at + 5 < len(buf) else 0
        if mask & 0xC0:
            raise DecodingFailed(f"DataValue mask {mask:#04x} is unknown")
        record = _layout(mask, kind)
        if record is None:
            behind = _general(buf, at, mask, columns[DataType.VARIANT], row)
            borders.check(row, at, 1, behind - at)
            at, row = behind, row + 1
            continue
        run = _run(buf, at, count - row, record, mask, kind)
        borders.check(row, at, len(run), record.itemsize)
        columns[type_of[kind] if mask & 0x01 else DataType.VARIANT].add_run(run, mask, row)
        at += len(run) * record.itemsize
        row += len(run)
    if at != len(buf):
        raise DecodingFailed(f"{len(buf) - at} bytes are left behind the last item")


def _general(buf: bytes, at: int, mask: int, columns: _Columns, row: int) -> int:
    """One item of varying size: its Variant is cut out as it is. Returns the offset behind it."""
    start = at + 5
    end = skip_variant(buf, start)
    if not 0 <= (buf[start] & 0x3F) <= 25:
        raise DecodingFailed(f"built-in type {buf[start] & 0x3F} is unknown")
    tail = end + sum(size for bit, size in ((2, 4), (4, 8), (0x10, 2), (8, 8), (0x20, 2)) if mask & bit)
    if tail > len(buf):
        raise DecodingFailed("the last item is cut off")
    status = source = server = 0
    behind = end
    if mask & 0x02:
        (status,), behind = U32(buf, behind), behind + 4
    if mask & 0x04:
        (source,), behind = I64(buf, behind), behind + 8
    if mask & 0x10:
        behind += 2
    if mask & 0x08:
        (server,) = I64(buf, behind)
    columns.rows.append(np.array([row]))
    columns.handles.append(np.array(U32(buf, at), np.uint32))
    columns.statuses.append(np.array([status], np.uint32))
    columns.sources.append(np.array([source], np.int64))
    columns.servers.append(np.array([server], np.int64))
    columns.values.append(buf[start:end])
    return tail


def _decode(messages: Sequence[Message]) -> list[Changes]:
    counts = [message.count for message in messages]
    received = np.repeat(np.array([message.received for message in messages], np.int64), counts)
    columns: dict[DataType, _Columns] = defaultdict(_Columns)
    _split(b"".join([message.items for message in messages]), sum(counts), columns, _Borders(messages))
    return [grown.changes(kind, received) for kind, grown in columns.items()]


def decode(messages: Sequence[Message]) -> Decoded:
    """Decode messages in order of arrival, all in one go; one that cannot be read is named and costs only itself."""
    messages = [message for message in messages if message.count]
    if not messages:
        return Decoded((), ())
    try:
        return Decoded(_decode(messages), ())
    except DecodingFailed:
        changes: list[Changes] = []
        undecodable: list[Undecodable] = []
        for message in messages:
            try:
                changes += _decode([message])
            except DecodingFailed as fault:
                undecodable.append(Undecodable(message, str(fault)))
        return Decoded(changes, undecodable)


assert set(type_of) <= set(SIZES)
