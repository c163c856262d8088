"""`gateway token`: who may ask the API."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.api.tokens import Role, create_token
from gateway.cli.files import must_be_new, write_private
from gateway.cli.options import LocalDataDir, data_directory
from gateway.cli.output import print_json, say, warn
from gateway.errors import RequestRefused

app = typer.Typer(help="API tokens of a data directory.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """API tokens of a data directory."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose token it is; it appears in the journal of pushes.")],
    data_dir: LocalDataDir = None,
    role: Annotated[Role, typer.Option(help="viewer reads; operator also acts and sees masked values.")] = Role.VIEWER,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the token to this new file (mode 0600), do not print it.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an older token of that name.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a token. It is shown once; the gateway keeps only its hash. A running gateway knows it at once."""
    directory = data_directory(data_dir)
    if not directory.is_dir():
        raise RequestRefused(f"{directory} is no directory: give the gateway's data directory with --data-dir")
    must_be_new(out)
    created = datetime.now(UTC).isoformat(timespec="seconds")

    def make() -> str:
        return create_token(directory, name, role, created=created, replace=replace) + "\n"

    token = ""
    if out is None:
        token = make().strip()
    else:
        write_private(out, make)
    shown = {"name": name, "role": role.value, "created": created}
    if as_json:
        print_json({**shown, "file": str(out)} if out else {**shown, "token": token})
    elif out is None:
        say(token)
        warn("Keep it: it cannot be shown again.")
    else:
        say(f"The token is in {out}.")
