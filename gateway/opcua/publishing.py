"""Our own publish loop: several requests in flight, sequence numbers checked in steady state, acknowledged after the commit.

asyncua keeps one PublishRequest outstanding, so a long round trip caps the whole session, and it acknowledges what it has
merely read. Here a message is acknowledged when its values are durable, and what was skipped is asked for again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from asyncua import ua

from gateway.errors import ConnectionLost, DecodingFailed, ServiceFault
from gateway.mirror.feed import PublishCounters, Sink
from gateway.mirror.message import Message
from gateway.mirror.sequence import SequenceTracker
from gateway.opcua.wire import I32, U16, U32, skip_array, skip_extension_object, skip_node_id, skip_response_header

_DATA_CHANGE, _STATUS_CHANGE = 811, 820  # encoding ids of the notifications (OPC 10000-6, A)
_BAD_TOO_MANY_PUBLISH_REQUESTS = 0x8078_0000
_BAD_NO_SUBSCRIPTION = 0x8079_0000
_BAD_TIMEOUT = 0x800A_0000
_FEWEST_IN_FLIGHT = 1
_AFTER_TIMEOUT_S = 0.1

#: Sends one request and returns the response body, translating errors (`session.Session.send`).
Send = Callable[[object, float], Awaitable[bytes]]


@dataclass(slots=True)
class _Subscription:
    tracker: SequenceTracker = field(default_factory=lambda: SequenceTracker(expected=1))  # we have made it ourselves
    heard: int = 0  #: ns, wall clock
    ours: bool = False  #: we know that we created it; a stranger's silence means nothing
    recovering: list[int] = field(default_factory=list)  #: ns, since when messages are being asked for again
    heard_monotonic: float = field(default_factory=time.monotonic)


class Publisher:
    """Keeps PublishRequests in flight for all subscriptions of one session."""

    def __init__(self, send: Send, sink: Sink, counters: PublishCounters, in_flight: int) -> None:
        self._send = send
        self._sink = sink
        self._counters = counters
        self._in_flight = in_flight
        self._acknowledgements: deque[tuple[int, int]] = deque()
        self._subscriptions: dict[int, _Subscription] = {}
        self._held = 0  # loops that wait for room before they ask again
        self._resumed = time.monotonic()

    def watch(self, subscription: int) -> None:
        """Expect messages of this subscription from now on."""
        self._subscriptions.setdefault(subscription, _Subscription(heard=time.time_ns())).ours = True

    def acknowledge(self, subscription: int, sequence: int) -> None:
        """The message's values are durable; the server may forget it. Sent with the next PublishRequest."""
        self._acknowledgements.append((subscription, sequence))

    def silent_for(self) -> float:
        """Seconds since the quietest subscription last spoke; keep-alives count as speech.

        While we ask for nothing, because there is no room, silence is ours and not the server's.
        """
        if self._held:
            return 0.0
        now = time.monotonic()
        return max(
            (now - max(each.heard_monotonic, self._resumed) for each in self._subscriptions.values() if each.ours), default=0.0
        )

    def vouched(self) -> int | None:
        """Up to when (ns) nothing of any subscription is missing: the quietest one's last word."""
        return min((min([each.heard, *each.recovering]) for each in self._subscriptions.values() if each.ours), default=None)

    async def run(self) -> None:
        """Publish until the connection or the session ends.

        Raises:
            ConnectionLost: it ended, or the server forgot a subscription.
            ServiceFault: the server refuses to publish.
        """
        self._resumed = time.monotonic()  # subscribing may have taken long; until now nobody listened
        async with asyncio.TaskGroup() as group:
            for number in range(self._in_flight):
                group.create_task(self._keep_one_in_flight(), name=f"publish-{number}")

    async def _keep_one_in_flight(self) -> None:
        while True:
            await self._wait_for_room()
            try:
                body = await self._publish()
            except ServiceFault as fault:
                if fault.status == _BAD_TOO_MANY_PUBLISH_REQUESTS and self._in_flight > _FEWEST_IN_FLIGHT:
                    self._in_flight -= 1
                    return  # this request is refused already: one fewer is in flight, and none of the others must go
                if fault.status == _BAD_NO_SUBSCRIPTION:
                    raise ConnectionLost("the server has no subscription of ours any more (BadNoSubscription)") from fault
                if fault.status != _BAD_TIMEOUT:
                    raise
                await asyncio.sleep(_AFTER_TIMEOUT_S)
                continue
            await self._take(body)

    async def _wait_for_room(self) -> None:
        self._held += 1
        try:
            began = time.monotonic()
            await self._sink.room()
            now = time.monotonic()
            if now - began > 1.0:
                self._resumed = now
        finally:
            self._held -= 1

    async def _publish(self) -> bytes:
        request = ua.PublishRequest()
        taken = [self._acknowledgements.popleft() for _ in range(len(self._acknowledgements))]
        request.Parameters.SubscriptionAcknowledgements = [ua.SubscriptionAcknowledgement(*pair) for pair in taken]
        try:
            return await self._send(request, 0)
        except ServiceFault:
            self._acknowledgements.extendleft(reversed(taken))
            raise

    async def _take(self, body: bytes) -> None:
        received = time.time_ns()
        message = parse_publish_response(body, received)
        if message.subscription not in self._subscriptions:
            if message.ended is None and not message.keep_alive:
                # One being created may speak before its create call has returned here; `watch` then claims it.
                self._subscriptions[message.subscription] = _Subscription(heard=received)
            else:
                return
        known = self._subscriptions[message.subscription]
        if message.ended is not None:
            raise ConnectionLost(f"the server ended subscription {message.subscription} with status {message.ended:#010x}")
        missing, repeated = known.tracker.note(message.sequence, keep_alive=message.keep_alive)
        since, known.heard, known.heard_monotonic = known.heard, received, time.monotonic()
        if missing:
            self._counters.sequence_gaps += 1
            known.recovering.append(since)
            await self._republish(message.subscription, missing, since, received)
            known.recovering.remove(since)  # not where it fails: then the session ends, and its gap begins here
        if message.keep_alive:
            self._counters.keep_alives += 1
        elif repeated:
            self._counters.repeated += 1  # the store knows what it has; to drop it here may drop what never came
        else:
            self._counters.notifications += 1
        self._sink.accept(replace(message, since=since))

    async def _republish(self, subscription: int, missing: list[int], since: int, until: int) -> None:
        lost = False
        for sequence in missing:
            request = ua.RepublishRequest()
            request.Parameters.SubscriptionId = subscription
            request.Parameters.RetransmitSequenceNumber = sequence
            try:
                body = await self._send(request, 10.0)
                message = parse_republish_response(body, subscription, time.time_ns())
            except (ServiceFault, DecodingFailed):
                lost = True  # BadMessageNotAvailable: the server's queue had no room for it
                continue
            if message.sequence != sequence or not message.count:
                lost = True  # asyncua's server answers with an empty message instead of an error
                continue
            self._counters.republished += 1
            self._sink.accept(replace(message, since=since))
        if lost:
            self._sink.lost(subscription, since, until)


def _notification_message(buf: bytes, at: int, subscription: int, received: int) -> tuple[Message, int]:
    """A NotificationMessage (OPC 10000-4, 7.26). Returns it and the offset behind it."""
    if len(buf) < at + 16:
        raise DecodingFailed("a NotificationMessage is cut off")
    sequence = U32(buf, at)[0]
    parts, at = I32(buf, at + 12)[0], at + 16  # behind the server's publish time: each value carries its own
    regions: list[bytes] = []
    count = 0
    ended: int | None = None
    undecodable = ""
    for _ in range(max(parts, 0)):
        kind, body_at = _notification_kind(buf, at)
        at = skip_extension_object(buf, at)
        if kind == _DATA_CHANGE:
            try:
                items, region = _item_region(buf, body_at, at)
            except DecodingFailed as fault:
                undecodable = str(fault)
                continue
            count += items
            regions.append(region)
        elif kind == _STATUS_CHANGE and at - body_at >= 4:
            ended = U32(buf, body_at)[0]
    items_bytes = regions[0] if len(regions) == 1 else b"".join(regions)
    keep_alive = parts <= 0
    return Message(subscription, sequence, received, items_bytes, count, keep_alive, ended, undecodable), at


def _notification_kind(buf: bytes, at: int) -> tuple[int, int]:
    """The encoding id of an ExtensionObject's body, and where the body begins."""
    behind = skip_node_id(buf, at)
    kind = 0
    if buf[at] == 0x01:
        kind = U16(buf, at + 2)[0]
    elif buf[at] == 0x02:
        kind = U32(buf, at + 3)[0]
    return kind, behind + 5  # the encoding byte and the length


def _item_region(buf: bytes, at: int, end: int) -> tuple[int, bytes]:
    """The encoded items of a DataChangeNotification between `at` and `end`, without the diagnostics behind them."""
    if end - at < 8:
        raise DecodingFailed("a DataChangeNotification is cut off")
    (count,) = I32(buf, at)
    diagnostics = buf[end - 4 : end]
    if diagnostics not in {b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"}:
        raise DecodingFailed("a DataChangeNotification carries diagnostics that were not asked for")
    count = max(count, 0)
    if count * 5 > end - at - 8:
        raise DecodingFailed(f"a DataChangeNotification claims {count} items in {end - at - 8} bytes")
    return count, buf[at + 4 : end - 4]


def parse_publish_response(buf: bytes, received: int) -> Message:
    """The message of a PublishResponse body.

    Raises:
        DecodingFailed: it is none.
    """
    at = skip_response_header(buf, skip_node_id(buf, 0))
    if len(buf) < at + 8:
        raise DecodingFailed("a PublishResponse is cut off")
    (subscription,) = U32(buf, at)
    at = skip_array(buf, at + 4, 4) + 1  # AvailableSequenceNumbers, MoreNotifications
    return _notification_message(buf, at, subscription, received)[0]


def parse_republish_response(buf: bytes, subscription: int, received: int) -> Message:
    """The message of a RepublishResponse body, likewise."""
    at = skip_response_header(buf, skip_node_id(buf, 0))
    return _notification_message(buf, at, subscription, received)[0]
