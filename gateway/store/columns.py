"""Lossless compression of sealed columns: deltas, the common divisor taken out, narrow widths, bytes shuffled, then zlib.

A coded column starts with one byte naming its code; lengths and counts are known to the caller. Integers are int64 and their
deltas wrap around, so every 64-bit pattern survives.
"""

import struct
import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_CONSTANT, _DELTA, _XOR, _DECIMAL = 0, 1, 2, 3
_LEVEL: Final = 1
#: code, width in bytes of a delta, first value, common divisor of the deltas
_DELTA_HEAD: Final = struct.Struct("<BBqq")
_CONSTANT_HEAD: Final = struct.Struct("<Bq")
_XOR_HEAD: Final = struct.Struct("<BBQ")
_DECIMALS_TRIED: Final = 7
_EXACT: Final = 2.0**53
_UNSIGNED: Final[dict[int, np.dtype[Any]]] = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<u8")}


def _shuffle(values: NDArray[Any]) -> bytes:
    """All lowest bytes, then all second bytes, and so on, compressed: equal high bytes cost next to nothing then."""
    planes = values.view(np.uint8).reshape(len(values), values.itemsize).T
    return zlib.compress(planes.tobytes(), _LEVEL)


def _unshuffle(data: bytes, width: int, count: int) -> NDArray[Any]:
    planes = np.frombuffer(_inflate(data, width * count), np.uint8).reshape(width, count)
    joined: NDArray[Any] = np.ascontiguousarray(planes.T).view(_UNSIGNED[width])
    return joined.reshape(count)


def _inflate(data: bytes, size: int) -> bytes:
    """Decompress to exactly `size` bytes, allocating no more than that.

    Raises:
        ValueError: it is damaged, or of another size.
    """
    engine = zlib.decompressobj()
    try:
        raw = engine.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError(f"damaged column: {error}") from error
    if len(raw) != size or not (engine.eof or size == 0):
        raise ValueError(f"damaged column: {len(raw)} bytes where {size} were expected")
    return raw


def _common_divisor(deltas: NDArray[np.int64]) -> int:
    sample = int(np.gcd.reduce(deltas[:64]))
    if sample in (0, 1) or not np.any(deltas % sample):
        return sample or int(np.gcd.reduce(deltas))
    return int(np.gcd.reduce(deltas))


def encode_ints(values: NDArray[np.int64]) -> bytes:
    """Integers that change little from one to the next."""
    if not len(values):
        return b""
    first = int(values[0])
    deltas = values[1:] - values[:-1]
    if not deltas.any():
        return _CONSTANT_HEAD.pack(_CONSTANT, first)
    # The lowest int64 has no positive counterpart; a divisor would be computed wrong.
    divisor = 1 if deltas.min() == np.iinfo(np.int64).min else _common_divisor(deltas)
    if divisor > 1:
        deltas = deltas // divisor
    zigzag = ((deltas << 1) ^ (deltas >> 63)).view(np.uint64)
    widest = int(zigzag.max())
    width = 1 if widest < 1 << 8 else 2 if widest < 1 << 16 else 4 if widest < 1 << 32 else 8
    return _DELTA_HEAD.pack(_DELTA, width, first, divisor) + _shuffle(zigzag.astype(_UNSIGNED[width]))


def decode_ints(data: bytes, count: int) -> NDArray[np.int64]:
    """What `encode_ints` coded.

    Raises:
        ValueError: the bytes are damaged.
    """
    if not count:
        return np.zeros(0, np.int64)
    try:
        if data[:1] == bytes((_CONSTANT,)):
            return np.full(count, _CONSTANT_HEAD.unpack(data)[1], np.int64)
        code, width, first, divisor = _DELTA_HEAD.unpack_from(data)
    except struct.error as error:
        raise ValueError(f"damaged column: {error}") from error
    if code != _DELTA or width not in _UNSIGNED:
        raise ValueError(f"damaged column: unknown code {code} or width {width}")
    zigzag = _unshuffle(data[_DELTA_HEAD.size :], width, count - 1).astype(np.uint64)
    deltas = (zigzag >> np.uint64(1)).view(np.int64) ^ -(zigzag & np.uint64(1)).view(np.int64)
    values = np.empty(count, np.int64)
    values[0] = first
    np.multiply(deltas, divisor, out=values[1:])
    return np.cumsum(values, out=values)


def encode_floats(bits: NDArray[np.uint64], size: int) -> bytes:
    """Floating point numbers of `size` bytes: as decimals where they are some, else by what changes in their bits."""
    decimals = _as_decimals(bits, size)
    if decimals is not None:
        return bytes((_DECIMAL, decimals[0])) + encode_ints(decimals[1])
    narrow = bits.astype(_UNSIGNED[size])
    return _XOR_HEAD.pack(_XOR, size, int(bits[0])) + _shuffle(narrow[1:] ^ narrow[:-1])


def decode_floats(data: bytes, size: int, count: int) -> NDArray[np.uint64]:
    """The bits of what `encode_floats` coded.

    Raises:
        ValueError: the bytes are damaged.
    """
    if data[:1] == bytes((_DECIMAL,)):
        return _to_bits(decode_ints(data[2:], count) / 10.0 ** data[1], size)
    try:
        code, width, first = _XOR_HEAD.unpack_from(data)
    except struct.error as error:
        raise ValueError(f"damaged column: {error}") from error
    if code != _XOR or width != size:
        raise ValueError(f"damaged column: unknown code {code} or width {width}")
    changes = np.empty(count, _UNSIGNED[size])
    changes[0] = first
    changes[1:] = _unshuffle(data[_XOR_HEAD.size :], size, count - 1)
    return np.bitwise_xor.accumulate(changes).astype(np.uint64)


def _to_bits(values: NDArray[np.float64], size: int) -> NDArray[np.uint64]:
    if size == 8:
        return values.view(np.uint64)
    return values.astype("<f4").view("<u4").astype(np.uint64)


def _as_decimals(bits: NDArray[np.uint64], size: int) -> tuple[int, NDArray[np.int64]] | None:
    """(decimals, integers) where every number is, bit by bit, integer / 10^decimals. Sensors with a resolution give such."""
    with np.errstate(invalid="ignore"):  # signalling NaNs
        values = bits.view("<f8") if size == 8 else bits.astype("<u4").view("<f4").astype("<f8")
    for decimals in range(_DECIMALS_TRIED):
        # A few values show in most cases that it is not so; only then is the whole column tried.
        if _scaled(values[:32], bits[:32], size, decimals) is not None:
            scaled = _scaled(values, bits, size, decimals)
            if scaled is not None:
                return decimals, scaled
    return None


def _scaled(values: NDArray[np.float64], bits: NDArray[np.uint64], size: int, decimals: int) -> NDArray[np.int64] | None:
    with np.errstate(all="ignore"):
        scaled = np.rint(values * 10.0**decimals)
        if not np.all(np.abs(scaled) < _EXACT):
            return None
    whole = scaled.astype(np.int64)
    return whole if np.array_equal(_to_bits(whole / 10.0**decimals, size), bits) else None


def encode_bytes(data: bytes) -> bytes:
    """Any bytes."""
    return zlib.compress(data, _LEVEL)


def decode_bytes(data: bytes, size: int) -> bytes:
    """What `encode_bytes` coded.

    Raises:
        ValueError: the bytes are damaged.
    """
    return _inflate(data, size)
