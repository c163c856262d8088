"""A server's subscriptions in memory, behind the mirror's ports: a test says what they send, and which servers are down."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np

from gateway.errors import Unreachable
from gateway.mirror.feed import PublishCounters, Sink
from gateway.mirror.message import Decoded, Message
from gateway.plant.equipment_class import Endpoint, RootNode
from gateway.plant.ports import (
    CallOutcome,
    ItemOutcome,
    ItemRequest,
    NodeFacts,
    OperationLimits,
    ReadOutcome,
    ServerFacts,
    TypedValue,
)
from gateway.plant.values import Changes, DataType

_DEADLINE_S = 5.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fails the test where it does not come."""
    async with asyncio.timeout(_DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - a condition has no event
            await asyncio.sleep(0.002)


class SpokenFeed:
    """Sends what `say` tells it to; `silent` is how long its quietest subscription has said nothing."""

    def __init__(self, sink: Sink) -> None:
        self.counters = PublishCounters()
        self.silence_limit_s = 10.0
        self.silent = 0.0
        self.acknowledged: list[int] = []
        self.running = False
        self._sink = sink
        self._rows: dict[int, list[tuple[int, float, int]]] = {}
        self._spoke: dict[int, int] = {}

    def say(self, value: float = 1.0, handles: Sequence[int] = (0,), *, subscription: int = 1, status: int = 0) -> int:
        """One message with a value for each handle; returns when it was received."""
        now = max(time.time_ns(), max(self._spoke.values(), default=0) + 1)
        number = self.counters.notifications = self.counters.notifications + 1
        self._rows[number] = [(handle, value, status) for handle in handles]
        self._spoke[subscription] = now
        self._sink.accept(Message(subscription, number, now, b"x" * 40 * len(handles), len(handles), keep_alive=False))
        return now

    def silent_for(self) -> float:
        return self.silent

    def vouched(self) -> int | None:
        return min(self._spoke.values(), default=None)

    async def subscribe(self, groups: Sequence[Sequence[ItemRequest]]) -> list[ItemOutcome]:
        return [ItemOutcome(request.handle, 0, 1000.0, 10) for group in groups for request in group]

    async def add(self, requests: Sequence[ItemRequest]) -> list[ItemOutcome]:
        return await self.subscribe([requests])

    def subscription_of(self, handle: int) -> int | None:
        return 1

    async def run(self) -> None:
        self.running = True
        await asyncio.Event().wait()

    def acknowledge(self, messages: Sequence[Message]) -> None:
        self.acknowledged += [message.sequence for message in messages]

    def decode(self, messages: Sequence[Message]) -> Decoded:
        rows = [(*row, message.received) for message in messages for row in self._rows[message.sequence]]
        if not rows:
            return Decoded((), ())
        handle, value, status, received = zip(*rows, strict=True)
        times = np.array(received, np.int64)
        changes = Changes(
            DataType.DOUBLE, np.array(handle, np.uint32), times, times, times, np.array(status, np.uint32),
            np.zeros(len(rows), np.uint8), np.array(value, np.float64),
        )  # fmt: skip
        return Decoded([changes], ())


class SpokenSession:
    """A session of a server that has every node it is asked for, each a Double."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.facts = ServerFacts("Spoken", "1", (), OperationLimits(), None, None, None)
        self.feeds: list[SpokenFeed] = []

    async def resolve(self, root: RootNode, paths: Sequence[str]) -> list[str | int]:
        return [f"nsu=urn:oven;s={path}" for path in paths]

    async def inspect(self, nodes: Sequence[str]) -> list[NodeFacts]:
        return [NodeFacts(0, DataType.DOUBLE, "Double", readable=True) for _ in nodes]

    async def read(self, nodes: Sequence[str]) -> list[ReadOutcome]:
        raise NotImplementedError

    async def write(self, writes: Sequence[tuple[str, TypedValue]]) -> list[int]:
        raise NotImplementedError

    async def call(self, node: str, method: str, arguments: Sequence[TypedValue]) -> CallOutcome:
        raise NotImplementedError

    def feed(self, publishing_ms: float, sink: Sink) -> SpokenFeed:
        self.feeds.append(SpokenFeed(sink))
        return self.feeds[-1]

    async def refresh(self) -> float:
        return 0.0

    async def lost(self) -> None:
        await asyncio.Event().wait()


class SpokenDialer:
    """Reaches every server whose URL is not in `down`."""

    def __init__(self) -> None:
        self.sessions: list[SpokenSession] = []
        self.down: set[str] = set()

    @asynccontextmanager
    async def dial(self, endpoint: Endpoint) -> AsyncIterator[SpokenSession]:
        if endpoint.url in self.down:
            raise Unreachable(f"{endpoint.url} does not answer")
        self.sessions.append(SpokenSession(endpoint))
        yield self.sessions[-1]

    def feeds(self, name: str = "plc") -> list[SpokenFeed]:
        """The feeds of an endpoint that run or have run, in the order of their sessions."""
        return [feed for each in self.sessions if each.endpoint.name == name for feed in each.feeds if feed.running]

    async def feed(self, number: int = 1, name: str = "plc") -> SpokenFeed:
        """The feed of the endpoint's `number`-th session, once it runs."""
        await until(lambda: len(self.feeds(name)) >= number)
        return self.feeds(name)[number - 1]
