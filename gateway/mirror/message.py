"""What a server's subscription tells us, still in its own bytes: the unit that travels from the socket to the decoder."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.plant.values import Changes


@dataclass(frozen=True, slots=True)
class Message:
    """One NotificationMessage (OPC 10000-4, 7.26).

    `items` are its encoded MonitoredItemNotifications back to back, `count` of them; empty in a keep-alive.
    `received` is when it reached us (ns). A keep-alive's `sequence` is the number the next message will have.
    """

    subscription: int
    sequence: int
    received: int
    items: bytes
    count: int
    keep_alive: bool
    ended: int | None = None  #: the bad status of a StatusChangeNotification: the subscription is gone
    undecodable: str = ""  #: why the message could not be read at all
    since: int = 0  #: when its subscription spoke before (ns): what this message lost, happened after that


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A message whose items could not be decoded: how many it claimed, and why."""

    message: Message
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """Messages as columns. The `tag` column of `changes` holds client handles still."""

    changes: Sequence[Changes]
    undecodable: Sequence[Undecodable]
