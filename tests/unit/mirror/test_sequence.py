"""Sequence accounting: what is missing, what was seen before, what a keep-alive reveals."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.mirror.sequence import SequenceTracker, following


def test_a_steady_sequence_misses_nothing() -> None:
    tracker = SequenceTracker()
    assert [tracker.note(number, keep_alive=False) for number in (1, 2, 3)] == [([], False)] * 3


def test_a_skipped_number_is_missing() -> None:
    tracker = SequenceTracker()
    tracker.note(1, keep_alive=False)
    assert tracker.note(4, keep_alive=False) == ([2, 3], False)
    assert tracker.note(5, keep_alive=False) == ([], False)


def test_a_keep_alive_uses_no_number_and_reveals_a_loss() -> None:
    tracker = SequenceTracker()
    tracker.note(1, keep_alive=False)
    assert tracker.note(2, keep_alive=True) == ([], False)
    assert tracker.note(4, keep_alive=True) == ([2, 3], False)
    assert tracker.note(4, keep_alive=False) == ([], False)


def test_a_repeated_message_is_recognised() -> None:
    tracker = SequenceTracker()
    tracker.note(7, keep_alive=False)
    assert tracker.note(7, keep_alive=False) == ([], True)


def test_numbers_wrap_to_one_and_never_use_zero() -> None:
    tracker = SequenceTracker()
    tracker.note(2**32 - 2, keep_alive=False)
    assert tracker.note(2, keep_alive=False) == ([2**32 - 1, 1], False)
    assert following(2**32 - 1) == 1


@given(st.integers(1, 2**32 - 1), st.lists(st.booleans(), min_size=1, max_size=60))
def test_every_lost_number_is_named_once(first: int, arrives: list[bool]) -> None:
    tracker, number = SequenceTracker(), first
    tracker.note(number, keep_alive=False)
    lost, named = [], []
    for arrived in [*arrives, True]:
        number = following(number)
        if arrived:
            named += tracker.note(number, keep_alive=False)[0]
        else:
            lost.append(number)
    assert named == lost
