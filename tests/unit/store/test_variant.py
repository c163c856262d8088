"""The Variant decoder against asyncua's encoder, and against hostile bytes."""

import json
import math
import struct
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant.values import DataType
from gateway.plant.variant import (
    DateTime,
    Diagnostic,
    LocalizedText,
    Matrix,
    Nested,
    NestedDataValue,
    QualifiedName,
    Structure,
    fixed_to_python,
    to_json,
    to_python,
)
from tests.fakes.variants import encode_fixed

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS: dict[ua.VariantType, st.SearchStrategy[Any]] = {
    ua.VariantType.Boolean: st.booleans(),
    ua.VariantType.SByte: st.integers(-(2**7), 2**7 - 1),
    ua.VariantType.Byte: st.integers(0, 2**8 - 1),
    ua.VariantType.Int16: st.integers(-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: st.integers(0, 2**16 - 1),
    ua.VariantType.Int32: st.integers(-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: st.integers(0, 2**32 - 1),
    ua.VariantType.Int64: st.integers(-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: st.integers(0, 2**64 - 1),
    ua.VariantType.Float: st.floats(width=32, allow_nan=False),
    ua.VariantType.Double: st.floats(allow_nan=False),
    ua.VariantType.String: TEXT,
    ua.VariantType.Guid: st.uuids(),
    ua.VariantType.ByteString: st.binary(max_size=20),
}
TYPED = st.sampled_from(list(SCALARS)).flatmap(lambda kind: st.tuples(st.just(kind), SCALARS[kind]))
ARRAYS = st.sampled_from(list(SCALARS)).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(SCALARS[kind], max_size=5)))


def encode(value: Any, kind: ua.VariantType, dimensions: list[int] | None = None) -> bytes:
    return bytes(variant_to_binary(ua.Variant(value, kind, Dimensions=dimensions)))


@given(TYPED)
def test_scalars_decode_as_asyncua_encoded_them(typed: tuple[ua.VariantType, Any]) -> None:
    kind, value = typed
    assert to_python(encode(value, kind)) == (value, DataType(kind.value))


@given(ARRAYS)
def test_arrays_decode_as_asyncua_encoded_them(typed: tuple[ua.VariantType, list[Any]]) -> None:
    kind, values = typed
    encoded = bytes(variant_to_binary(ua.Variant(values, kind, is_array=True)))
    assert to_python(encoded) == (values, DataType(kind.value))


@given(st.integers(1, 4), st.integers(1, 4))
def test_a_matrix_keeps_its_shape(rows: int, columns: int) -> None:
    values = [[row * columns + column for column in range(columns)] for row in range(rows)]
    expected = Matrix(list(range(rows * columns)), (rows, columns))
    assert to_python(encode(values, ua.VariantType.Int32, [rows, columns])) == (expected, DataType.INT32)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, ua.VariantType.Null, None),
        (None, ua.VariantType.String, None),
        (ua.QualifiedName("Coater", 3), ua.VariantType.QualifiedName, QualifiedName(3, "Coater")),
        (ua.LocalizedText("Halt", "de"), ua.VariantType.LocalizedText, LocalizedText("de", "Halt")),
        (ua.LocalizedText("Halt"), ua.VariantType.LocalizedText, LocalizedText(None, "Halt")),
        (ua.StatusCode(0x80340000), ua.VariantType.StatusCode, 0x80340000),
        (ua.NodeId(7, 0), ua.VariantType.NodeId, "i=7"),
        (ua.NodeId(700, 3), ua.VariantType.NodeId, "ns=3;i=700"),
        (ua.NodeId(70_000, 300), ua.VariantType.NodeId, "ns=300;i=70000"),
        (ua.NodeId("Coater1", 2), ua.VariantType.NodeId, "ns=2;s=Coater1"),
        (ua.NodeId(uuid.UUID(int=5), 2), ua.VariantType.NodeId, f"ns=2;g={uuid.UUID(int=5)}"),
        (ua.NodeId(b"\x01\x02", 2, ua.NodeIdType.ByteString), ua.VariantType.NodeId, "ns=2;b=AQI="),
        (
            ua.ExpandedNodeId("x", 0, NamespaceUri="urn:acme", ServerIndex=4),
            ua.VariantType.ExpandedNodeId,
            "svr=4;nsu=urn:acme;s=x",
        ),
        (ua.DataValue(ua.Variant(1.5, ua.VariantType.Double)), ua.VariantType.DataValue, None),
        ([ua.Variant(1, ua.VariantType.Byte)], ua.VariantType.Variant, [Nested(1, DataType.BYTE)]),
        (ua.DiagnosticInfo(), ua.VariantType.DiagnosticInfo, Diagnostic(None, None, None, None, None, None, None)),
    ],
)
def test_other_types_decode_as_asyncua_encoded_them(value: Any, kind: ua.VariantType, expected: Any) -> None:
    decoded, base = to_python(encode(value, kind))
    assert base == DataType(kind.value)
    if kind is ua.VariantType.DataValue:
        assert isinstance(decoded, NestedDataValue)
        assert decoded.value == Nested(1.5, DataType.DOUBLE)
    else:
        assert decoded == expected
    json.dumps(to_json(decoded), allow_nan=False)


def test_a_structure_keeps_its_bytes_and_type() -> None:
    body = ua.Range(1.0, 2.0)
    decoded, base = to_python(encode(body, ua.VariantType.ExtensionObject))
    assert (decoded, base) == (Structure("i=886", struct.pack("<dd", 1.0, 2.0)), DataType.EXTENSIONOBJECT)
    assert to_json(decoded) == {"typeId": "i=886", "body": "AAAAAAAA8D8AAAAAAAAAQA=="}


def test_a_date_time_keeps_every_tick() -> None:
    moment = datetime(2025, 3, 4, 5, 6, 7, 890_123, UTC)
    decoded, _ = to_python(encode(moment, ua.VariantType.DateTime))
    assert isinstance(decoded, DateTime)
    assert str(decoded) == "2025-03-04T05:06:07.8901230Z"
    assert str(DateTime(decoded.ticks + 1)) == "2025-03-04T05:06:07.8901231Z"
    assert str(DateTime(0)) == "1601-01-01T00:00:00.0000000Z"
    assert str(DateTime(2**63 - 1)).startswith("9999-12-31T23:59:59")


def test_text_that_is_not_utf_8_is_shown_escaped() -> None:
    assert to_python(b"\x0c\x02\x00\x00\x00\xe4A")[0] == "\\xe4A"


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_value_error(data: bytes) -> None:
    try:
        value, _ = to_python(data)
    except ValueError:
        return
    json.dumps(to_json(value), allow_nan=False)


@given(ARRAYS, st.data())
def test_truncated_variants_raise_value_error(typed: tuple[ua.VariantType, list[Any]], data: st.DataObject) -> None:
    kind, values = typed
    encoded = bytes(variant_to_binary(ua.Variant(values, kind, is_array=True)))
    with pytest.raises(ValueError, match=r"\w"):
        to_python(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@pytest.mark.parametrize(
    "hostile",
    [
        bytes((0x80 | DataType.DOUBLE,)) + struct.pack("<i", 2**31 - 1),
        bytes((0x80 | DataType.STRING,)) + struct.pack("<i", 2**30) + b"\xff" * 64,
        bytes((DataType.BYTESTRING,)) + struct.pack("<i", 2**31 - 1),
        bytes((0x80 | DataType.VARIANT,)) + struct.pack("<i", -5),
        (bytes((0x80 | DataType.VARIANT,)) + struct.pack("<i", 1)) * 200 + b"\x00",
        bytes((DataType.DIAGNOSTICINFO,)) + b"\x40" * 5000,
        bytes((0xC0 | DataType.BYTE,)) + struct.pack("<i", 1) + b"x" + struct.pack("<4i", 3, 1000, 1000, 1000),
        bytes((0xC0 | DataType.BYTE,)) + struct.pack("<i", 1) + b"x" + struct.pack("<i", 2**30),
        bytes((0x40 | DataType.BYTE, 0)),
        bytes((DataType.VARIANT, DataType.BYTE, 0)),
        bytes((DataType.DOUBLE,)) + bytes(9),
        bytes((32,)),
        b"",
    ],
)
def test_hostile_bytes_are_refused_at_once(hostile: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        to_python(hostile)


@given(TYPED)
def test_a_column_and_a_variant_give_the_same_value(typed: tuple[ua.VariantType, Any]) -> None:
    kind, value = typed
    base = DataType(kind.value)
    if base in {DataType.STRING, DataType.GUID, DataType.BYTESTRING}:
        return
    assert encode_fixed(base, value) == encode(value, kind)
    assert fixed_to_python(base, value) == to_python(encode(value, kind))[0]


def test_json_has_words_for_what_json_has_not() -> None:
    assert to_json([math.nan, math.inf, -math.inf, 1.5, None, b"\x01", True]) == [
        "NaN",
        "Infinity",
        "-Infinity",
        1.5,
        None,
        "AQ==",
        True,
    ]
    assert to_json(Matrix([1, math.nan], (1, 2))) == {"dimensions": [1, 2], "values": [1, "NaN"]}
    assert to_json(LocalizedText("pl", "stop")) == {"locale": "pl", "text": "stop"}
    assert to_json(QualifiedName(1, "a")) == {"namespace": 1, "name": "a"}
    with pytest.raises(TypeError, match="set"):
        to_json({1})
