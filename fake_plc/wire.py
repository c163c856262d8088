"""The wire in front of a server: a TCP relay on the public port, where the network's faults happen."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

CHUNK = 1 << 16


class Wire:
    """Relays connections to the server behind it; can cut them, fall silent, or be slow.

    ``silent_until`` and ``delay`` are in seconds; the first on the event loop's clock.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._target: tuple[str, int] | None = None
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._wake = asyncio.Event()
        self._silent = False
        self.delay = 0.0

    @property
    def port(self) -> int:
        """The public port; real once bound, also where 0 was asked for."""
        return self._port

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._links)

    def bind(self) -> None:
        """Take the public port without listening yet. OSError if it is taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        taken = socket.socket(family, socket.SOCK_STREAM)
        try:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind((self._host, self._port))
        except OSError:
            taken.close()
            raise
        self._port = taken.getsockname()[1]
        self._socket = taken

    async def open(self, target: tuple[str, int]) -> None:
        """Listen on the bound port, and relay to ``target``."""
        assert self._socket is not None, "bind() first"
        self._target = target
        self._server = await asyncio.start_server(self._accept, sock=self._socket)

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
        await self.cut()
        if self._server is not None:
            await self._server.wait_closed()
        elif self._socket is not None:
            self._socket.close()
        self._server = self._socket = None

    async def cut(self) -> None:
        """Reset every connection, as a pulled cable or a crashed firewall does."""
        for writer in list(self._writers):
            writer.transport.abort()
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def fall_silent(self, silent: bool) -> None:
        """While silent, connections are accepted and kept, but nothing passes in either direction."""
        self._silent = silent
        self._wake.set()
        if silent:
            self._wake = asyncio.Event()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        self._writers.add(writer)
        outer: asyncio.StreamWriter | None = None
        try:
            assert self._target is not None
            inner, outer = await asyncio.open_connection(*self._target)
            self._writers.add(outer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, outer, delay=lambda: 0.0))
                group.create_task(self._pump(inner, writer, delay=lambda: self.delay))
        except* (OSError, asyncio.CancelledError):
            pass  # a cut or refused connection is the ordinary end of a link
        finally:
            self._links.discard(task)
            for end in (writer, outer):
                if end is not None:
                    self._writers.discard(end)
                    end.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, delay: Callable[[], float]) -> None:
        while data := await source.read(CHUNK):
            while self._silent:
                await self._wake.wait()
            if pause := delay():
                await asyncio.sleep(pause)
            sink.write(data)
            await sink.drain()
        sink.close()
