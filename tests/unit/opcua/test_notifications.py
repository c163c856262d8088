"""Whatever asyncua encodes, our decoder reads alike; hostile bytes end in a clean error, quickly."""

import contextlib
import datetime
import math
import uuid
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary, variant_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import DecodingFailed
from gateway.mirror.message import Message
from gateway.opcua.notifications import EPOCH_TICKS, decode
from gateway.opcua.publishing import parse_publish_response
from gateway.opcua.times import ns_of
from gateway.opcua.wire import skip_variant
from gateway.plant.values import Changes, DataType, Flag, Ragged

RECEIVED = 1_795_000_000_000_000_000

times = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))  # noqa: DTZ001 - asyncua's are naive
integers = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1), ua.VariantType.Byte: (0, 2**8 - 1), ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1), ua.VariantType.Int32: (-(2**31), 2**31 - 1), ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1), ua.VariantType.UInt64: (0, 2**64 - 1),
}  # fmt: skip
scalars: dict[ua.VariantType, st.SearchStrategy[Any]] = {
    ua.VariantType.Boolean: st.booleans(),
    ua.VariantType.Float: st.floats(width=32),
    ua.VariantType.Double: st.floats(),
    ua.VariantType.String: st.text(max_size=20),
    ua.VariantType.DateTime: times,
    ua.VariantType.Guid: st.uuids(),
    ua.VariantType.ByteString: st.binary(max_size=20),
    ua.VariantType.LocalizedText: st.builds(ua.LocalizedText, st.text(max_size=5), st.sampled_from([None, "en", "ko"])),
    ua.VariantType.QualifiedName: st.builds(ua.QualifiedName, st.text(max_size=5), st.integers(0, 100)),
    ua.VariantType.NodeId: st.one_of(
        st.builds(ua.NodeId, st.integers(0, 2**32 - 1), st.integers(0, 300)),
        st.builds(ua.NodeId, st.text(min_size=1, max_size=5), st.integers(0, 300)),
        st.builds(ua.NodeId, st.just(uuid.UUID(int=7)), st.integers(0, 300)),
    ),
    ua.VariantType.StatusCode: st.builds(ua.StatusCode, st.integers(0, 2**32 - 1)),
    **{kind: st.integers(*bounds) for kind, bounds in integers.items()},
}


@st.composite
def variants(draw: st.DrawFn) -> ua.Variant:
    kind = draw(st.sampled_from(list(scalars)))
    shape = draw(st.sampled_from(["scalar", "scalar", "scalar", "array", "matrix", "null"]))
    if shape == "null":
        return ua.Variant(None, ua.VariantType.Null)
    if shape == "array":
        return ua.Variant(draw(st.lists(scalars[kind], max_size=4)), kind, is_array=True)
    if shape == "matrix":
        four = draw(st.lists(scalars[kind], min_size=4, max_size=4))
        return ua.Variant([four[:2], four[2:]], kind, Dimensions=[2, 2], is_array=True)
    return ua.Variant(draw(scalars[kind]), kind)


@st.composite
def data_values(draw: st.DrawFn) -> ua.DataValue:
    return ua.DataValue(
        Value=draw(variants()),
        StatusCode=draw(st.one_of(st.none(), st.builds(ua.StatusCode, st.sampled_from([0, 0x480, 0x80310000, 0x408F0000])))),
        SourceTimestamp=draw(st.one_of(st.none(), times)),
        ServerTimestamp=draw(st.one_of(st.none(), times)),
    )


def encode(items: list[tuple[int, ua.DataValue]]) -> bytes:
    return b"".join(struct_to_binary(ua.MonitoredItemNotification(handle, value)) for handle, value in items)


def message(items: bytes, count: int) -> Message:
    return Message(subscription=1, sequence=1, received=RECEIVED, items=items, count=count, keep_alive=False)


def rows(changes: Changes) -> list[tuple[Any, ...]]:
    values: list[Any] = list(changes.values) if isinstance(changes.values, Ragged) else changes.values.tolist()
    return [
        (int(changes.tag[n]), changes.type, values[n], int(changes.status[n]), int(changes.source_time[n]),
         int(changes.server_time[n]), int(changes.flags[n]))
        for n in range(len(changes))
    ]  # fmt: skip


def expected(handle: int, value: ua.DataValue) -> tuple[int, int, int, int, int]:
    status = value.StatusCode.value if value.StatusCode is not None else 0
    server = ns_of(value.ServerTimestamp)
    source = ns_of(value.SourceTimestamp)
    flags = (Flag.SOURCE_TIME_ABSENT if source is None else 0) | (Flag.SERVER_TIME_ABSENT if server is None else 0)
    server = RECEIVED if server is None else server
    return handle, status, server if source is None else source, server, int(flags)


@settings(max_examples=300, deadline=None)
@given(st.lists(data_values(), min_size=1, max_size=12))
def test_what_asyncua_encodes_is_read_alike(values: list[ua.DataValue]) -> None:
    items = list(enumerate(values))
    decoded = decode([message(encode(items), len(items))])
    assert not decoded.undecodable
    got = {row[0]: row for changes in decoded.changes for row in rows(changes)}
    assert sorted(got) == list(range(len(values)))
    for handle, value in items:
        row = got[handle]
        assert (row[0], row[3], row[4], row[5], row[6]) == expected(handle, value)
        kind, stored = row[1], row[2]
        original = value.Value
        if kind is DataType.VARIANT:
            assert stored == variant_to_binary(original)
        elif kind is DataType.DATETIME:
            assert (stored - EPOCH_TICKS) * 100 == ns_of(original.Value)
        elif kind is DataType.STATUSCODE:
            assert stored == original.Value.value
        else:
            assert kind == original.VariantType.value
            assert _same(bool(stored) if kind is DataType.BOOLEAN else stored, original.Value)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


@settings(max_examples=300, deadline=None)
@given(st.lists(data_values(), min_size=1, max_size=5), st.data())
def test_truncated_bytes_are_named_and_cost_only_their_message(values: list[ua.DataValue], data: st.DataObject) -> None:
    whole = encode(list(enumerate(values)))
    cut = data.draw(st.integers(0, len(whole) - 1))
    good = encode([(0, ua.DataValue(ua.Variant(1.5, ua.VariantType.Double)))])
    decoded = decode([message(whole[:cut], len(values)), message(good, 1)])
    assert [bad.message.count for bad in decoded.undecodable] == [len(values)]
    assert sum(map(len, decoded.changes)) == 1


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**31))
def test_random_bytes_never_do_more_than_fail(junk: bytes, count: int) -> None:
    decode([message(junk, min(count, len(junk) // 5))])
    with contextlib.suppress(DecodingFailed):
        skip_variant(junk, 0)
    with contextlib.suppress(DecodingFailed):
        parse_publish_response(junk, RECEIVED)


@settings(max_examples=300, deadline=None)
@given(variants())
def test_a_variant_ends_where_asyncua_says(variant: ua.Variant) -> None:
    encoded = variant_to_binary(variant)
    assert skip_variant(encoded + b"\xff\xff\xff", 0) == len(encoded)


def test_nested_variants_are_bounded() -> None:
    with pytest.raises(DecodingFailed, match="nested"):
        skip_variant(b"\x98\x01\x00\x00\x00" * 200 + b"\x00", 0)


def test_an_array_cannot_claim_more_than_there_is() -> None:
    with pytest.raises(DecodingFailed, match="claims"):
        skip_variant(b"\x8c\xff\xff\xff\x7f" + b"\x00" * 8, 0)


def test_an_unknown_structure_is_kept_with_its_type() -> None:
    body = ua.ExtensionObject(TypeId=ua.NodeId(4711, 3), Body=b"\x01\x02\x03")
    value = ua.DataValue(ua.Variant(body, ua.VariantType.ExtensionObject))
    decoded = decode([message(encode([(0, value)]), 1)])
    (changes,) = decoded.changes
    assert isinstance(changes.values, Ragged)
    assert b"\x01\x02\x03" in changes.values.data


def test_long_runs_of_one_type_stay_in_order() -> None:
    count = 5000
    items = [(n, ua.DataValue(ua.Variant(float(n), ua.VariantType.Double))) for n in range(count)]
    items[1234] = (1234, ua.DataValue(ua.Variant(7, ua.VariantType.Int32)))
    decoded = decode([message(encode(items), count)])
    doubles = next(changes for changes in decoded.changes if changes.type is DataType.DOUBLE)
    assert np.array_equal(doubles.tag, [n for n in range(count) if n != 1234])
    assert isinstance(doubles.values, np.ndarray)
    assert np.array_equal(doubles.values, doubles.tag)


def test_a_publish_response_is_taken_apart() -> None:
    change = ua.DataChangeNotification(
        MonitoredItems=[ua.MonitoredItemNotification(3, ua.DataValue(ua.Variant(2.5, ua.VariantType.Double)))]
    )
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 9
    response.Parameters.AvailableSequenceNumbers = [4, 5]
    response.Parameters.NotificationMessage = ua.NotificationMessage(
        SequenceNumber=5, PublishTime=datetime.datetime(2026, 1, 1), NotificationData=[change]  # noqa: DTZ001 - asyncua's are naive
    )  # fmt: skip
    parsed = parse_publish_response(struct_to_binary(response), RECEIVED)
    assert (parsed.subscription, parsed.sequence, parsed.count, parsed.keep_alive) == (9, 5, 1, False)
    assert decode([parsed]).changes[0].values.tolist() == [2.5]  # type: ignore[union-attr]


def test_a_keep_alive_and_an_ended_subscription_are_told_apart() -> None:
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 9
    response.Parameters.NotificationMessage = ua.NotificationMessage(SequenceNumber=6, PublishTime=datetime.datetime(2026, 1, 1))  # noqa: DTZ001
    assert parse_publish_response(struct_to_binary(response), RECEIVED).keep_alive
    ended = ua.StatusChangeNotification(Status=ua.StatusCode(ua.StatusCodes.BadTimeout))
    response.Parameters.NotificationMessage.NotificationData = [ended]
    assert parse_publish_response(struct_to_binary(response), RECEIVED).ended == 0x800A0000


def test_a_notification_that_claims_too_many_items_is_refused_by_name() -> None:
    change = ua.DataChangeNotification(
        MonitoredItems=[ua.MonitoredItemNotification(3, ua.DataValue(ua.Variant(2.5, ua.VariantType.Double)))]
    )
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 9
    response.Parameters.NotificationMessage = ua.NotificationMessage(
        SequenceNumber=5, PublishTime=datetime.datetime(2026, 1, 1), NotificationData=[change]  # noqa: DTZ001 - asyncua's are naive
    )  # fmt: skip
    body = bytearray(struct_to_binary(response))
    at = body.index(struct_to_binary(change.MonitoredItems[0])) - 4
    body[at : at + 4] = (2**30).to_bytes(4, "little")
    parsed = parse_publish_response(bytes(body), RECEIVED)
    assert parsed.count == 0
    assert "claims" in parsed.undecodable
