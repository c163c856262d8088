"""`gateway status`, `why` and `support-bundle`: what is the matter, and a bundle for whoever can help."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from gateway.cli.client import Client, connect
from gateway.cli.exit_codes import ExitCode, GatewayAnswer
from gateway.cli.files import must_be_new, write
from gateway.cli.options import DataDir, Json, TokenFile, Url
from gateway.cli.output import console, endpoints_view, error_console, moment_shown, print_json, say, status_text, table
from gateway.cli.words import ago_text, value_text
from gateway.errors import NotFound

_TAGS_SHOWN = 40  #: of a place that was asked about instead of a tag


def status(
    pattern: Annotated[str, typer.Argument(help="A site or site/endpoint; nothing for all.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing it, until Ctrl-C.")] = False,
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Endpoints: state, cause and cure, items and the loss account. Exit code 1 when one is not connected."""
    with connect(url, data_dir, token_file) as client:
        if watch and not as_json and sys.stdout.isatty():
            _watch(client, pattern)
        document = client.get("/endpoints", pattern=pattern)
        known = document["endpoints"] or client.get("/endpoints")["endpoints"]
    if as_json:
        print_json(document)
    elif document["endpoints"]:
        console().print(endpoints_view(document))
    if not document["endpoints"]:
        names = ", ".join(f"{endpoint['site']}/{endpoint['endpoint']}" for endpoint in known)
        raise NotFound(f"No endpoint matches '{pattern}'; there are {names}." if names else "There are no endpoints.")
    if any(endpoint["state"] not in ("connected", "disabled") for endpoint in document["endpoints"]):
        raise typer.Exit(ExitCode.NEGATIVE)


def _watch(client: Client, pattern: str) -> None:
    """A live table of endpoints, until Ctrl-C."""
    with Live(console=console(), auto_refresh=False) as live:
        while True:
            live.update(endpoints_view(client.get("/endpoints", pattern=pattern)), refresh=True)
            time.sleep(1.0)


def why(
    path: Annotated[str, typer.Argument(help="The twin path of one tag: site/area/line/equipment/tag.")],
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Explain one tag from the endpoint to the stored value. Exit code 1 when something in the chain is broken."""
    with connect(url, data_dir, token_file) as client:
        try:
            document = client.get("/why", path=path)
        except GatewayAnswer as answer:
            raise _with_tags(client, path.strip("/"), answer) from answer
    if as_json:
        print_json(document)
    else:
        _print_why(document)
    if not document["sound"]:
        raise typer.Exit(ExitCode.NEGATIVE)


def _with_tags(client: Client, path: str, answer: GatewayAnswer) -> GatewayAnswer:
    """Where the path is a place and no tag: the tags that are there to ask about."""
    if answer.code != "not-found" or not path:
        return answer
    tags = [tag["path"] for tag in client.get("/tags", pattern=path)["tags"] if tag["path"].startswith(f"{path}/")]
    if not tags:
        return answer
    shown = "".join(f"\n  {tag}" for tag in tags[:_TAGS_SHOWN])
    more = f"\n  and {len(tags) - _TAGS_SHOWN} more: gateway twin get {path}" if len(tags) > _TAGS_SHOWN else ""
    return GatewayAnswer(f"'{path}' is no tag: name one of those below it:{shown}{more}", answer.code)


def _print_why(document: dict[str, Any]) -> None:
    out, kind = console(), document["class"]
    out.print(Text(document["path"], style="bold"))
    out.print(Text(document["verdict"], style="green" if document["sound"] else "red"))
    chain = table(["", "link", "what is known"])
    for link in document["chain"]:
        mark = Text("ok", style="green") if link["sound"] else Text("!!", style="red")
        chain.add_row(mark, link["what"], Text(link["says"] + (f"\n→ {link['cure']}" if link["cure"] else "")))
    out.print(chain)
    facts = table(["", ""])
    facts.show_header = False
    tag = kind["tag"]
    limits = tag["range"]
    declared = [tag["type"], tag["unit"] or "", f"{limits['low']:g} … {limits['high']:g}" if limits else ""]
    facts.add_row("class", f"{kind['name']} {kind['version']}: " + " ".join(word for word in declared if word))
    facts.add_row("site path", document["site_path"])
    item, reading = document["item"], document["reading"]
    if item is not None:
        facts.add_row("node", item["node"] or "—")
        facts.add_row("item status", status_text(item["status"]))
    if reading is not None and reading["sample"] is not None:
        sample, now = reading["sample"], document["now_ns"]
        facts.add_row("value", Text(f"{value_text(sample)} {reading['unit'] or ''}".strip()))
        facts.add_row("status", status_text(reading["status"]))
        for name in ("source", "server", "received"):
            facts.add_row(f"{name} time", f"{moment_shown(sample, f'{name}_time')} ({ago_text(now, sample[f'{name}_time_ns'])})")
    if document["guidance"]:
        facts.add_row("guidance", Text(document["guidance"]))
    out.print(facts)


def support_bundle(
    line: Annotated[str, typer.Argument(help="The line: site/area/line.")],
    around: Annotated[
        str, typer.Option("--around", help="The moment of interest: ISO 8601, or -10m for ten minutes ago.")
    ] = "now",
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long before and after the moment.")] = 15,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new ZIP file; default: support-<line>-<time>.zip here.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Values, gaps, endpoint state, configuration and logs of one line in a ZIP, without secrets, for who must help from afar."""
    made = datetime.now(UTC)
    target = out or Path(f"support-{line.strip('/').replace('/', '_')}-{made:%Y-%m-%dT%H%M%SZ}.zip")
    must_be_new(target, hint="choose a new file with --out")
    with connect(url, data_dir, token_file) as client, error_console().status("gathering"):
        content = client.download("/support-bundle", line=line, around=around, minutes=minutes)
    write(target, content)
    if as_json:
        print_json({"file": str(target), "bytes": len(content)})
    else:
        say(f"{target} ({len(content) / 1024:.0f} KiB). It holds no secrets and no masked values.")
