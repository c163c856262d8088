"""asyncua's naive UTC datetimes as nanoseconds since the Unix epoch."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ns_of(moment: datetime | None) -> int | None:
    """Nanoseconds since the Unix epoch, UTC; None for no time."""
    if moment is None:
        return None
    return (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * 1000
