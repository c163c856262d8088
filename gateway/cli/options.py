"""Options that many commands share."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

_GATEWAY = "Where the gateway is"
CONFIG_NAMES: Final = ("--config", "--config-dir", "-c")
#: What a running daemon leaves in its data directory: `{"url": "http://…"}`.
ADDRESS_FILE: Final = "gateway.json"
#: Where `gateway demo` and `gateway run` keep their data when nothing else is said.
DEMO_PLACE, USUAL_PLACE = Path("demo-data"), Path("data")


def data_directory(given: Path | None) -> Path:
    """The data directory of every command: as given, GATEWAY_DATA_DIR, ./demo-data while a demo runs there, else ./data."""
    named = given or Path(os.environ.get("GATEWAY_DATA_DIR", ""))
    if named != Path():
        return named
    return DEMO_PLACE if (DEMO_PLACE / ADDRESS_FILE).exists() else USUAL_PLACE


Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="GATEWAY_URL", help="Address of the gateway, such as http://127.0.0.1:8080.", rich_help_panel=_GATEWAY
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="GATEWAY_DATA_DIR",
        help="The gateway's data directory, with its address and token. Default: ./demo-data while a demo runs, else ./data.",
        rich_help_panel=_GATEWAY,
    ),
]
LocalDataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="GATEWAY_DATA_DIR",
        help="The gateway's data directory. Default: ./demo-data while a demo runs there, else ./data.",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="GATEWAY_TOKEN_FILE",
        help="File with an API token (or set GATEWAY_TOKEN). Default: operator.token in the data directory.",
        rich_help_panel=_GATEWAY,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the API gives it.")]
ConfigDir = Annotated[
    Path, typer.Option(*CONFIG_NAMES, envvar="GATEWAY_CONFIG_DIR", help="Directory with plant.yaml, classes/ and sites/.")
]
