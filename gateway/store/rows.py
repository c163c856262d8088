"""Rows of the twin in memory: one table for all types of value, and its form in the hot log.

A scalar of a `FIXED` type is held as its wire bits in one 64-bit column, so that a batch of mixed types is still a handful of
NumPy steps. Everything else is held as its encoded Variant, and `bits` is then a hash of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway.plant.values import FIXED, Changes, DataType, Ragged, Sample
from gateway.plant.variant import fixed_to_python, to_python

_VARIANT: Final = int(DataType.VARIANT)
_STRING: Final = int(DataType.STRING)
#: By built-in type: bytes of a scalar of fixed size, 0 for the others.
_SIZES: Final = [FIXED[DataType(number)].itemsize if number in FIXED else 0 for number in range(256)]
_HASH_MASK: Final = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class Rows:
    """Data changes, one row each. `type` is the value's built-in type where it is a fixed scalar, else `VARIANT`.

    `bits` are a fixed scalar's wire bits, zero-extended; `encoded` holds the Variants of the other rows (None: there are none).
    """

    tag: NDArray[np.uint32]
    source: NDArray[np.int64]
    server: NDArray[np.int64]
    received: NDArray[np.int64]
    status: NDArray[np.uint32]
    flags: NDArray[np.uint8]
    type: NDArray[np.uint8]
    bits: NDArray[np.uint64]
    encoded: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.tag)

    def take(self, rows: NDArray[Any] | slice) -> "Rows":
        """The rows at these indexes, or where this mask is true, or in this slice."""
        return Rows(
            self.tag[rows], self.source[rows], self.server[rows], self.received[rows], self.status[rows], self.flags[rows],
            self.type[rows], self.bits[rows], None if self.encoded is None else self.encoded[rows],
        )  # fmt: skip

    def variant(self, row: int) -> bytes:
        """The binary Variant of one row, whichever way it is held."""
        kind = int(self.type[row])
        if kind != _VARIANT:
            return bytes((kind,)) + int(self.bits[row]).to_bytes(8, "little")[: _SIZES[kind]]
        assert self.encoded is not None
        return bytes(self.encoded[row])

    def variants(self) -> list[bytes]:
        """The binary Variant of every row."""
        found: list[bytes] = [b""] * len(self)
        for kind in np.unique(self.type).tolist():
            at = np.flatnonzero(self.type == kind)
            size, head = _SIZES[kind], bytes((kind,))
            raw = b"" if kind == _VARIANT else self.bits[at].astype(f"<u{size}").tobytes()
            for index, row in enumerate(at.tolist()):
                found[row] = head + raw[index * size : index * size + size] if size else self.variant(row)
        return found

    def content(self, row: int) -> tuple[int, int, bytes | int]:
        """What makes two rows of one tag and source time the same: status, type and value, bit by bit."""
        kind = int(self.type[row])
        if kind != _VARIANT:
            return int(self.status[row]), kind, int(self.bits[row])
        return int(self.status[row]), kind, self.variant(row)

    def sample(self, row: int) -> Sample:
        """One row as a reader sees it."""
        kind = int(self.type[row])
        if kind == _VARIANT:
            value, base = to_python(self.variant(row))
        else:
            base = DataType(kind)
            value = fixed_to_python(base, numbers(base, self.bits[row : row + 1])[0])
        return Sample(
            value, base, int(self.status[row]), int(self.source[row]), int(self.server[row]), int(self.received[row]),
            int(self.flags[row]),
        )  # fmt: skip


def numbers(base: DataType, bits: NDArray[np.uint64]) -> NDArray[Any]:
    """Wire bits as numbers of the type's dtype."""
    layout = FIXED[base]
    return bits.astype(f"<u{layout.itemsize}").view(layout)


def canonical(encoded: bytes) -> tuple[int, int]:
    """(type, bits) of an encoded Variant: a fixed scalar is the same whether it came in a column or on its own."""
    kind = encoded[0]
    size = _SIZES[kind]
    if size and len(encoded) == size + 1:
        return kind, int.from_bytes(encoded[1:], "little")
    return _VARIANT, hash(encoded) & _HASH_MASK


def from_variants(columns: Rows, variants: Sequence[bytes]) -> Rows:
    """The rows of `columns` (type and bits still unset) with these Variants as values."""
    pairs = [canonical(item) if item else (_VARIANT, 0) for item in variants]
    encoded = np.empty(len(pairs), np.object_)
    encoded[:] = [item if kind == _VARIANT else None for item, (kind, _) in zip(variants, pairs, strict=True)]
    return Rows(
        columns.tag, columns.source, columns.server, columns.received, columns.status, columns.flags,
        np.array([kind for kind, _ in pairs], np.uint8), np.array([bits for _, bits in pairs], np.uint64), encoded,
    )  # fmt: skip


def from_changes(changes: Changes) -> Rows:
    """The rows of one batch.

    Raises:
        ValueError: its columns differ in length (a fault of the program, not of the data).
    """
    count = len(changes)
    columns = (changes.source_time, changes.server_time, changes.received_time, changes.status, changes.flags, changes.values)
    if any(len(column) != count for column in columns):
        raise ValueError(f"a batch of {count} tags has columns of {[len(column) for column in columns]} rows")
    rows = Rows(
        changes.tag, changes.source_time, changes.server_time, changes.received_time, changes.status, changes.flags,
        np.full(count, changes.type, np.uint8), np.zeros(0, np.uint64),
    )  # fmt: skip
    if isinstance(changes.values, Ragged):
        return from_variants(rows, list(changes.values))
    return replace(rows, bits=to_bits(changes.type, changes.values))


def to_bits(base: DataType, values: NDArray[Any]) -> NDArray[np.uint64]:
    """Numbers of a fixed type as wire bits, zero-extended."""
    layout = FIXED[base]
    return np.ascontiguousarray(values, layout).view(f"<u{layout.itemsize}").astype(np.uint64)


def join(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return EMPTY
    encoded = None
    if any(part.encoded is not None for part in parts):
        encoded = np.concatenate([
            np.full(len(part), None, np.object_) if part.encoded is None else part.encoded for part in parts
        ])  # fmt: skip
    tag, source, server, received, status, flags, kind, bits = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("tag", "source", "server", "received", "status", "flags", "type", "bits")
    )
    return Rows(tag, source, server, received, status, flags, kind, bits, encoded)


EMPTY: Final = Rows(
    np.zeros(0, np.uint32), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint32),
    np.zeros(0, np.uint8), np.zeros(0, np.uint8), np.zeros(0, np.uint64),
)  # fmt: skip

# --- the hot log's form: columns one after the other, uncompressed ---------------------------------------------------

_COLUMNS: Final = (("tag", "<u4"), ("source", "<i8"), ("server", "<i8"), ("received", "<i8"), ("status", "<u4"), ("flags", "u1"))


def pack(rows: Rows, stored_as: int) -> bytes:
    """The columns as bytes; values as numbers of the type `stored_as`, or as Variants where that is `VARIANT`."""
    parts = [getattr(rows, name).astype(layout, copy=False).tobytes() for name, layout in _COLUMNS]
    if stored_as != _VARIANT:
        parts.append(rows.bits.astype(f"<u{_SIZES[stored_as]}").tobytes())
    else:
        ragged = Ragged.of(rows.variants())
        parts += [ragged.offsets.astype("<u4", copy=False).tobytes(), ragged.data]
    return b"".join(parts)


def unpack(stored_as: int, count: int, data: bytes) -> Rows:
    """Read what `pack` wrote.

    Raises:
        ValueError: the bytes are not `count` rows of that type.
    """
    columns, position = [], 0
    for _, layout in _COLUMNS:
        columns.append(np.frombuffer(data, layout, count, position))
        position += columns[-1].nbytes
    tag, source, server, received, status, flags = columns
    rows = Rows(
        tag, source, server, received, status, flags, np.full(count, stored_as, np.uint8), np.zeros(0, np.uint64)
    )  # fmt: skip
    if stored_as != _VARIANT:
        values = np.frombuffer(data, f"<u{_SIZES[stored_as] or 1}", count, position)
        if position + values.nbytes != len(data) or not _SIZES[stored_as]:
            raise ValueError(f"{len(data)} bytes are not {count} rows of type {stored_as}")
        return replace(rows, bits=values.astype(np.uint64))
    offsets = np.frombuffer(data, "<u4", count + 1, position).tolist()
    start = position + 4 * (count + 1)
    if start + offsets[-1] != len(data) or any(a > b for a, b in pairwise(offsets)):
        raise ValueError(f"{len(data)} bytes are not {count} Variants")
    return from_variants(rows, [data[start + a : start + b] for a, b in pairwise(offsets)])


def decodable(encoded: bytes) -> str | None:
    """None where the bytes are a Variant, else what is wrong with them. Strings take the short way."""
    if encoded and encoded[0] == _STRING and len(encoded) >= 5:
        length = int.from_bytes(encoded[1:5], "little", signed=True)
        if max(length, 0) == len(encoded) - 5 and length >= -1:
            return None
    try:
        to_python(encoded)
    except ValueError as error:
        return str(error)
    return None
