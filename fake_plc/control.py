"""The control channel: a unix socket that takes faults also when an endpoint is silent.

One request a connection: a line of JSON ``{"endpoint", "fault", "arguments"}``, answered by a line ``{"ok", "message"}``.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fake_plc.endpoint import Endpoint
from fake_plc.errors import EndpointRefused, FakePlcRefused, FaultRefused

MAX_LINE = 1 << 16
DESCRIPTORS = Path("/proc/self/fd")


class ControlChannel:
    """Serves the socket at ``path`` (mode 0600) for the endpoints given."""

    def __init__(self, path: Path, endpoints: Mapping[str, Endpoint]) -> None:
        self.path = path
        self._endpoints = endpoints
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. EndpointRefused if the path cannot be a socket."""
        await asyncio.to_thread(_make_room, self.path)
        mask = os.umask(0o177)
        try:
            with _short(self.path) as path:
                self._server = await asyncio.start_unix_server(self._serve, path, limit=MAX_LINE)
        except OSError as error:
            raise EndpointRefused(f"control socket {self.path}: {error.strerror}; choose another --control") from error
        finally:
            os.umask(mask)

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
            await asyncio.to_thread(self.path.unlink, missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = self.answer(await reader.readline())
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the caller went away or sent more than MAX_LINE: nobody is left to answer
        finally:
            writer.close()

    def answer(self, line: bytes) -> dict[str, object]:
        """Carry out one request."""
        try:
            request = json.loads(line)
            endpoint = self._find(str(request["endpoint"]))
            return {"ok": True, "message": endpoint.injector.inject(str(request["fault"]), dict(request.get("arguments", {})))}
        except FakePlcRefused as refusal:
            return {"ok": False, "message": str(refusal)}
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "message": f"not a request of the control channel: {error!r}"}

    def _find(self, name: str) -> Endpoint:
        key = name.replace("/", ".")
        fitting = [e for e in self._endpoints.values() if key in (e.spec.key, e.spec.name)]
        if len(fitting) == 1:
            return fitting[0]
        listed = ", ".join(e.spec.key for e in fitting) if fitting else ", ".join(self._endpoints)
        raise FaultRefused(f"{'several endpoints are' if fitting else 'no endpoint is'} called '{name}'; say one of {listed}")


@contextmanager
def _short(path: Path) -> Iterator[Path]:
    """A name of ``path`` that fits a socket address (108 bytes) however deep its directory is; OSError if there is none."""
    if not DESCRIPTORS.is_dir():
        yield path
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield DESCRIPTORS / str(directory) / path.name
    finally:
        os.close(directory)


def _make_room(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        path.unlink()  # of a process that was killed: a living one holds its ports, so this start would have failed before


async def send(path: Path, endpoint: str, fault: str, arguments: Mapping[str, object]) -> str:
    """Ask the process behind ``path`` for a fault and return its answer. FaultRefused if it refuses or is not there."""
    request = {"endpoint": endpoint, "fault": fault, "arguments": dict(arguments)}
    try:
        with _short(path) as name:
            reader, writer = await asyncio.open_unix_connection(name)
    except OSError as error:
        raise FaultRefused(f"no fake plant answers at {path} ({error.strerror}); start it, or name its --control") from error
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        await writer.drain()
        answer = json.loads(await reader.readline())
    finally:
        writer.close()
    if not answer["ok"]:
        raise FaultRefused(str(answer["message"]))
    return str(answer["message"])
