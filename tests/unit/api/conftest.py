"""The API over a daemon of paper, asked through ASGI."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from gateway.api.app import create_app
from tests.fakes.services import OPERATOR, VIEWER, Paper

Ask = Callable[[str | None], httpx.AsyncClient]


@pytest.fixture
def paper() -> Paper:
    """The daemon of paper; change it before asking."""
    return Paper()


@pytest.fixture
async def ask(paper: Paper) -> AsyncIterator[Ask]:
    """Makes a client with a bearer token, or without."""
    transport = httpx.ASGITransport(create_app(paper.services()), raise_app_exceptions=False)
    async with AsyncExitStack() as stack:

        def make(bearer: str | None) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
            client = httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers)
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
def viewer(ask: Ask) -> httpx.AsyncClient:
    """A viewer's client."""
    return ask(VIEWER)


@pytest.fixture
def operator(ask: Ask) -> httpx.AsyncClient:
    """An operator's client."""
    return ask(OPERATOR)
