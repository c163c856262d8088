"""`gateway reload`, `backup`, `restore`: acts on a running daemon, or on the data directory of one that is stopped."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.client import connect
from gateway.cli.options import DataDir, Json, TokenFile, Url, data_directory
from gateway.cli.output import error_console, print_json, say
from gateway.cli.words import counted
from gateway.errors import RequestRefused


def reload(as_json: Json = False, url: Url = None, data_dir: DataDir = None, token_file: TokenFile = None) -> None:
    """Have the gateway read its configuration again. Unchanged endpoints go on undisturbed; faulty files change nothing."""
    with connect(url, data_dir, token_file) as client:
        document = client.post("/reload")
    if as_json:
        print_json(document)
        return
    for what, keys in document.items():
        if what == "kept":
            say(f"kept: {counted(len(keys), 'endpoint')}")
        elif keys:
            say(f"{what}: {', '.join(keys)}")


def backup(
    target: Annotated[Path, typer.Argument(help="A new directory, on the gateway's machine.")],
    offline: Annotated[
        bool, typer.Option("--offline", help="Copy --data-dir itself; refused while a gateway runs there.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
    token_file: TokenFile = None,
) -> None:
    """Copy the twin and the ledger, live, into a new directory with a manifest."""
    if offline:
        from gateway.store.sqlite.backup import backup as copy  # noqa: PLC0415 -- the store is slow to import
        from gateway.store.sqlite.directory import BALLAST_FILE, TWIN_FILE, claim  # noqa: PLC0415 -- the store is slow to import

        directory = data_directory(data_dir)
        if not (directory / TWIN_FILE).exists():
            raise RequestRefused(f"{directory} holds no {TWIN_FILE}: give the gateway's data directory with --data-dir")
        ballast = directory / BALLAST_FILE
        size = ballast.stat().st_size if ballast.exists() else 0  # held as it is: a copy changes nothing there
        with claim(directory, ballast_bytes=size), error_console().status("copying"):  # refused where a gateway runs
            document: dict[str, Any] = asdict(asyncio.run(copy(directory, target)))
    else:
        with connect(url, data_dir, token_file, timeout_s=3600.0) as client, error_console().status("copying"):
            document = client.post("/backup", {"target": str(target.absolute())})
    _print_manifest(document, f"The backup is in {target}.", as_json=as_json)


def restore(
    source: Annotated[Path, typer.Argument(help="A directory that 'gateway backup' made.")],
    data_dir: Annotated[
        Path, typer.Option("--data-dir", envvar="GATEWAY_DATA_DIR", help="A data directory without twin and ledger.")
    ],
    as_json: Json = False,
) -> None:
    """Put a backup into an empty data directory, checked against its manifest. No gateway may run on it."""
    from gateway.store.sqlite.backup import restore as put_back  # noqa: PLC0415 -- the store is slow to import

    with error_console().status("restoring"):
        document = asdict(asyncio.run(put_back(source, data_dir)))
    _print_manifest(document, f"{data_dir} holds the twin and the ledger of {document['finished']}.", as_json=as_json)


def _print_manifest(document: dict[str, Any], done: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    for file in document["files"]:
        say(f"{file['name']}  {file['bytes']} bytes\n  sha256 {file['sha256']}")
    say(done)
