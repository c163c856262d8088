"""Moments survive the border to the nanosecond."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.times import iso, parse_duration, parse_moment

MOMENTS = st.integers(min_value=0, max_value=2**63 - 1)


@given(MOMENTS)
def test_iso_and_back_loses_nothing(moment: int) -> None:
    assert parse_moment(iso(moment), 0) == moment
    assert parse_moment(str(moment), 0) == moment


@given(st.integers(min_value=-(2**80), max_value=2**80))
def test_any_number_has_a_text(moment: int) -> None:
    assert iso(moment)


@given(st.text(max_size=80))
def test_any_text_is_a_moment_or_a_clear_refusal(text: str) -> None:
    with suppress(ValueError):
        assert 0 <= parse_moment(text, 2**62) <= 2**63 - 1


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", 10**18),
        ("-10m", 10**18 - 600 * 10**9),
        ("-1.5s", 10**18 - 1_500_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T01:00:01.123456789+01:00", 1_123_456_789),
        ("1970-01-01T01:00:01 01:00", 1_000_000_000),
        ("1970-01-02", None),
        ("-", None),
        ("١٢", None),
    ],
)
def test_ways_to_write_a_moment(text: str, moment: int | None) -> None:
    if moment is None:
        with pytest.raises(ValueError, match="'"):
            parse_moment(text, 10**18)
    else:
        assert parse_moment(text, 10**18) == moment


@pytest.mark.parametrize(
    ("text", "ns"), [("250ms", 250_000_000), ("10s", 10**10), ("24h", 86_400 * 10**9), ("7d", 7 * 86_400 * 10**9)]
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1e3s", "1" * 30 + "s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)
