"""`gateway pki`: our certificate, and the servers we trust, each by an explicit act."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from gateway.api.times import iso
from gateway.cli.options import Json, LocalDataDir, data_directory
from gateway.cli.output import console, print_json, say, styled
from gateway.cli.words import duration_text
from gateway.errors import NotFound, RequestRefused

if TYPE_CHECKING:
    from gateway.opcua.pki import CertificateFacts

app = typer.Typer(help="Certificates: ours, and those of the servers we trust.", no_args_is_help=True)
_PkiDir = Annotated[Path | None, typer.Option(help="The certificates, where they are elsewhere [GATEWAY_PKI_DIR].")]


@app.command()
def init(
    host: Annotated[str | None, typer.Option(help="Host name in the certificate; default: this machine's.")] = None,
    data_dir: LocalDataDir = None,
    pki_dir: _PkiDir = None,
    as_json: Json = False,
) -> None:
    """Make our certificate and key. Every server must then be told to trust the certificate."""
    from gateway.runtime.tools import pki_init  # noqa: PLC0415 -- OPC UA is slow to import

    _print(pki_init(_directory(data_dir, pki_dir), host), as_json=as_json)


@app.command("list")
def list_(data_dir: LocalDataDir = None, pki_dir: _PkiDir = None, as_json: Json = False) -> None:
    """All certificates: ours, those we trust, and those that servers showed and nobody has trusted yet."""
    from gateway.runtime.tools import pki_list  # noqa: PLC0415 -- OPC UA is slow to import

    _print(pki_list(_directory(data_dir, pki_dir)), as_json=as_json)


@app.command()
def trust(
    what: Annotated[str, typer.Argument(help="site/endpoint of a rejected certificate, or a certificate file (DER or PEM).")],
    data_dir: LocalDataDir = None,
    pki_dir: _PkiDir = None,
    as_json: Json = False,
) -> None:
    """Trust a server's certificate. Compare its fingerprint with the one the server's owner tells you, not over the same wire."""
    from gateway.runtime.tools import pki_trust  # noqa: PLC0415 -- OPC UA is slow to import

    directory = _directory(data_dir, pki_dir)
    try:
        trusted = pki_trust(directory, what)
    except RequestRefused as refusal:
        rejected = directory / "rejected" / f"{what.replace('/', '.')}.der"
        if Path(what).exists() or rejected.exists():
            raise
        raise NotFound(str(refusal)) from refusal
    _print([trusted], as_json=as_json)


@app.command()
def renew(data_dir: LocalDataDir = None, pki_dir: _PkiDir = None, as_json: Json = False) -> None:
    """Replace our certificate and key, keeping the old ones beside. Every server must then trust the new one."""
    from gateway.runtime.tools import pki_renew  # noqa: PLC0415 -- OPC UA is slow to import

    _print(pki_renew(_directory(data_dir, pki_dir)), as_json=as_json)


def _directory(data_dir: Path | None, pki_dir: Path | None) -> Path:
    from gateway.runtime.daemon import read_settings  # noqa: PLC0415 -- everything is slow to import

    return read_settings({"data_dir": data_directory(data_dir), "pki_dir": pki_dir}).pki


def _print(certificates: "Sequence[CertificateFacts]", *, as_json: bool) -> None:
    if as_json:
        print_json([{**asdict(item), "expires": iso(item.expires), "expires_ns": item.expires} for item in certificates])
        return
    if not certificates:
        say("No certificates; make ours with 'gateway pki init'.")
        return
    out = console()
    for item in certificates:  # a block each: a fingerprint is compared and copied, so it is never folded
        left = (item.expires - time.time_ns()) / 1e9
        expiry = f"{iso(item.expires)[:10]} ({duration_text(left)} left)" if left > 0 else f"{iso(item.expires)[:10]} (expired)"
        severity = "good" if left > 30 * 86_400 else "uncertain" if left > 0 else "bad"
        out.print(Text.assemble((item.role, "bold"), f"  {item.file}"), soft_wrap=True)
        out.print(Text(f"  subject      {item.subject}\n  application  {item.application_uri}"), soft_wrap=True)
        out.print(Text(f"  SHA-256      {item.fingerprint}"), soft_wrap=True)
        out.print(Text.assemble("  expires      ", styled(expiry, severity)), soft_wrap=True)
