"""Subscriptions and monitored items: created in chunks the server takes, each item's fate told by name."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from asyncua import ua
from asyncua.ua.ua_binary import struct_from_binary

from gateway.mirror.feed import PublishCounters, Sink
from gateway.mirror.message import Decoded, Message
from gateway.opcua.border import border
from gateway.opcua.nodes import BAD_NODE_ID_UNKNOWN
from gateway.opcua.notifications import decode
from gateway.opcua.publishing import Publisher
from gateway.opcua.session import SESSION_TIMEOUT_MS, UaSession
from gateway.plant.ports import ItemOutcome, ItemRequest

_KEEP_ALIVE_S: Final = 3.0  #: how often a silent subscription must speak
_IN_FLIGHT: Final = 4  #: PublishRequests; a 200 ms round trip and a 100 ms interval need three
_FILTER_REFUSED: Final = {
    ua.StatusCodes.BadFilterNotAllowed, ua.StatusCodes.BadMonitoredItemFilterUnsupported,
    ua.StatusCodes.BadMonitoredItemFilterInvalid, ua.StatusCodes.BadDeadbandFilterInvalid,
}  # fmt: skip
_DEADBANDS: Final = {"absolute": ua.DeadbandType.Absolute, "percent": ua.DeadbandType.Percent}
_CREATE_TIMEOUT_S: Final = 30.0


class UaFeed:
    """All subscriptions of one session, and the publish loop that feeds from them."""

    def __init__(self, session: UaSession, publishing_ms: float, sink: Sink) -> None:
        self._session = session
        self._publishing_ms = publishing_ms
        self._counters = PublishCounters()
        self._publisher = Publisher(session.send, sink, self._counters, _IN_FLIGHT)
        self._keep_alive_s = _KEEP_ALIVE_S
        self._subscription_of: dict[int, int] = {}
        self._latest: int | None = None

    @property
    def counters(self) -> PublishCounters:
        """What the publish loop has seen so far."""
        return self._counters

    @property
    def silence_limit_s(self) -> float:
        """Silence longer than this means that the subscription is dead: three keep-alives missed."""
        return 3 * self._keep_alive_s + 2.0

    def silent_for(self) -> float:
        """Seconds since the quietest subscription last spoke."""
        return self._publisher.silent_for()

    def vouched(self) -> int | None:
        """Up to when (ns) nothing of any subscription is missing."""
        return self._publisher.vouched()

    async def subscribe(self, groups: Sequence[Sequence[ItemRequest]]) -> list[ItemOutcome]:
        """Create one subscription for each group, with its items. Outcomes in the order of the requests.

        Raises:
            EquipmentError: a subscription as a whole was refused.
        """
        outcomes: list[ItemOutcome] = []
        for group in groups:
            number = await self._create_subscription()
            outcomes += await self._create_items(number, group)
        return outcomes

    async def add(self, requests: Sequence[ItemRequest]) -> list[ItemOutcome]:
        """Create further items in the latest subscription, or in a new one where there is none or it is full."""
        most = self._session.facts.limits.monitored_items_per_subscription
        held = sum(1 for number in self._subscription_of.values() if number == self._latest)
        if self._latest is None or (most is not None and held + len(requests) > most):
            await self._create_subscription()
        assert self._latest is not None
        return await self._create_items(self._latest, requests)

    def subscription_of(self, handle: int) -> int | None:
        """The subscription that an accepted item is in."""
        return self._subscription_of.get(handle)

    async def run(self) -> None:
        """Publish until the connection ends; see `Publisher.run`."""
        await self._publisher.run()

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """The values of these messages are durable; the server may forget them."""
        for message in messages:
            self._publisher.acknowledge(message.subscription, message.sequence)

    def decode(self, messages: Sequence[Message]) -> Decoded:
        """Turn messages into columns whose tags are client handles."""
        return decode(messages)

    async def _create_subscription(self) -> int:
        keep_alive = max(1, round(_KEEP_ALIVE_S * 1000 / self._publishing_ms))
        lifetime = max(3 * keep_alive, round(SESSION_TIMEOUT_MS / self._publishing_ms))
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(self._publishing_ms, lifetime, keep_alive, 0, True, 0)
        body = await self._session.send(request, _CREATE_TIMEOUT_S)
        with border(f"{self._session.endpoint.url}: CreateSubscription"):
            answer = struct_from_binary(ua.CreateSubscriptionResponse, ua.utils.Buffer(body)).Parameters
        revised = answer.RevisedPublishingInterval * answer.RevisedMaxKeepAliveCount / 1000
        self._keep_alive_s = max(self._keep_alive_s, revised)
        number = int(answer.SubscriptionId)
        self._publisher.watch(number)
        self._latest = number
        return number

    async def _create_items(self, subscription: int, requests: Sequence[ItemRequest]) -> list[ItemOutcome]:
        namespaces = self._session.namespaces
        present = [request for request in requests if namespaces.node(request.node) is not None]
        answers = await self._create(subscription, present, with_filter=True)
        again = [
            request for request, answer in zip(present, answers, strict=True)
            if request.deadband is not None and int(answer.StatusCode.value) in _FILTER_REFUSED
        ]  # fmt: skip
        second = dict(
            zip((request.handle for request in again), await self._create(subscription, again, with_filter=False), strict=True)
        )
        fate = {
            request.handle: _fate(request, second.get(request.handle, answer), refused=request.handle in second)
            for request, answer in zip(present, answers, strict=True)
        }
        self._subscription_of |= {handle: subscription for handle, outcome in fate.items() if not outcome.status >> 31}
        return [fate.get(request.handle, ItemOutcome(request.handle, BAD_NODE_ID_UNKNOWN)) for request in requests]

    async def _create(self, subscription: int, requests: Sequence[ItemRequest], *, with_filter: bool) -> list[Any]:
        async def call(part: list[ItemRequest]) -> Sequence[Any]:
            items = [self._item(request, with_filter=with_filter) for request in part]
            parameters = ua.CreateMonitoredItemsParameters(subscription, ua.TimestampsToReturn.Both, items)
            async with asyncio.timeout(_CREATE_TIMEOUT_S):
                return await self._session.services.create_monitored_items(parameters)

        if not requests:
            return []
        return await self._session.chunked(
            "CreateMonitoredItems", requests, self._session.facts.limits.monitored_items_per_call, call
        )

    def _item(self, request: ItemRequest, *, with_filter: bool) -> ua.MonitoredItemCreateRequest:
        filtering = None
        if request.deadband is not None and with_filter:
            filtering = ua.DataChangeFilter(
                Trigger=ua.DataChangeTrigger.StatusValue, DeadbandType=int(_DEADBANDS[request.deadband.kind]),
                DeadbandValue=request.deadband.value,
            )  # fmt: skip
        node = ua.ReadValueId(self._session.namespaces.node(request.node), ua.AttributeIds.Value)
        asked = ua.MonitoringParameters(request.handle, request.sampling_ms, filtering, request.queue_size, True)
        return ua.MonitoredItemCreateRequest(node, ua.MonitoringMode.Reporting, asked)


def _fate(request: ItemRequest, answer: Any, *, refused: bool) -> ItemOutcome:
    status = int(answer.StatusCode.value)
    if status >> 31:
        return ItemOutcome(request.handle, status, deadband_refused=refused)
    return ItemOutcome(request.handle, status, answer.RevisedSamplingInterval, answer.RevisedQueueSize, refused)
