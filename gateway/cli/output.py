"""What commands print: tables for people, JSON for scripts, messages on standard error."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.words import age_text, counted, duration_text, moment_text

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


def on_terminal() -> bool:
    """True when a person looks at standard output: times are shown to the second, tables fit the width."""
    return sys.stdout.isatty()


def moment_shown(document: Mapping[str, Any], key: str) -> str:
    """The time `key` of an API document: to the second on a terminal, else in full."""
    if document[key] is None:
        return "—"
    return moment_text(document[f"{key}_ns"], time.time_ns()) if on_terminal() else str(document[key])


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
    silent = [
        f"{endpoint['site']}/{endpoint['endpoint']}: {counted(endpoint['items_rejected'], 'item')} not monitored:"
        " 'gateway check --online' or 'gateway why TAG' says why"
        for endpoint in document["endpoints"]
        if endpoint["state"] == "connected" and endpoint["items_rejected"] and not endpoint["reason"]
    ]
    return Group(made, *reasons, *map(Text, silent))
