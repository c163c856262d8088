"""Values, ages and times as people read them. Pure; `--json` never comes through here."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_LONGEST: Final = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # a line break in a value would break the table
_UNITS: Final = ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h"))


def plain(value: Any) -> str:
    """A JSON value in words: numbers in six digits, a LocalizedText as its text, lists in brackets."""
    match value:
        case None:
            return "—"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}"
        case str():
            return _CONTROL.sub("·", value)
        case list():
            return f"[{', '.join(map(plain, value))}]"
        case {"locale": _, "text": text, **rest} if not rest:
            return plain(text)
        case {"namespace": namespace, "name": name, **rest} if not rest:
            return f"{namespace}:{plain(name)}"
        case {"dimensions": dimensions, "values": values, **rest} if not rest:
            return f"{'×'.join(map(str, dimensions))} {plain(values)}"
        case Mapping():
            return "{" + ", ".join(f"{key}: {plain(item)}" for key, item in value.items()) + "}"
        case _:
            return json.dumps(value, ensure_ascii=False)


def cut(text: str, longest: int = _LONGEST) -> str:
    """`text`, its end replaced by an ellipsis where it is longer."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def value_text(sample: Mapping[str, Any] | None) -> str:
    """A sample's value for a table cell."""
    if sample is None:
        return "—"
    return "(masked)" if sample["masked"] else cut(plain(sample["value"]))


def duration_text(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for limit, size, unit in _UNITS:
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86_400:.1f} d"


def age_text(now_ns: int, then_ns: int | None) -> str:
    """How old, in the unit that reads best; `… ahead` where a clock runs ahead of ours."""
    if then_ns is None:
        return "never"
    seconds = (now_ns - then_ns) / 1e9
    return duration_text(seconds) if seconds >= 0 else f"{duration_text(-seconds)} ahead"


def ago_text(now_ns: int, then_ns: int) -> str:
    """The same as a phrase: `3.0 s ago`, `100.0 s ahead`."""
    return age_text(now_ns, then_ns) + (" ago" if then_ns <= now_ns else "")


def moment_text(moment_ns: int, now_ns: int) -> str:
    """UTC to the second: the time alone for today, with its date for another day."""
    moment, now = (datetime.fromtimestamp(each // 1_000_000_000, UTC) for each in (moment_ns, now_ns))
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M:%S}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 site`, `2 sites`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
