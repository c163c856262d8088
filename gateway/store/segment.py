"""Sealed history: rows of a stretch of the log, sorted by (tag, source time) and compressed in blocks. Pure.

A block holds rows of one stored type. Its columns, each coded on its own, stand behind a table of their lengths: tags and how
many rows each has, source time, server minus source time, receive time as an index into the segment's distinct ones, status,
flags, values; for Variants their lengths, then their bytes.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.plant.values import FIXED, DataType
from gateway.store.columns import (
    decode_bytes,
    decode_floats,
    decode_ints,
    encode_bytes,
    encode_floats,
    encode_ints,
)
from gateway.store.rows import Rows, from_variants, numbers, to_bits

#: Rows in a block: long enough to compress, short enough to read one tag cheaply.
BLOCK_ROWS: Final = 4096
#: Bytes of Variants in a block, unless one alone has more.
BLOCK_BYTES: Final = 1 << 20

_VARIANT: Final = int(DataType.VARIANT)
_COLUMN_COUNT: Final = 10
_HEAD: Final = struct.Struct(f"<I{_COLUMN_COUNT}I")


@dataclass(frozen=True, slots=True)
class Block:
    """One compressed block and what an index needs to know of it."""

    type: int
    rows: int
    first_tag: int
    last_tag: int
    min_time: int
    max_time: int
    crc: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """What sealing makes of a stretch of the log. `counts` are (tag, rows)."""

    rows: int
    min_time: int
    max_time: int
    received: bytes
    crc: int
    blocks: Sequence[Block]
    counts: Sequence[tuple[int, int]]


def seal(parts: Sequence[tuple[int, Rows]]) -> Segment:
    """Sort and compress rows, given as (stored type, rows in order of arrival), one part a type."""
    received = np.unique(np.concatenate([rows.received for _, rows in parts]))
    blocks: list[Block] = []
    for kind, unsorted in parts:
        rows = unsorted.take(np.lexsort((unsorted.source, unsorted.tag)))
        blocks += [_block(kind, rows.take(part), received) for part in _parts(kind, rows)]
    tags, counts = np.unique(np.concatenate([rows.tag for _, rows in parts]), return_counts=True)
    coded = encode_ints(received)
    return Segment(
        rows=sum(len(rows) for _, rows in parts),
        min_time=min(block.min_time for block in blocks),
        max_time=max(block.max_time for block in blocks),
        received=struct.pack("<I", len(received)) + coded,
        crc=zlib.crc32(struct.pack("<I", len(received)) + coded),
        blocks=blocks,
        counts=list(zip(tags.tolist(), counts.tolist(), strict=True)),
    )


def receive_times(data: bytes) -> NDArray[np.int64]:
    """The distinct receive times of a segment, ascending.

    Raises:
        ValueError: the bytes are damaged.
    """
    if len(data) < 4:
        raise ValueError("damaged receive times: no count")
    return decode_ints(data[4:], int.from_bytes(data[:4], "little"))


def _parts(kind: int, rows: Rows) -> Iterator[slice]:
    """Cut rows into blocks of `BLOCK_ROWS`; Variants also where they exceed `BLOCK_BYTES` together."""
    start, size = 0, 0
    if kind == _VARIANT:
        for row, variant in enumerate(rows.variants()):
            size += len(variant)
            if (size > BLOCK_BYTES and row > start) or row - start == BLOCK_ROWS:
                yield slice(start, row)
                start, size = row, len(variant)
    for begin in range(start, len(rows), BLOCK_ROWS):
        yield slice(begin, begin + BLOCK_ROWS)


def _block(kind: int, rows: Rows, received: NDArray[np.int64]) -> Block:
    starts = np.flatnonzero(np.concatenate([[True], rows.tag[1:] != rows.tag[:-1]]))
    lengths = np.diff(np.append(starts, len(rows)))
    columns = [
        encode_ints(rows.tag[starts].astype(np.int64)),
        encode_ints(lengths),
        encode_ints(rows.source[starts]),
        encode_ints(_within(rows.source, starts, lengths)),
        encode_ints(rows.server - rows.source),
        encode_ints(np.searchsorted(received, rows.received)),
        encode_ints(rows.status.astype(np.int64)),
        encode_ints(rows.flags.astype(np.int64)),
        *_encode_values(kind, rows),
    ]
    data = _HEAD.pack(len(starts), *(len(column) for column in columns)) + b"".join(columns)
    return Block(
        kind, len(rows), int(rows.tag[0]), int(rows.tag[-1]), int(rows.source.min()), int(rows.source.max()),
        zlib.crc32(data), data,
    )  # fmt: skip


def _within(values: NDArray[np.int64], starts: NDArray[Any], lengths: NDArray[Any]) -> NDArray[np.int64]:
    """Each value less the first of its run: the jump from one tag to the next then costs nothing."""
    relative: NDArray[np.int64] = values - np.repeat(values[starts], lengths)
    return relative


def _encode_values(kind: int, rows: Rows) -> tuple[bytes, bytes]:
    if kind == _VARIANT:
        variants = rows.variants()
        return encode_ints(np.array([len(item) for item in variants], np.int64)), encode_bytes(b"".join(variants))
    base = DataType(kind)
    if FIXED[base].kind == "f":
        return encode_floats(rows.bits, FIXED[base].itemsize), b""
    return encode_ints(numbers(base, rows.bits).astype(np.int64)), b""


def open_block(kind: int, count: int, data: bytes, received: NDArray[np.int64], tag: int | None = None) -> Rows:
    """The rows of a block (of `tag` alone, where given), sorted by (tag, source time).

    Raises:
        ValueError: the bytes are damaged.
    """
    columns, distinct = _columns(data)
    lengths = decode_ints(columns[1], distinct)
    if int(lengths.sum()) != count or (lengths < 1).any():
        raise ValueError("damaged block: its tags do not have the rows it should hold")
    tags = decode_ints(columns[0], distinct)
    wanted = slice(0, count) if tag is None else _run(tags, lengths, tag)
    source = (np.repeat(decode_ints(columns[2], distinct), lengths) + decode_ints(columns[3], count))[wanted]
    index = decode_ints(columns[5], count)[wanted]
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(received):
        raise ValueError("damaged block: a receive time beyond its segment's")
    rows = Rows(
        np.repeat(tags, lengths)[wanted].astype(np.uint32), source, source + decode_ints(columns[4], count)[wanted],
        received[index], decode_ints(columns[6], count)[wanted].astype(np.uint32),
        decode_ints(columns[7], count)[wanted].astype(np.uint8), np.full(len(source), kind, np.uint8), np.zeros(0, np.uint64),
    )  # fmt: skip
    return _with_values(rows, kind, count, columns[8], columns[9], wanted)


def _run(tags: NDArray[np.int64], lengths: NDArray[np.int64], tag: int) -> slice:
    at = int(np.searchsorted(tags, tag))
    if at == len(tags) or tags[at] != tag:
        return slice(0, 0)
    end = int(lengths[: at + 1].sum())
    return slice(end - int(lengths[at]), end)


def block_counts(count: int, data: bytes) -> list[tuple[int, int]]:
    """(tag, rows) of a block without decoding the rest.

    Raises:
        ValueError: the bytes are damaged.
    """
    columns, distinct = _columns(data)
    return list(zip(decode_ints(columns[0], distinct).tolist(), decode_ints(columns[1], distinct).tolist(), strict=True))


def _columns(data: bytes) -> tuple[list[bytes], int]:
    try:
        distinct, *sizes = _HEAD.unpack_from(data)
    except struct.error as error:
        raise ValueError(f"damaged block: {error}") from error
    ends = (_HEAD.size + np.cumsum(sizes)).tolist()
    if ends[-1] != len(data) or distinct > len(data) * 1024:
        raise ValueError(f"damaged block: {len(data)} bytes where {ends[-1]} were expected")
    return [data[end - size : end] for end, size in zip(ends, sizes, strict=True)], distinct


def _with_values(rows: Rows, kind: int, count: int, coded: bytes, body: bytes, wanted: slice) -> Rows:
    if kind == _VARIANT:
        lengths = decode_ints(coded, count)
        if (lengths < 0).any():
            raise ValueError("damaged block: a negative length")
        ends = np.cumsum(lengths)
        joined = decode_bytes(body, int(ends[-1]))
        bounds = zip((ends - lengths)[wanted].tolist(), ends[wanted].tolist(), strict=True)
        return from_variants(rows, [joined[start:end] for start, end in bounds])
    try:
        base = DataType(kind)
        layout = FIXED[base]
    except (ValueError, KeyError) as error:
        raise ValueError(f"damaged block: no values of type {kind} are stored in columns") from error
    if layout.kind == "f":
        bits = decode_floats(coded, layout.itemsize, count)
    else:
        bits = to_bits(base, decode_ints(coded, count).astype(layout))
    return replace(rows, bits=bits[wanted])
