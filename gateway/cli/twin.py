"""`gateway twin`: values as they are, as they were, and where the twin cannot vouch for them."""

import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.cli.client import Client, connect
from gateway.cli.exit_codes import ExitCode
from gateway.cli.options import DataDir, Json, TokenFile, Url
from gateway.cli.output import age_text, console, error_console, print_json, say, status_text, styled, table, value_text, warn

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
            _finish(document, as_json=as_json, what=f"match '{pattern}'" if pattern else "are known")
        elif as_json or not sys.stdout.isatty():
            for document in _repeated(client, pattern, interval):
                print_json(document) if as_json else console().print(_readings(document, document["now_ns"]))
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
        say(f"as of {document['at']}")
    _finish(document, as_json=as_json, what=f"match '{pattern}'" if pattern else "are known", moment="at_ns")


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
    made = table(["where", "from", "to", "reason", "detail"])
    for gap in document["gaps"]:
        made.add_row(gap["where"], gap["start"], gap["end"] or styled("lasts", "bad"), gap["reason"], gap["detail"])
    console().print(made) if document["gaps"] else say("No gaps.")


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


def _finish(document: dict[str, Any], *, as_json: bool, what: str, moment: str = "now_ns") -> None:
    """Print readings; none at all is exit code 6."""
    if as_json:
        print_json(document)
    elif document["readings"]:
        console().print(_readings(document, document[moment]))
    if not document["readings"]:
        warn(f"No tags {what}.")
        raise typer.Exit(ExitCode.NOT_FOUND)


def _readings(document: dict[str, Any], moment: int, rows: int | None = None) -> Table:
    """Readings as a table. On a terminal the place that all of them share is said once, above."""
    shown = document["readings"][:rows]
    place = _shared_place([reading["path"] for reading in shown]) if sys.stdout.isatty() else ""
    made = table(["path", ("value", "right"), "unit", "status", ("age", "right"), "gap"], title=place.rstrip("/") or None)
    made.columns[1].no_wrap, made.columns[1].overflow = True, "ellipsis"  # one line a tag
    for reading in shown:
        sample, gap = reading["sample"], reading["gap"]
        made.add_row(
            reading["path"][len(place) :],
            Text(value_text(sample)),
            reading["unit"] or "",
            status_text(reading["status"]),
            age_text(moment, None if sample is None else sample["source_time_ns"]),
            "" if gap is None else gap["reason"],
        )
    return made


def _shared_place(paths: list[str]) -> str:
    """The leading steps, with a slash, that all paths have in common; at least one step is left to each."""
    first, last = min(paths), max(paths)
    shared = [a for a, b in takewhile(lambda pair: pair[0] == pair[1], zip(first.split("/")[:-1], last.split("/"), strict=False))]
    return "/".join(shared) + "/" if shared else ""


def _fitted(document: dict[str, Any], height: int) -> RenderableType:
    """As many rows as the screen has room for, and how many there are besides."""
    made = _readings(document, document["now_ns"], max(1, height - 4))
    more = len(document["readings"]) - made.row_count
    made.caption = f"{document['now']}" + (f", and {more} more: narrow the pattern" if more else "")
    made.caption_justify = "left"
    return made


def _history(document: dict[str, Any]) -> Table:
    """Samples and gaps in one order of time."""
    rows: list[tuple[int, tuple[Any, ...]]] = [
        (
            sample["source_time_ns"],
            (sample["source_time"], Text(value_text(sample)), status_text(sample["status"]), " ".join(sample["flags"])),
        )
        for sample in document["samples"]
    ]
    rows += [
        (gap["start_ns"], (gap["start"], styled("gap", "bad"), gap["reason"], f"until {gap['end'] or 'now, it lasts'}"))
        for gap in document["gaps"]
    ]
    made = table(["source time", (f"value {document['unit'] or ''}".strip(), "right"), "status", "flags"], title=document["path"])
    for _, row in sorted(rows, key=lambda row: row[0]):
        made.add_row(*row)
    return made
