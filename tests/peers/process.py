"""Run a program that a test meets, and leave nothing of it behind."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def running(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program while the block runs: standard output piped, standard error into `log`; ended by SIGTERM, then SIGKILL."""
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=stderr, env=environment
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            # communicate() also drains and closes the pipes, so that no transport outlives the event loop.
            await asyncio.wait_for(process.communicate(), timeout=15)
        except TimeoutError:
            process.kill()
            await process.communicate()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago, for programs that cannot be told to choose one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
