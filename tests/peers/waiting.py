"""Wait for a condition that only time can bring, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(probe: Callable[[], Awaitable[T]], *, deadline_s: float, what: Callable[[], str]) -> T:
    """Ask `probe` again and again until its answer is true, and give that answer.

    Raises:
        AssertionError: not before the deadline; `what` says what was waited for, and how things stood.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while True:
        if answer := await probe():
            return answer
        if loop.time() > end:
            raise AssertionError(f"not within {deadline_s:.0f} s: {what()}")
        await asyncio.sleep(0.1)
