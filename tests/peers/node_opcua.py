"""The OPC UA server of `opcua_server.js` (node-opcua) as tests see it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.process import running

_SCRIPT = Path(__file__).parent / "opcua_server.js"
_START_S = 60.0  # loading the standard nodeset takes about a second alone, far more beside other tests


@dataclass(frozen=True, slots=True)
class PeerTag:
    """One variable of the server: browse path below `root`, OPC UA type as classes write it ("Double[]" is an array)."""

    path: str
    type: str
    historizing: bool


@dataclass(frozen=True, slots=True)
class NodeOpcuaServer:
    """A running server. It offers Basic256Sha256 with SignAndEncrypt only, and no anonymous user.

    At tick n (each `tick_ms`) the changing tags hold, by type: Double n + i/1024, Float and Int32 n, UInt16 n modulo 65536,
    Boolean n odd, String "i:n", DateTime 2024-01-01 plus n seconds, Double[] [n, i, n + i]; i is the item's number.
    """

    url: str
    certificate: Path  #: PEM
    namespace: str  #: URI of the namespace of all names below
    root: str  #: browse path below Objects
    changing: tuple[PeerTag, ...]
    writable: tuple[PeerTag, ...]
    user: str
    password: str


@asynccontextmanager
async def node_opcua_server(
    directory: Path,
    *,
    trust: Sequence[Path] = (),
    items: int = 120,
    tick_ms: int = 100,
    limits: Mapping[str, int] | None = None,
    port: int | None = None,
) -> AsyncIterator[NodeOpcuaServer]:
    """Start the server with its certificate and log in `directory` (kept, so a restart there is the same server).

    `trust` are client certificates in DER form; `limits` are OperationLimits by node-opcua's names, such as
    `maxMonitoredItemsPerCall`; what is not limited is unlimited.
    """
    log = _log_file(directory)
    settings = {
        "directory": str(directory),
        "trust": [str(path) for path in trust],
        "items": items,
        "tickMs": tick_ms,
        "limits": dict(limits or {}),
        **({"port": port} if port is not None else {}),
    }
    user, password = "mirror", "press-shop-password"
    environment = {**os.environ, "PEER_USER": user, "PEER_PASSWORD": password, "NO_COLOR": "1"}
    async with running(["node", str(_SCRIPT), json.dumps(settings)], log=log, environment=environment) as process:
        facts = await asyncio.wait_for(_ready_line(process, log), timeout=_START_S)
        yield NodeOpcuaServer(
            url=facts["url"],
            certificate=Path(facts["certificate"]),
            namespace=facts["namespace"],
            root=facts["root"],
            changing=tuple(PeerTag(**tag) for tag in facts["tags"]),
            writable=tuple(PeerTag(**tag) for tag in facts["writable"]),
            user=user,
            password=password,
        )


def _log_file(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory / "server.log"


async def _ready_line(process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if line.startswith(b"{"):  # node-opcua prints warnings of its own to the same stream
            facts: dict[str, Any] = json.loads(line)
            return facts
    raise AssertionError(f"the server ended before it was ready; its log: {log}")
