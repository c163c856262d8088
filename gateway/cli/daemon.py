"""`gateway run` and `gateway demo`: the daemon itself."""

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.live import Live
from rich.text import Text

from gateway.cli.exit_codes import ExitCode
from gateway.cli.options import CONFIG_NAMES
from gateway.cli.output import console, endpoints_view, print_json, warn

if TYPE_CHECKING:
    from gateway.mirror.report import EndpointReport

_QUIET_S = 10.0  #: between two lines of news where nobody looks at a terminal


def run(
    config: Annotated[
        Path | None, typer.Option(*CONFIG_NAMES, help="Directory with plant.yaml [GATEWAY_CONFIG_DIR; config].")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Twin, ledger, tokens, certificates [GATEWAY_DATA_DIR; data].")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [GATEWAY_HTTP_HOST; 127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one [GATEWAY_HTTP_PORT; 8080].")
    ] = None,
    log_format: Annotated[
        Literal["auto", "json", "console"] | None,
        typer.Option(help="auto: readable on a terminal, else JSON [GATEWAY_LOG_FORMAT]."),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option(help="The least that is logged [GATEWAY_LOG_LEVEL; info]."),
    ] = None,
) -> None:
    """Mirror the plant until SIGTERM or Ctrl-C. SIGHUP reads the configuration again. Every setting is in docs/operations.md."""
    from gateway.runtime.daemon import run_daemon  # noqa: PLC0415 -- everything is slow to import

    run_daemon(
        {
            "config_dir": config, "data_dir": data_dir, "http_host": host, "http_port": port,
            "log_format": log_format, "log_level": log_level,
        }
    )  # fmt: skip


def demo(
    data_dir: Annotated[Path, typer.Option(help="Where twin, certificates and logs of the demo go.")] = Path("demo-data"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the HTTP API; 0 takes a free one.")] = 8080,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds to run; without it until Ctrl-C.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same plant.")] = 1,
    time_scale: Annotated[float, typer.Option(min=0.01, help="How much faster than life the fake plant runs.")] = 1.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print where everything is, and at the end the endpoints, as JSON lines.")
    ] = False,
) -> None:
    """A fake mother factory with its child sites, and a gateway that mirrors them; nothing else is needed.

    Exit code 1 when at the end an endpoint is not connected.
    """
    from gateway.runtime.demo import run_demo  # noqa: PLC0415 -- everything is slow to import

    terminal = sys.stdout.isatty() and not as_json
    if not as_json:
        warn("starting the fake plant and the gateway; Ctrl-C ends both")
    live = Live(console=console(), auto_refresh=False) if terminal else None
    screen = _Screen(live, as_json=as_json)
    with live or nullcontext():
        reports = run_demo(
            data_dir=data_dir, port=port, duration=duration, seed=seed, time_scale=time_scale,
            started=screen.started, show=screen.show,
        )  # fmt: skip
    document = _document(reports)
    if as_json:
        print_json(document)
    else:
        if not terminal:
            console().print(endpoints_view(document))
        warn(f"stopped; everything is kept in {data_dir}")
    if any(report.state.value != "connected" for report in reports):
        raise typer.Exit(ExitCode.NEGATIVE)


@dataclass
class _Screen:
    """What a person sees while the demo runs."""

    live: Live | None
    as_json: bool
    last: float = field(default_factory=time.monotonic)

    def started(self, where: dict[str, str]) -> None:
        """Say where everything is."""
        if self.as_json:
            print_json(where)
            return
        out = console() if self.live is None else self.live.console
        width = max(map(len, where))
        for what, place in where.items():  # never folded: what stands there is to be copied
            out.print(Text(f"{what:<{width}}  {place}"), soft_wrap=True)
        out.print()

    def show(self, reports: "Sequence[EndpointReport]") -> None:
        """Show the endpoints: a live table on a terminal, else a line now and then."""
        if self.live is not None:
            self.live.update(endpoints_view(_document(reports)), refresh=True)
        elif not self.as_json and time.monotonic() - self.last >= _QUIET_S:
            self.last = time.monotonic()
            connected = sum(report.state.value == "connected" for report in reports)
            warn(
                f"{connected} of {len(reports)} endpoints connected, {sum(report.received for report in reports)} values received"
            )


def _document(reports: "Sequence[EndpointReport]") -> dict[str, Any]:
    """The same document as `GET /api/v1/endpoints`."""
    from gateway.api.wire import endpoint_json  # noqa: PLC0415 -- NumPy is slow to import

    return {"now_ns": time.time_ns(), "endpoints": [endpoint_json(report) for report in reports]}
