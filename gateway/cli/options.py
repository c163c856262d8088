"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

_GATEWAY = "Where the gateway is"

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
        help="The gateway's data directory: address and token are found there. Default: ./demo-data or ./data.",
        rich_help_panel=_GATEWAY,
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
    Path, typer.Option("--config", "-c", envvar="GATEWAY_CONFIG_DIR", help="Directory with plant.yaml, classes/ and sites/.")
]
