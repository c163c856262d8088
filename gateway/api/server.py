"""Serving the application inside the daemon's own event loop; signals stay the daemon's."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from gateway.errors import ConfigurationError

_STOP_S = 5  #: how long open requests may take when the daemon stops
_LOOK_S = 0.005


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigurationError: somebody else has the port, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as fault:
        listening.close()
        why = fault.strerror or str(fault)
        raise ConfigurationError(
            [f"http_host, http_port: cannot listen on {host}:{port}: {why}; choose another with --port or GATEWAY_HTTP_PORT"]
        ) from fault
    return listening


@asynccontextmanager
async def serve(app: FastAPI, listening: socket.socket) -> AsyncIterator[str]:
    """Serve until the block ends; gives the base URL."""
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=_STOP_S, lifespan="off", ws="none")
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    host, port = listening.getsockname()[:2]
    try:
        while not server.started:  # whoever is given the URL may use it at once
            if serving.done():
                await serving
                raise ConfigurationError([f"http_host, http_port: the HTTP server on {host}:{port} ended as it began"])
            await asyncio.sleep(_LOOK_S)
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        server.should_exit = True
        await serving
