"""OPC UA binary Variants (OPC 10000-6, 5.2.2.16) as Python values, and as JSON for people.

Pure and strict: every count is checked against the bytes that are there before anything is allocated, nesting is bounded, and
bytes that are not a Variant raise `ValueError`.
"""

import base64
import math
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np

from gateway.plant.values import FIXED, DataType

_MAX_DEPTH: Final = 32
_ARRAY: Final = 0x80
_DIMENSIONS: Final = 0x40
_WINDOWS_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class DateTime:
    """An OPC UA DateTime: 100 ns ticks since 1601-01-01 UTC. Kept as ticks: a `datetime` would lose the last digit."""

    ticks: int

    def __str__(self) -> str:
        """ISO 8601 in UTC with seven decimals; ticks outside the years 1601 to 9999 give the nearest end."""
        seconds, ticks = divmod(min(max(self.ticks, 0), 2650467743999999999), 10_000_000)
        moment = _WINDOWS_EPOCH + timedelta(seconds=seconds)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{ticks:07}Z"


class QualifiedName(NamedTuple):
    """A name within the namespace at that index of the server's NamespaceArray."""

    namespace: int
    name: str | None


class LocalizedText(NamedTuple):
    """A text and the locale it is in."""

    locale: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Structure:
    """An ExtensionObject: the NodeId of its encoding and its body, None without one. Never interpreted, never lost."""

    type_id: str
    body: bytes | None
    xml: bool = False  #: the body is an XML element


@dataclass(frozen=True, slots=True)
class Matrix:
    """An array of several dimensions; `values` in row-major order."""

    values: list[Any]
    dimensions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Nested:
    """A Variant inside an array of Variants, or inside a DataValue."""

    value: Any
    type: DataType


@dataclass(frozen=True, slots=True)
class NestedDataValue:
    """A DataValue as a value. Times are ticks as in `DateTime`, None where absent; picoseconds likewise."""

    value: Nested | None
    status: int | None
    source_time: DateTime | None
    server_time: DateTime | None
    source_picoseconds: int | None
    server_picoseconds: int | None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A DiagnosticInfo (OPC 10000-6, 5.2.2.12); indexes point into the response's string table."""

    symbolic_id: int | None
    namespace: int | None
    locale: int | None
    localized_text: int | None
    additional: str | None
    inner_status: int | None
    inner: "Diagnostic | None"


class _Reader:
    """A cursor over bytes that never reads beyond them."""

    __slots__ = ("data", "depth", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.depth = 0

    def take(self, size: int) -> bytes:
        start = self.position
        end = start + size
        if size < 0 or end > len(self.data):
            raise ValueError(f"truncated: {size} bytes wanted at offset {start}, {len(self.data) - start} are there")
        self.position = end
        return self.data[start:end]

    def number(self, layout: struct.Struct) -> Any:
        return layout.unpack(self.take(layout.size))[0]

    def count(self, smallest: int = 1) -> int:
        """A length prefix; -1 for null. Refused when so many elements of at least `smallest` bytes cannot follow."""
        count: int = self.number(_I4)
        if count < -1 or count * smallest > len(self.data) - self.position:
            raise ValueError(f"a count of {count} at offset {self.position - 4} exceeds the bytes that follow")
        return count

    def enter(self) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")

    def leave(self) -> None:
        self.depth -= 1


_U1 = struct.Struct("<B")
_U2 = struct.Struct("<H")
_I4 = struct.Struct("<i")
_U4 = struct.Struct("<I")
_I8 = struct.Struct("<q")


def _bytes(reader: _Reader) -> bytes | None:
    count = reader.count()
    return None if count < 0 else reader.take(count)


def _string(reader: _Reader) -> str | None:
    raw = _bytes(reader)
    # Some PLCs send other encodings than UTF-8: the stored bytes stay as they are, the reader sees the odd ones escaped.
    return None if raw is None else raw.decode("utf-8", "backslashreplace")


def _guid(reader: _Reader) -> uuid.UUID:
    return uuid.UUID(bytes_le=reader.take(16))


def _date_time(reader: _Reader) -> DateTime:
    return DateTime(reader.number(_I8))


def _node_id(reader: _Reader, flags: int = 0) -> str:
    """NodeId text as in OPC 10000-6, 5.3.1.10; opaque identifiers in base64. `flags` are the expanded bits allowed."""
    encoding: int = reader.number(_U1)
    namespace, uri, server = 0, None, 0
    match encoding & 0x3F:
        case 0:
            identifier = f"i={reader.number(_U1)}"
        case 1:
            namespace = reader.number(_U1)
            identifier = f"i={reader.number(_U2)}"
        case 2:
            namespace = reader.number(_U2)
            identifier = f"i={reader.number(_U4)}"
        case 3:
            namespace = reader.number(_U2)
            identifier = f"s={_string(reader) or ''}"
        case 4:
            namespace = reader.number(_U2)
            identifier = f"g={_guid(reader)}"
        case 5:
            namespace = reader.number(_U2)
            identifier = f"b={base64.b64encode(_bytes(reader) or b'').decode('ascii')}"
        case other:
            raise ValueError(f"unknown NodeId encoding {other}")
    if encoding & 0xC0 & ~flags:
        raise ValueError(f"a plain NodeId with the bits of an expanded one ({encoding:#x})")
    if encoding & 0x80:
        uri = _string(reader)
    if encoding & 0x40:
        server = reader.number(_U4)
    prefix = f"nsu={uri};" if uri else f"ns={namespace};" if namespace else ""
    return f"svr={server};{prefix}{identifier}" if server else prefix + identifier


def _expanded_node_id(reader: _Reader) -> str:
    return _node_id(reader, 0xC0)


def _qualified_name(reader: _Reader) -> QualifiedName:
    return QualifiedName(reader.number(_U2), _string(reader))


def _localized_text(reader: _Reader) -> LocalizedText:
    mask: int = reader.number(_U1)
    if mask & ~0x03:
        raise ValueError(f"unknown LocalizedText mask {mask:#x}")
    locale = _string(reader) if mask & 1 else None
    return LocalizedText(locale, _string(reader) if mask & 2 else None)


def _structure(reader: _Reader) -> Structure:
    type_id = _node_id(reader)
    encoding: int = reader.number(_U1)
    if encoding > 2:
        raise ValueError(f"unknown ExtensionObject encoding {encoding}")
    return Structure(type_id, _bytes(reader) if encoding else None, encoding == 2)


def _data_value(reader: _Reader) -> NestedDataValue:
    mask: int = reader.number(_U1)
    if mask & ~0x3F:
        raise ValueError(f"unknown DataValue mask {mask:#x}")
    value = _nested(reader) if mask & 0x01 else None
    status = reader.number(_U4) if mask & 0x02 else None
    source_time = _date_time(reader) if mask & 0x04 else None
    source_picoseconds = reader.number(_U2) if mask & 0x10 else None
    server_time = _date_time(reader) if mask & 0x08 else None
    server_picoseconds = reader.number(_U2) if mask & 0x20 else None
    return NestedDataValue(value, status, source_time, server_time, source_picoseconds, server_picoseconds)


def _diagnostic(reader: _Reader) -> Diagnostic:
    mask: int = reader.number(_U1)
    if mask & 0x80:
        raise ValueError(f"unknown DiagnosticInfo mask {mask:#x}")
    reader.enter()
    symbolic_id, namespace, locale, text = (
        reader.number(_I4) if mask & bit else None for bit in (0x01, 0x02, 0x08, 0x04)
    )  # in the order of OPC 10000-6, table 24: the locale goes before the text
    additional = _string(reader) if mask & 0x10 else None
    inner_status = reader.number(_U4) if mask & 0x20 else None
    inner = _diagnostic(reader) if mask & 0x40 else None
    reader.leave()
    return Diagnostic(symbolic_id, namespace, locale, text, additional, inner_status, inner)


def _nested(reader: _Reader) -> Nested:
    return Nested(*_variant(reader))


#: Element readers of the types that are no plain number, and the fewest bytes an element takes.
_ELEMENTS: Final[dict[DataType, tuple[Callable[[_Reader], Any], int]]] = {
    DataType.STRING: (_string, 4),
    DataType.GUID: (_guid, 16),
    DataType.BYTESTRING: (_bytes, 4),
    DataType.XMLELEMENT: (_string, 4),
    DataType.NODEID: (_node_id, 2),
    DataType.EXPANDEDNODEID: (_expanded_node_id, 2),
    DataType.QUALIFIEDNAME: (_qualified_name, 6),
    DataType.LOCALIZEDTEXT: (_localized_text, 1),
    DataType.EXTENSIONOBJECT: (_structure, 3),
    DataType.DATAVALUE: (_data_value, 1),
    DataType.VARIANT: (_nested, 1),
    DataType.DIAGNOSTICINFO: (_diagnostic, 1),
}


def _numbers(reader: _Reader, base: DataType, count: int) -> list[Any]:
    layout = FIXED[base]
    values = np.frombuffer(reader.take(count * layout.itemsize), layout)
    if base is DataType.BOOLEAN:
        return [value != 0 for value in values.tolist()]
    if base is DataType.DATETIME:
        return [DateTime(ticks) for ticks in values.tolist()]
    return list(values.tolist())


def _elements(reader: _Reader, base: DataType, count: int) -> list[Any]:
    if base in FIXED:
        return _numbers(reader, base, count)
    read = _ELEMENTS[base][0]
    return [read(reader) for _ in range(count)]


def _variant(reader: _Reader) -> tuple[Any, DataType]:
    mask: int = reader.number(_U1)
    number = mask & 0x3F
    if number > 31:
        raise ValueError(f"unknown built-in type {number}")
    # 26 to 31 are reserved; a decoder takes them for ByteString (OPC 10000-6, table 25).
    base = DataType(number) if number <= 25 else DataType.BYTESTRING
    reader.enter()
    value = _array(reader, base, mask) if mask & _ARRAY else _scalar(reader, base, mask)
    reader.leave()
    return value, base


def _scalar(reader: _Reader, base: DataType, mask: int) -> Any:
    if mask & _DIMENSIONS:
        raise ValueError("array dimensions without an array")
    if base is DataType.NULL:
        return None
    if base is DataType.VARIANT:
        raise ValueError("a Variant directly inside a Variant: only arrays of Variants are allowed")
    return _elements(reader, base, 1)[0]


def _array(reader: _Reader, base: DataType, mask: int) -> Any:
    if base is DataType.NULL:
        raise ValueError("an array of nulls has no element type")
    smallest = FIXED[base].itemsize if base in FIXED else _ELEMENTS[base][1]
    count = reader.count(smallest)
    values = None if count < 0 else _elements(reader, base, count)
    if not mask & _DIMENSIONS:
        return values
    dimensions = tuple(reader.number(_I4) for _ in range(max(reader.count(4), 0)))
    if any(size < 0 for size in dimensions) or math.prod(dimensions) != len(values or ()):
        raise ValueError(f"{len(values or ())} values do not fill the dimensions {list(dimensions)}")
    return Matrix(values or [], dimensions)


def to_python(encoded: bytes) -> tuple[Any, DataType]:
    """Decode one binary Variant into (value, its type; for an array the type of its elements).

    Numbers are int and float, arrays lists (None for a null array), the rest the classes of this module, `uuid.UUID`, str and
    bytes; NodeIds are texts such as `ns=2;s=Coater1`.

    Raises:
        ValueError: the bytes are no Variant, or more than one.
    """
    reader = _Reader(encoded)
    value = _variant(reader)
    if reader.position != len(encoded):
        raise ValueError(f"{len(encoded) - reader.position} bytes too many after a Variant of {reader.position}")
    return value


def fixed_to_python(type: DataType, value: Any) -> Any:
    """A scalar of a `FIXED` column (a NumPy or Python number) as the same Python value `to_python` gives."""
    number = value.item() if isinstance(value, np.generic) else value
    if type is DataType.BOOLEAN:
        return number != 0
    return DateTime(number) if type is DataType.DATETIME else number


def to_json(value: Any) -> Any:
    """The JSON-safe form of a Python value from this module.

    NaN and the infinities become "NaN", "Infinity", "-Infinity"; bytes base64; integers beyond 2^53 stay numbers.
    """
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case list():
            return [to_json(item) for item in value]
        case DateTime() | uuid.UUID():
            return str(value)
        case QualifiedName(namespace, name):
            return {"namespace": namespace, "name": name}
        case LocalizedText(locale, text):
            return {"locale": locale, "text": text}
        case Structure(type_id, body, xml):
            return {"typeId": type_id, "body": to_json(body), **({"encoding": "xml"} if xml else {})}
        case Matrix(values, dimensions):
            return {"dimensions": list(dimensions), "values": to_json(values)}
        case _:
            return _nested_to_json(value)


def _nested_to_json(value: Any) -> Any:
    match value:
        case Nested(inner, kind):
            return {"type": kind.name, "value": to_json(inner)}
        case NestedDataValue():
            return {
                "value": to_json(value.value),
                "status": value.status,
                "sourceTime": to_json(value.source_time),
                "serverTime": to_json(value.server_time),
            }
        case Diagnostic():
            return {
                "symbolicId": value.symbolic_id,
                "additional": value.additional,
                "innerStatus": value.inner_status,
                "inner": to_json(value.inner),
            }
        case _:
            raise TypeError(f"no JSON form for a {type(value).__name__}")
