"""Walking OPC UA binary data without building objects: where does this value end? (OPC 10000-6, 5.2)

Every function takes a buffer and an offset and returns the offset behind the value. Bytes from the wire are hostile
until proven: every length is checked against what is left, nesting is bounded, and nothing is allocated by a count.
"""

import struct
from typing import Final

from gateway.errors import DecodingFailed

U16: Final = struct.Struct("<H").unpack_from
U32: Final = struct.Struct("<I").unpack_from
I32: Final = struct.Struct("<i").unpack_from
I64: Final = struct.Struct("<q").unpack_from

_DEEPEST = 32  #: nesting of Variants, DataValues and DiagnosticInfos; OPC 10000-6 asks decoders for at least 100 in all

#: Encoded size of built-in types of fixed size (OPC 10000-6, 5.2.2).
SIZES: Final = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4}

_NODEID_SIZES: Final = {0: 2, 1: 4, 2: 7, 4: 19}  # two byte, four byte, numeric, guid


def _within(buf: bytes, end: int) -> int:
    if end > len(buf):
        raise DecodingFailed(f"a value ends at byte {end} of {len(buf)}")
    return end


def skip_bytes(buf: bytes, at: int) -> int:
    """A String, ByteString or XmlElement: Int32 length (-1 is null), then that many bytes."""
    _within(buf, at + 4)
    (length,) = I32(buf, at)
    return _within(buf, at + 4 + max(length, 0))


def skip_node_id(buf: bytes, at: int) -> int:
    """A NodeId or an ExpandedNodeId."""
    _within(buf, at + 2)
    encoding = buf[at]
    kind = encoding & 0x3F
    if kind in _NODEID_SIZES:
        end = _within(buf, at + _NODEID_SIZES[kind])
    elif kind in {3, 5}:
        end = skip_bytes(buf, at + 3)
    else:
        raise DecodingFailed(f"NodeId encoding {encoding:#04x} is unknown")
    if encoding & 0x80:
        end = skip_bytes(buf, end)
    if encoding & 0x40:
        end = _within(buf, end + 4)
    return end


def skip_localized_text(buf: bytes, at: int) -> int:
    """A LocalizedText: a mask, then locale and text where the mask says so."""
    _within(buf, at + 1)
    mask, at = buf[at], at + 1
    for bit in (1, 2):
        if mask & bit:
            at = skip_bytes(buf, at)
    return at


def skip_extension_object(buf: bytes, at: int) -> int:
    """An ExtensionObject: type id, a byte that says whether a body follows, and its length."""
    at = _within(buf, skip_node_id(buf, at) + 1)
    return skip_bytes(buf, at) if buf[at - 1] else at


def skip_diagnostic_info(buf: bytes, at: int, depth: int = 0) -> int:
    """A DiagnosticInfo, with the inner ones."""
    if depth > _DEEPEST:
        raise DecodingFailed("DiagnosticInfo is nested too deeply")
    _within(buf, at + 1)
    mask, at = buf[at], at + 1
    at = _within(buf, at + 4 * sum(1 for bit in (0x01, 0x02, 0x04, 0x08) if mask & bit))
    if mask & 0x10:
        at = skip_bytes(buf, at)
    if mask & 0x20:
        at = _within(buf, at + 4)
    return skip_diagnostic_info(buf, at, depth + 1) if mask & 0x40 else at


def skip_data_value(buf: bytes, at: int, depth: int = 0) -> int:
    """A DataValue: a mask, then value, status, source and server time with their picoseconds."""
    _within(buf, at + 1)
    mask, at = buf[at], at + 1
    if mask & 0x01:
        at = skip_variant(buf, at, depth)
    for bit, size in ((0x02, 4), (0x04, 8), (0x10, 2), (0x08, 8), (0x20, 2)):
        if mask & bit:
            at += size
    return _within(buf, at)


def _skip_one(buf: bytes, at: int, kind: int, depth: int) -> int:
    if kind in {12, 15, 16}:
        return skip_bytes(buf, at)
    if kind in {17, 18}:
        return skip_node_id(buf, at)
    if kind == 20:
        return skip_bytes(buf, at + 2)
    if kind == 21:
        return skip_localized_text(buf, at)
    if kind == 22:
        return skip_extension_object(buf, at)
    if kind == 23:
        return skip_data_value(buf, at, depth + 1)
    if kind == 24:
        return skip_variant(buf, at, depth + 1)
    if kind == 25:
        return skip_diagnostic_info(buf, at, depth + 1)
    raise DecodingFailed(f"built-in type {kind} is unknown")


def skip_variant(buf: bytes, at: int, depth: int = 0) -> int:
    """A Variant: an encoding byte (type, array, dimensions), then the value or values."""
    if depth > _DEEPEST:
        raise DecodingFailed("a Variant is nested too deeply")
    _within(buf, at + 1)
    encoding, at = buf[at], at + 1
    kind = encoding & 0x3F
    count = 1
    if encoding & 0x80:
        _within(buf, at + 4)
        count, at = max(I32(buf, at)[0], 0), at + 4
        if count > len(buf) - at:  # every element takes a byte at least
            raise DecodingFailed(f"an array claims {count} elements with {len(buf) - at} bytes left")
    if kind in SIZES:
        at = _within(buf, at + count * SIZES[kind])
    elif kind:
        for _ in range(count):
            at = _skip_one(buf, at, kind, depth)
    if encoding & 0x40:
        _within(buf, at + 4)
        at = _within(buf, at + 4 + 4 * max(I32(buf, at)[0], 0))
    return at


def skip_array(buf: bytes, at: int, size: int) -> int:
    """An array whose elements take `size` bytes each."""
    _within(buf, at + 4)
    return _within(buf, at + 4 + size * max(I32(buf, at)[0], 0))


def skip_response_header(buf: bytes, at: int) -> int:
    """A ResponseHeader (OPC 10000-4, 7.34)."""
    at = skip_diagnostic_info(buf, at + 16)
    _within(buf, at + 4)
    strings, at = max(I32(buf, at)[0], 0), at + 4
    if strings > len(buf) - at:
        raise DecodingFailed(f"a string table claims {strings} entries with {len(buf) - at} bytes left")
    for _ in range(strings):
        at = skip_bytes(buf, at)
    return skip_extension_object(buf, at)
