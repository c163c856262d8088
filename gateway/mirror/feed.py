"""What the mirror asks of a session beyond acting on nodes: subscriptions whose messages arrive in their own bytes."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from gateway.mirror.message import Decoded, Message
from gateway.plant.equipment_class import Endpoint
from gateway.plant.ports import Equipment, ItemOutcome, ItemRequest


@dataclass(slots=True)
class PublishCounters:
    """What a publish loop has seen since its session began."""

    notifications: int = 0
    keep_alives: int = 0
    sequence_gaps: int = 0
    republished: int = 0
    repeated: int = 0
    round_trip_s: float | None = None  #: of the latest Read of the server's state


class Sink(Protocol):
    """Where a feed's messages go."""

    async def room(self) -> None:
        """Return once there is room for more; until then the server's queues are the buffer of last resort."""

    def accept(self, message: Message) -> None:
        """Take a message, in order of arrival."""

    def lost(self, subscription: int, since: int, until: int) -> None:
        """Messages of a subscription between two times (ns) that the server can no longer republish."""


class Feed(Protocol):
    """All subscriptions of one session."""

    @property
    def counters(self) -> PublishCounters:
        """What the publish loop has seen so far."""

    @property
    def silence_limit_s(self) -> float:
        """A subscription that is silent for longer is dead: several keep-alives were missed."""

    def silent_for(self) -> float:
        """Seconds since the quietest subscription last spoke."""

    def vouched(self) -> int | None:
        """Up to when (ns) nothing of any subscription is missing."""

    async def subscribe(self, groups: Sequence[Sequence[ItemRequest]]) -> list[ItemOutcome]:
        """Create a subscription for each group with its items; outcomes in the order of the requests."""

    async def add(self, requests: Sequence[ItemRequest]) -> list[ItemOutcome]:
        """Create further items, in a subscription that exists."""

    def subscription_of(self, handle: int) -> int | None:
        """The subscription that an accepted item is in."""

    async def run(self) -> None:
        """Publish until the connection or the session ends, which raises an EquipmentError."""

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """The values of these messages are durable; the server may forget them."""

    def decode(self, messages: Sequence[Message]) -> Decoded:
        """Turn messages into columns whose tags are client handles."""


class MirrorSession(Equipment, Protocol):
    """A session as the mirror uses it."""

    def feed(self, publishing_ms: float, sink: Sink) -> Feed:
        """Subscriptions on this session."""

    async def refresh(self) -> float:
        """Read anew what `facts` says of clock and service level; the round trip in seconds.

        Raises:
            ConnectionLost: the namespaces changed, so that every NodeId must be found again.
        """

    async def lost(self) -> None:
        """Return when the connection has ended."""


class MirrorDialer(Protocol):
    """Opens sessions; one attempt each."""

    def dial(self, endpoint: Endpoint) -> AbstractAsyncContextManager[MirrorSession]:
        """Connect, check certificates, activate."""
