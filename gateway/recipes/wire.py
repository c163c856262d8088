"""Recipe values in their OPC UA wire types: casting, bit-exact comparison, and the JSON form that digests are taken of.

A parameter is a Boolean, an integer, a Float, a Double or a String, or a one-dimensional array of one of these
(OPC 10000-6, 5.1.2). A wire value is the Python value that survives the wire unchanged: a Float is rounded to 32 bits.
"""

import math
import struct
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np

from gateway.plant.equipment_class import TagType
from gateway.plant.values import INTEGERS, DataType

WireScalar: TypeAlias = bool | int | float | str
WireValue: TypeAlias = WireScalar | tuple[WireScalar, ...]
JsonValue: TypeAlias = bool | int | float | str | list[bool | int | float | str]

_WIDE: Final = (DataType.INT64, DataType.UINT64)
_FLOATS: Final = (DataType.FLOAT, DataType.DOUBLE)


def is_number(type: TagType) -> bool:
    """True for integers, Float and Double (and arrays of them)."""
    return type.base in INTEGERS or type.base in _FLOATS


def is_supported(type: TagType) -> bool:
    """True when a recipe parameter may have this type."""
    return is_number(type) or type.base in (DataType.BOOLEAN, DataType.STRING)


def cast(type: TagType, value: object) -> WireValue:
    """`value` as it will be on the wire; an array becomes a tuple, a negative zero a zero.

    Raises:
        ValueError: it has no exact place in the type (a fraction for an integer, out of range, NaN, infinite). The message
            never holds the value: it may be confidential.
    """
    if not type.array:
        return _cast_scalar(type.base, value)
    if not isinstance(value, list | tuple):
        raise ValueError(f"is no list, as {type} asks for")
    return tuple(_cast_scalar(type.base, item) for item in value)


def _cast_scalar(base: DataType, value: object) -> WireScalar:
    if base is DataType.BOOLEAN:
        if isinstance(value, bool):
            return value
        raise ValueError("is no Boolean: write true or false")
    if base is DataType.STRING:
        if isinstance(value, str):
            return value
        raise ValueError("is no String: put it in quotes")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("is no number")
    if base in INTEGERS:
        return _cast_integer(base, value)
    if base in _FLOATS:
        return _cast_float(base, value)
    raise ValueError("has a type that no recipe parameter can have")


def _cast_integer(base: DataType, value: float) -> int:
    if not math.isfinite(value) or value != int(value):
        raise ValueError("is no whole number, as its integer type asks for")
    low, high = INTEGERS[base]
    if not low <= value <= high:
        raise ValueError(f"does not fit its integer type ({low} to {high})")
    return int(value)


def _cast_float(base: DataType, value: float) -> float:
    try:
        number = float(value)
        if base is DataType.FLOAT:
            number = struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("is not a finite number, or does not fit its type")
    return number + 0.0  # -0.0 + 0.0 is 0.0: the digest cannot tell them apart, so the wire must not either


def exact(base: DataType, value: float) -> Fraction:
    """The number a person means by `value`: the shortest decimal that has these bits (12.3, not 12.300000190734863)."""
    if isinstance(value, int):
        return Fraction(value)
    return Fraction(str(np.float32(value)) if base is DataType.FLOAT else repr(value))


def same(type: TagType, ours: WireValue, theirs: object) -> bool:
    """True when `theirs`, as read, has exactly the bits of `ours`. There is no tolerance (design: read-back)."""
    if not type.array:
        return _same_scalar(type.base, ours, theirs)
    if not isinstance(ours, tuple) or not isinstance(theirs, list | tuple) or len(ours) != len(theirs):
        return False
    return all(_same_scalar(type.base, left, right) for left, right in zip(ours, theirs, strict=True))


def _same_scalar(base: DataType, ours: object, theirs: object) -> bool:
    if base in _FLOATS:
        if not isinstance(ours, float) or not isinstance(theirs, float):
            return False
        try:
            form = "<f" if base is DataType.FLOAT else "<d"
            return struct.pack(form, ours) == struct.pack(form, theirs)
        except OverflowError:
            return False
    if base is DataType.BOOLEAN:
        return isinstance(theirs, bool) and ours is theirs
    if base is DataType.STRING:
        return isinstance(theirs, str) and ours == theirs
    return isinstance(theirs, int) and not isinstance(theirs, bool) and ours == theirs


def to_json(type: TagType, value: WireValue) -> JsonValue:
    """The JSON form for digests and the ledger: what a JSON number cannot hold exactly is a string.

    That is 64-bit integers and, in a snapshot of what equipment held, NaN and the infinities (as the bits of a double).
    """
    if isinstance(value, tuple):
        return [_scalar_to_json(type.base, item) for item in value]
    return _scalar_to_json(type.base, value)


def _scalar_to_json(base: DataType, value: WireScalar) -> WireScalar:
    if isinstance(value, float) and not math.isfinite(value):
        return struct.pack(">d", value).hex()
    return str(value) if base in _WIDE else value


def from_json(type: TagType, value: object) -> WireValue:
    """The wire value that `to_json` wrote.

    Raises:
        ValueError: `value` is nothing `to_json` writes for this type.
    """
    if not type.array:
        return _scalar_from_json(type.base, value)
    if not isinstance(value, list):
        raise ValueError(f"is no list, as {type} asks for")
    return tuple(_scalar_from_json(type.base, item) for item in value)


def _scalar_from_json(base: DataType, value: object) -> WireScalar:
    if base in _FLOATS and isinstance(value, str):
        bits: float = struct.unpack(">d", bytes.fromhex(value))[0]
        return bits
    if base in _FLOATS and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if base in _WIDE and isinstance(value, str):
        value = int(value)
    return _cast_scalar(base, value)


def as_read(type: TagType, value: object) -> WireValue | None:
    """A value read from equipment, unchanged, when it has the Python form of `type`; else None."""
    if not type.array:
        return _scalar_as_read(type.base, value)
    if not isinstance(value, list | tuple):
        return None
    items = [_scalar_as_read(type.base, item) for item in value]
    return tuple(item for item in items if item is not None) if None not in items else None


def _scalar_as_read(base: DataType, value: object) -> WireScalar | None:
    if base in _FLOATS:
        return value if isinstance(value, float) else None
    if isinstance(value, float):
        return None
    try:
        return _cast_scalar(base, value)
    except ValueError:
        return None
