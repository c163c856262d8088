"""What commands print: tables for people, JSON for scripts, messages on standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

#: Colours by severity of a status code, and of an endpoint's state.
_STYLES: Final = {
    "good": "green", "uncertain": "yellow", "bad": "red",
    "connected": "green", "connecting": "yellow", "degraded": "yellow", "disabled": "dim",
    "auth_failed": "red", "cert_untrusted": "red", "config_error": "red",
}  # fmt: skip
_WIDE: Final = 100
_PIPED_WIDTH: Final = 200  # a table that is read by another program must not be folded to 80 columns


def console() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False, soft_wrap=False)


def error_console() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """JSON on standard output: indented on a terminal, one line in a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=indent) + "\n")


def say(text: str) -> None:
    """One plain line on standard output; nothing in it is markup."""
    console().print(Text(text), soft_wrap=True)


def warn(text: str) -> None:
    """One line on standard error."""
    error_console().print(Text(text, style="yellow"))


def styled(word: str, key: str | None = None) -> Text:
    """`word` in the colour of a severity or a state."""
    return Text(word, style=_STYLES.get(key or word, ""))


def table(columns: Sequence[str | tuple[str, str]], *, title: str | None = None) -> Table:
    """A table; a column is its heading, or (heading, "left" | "right")."""
    made = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        heading, justify = (column, "left") if isinstance(column, str) else column
        made.add_column(heading, justify="right" if justify == "right" else "left", overflow="fold")
    return made


def value_text(sample: Mapping[str, Any] | None) -> str:
    """A sample's value for a table cell."""
    if sample is None:
        return "—"
    if sample["masked"]:
        return "(masked)"
    value = sample["value"]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value if len(value) <= 60 else value[:57] + "…"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"


def age_text(now_ns: int, then_ns: int | None) -> str:
    """How long ago, in the unit that reads best."""
    if then_ns is None:
        return "never"
    seconds = (now_ns - then_ns) / 1e9
    if seconds < 0:
        return f"{seconds:.1f} s"  # a clock that runs ahead of ours
    return duration_text(seconds)


def duration_text(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 86_400:.1f} d"


def status_text(status: Mapping[str, Any]) -> Text:
    """A status by name, in its severity's colour."""
    suffix = " +overflow" if status["overflow"] else ""
    return styled(str(status["name"]) + suffix, str(status["severity"]))


def endpoints_view(document: dict[str, Any]) -> RenderableType:
    """Endpoints as a table that fits 80 columns, and below it the cause and cure of each that has one."""
    out = console()
    made = Table(box=None, pad_edge=False, header_style="bold")
    wide = out.width >= _WIDE
    headings = ["items", "received", "stored", "rejected", *(["in flight", "gaps"] if wide else []), "heard"]
    made.add_column("endpoint", no_wrap=True)
    made.add_column("state", no_wrap=True)
    for heading in headings:
        made.add_column(heading, justify="right", no_wrap=True)
    for endpoint in document["endpoints"]:
        made.add_row(
            f"{endpoint['site']}/{endpoint['endpoint']}",
            styled(endpoint["state"]),
            f"{endpoint['items_good']}/{endpoint['items_expected']}",
            str(endpoint["received"]),
            str(endpoint["stored"]),
            str(sum(endpoint["rejected"].values())),
            *([str(endpoint["in_flight"]), duration_text(endpoint["gap_seconds"])] if wide else []),
            age_text(document["now_ns"], endpoint["last_heard_ns"]),
        )
    reasons = [
        Text.assemble((f"{endpoint['site']}/{endpoint['endpoint']}: ", "bold"), endpoint["reason"])
        for endpoint in document["endpoints"]
        if endpoint["reason"]
    ]
    return Group(made, *reasons)
