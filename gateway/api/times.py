"""Times at the API's border: ISO 8601 for people, nanoseconds since the Unix epoch for machines."""

import re
from datetime import UTC, datetime
from typing import Final

_SECOND: Final = 1_000_000_000
_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d+)")
_UNITS: Final = {"ms": 1_000_000, "s": _SECOND, "m": 60 * _SECOND, "h": 3600 * _SECOND, "d": 86_400 * _SECOND}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)\Z")
#: 1970-01-01 … 2262-04-11: what int64 nanoseconds can say.
_LATEST: Final = 2**63 - 1


def iso(moment: int) -> str:
    """`moment` (ns) as ISO 8601 in UTC with nine decimals, cut to three or six where the rest is zero."""
    seconds, fraction = divmod(moment, _SECOND)
    digits = f"{fraction:09d}"
    while len(digits) > 3 and digits.endswith("000"):
        digits = digits[:-3]
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{digits}Z"
    except (ValueError, OverflowError, OSError):
        return f"{moment} ns"  # a hostile server's time, out of the calendar


def parse_moment(text: str, now: int) -> int:
    """Read a moment: ISO 8601 with `Z` or an offset, nanoseconds since the Unix epoch, `now`, or `-10m` (before `now`, ns).

    Raises:
        ValueError: it is none of these; the message says how to write one.
    """
    text = text.strip()
    if text == "now":
        return now
    if text.startswith("-") and _DURATION.match(text[1:]):
        return now - parse_duration(text[1:])
    if text.isascii() and text.isdigit():
        return _bounded(int(text[:40]), text)
    return _bounded(_parse_iso(text), text)


def parse_duration(text: str) -> int:
    """Read `250ms`, `10s`, `5m`, `24h`, `7d` as nanoseconds.

    Raises:
        ValueError: it is no duration.
    """
    match = _DURATION.match(text.strip())
    if match is None or len(text) > 20:
        raise ValueError(f"'{text[:40]}' is no duration: write a number with ms, s, m, h or d, such as 10m")
    return int(float(match[1]) * _UNITS[match[2]])


def _parse_iso(text: str) -> int:
    # datetime holds microseconds only; the fraction is read apart so that nanoseconds survive.
    fraction = _FRACTION.search(text)
    digits = fraction[1][:9].ljust(9, "0") if fraction else "0"
    try:
        # In a query string an unescaped '+02:00' arrives as ' 02:00'.
        parsed = datetime.fromisoformat(re.sub(r" (\d\d:\d\d)\Z", r"+\1", _FRACTION.sub("", text)))
    except ValueError as error:
        raise ValueError(
            f"'{text[:60]}' is no time: write ISO 8601 such as 2026-03-01T08:30:00Z, ns since 1970, or -10m for ten minutes ago"
        ) from error
    if parsed.tzinfo is None:
        raise ValueError(f"'{text[:60]}' names no time zone: end it with Z or an offset such as +09:00")
    return int(parsed.timestamp()) * _SECOND + int(digits)


def _bounded(moment: int, text: str) -> int:
    if not 0 <= moment <= _LATEST:
        raise ValueError(f"'{text[:60]}' lies outside 1970 to 2262")
    return moment
