"""The command ``fake-plc``."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fake_plc.control import send
from fake_plc.endpoint import EndpointOptions
from fake_plc.equipment.kinds import KINDS
from fake_plc.errors import EndpointRefused, FaultRefused
from fake_plc.faults import FAULTS
from fake_plc.pki import ClientTrust
from fake_plc.plant import Plant, run_plant
from fake_plc.plant_table import PLANT, EndpointSpec, endpoints_of, sites

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Emulated equipment of a battery plant, as OPC UA servers.")

SeedOption = Annotated[int, typer.Option(help="Seed of the simulation; equal seeds give equal processes.")]
PortBaseOption = Annotated[
    int, typer.Option(help="An endpoint listens at this port plus its own offset (see list); 0: any free port.")
]
HostOption = Annotated[str, typer.Option(help="Address to listen on.")]
PkiOption = Annotated[Path, typer.Option(help="Directory of the servers' certificates and keys; made at the first start.")]
TrustOption = Annotated[
    list[Path] | None, typer.Option(help="Client certificate to accept (DER or PEM, or a directory of them); repeatable.")
]
TrustAnyOption = Annotated[bool, typer.Option("--trust-any", help="Accept every client certificate. Only for trying things out.")]
ReadyOption = Annotated[Path | None, typer.Option(help="Write JSON (URLs, pid) here once every endpoint listens.")]
ScaleOption = Annotated[float, typer.Option(min=0.01, help="Speed of the process: 10 makes batches ten times as fast.")]

ControlOption = Annotated[
    Path | None,
    typer.Option(envvar="FAKE_PLC_CONTROL", help="Unix socket that takes faults [default: control.sock in --pki-dir]."),
]

DEFAULT_PKI = Path("fake-plc-pki")
CONTROL_NAME = "control.sock"


def main() -> None:
    """Entry point of the console script."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # A refused request is what the faults are for; it is the client's to report.
    logging.getLogger("asyncua.server.uaprocessor").setLevel(logging.CRITICAL)
    app()


@app.command("list")
def list_endpoints(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False, port_base: PortBaseOption = 48400
) -> None:
    """List every endpoint: where, how secured, which equipment."""
    rows = [_row(spec, port_base) for spec in PLANT]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("site", "endpoint", "port", "security", "user", "equipment", "tags")
    for row in rows:
        equipment = ", ".join(f"{item['name']} ({item['handshake']})" for item in row["equipment"])  # type: ignore[attr-defined]
        table.add_row(*(str(row[key]) for key in ("site", "endpoint", "port", "security", "user")), equipment, str(row["tags"]))
    Console().print(table)


def _row(spec: EndpointSpec, port_base: int) -> dict[str, object]:
    return {
        "site": spec.site,
        "endpoint": spec.name,
        "port": port_base + spec.port_offset,
        "security": "None" if spec.policy == "None" else f"{spec.policy}/SignAndEncrypt",
        "user": spec.user or "anonymous",
        "password_variable": spec.password_variable,
        "namespace": spec.namespace,
        "equipment": [{"name": e.name, "class": e.kind, "root": e.root, "handshake": e.handshake} for e in spec.equipment],
        "tags": sum(sum(not signal.extra for signal in KINDS[e.kind].signals()) for e in spec.equipment),
    }


@app.command()
def run(
    site: Annotated[str, typer.Argument(help="Site, see list.")],
    seed: SeedOption = 1,
    port_base: PortBaseOption = 48400,
    host: HostOption = "127.0.0.1",
    pki_dir: PkiOption = DEFAULT_PKI,
    trust: TrustOption = None,
    trust_any: TrustAnyOption = False,
    ready_file: ReadyOption = None,
    time_scale: ScaleOption = 1.0,
    control: ControlOption = None,
) -> None:
    """Run every endpoint of one site, until SIGTERM or Ctrl-C."""
    try:
        specs = endpoints_of(site)
    except KeyError:
        typer.echo(f"error: no site '{site}'; there are {', '.join(sites())}", err=True)
        raise typer.Exit(2) from None
    options = EndpointOptions(host, port_base, seed, time_scale, pki_dir, ClientTrust(tuple(trust or ()), trust_any))
    _run(specs, options, ready_file, control)


@app.command()
def plant(
    seed: SeedOption = 1,
    port_base: PortBaseOption = 48400,
    host: HostOption = "127.0.0.1",
    pki_dir: PkiOption = DEFAULT_PKI,
    trust: TrustOption = None,
    trust_any: TrustAnyOption = False,
    ready_file: ReadyOption = None,
    time_scale: ScaleOption = 1.0,
    control: ControlOption = None,
) -> None:
    """Run the whole plant: every endpoint of every site, until SIGTERM or Ctrl-C."""
    options = EndpointOptions(host, port_base, seed, time_scale, pki_dir, ClientTrust(tuple(trust or ()), trust_any))
    _run(PLANT, options, ready_file, control)


def _run(specs: Sequence[EndpointSpec], options: EndpointOptions, ready_file: Path | None, control: Path | None) -> None:
    if not options.trust.paths and not options.trust.accept_any:
        typer.echo(
            "warning: no client certificate is trusted; secure endpoints will refuse everyone (--trust CERT.der)", err=True
        )
    missing = [str(path) for path in options.trust.paths if not path.exists()]
    if missing:
        typer.echo(f"error: --trust {', '.join(missing)}: no such file; make the client's certificate first", err=True)
        raise typer.Exit(2)
    try:
        running = Plant(specs, options, os.environ, control or options.pki_dir / CONTROL_NAME)
        asyncio.run(run_plant(running, ready_file))
    except EndpointRefused as refusal:
        typer.echo(f"error: {refusal}", err=True)
        raise typer.Exit(1) from None


@app.command()
def faults(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> None:
    """List the faults that can be switched on."""
    if as_json:
        typer.echo(json.dumps([asdict(fault) for fault in FAULTS.values()], indent=2))
        return
    table = Table("fault", "what it does", "arguments")
    for fault in FAULTS.values():
        arguments = [f"{a.name}={'…' if a.default is None else a.default}  {a.description}" for a in fault.arguments]
        table.add_row(fault.name, fault.description, "\n".join(arguments))
    Console().print(table)


@app.command()
def fault(
    endpoint: Annotated[str, typer.Argument(help="Endpoint as site.endpoint, see list.")],
    name: Annotated[str, typer.Argument(metavar="FAULT", help="What to do, see faults.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Arguments of the fault.")] = None,
    control: ControlOption = None,
    pki_dir: PkiOption = DEFAULT_PKI,
) -> None:
    """Switch a fault on at a running endpoint."""
    pairs = [argument.partition("=") for argument in arguments or ()]
    malformed = [key for key, sign, _ in pairs if not sign]
    if malformed:
        typer.echo(f"error: '{malformed[0]}' is not KEY=VALUE", err=True)
        raise typer.Exit(2)
    try:
        done = asyncio.run(send(control or pki_dir / CONTROL_NAME, endpoint, name, {key: value for key, _, value in pairs}))
    except FaultRefused as refusal:
        typer.echo(f"error: {refusal}", err=True)
        raise typer.Exit(1) from None
    typer.echo(done)
