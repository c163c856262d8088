"""The controller's own clock: it may be wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class PlcClock:
    """Wall clock plus ``offset`` seconds."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> datetime:
        """The controller's idea of the time, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.offset)
