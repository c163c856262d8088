"""Which status a reader must believe."""

import pytest

from gateway.plant.ports import Gap, GapReason
from gateway.plant.quality import UNCERTAIN_LAST_USABLE, covers, effective_status, governing
from gateway.plant.values import (
    BAD_NO_COMMUNICATION,
    BAD_WAITING_FOR_INITIAL_DATA,
    UNCERTAIN_NO_COMMUNICATION_LAST_USABLE,
)


def gap(start: int, end: int | None, reason: GapReason = GapReason.DISCONNECTED) -> Gap:
    return Gap(1, None, start, end, reason)


@pytest.mark.parametrize(("moment", "inside"), [(9, False), (10, True), (19, True), (20, False)])
def test_a_gap_covers_its_start_and_not_its_end(moment: int, inside: bool) -> None:
    assert covers(gap(10, 20), moment) is inside
    assert covers(gap(10, None), moment) is (moment >= 10)


@pytest.mark.parametrize(
    ("stored", "reason", "moment", "expected"),
    [
        (0, GapReason.DISCONNECTED, 9, 0),
        (0, GapReason.DISCONNECTED, 10, UNCERTAIN_NO_COMMUNICATION_LAST_USABLE),
        (0x40920000, GapReason.GATEWAY_STOPPED, 109, UNCERTAIN_NO_COMMUNICATION_LAST_USABLE),
        (0, GapReason.ITEM_REJECTED, 110, BAD_NO_COMMUNICATION),
        (0, GapReason.QUEUE_OVERFLOW, 1_000_000, UNCERTAIN_LAST_USABLE),
        (0, GapReason.SEQUENCE_LOST, 10, UNCERTAIN_LAST_USABLE),
        (0x80340000, GapReason.DISCONNECTED, 1_000_000, 0x80340000),
        (None, GapReason.DISCONNECTED, 1_000_000, BAD_WAITING_FOR_INITIAL_DATA),
    ],
)
def test_a_value_decays_while_nothing_is_heard(stored: int | None, reason: GapReason, moment: int, expected: int) -> None:
    assert effective_status(stored, gap(10, None, reason), moment, grace_ns=100) == expected


def test_without_a_gap_the_stored_status_stands() -> None:
    assert effective_status(0x40920000, None, 5, 100) == 0x40920000
    assert effective_status(None, None, 5, 100) == BAD_WAITING_FOR_INITIAL_DATA


def test_the_gap_that_says_most_governs() -> None:
    overflow, short, long = gap(1, None, GapReason.QUEUE_OVERFLOW), gap(8, 20), gap(5, None)
    assert governing([overflow, short, long], 10) is long
    assert governing([overflow, short], 30) is overflow
    assert governing([short], 30) is None
