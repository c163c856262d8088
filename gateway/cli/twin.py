"""`gateway twin`: values as they are, as they were, and where the twin cannot vouch for them."""

import sys
import time
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.cli.client import Client, connect
from gateway.cli.exit_codes import ExitCode
from gateway.cli.options import DataDir, Json, TokenFile, Url
from gateway.cli.output import (
    console,
    error_console,
    moment_shown,
    on_terminal,
    print_json,
    say,
    status_text,
    styled,
    table,
    warn,
)
from gateway.cli.readings import fitted_width, readings_table
from gateway.cli.words import counted, duration_text, moment_text, value_text

app = typer.Typer(help="The twin: current values, history, the past.", no_args_is_help=True)
Pattern = Annotated[
    str, typer.Argument(help="A path, everything below it, or wildcards such as '*/coater-*/Process/*'; nothing for all.")
]
_PAGE = 10_000


@app.command()
def get(
    pattern: Pattern = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing them, until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks with --watch.")] = 1.0,
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Current values, each with the status to believe and its age. With --watch and --json one document a line."""
    with connect(url, data_dir, token_file) as client:
        if not watch:
            document = _current(client, pattern)
            _finish(document, client, pattern, as_json=as_json)
        elif as_json or not sys.stdout.isatty():
            for document in _repeated(client, pattern, interval):
                print_json(document) if as_json else _print_readings(document, "now_ns")
        else:
            out = console()
            with Live(console=out, auto_refresh=False, screen=True) as live:
                for document in _repeated(client, pattern, interval):
                    live.update(_fitted(document, out.height), refresh=True)


@app.command("as-of")
def as_of(
    at: Annotated[str, typer.Option("--at", help="ISO 8601 with Z or an offset, ns since 1970, or -10m for ten minutes ago.")],
    pattern: Pattern = "",
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Values as they were at a moment, by source time; an outage shows as an outage."""
    with connect(url, data_dir, token_file) as client:
        document = _all_pages(client, "/twin/as-of", pattern=pattern, at=at)
        if not as_json and document["readings"]:
            say(f"as of {moment_shown(document, 'at')}")
        _finish(document, client, pattern, as_json=as_json, moment="at_ns")


@app.command()
def history(
    path: Annotated[str, typer.Argument(help="The path of one tag.")],
    start: Annotated[str, typer.Option(help="From when; such as -1h or 2026-03-01T08:00:00Z.")] = "-1h",
    end: Annotated[str, typer.Option(help="Until when (not included).")] = "now",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many values.")] = 1000,
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Every stored change of one tag, oldest first, with the gaps between."""
    with connect(url, data_dir, token_file) as client:
        document = client.get("/twin/history", path=path, start=start, end=end, limit=limit)
    if as_json:
        print_json(document)
        return
    console().print(_history(document))
    if not document["complete"]:
        last = document["samples"][-1]["source_time"]
        warn(f"Cut at {limit} values: read on with --start {last}, or raise --limit.")


@app.command()
def gaps(
    pattern: Pattern = "",
    start: Annotated[str, typer.Option(help="From when.")] = "-24h",
    end: Annotated[str, typer.Option(help="Until when.")] = "now",
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Intervals for which the twin cannot vouch, and why."""
    with connect(url, data_dir, token_file) as client:
        document = client.get("/twin/gaps", pattern=pattern, start=start, end=end)
    if as_json:
        print_json(document)
        return
    if not document["gaps"]:
        say("No gaps.")
    elif on_terminal():
        _print_gaps(document["gaps"])
    else:
        made = table(["where", "from", "to", "reason", "detail"])
        for gap in document["gaps"]:
            made.add_row(gap["where"], gap["start"], gap["end"] or styled("lasts", "bad"), gap["reason"], gap["detail"])
        console().print(made)


@app.command()
def verify(as_json: Json = False, url: Url = None, data_dir: DataDir = None, token_file: TokenFile = None) -> None:
    """Recount the history against the loss account and check every block. Exit code 1 when something is wrong."""
    with connect(url, data_dir, token_file) as client, error_console().status("recounting"):
        document = client.get("/twin/verify")
    if as_json:
        print_json(document)
    else:
        made = table(["endpoint", ("stored", "right"), "rejected"])
        for account in document["accounts"]:
            rejected = ", ".join(f"{reason} {count}" for reason, count in account["rejected"].items()) or "—"
            made.add_row(account["endpoint"], str(account["stored"]), rejected)
        console().print(made)
        for finding in document["findings"]:
            say(finding)
        say("The twin is sound." if document["sound"] else f"{len(document['findings'])} findings.")
    if not document["sound"]:
        raise typer.Exit(ExitCode.NEGATIVE)


def _print_gaps(gaps: list[dict[str, Any]]) -> None:
    """Two lines a gap, so that no time is folded; times are UTC."""
    out = console()
    for gap in gaps:
        until = styled("lasts", "bad") if gap["end"] is None else Text(f"to {moment_shown(gap, 'end')}")
        length = "" if gap["end"] is None else f" ({duration_text((gap['end_ns'] - gap['start_ns']) / 1e9)})"
        reason = gap["reason"].replace("_", " ") + (f": {gap['detail']}" if gap["detail"] else "")
        out.print(Text.assemble((gap["where"], "bold")), soft_wrap=True)
        out.print(Text.assemble(f"  from {moment_shown(gap, 'start')} ", until, f"{length} UTC  {reason}"), soft_wrap=True)


def _current(client: Client, pattern: str) -> dict[str, Any]:
    return _all_pages(client, "/twin/current", pattern=pattern)


def _all_pages(client: Client, route: str, **query: str) -> dict[str, Any]:
    document: dict[str, Any] = client.get(route, limit=_PAGE, **query)
    page = document
    while page["next"] is not None:
        page = client.get(route, limit=_PAGE, after=page["next"], **query)
        document["readings"] += page["readings"]
    del document["next"]
    return document


def _repeated(client: Client, pattern: str, interval: float) -> Iterator[dict[str, Any]]:
    while True:
        yield _current(client, pattern)
        time.sleep(interval)


def _finish(document: dict[str, Any], client: Client, pattern: str, *, as_json: bool, moment: str = "now_ns") -> None:
    """Print readings; none at all is exit code 6."""
    if as_json:
        print_json(document)
    elif document["readings"]:
        _print_readings(document, moment)
    if not document["readings"]:
        warn(f"No tags match '{pattern}'.{_hint(client, pattern)}" if pattern else "No tags are known.")
        raise typer.Exit(ExitCode.NOT_FOUND)


def _hint(client: Client, pattern: str) -> str:
    """What may have been meant: everything below, or a path much like it."""
    pattern = pattern.strip("/")
    if any(sign in pattern for sign in "*?["):
        below = client.get("/tags", pattern=f"{pattern}/**")["tags"]
        if below:
            return f" Wildcards must fit the whole path: '{pattern}/**' matches {counted(len(below), 'tag')}."
        return " Wildcards must fit the whole path of a tag, such as '*/coater-*/Process/**'."
    paths = [tag["path"] for tag in client.get("/tags")["tags"]]
    steps = pattern.count("/") + 1
    places = dict.fromkeys("/".join(path.split("/")[:steps]) for path in paths)
    near = get_close_matches(pattern, places, n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else " 'gateway twin get' lists all."


def _print_readings(document: dict[str, Any], moment: str) -> None:
    console().print(readings_table(document["readings"], document[moment], width=fitted_width()))


def _fitted(document: dict[str, Any], height: int) -> RenderableType:
    """As many rows as the screen has room for, and how many there are besides."""
    shown = document["readings"][: max(1, height - 4)]
    more = len(document["readings"]) - len(shown)
    below = moment_text(document["now_ns"], document["now_ns"]) + (f", and {more} more: narrow the pattern" if more else "")
    return readings_table(shown, document["now_ns"], width=fitted_width(), below=below)


def _until(gap: dict[str, Any]) -> str:
    return "until now, it lasts" if gap["end"] is None else f"until {moment_shown(gap, 'end')}"


def _column(times: str) -> str:
    """The heading of times, which on a terminal are without a zone."""
    return f"{times} (UTC)" if on_terminal() else times


def _history(document: dict[str, Any]) -> Table:
    """Samples and gaps in one order of time."""
    rows: list[tuple[int, tuple[Any, ...]]] = [
        (
            sample["source_time_ns"],
            (
                moment_shown(sample, "source_time"),
                Text(value_text(sample)),
                status_text(sample["status"]),
                " ".join(sample["flags"]),
            ),
        )
        for sample in document["samples"]
    ]
    rows += [
        (gap["start_ns"], (moment_shown(gap, "start"), styled("gap", "bad"), gap["reason"], _until(gap)))
        for gap in document["gaps"]
    ]
    made = table(
        [_column("source time"), (f"value {document['unit'] or ''}".strip(), "right"), "status", "flags"], title=document["path"]
    )
    for _, row in sorted(rows, key=lambda row: row[0]):
        made.add_row(*row)
    return made
