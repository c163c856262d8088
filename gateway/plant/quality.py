"""The status a reader must believe: the stored one, degraded while the twin cannot vouch for the moment."""

from collections.abc import Iterable
from typing import Final

from gateway.plant.ports import Gap, GapReason
from gateway.plant.values import (
    BAD_NO_COMMUNICATION,
    BAD_WAITING_FOR_INITIAL_DATA,
    UNCERTAIN_NO_COMMUNICATION_LAST_USABLE,
    is_bad,
)

#: OPC 10000-8, table of uncertain codes: what is shown is the last usable value, and the reason is not the communication.
UNCERTAIN_LAST_USABLE: Final = 0x4090_0000

#: Nothing is heard during these; after the grace period the value is Bad. During the others data flows, with holes in it.
_SILENT: Final = frozenset({GapReason.DISCONNECTED, GapReason.GATEWAY_STOPPED, GapReason.ITEM_REJECTED})


def covers(gap: Gap, moment: int) -> bool:
    """True when `moment` (ns) lies in the gap: its start belongs to it, its end does not."""
    return gap.start <= moment and (gap.end is None or moment < gap.end)


def governing(gaps: Iterable[Gap], moment: int) -> Gap | None:
    """Of the gaps that cover `moment` the one that says most: a silent one before others, then the longest standing."""
    covering = [gap for gap in gaps if covers(gap, moment)]
    return min(covering, key=lambda gap: (gap.reason not in _SILENT, gap.start), default=None)


def effective_status(stored: int | None, gap: Gap | None, moment: int, grace_ns: int) -> int:
    """The StatusCode to show for a value at `moment` (ns), by the rules of OPC 10000-8.

    `stored` is None where nothing was ever stored. A bad status stays as it is: what it says is more than we could. Otherwise a
    gap that covers the moment makes it Uncertain, and, where nothing at all was heard for `grace_ns`, Bad.
    """
    if stored is None:
        stored = BAD_WAITING_FOR_INITIAL_DATA
    if gap is None or is_bad(stored) or not covers(gap, moment):
        return stored
    if gap.reason not in _SILENT:
        return UNCERTAIN_LAST_USABLE
    return UNCERTAIN_NO_COMMUNICATION_LAST_USABLE if moment - gap.start < grace_ns else BAD_NO_COMMUNICATION
