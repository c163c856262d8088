"""Sequence accounting of one subscription: which notification messages never came (OPC 10000-4, 5.14.1)."""

from dataclasses import dataclass

#: Sequence numbers run from 1 to 2³²-1 and then start again at 1; 0 is never used.
_LAST = 2**32 - 1
#: A jump wider than this is a restart of the numbering, not that many lost messages.
_WIDEST = 10_000


def following(sequence: int) -> int:
    """The sequence number after `sequence`."""
    return 1 if sequence >= _LAST else sequence + 1


@dataclass(slots=True)
class SequenceTracker:
    """Follows one subscription's sequence numbers."""

    expected: int | None = None
    _behind: int = 0

    def note(self, sequence: int, *, keep_alive: bool) -> tuple[list[int], bool]:
        """Take the number of a message that has arrived.

        Returns the numbers that were skipped (to be republished), and whether this very message is one that was seen before.
        A keep-alive carries the number of the *next* message, so it reveals a loss as well and uses up no number.
        """
        if self.expected is None:
            self.expected = sequence if keep_alive else following(sequence)
            return [], False
        ahead = (sequence - self.expected) % _LAST
        if ahead > _LAST // 2:
            if keep_alive:
                return [], False  # a stale keep-alive says nothing
            if sequence == following(self._behind):  # two in a row: the server has begun to count anew
                self.expected = following(sequence)
            self._behind = sequence
            return [], True
        if ahead > _WIDEST:
            ahead = 0
        missing, number = [], self.expected
        for _ in range(ahead):
            missing.append(number)
            number = following(number)
        self.expected = sequence if keep_alive else following(sequence)
        return missing, False
