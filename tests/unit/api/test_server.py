"""The HTTP server inside an event loop: it answers once its URL is known, and leaves signals alone."""

import asyncio
import signal
import socket

import httpx
import pytest

from gateway.api.app import create_app
from gateway.api.server import listen, serve
from gateway.errors import ConfigurationError
from tests.fakes.services import Paper


async def test_it_answers_at_once_and_stops() -> None:
    listening = listen("127.0.0.1", 0)
    before = signal.getsignal(signal.SIGINT)
    async with serve(create_app(Paper().services()), listening) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/livez")).text == "ok\n"
        assert signal.getsignal(signal.SIGINT) is before
    listening.close()
    with pytest.raises(OSError, match=r".*"):
        await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}.*choose another"):
            listen("127.0.0.1", port)
