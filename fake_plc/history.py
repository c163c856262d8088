"""The controller's own history: the last values of some variables, in memory, for HistoryRead."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Any

from asyncua import ua
from asyncua.common.events import Event
from asyncua.server.history import HistoryStorageInterface

VALUES_PER_NODE = 7200
"""One hour at two values a second."""

PAGE = 1000
"""Values in one answer; the rest follows by continuation point."""

_EPOCH = ua.get_win_epoch()


class HistoryRing(HistoryStorageInterface):
    """A bounded store of data values per node. It outlives a restart of the server, as a controller's memory card does."""

    def __init__(self, capacity: int = VALUES_PER_NODE) -> None:
        self._capacity = capacity
        self._values: dict[str, deque[ua.DataValue]] = {}

    def save(self, node_id: ua.NodeId, value: ua.DataValue) -> None:
        """Remember one value."""
        key = _key(node_id)
        ring = self._values.get(key)
        if ring is None:
            ring = self._values[key] = deque(maxlen=self._capacity)
        ring.append(value)

    async def read_node_history(
        self, node_id: ua.NodeId, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[ua.DataValue], datetime | None]:
        """HistoryReadRaw (OPC 10000-11, 6.5.3): forward from ``start``, or backward where ``start`` is later or absent.

        The second result is the source time at which the next page begins.
        """
        ring = self._values.get(_key(node_id), ())
        begin = None if start is None or start <= _EPOCH else start
        finish = None if end is None or end <= _EPOCH else end
        backward = begin is None or (finish is not None and begin > finish)
        low, high = (finish, begin) if backward else (begin, finish)
        if begin is None:
            low, high = None, finish
        found = [value for value in ring if _within(value, low, high)]
        if backward:
            found.reverse()
        limit = min(nb_values or PAGE, PAGE)
        page, rest = found[:limit], found[limit:]
        # A read without a start cannot be continued: asyncua puts the point in place of the start, which turns the direction.
        following = rest[0].SourceTimestamp if rest and begin is not None else None
        return page, following

    async def init(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def new_historized_node(self, node_id: ua.NodeId, period: timedelta | None, count: int = 0) -> None:
        """Not used: values come straight from the machine."""

    async def save_node_value(self, node_id: ua.NodeId, datavalue: ua.DataValue) -> None:
        """Remember one value (asyncua's name for ``save``)."""
        self.save(node_id, datavalue)

    async def new_historized_event(
        self, source_id: ua.NodeId, evtypes: list[Any], period: timedelta | None, count: int = 0
    ) -> None:
        """Events are not kept."""

    async def save_event(self, event: Event) -> None:
        """Events are not kept."""

    async def read_event_history(
        self, source_id: ua.NodeId, start: datetime | None, end: datetime | None, nb_values: int, evfilter: ua.EventFilter
    ) -> tuple[list[Event], datetime | None]:
        """Always empty."""
        return [], None


def _key(node_id: ua.NodeId) -> str:
    # Without the namespace index: a restart may give the same node another one, and each server has one namespace of its own.
    return str(node_id.Identifier)


def _within(value: ua.DataValue, low: datetime | None, high: datetime | None) -> bool:
    time = value.SourceTimestamp
    return time is not None and (low is None or time >= low) and (high is None or time <= high)
