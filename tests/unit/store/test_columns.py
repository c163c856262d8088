"""Sealed columns give back what was put in, and refuse damage."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant.values import FIXED, DataType
from gateway.store.columns import decode_bytes, decode_floats, decode_ints, encode_bytes, encode_floats, encode_ints
from gateway.store.intake import split_by_type
from gateway.store.rows import Rows, from_changes, join, pack, unpack
from gateway.store.segment import BLOCK_BYTES, BLOCK_ROWS, open_block, receive_times, seal
from tests.contract.batches import START, changes, text

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.one_of(INT64, st.integers(0, 100), st.integers(0, 50).map(lambda n: n * 1_000_000))))
def test_integers_survive(values: list[int]) -> None:
    column = np.array(values, np.int64)
    assert decode_ints(encode_ints(column), len(values)).tolist() == values


def test_extreme_integers_survive() -> None:
    column = np.array([0, -(2**63), 2**63 - 1, -(2**63), 0], np.int64)
    assert decode_ints(encode_ints(column), len(column)).tolist() == column.tolist()


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_any_bits_of_doubles_survive(bits: list[int]) -> None:
    column = np.array(bits, np.uint64)
    assert decode_floats(encode_floats(column, 8), 8, len(bits)).tolist() == bits


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1))
def test_any_bits_of_floats_survive(bits: list[int]) -> None:
    column = np.array(bits, np.uint64)
    assert decode_floats(encode_floats(column, 4), 4, len(bits)).tolist() == bits


@pytest.mark.parametrize("layout", ["<f4", "<f8"])
@pytest.mark.parametrize("spoilt", [None, float("nan"), -0.0, 1 / 3, 1e300])
def test_decimals_are_small_and_exact(layout: str, spoilt: float | None) -> None:
    values = np.round(100 + np.random.default_rng(7).normal(0, 1, 1000), 2).astype(layout)
    if spoilt is not None:
        with np.errstate(over="ignore"):
            values[700] = spoilt
    bits = values.view(f"<u{values.itemsize}").astype(np.uint64)
    coded = encode_floats(bits, values.itemsize)
    assert decode_floats(coded, values.itemsize, 1000).tolist() == bits.tolist()
    if spoilt is None:
        assert len(coded) < 1500


@given(st.binary(max_size=100), st.integers(0, 2000))
def test_damaged_columns_raise_value_error(data: bytes, count: int) -> None:
    for read in (
        lambda: decode_ints(data, count),
        lambda: decode_floats(data, 8, count + 1),
        lambda: decode_bytes(data, count),
    ):
        try:
            read()
        except ValueError:
            continue


def test_bytes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        decode_bytes(encode_bytes(b"x" * 10_000), 100)
    with pytest.raises(ValueError, match="expected"):
        decode_bytes(encode_bytes(b"x" * 100), 10_000)


def sorted_rows(rows: Rows) -> Rows:
    return rows.take(np.lexsort((rows.source, rows.tag)))


def assert_same(found: Rows, expected: Rows) -> None:
    for name in ("tag", "source", "server", "received", "status", "flags", "type", "bits"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    assert [found.variant(row) for row in range(len(found))] == [expected.variant(row) for row in range(len(expected))]


def reopened(parts: list[tuple[int, Rows]]) -> Rows:
    segment = seal(parts)
    times = receive_times(segment.received)
    return join([open_block(block.type, block.rows, block.data, times) for block in segment.blocks])


@pytest.mark.parametrize("base", list(FIXED))
def test_a_segment_gives_back_its_rows(base: DataType) -> None:
    generator = np.random.default_rng(base)
    count = BLOCK_ROWS + 500
    raw = generator.integers(0, 256, count * FIXED[base].itemsize, np.uint8).view(FIXED[base])
    batch = changes(
        generator.integers(1, 50, count).tolist(),
        (START + generator.integers(-(10**12), 10**12, count)).tolist(),
        raw,  # type: ignore[arg-type]
        base,
        status=generator.integers(0, 2**32, count).tolist(),
    )
    rows = from_changes(batch)
    assert_same(reopened([(base, rows)]), sorted_rows(rows))
    assert_same(unpack(base, count, pack(rows, base)), rows)


def test_a_segment_of_variants_is_cut_where_they_are_large() -> None:
    values = [text("x" * size) for size in (BLOCK_BYTES // 2, BLOCK_BYTES // 2, BLOCK_BYTES * 2, 5, 5)]
    rows = from_changes(changes([1] * 5, range(START, START + 5), values, DataType.VARIANT))
    segment = seal([(DataType.VARIANT, rows)])
    assert [block.rows for block in segment.blocks] == [1, 1, 1, 2]
    assert_same(reopened([(DataType.VARIANT, rows)]), rows)


def test_one_tag_of_a_block() -> None:
    rows = sorted_rows(from_changes(changes([3, 1, 3, 7, 1], range(START, START + 5), range(5))))
    segment = seal([(DataType.DOUBLE, rows)])
    [block] = segment.blocks
    times = receive_times(segment.received)
    for tag in range(9):
        found = open_block(block.type, block.rows, block.data, times, tag)
        assert_same(found, rows.take(rows.tag == tag))
    assert segment.counts == [(1, 2), (3, 2), (7, 1)]


@given(st.data())
def test_a_damaged_block_raises_value_error(data: st.DataObject) -> None:
    rows = from_changes(changes([1, 2, 2], range(START, START + 3), [text("a"), b"\x00", text("bc")], DataType.VARIANT))
    segment = seal([(DataType.VARIANT, rows)])
    [block] = segment.blocks
    broken = bytearray(block.data)
    at = data.draw(st.integers(0, len(broken) - 1))
    broken[at] ^= data.draw(st.integers(1, 255))
    try:
        open_block(block.type, block.rows, bytes(broken), receive_times(segment.received))
    except ValueError:
        return


def test_rows_of_a_tag_with_several_types_stay_together() -> None:
    batch: Any = [
        from_changes(changes([1, 2], [START] * 2, [1, 2])),
        from_changes(changes([1, 3], [START] * 2, [text("x")] * 2, DataType.VARIANT)),
    ]
    parts = {kind: rows.tag.tolist() for kind, rows in split_by_type(join(batch))}
    assert parts == {DataType.DOUBLE: [2], DataType.VARIANT: [1, 1, 3]}
