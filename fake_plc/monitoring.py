"""Monitored items as a good controller serves them: deadbands that hold, losses that show.

asyncua's own service compares with the last value written rather than the last one reported, ignores percent deadbands,
fails on a null value, and drops silently when a queue is full. This one follows OPC 10000-4, 7.22.2 and 5.13.1.5.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemData, MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService

MIN_PUBLISHING_MS = 50.0
OVERFLOW_BITS = 0x480
"""InfoType DataValue + Overflow."""

_NUMBERS = (int, float)


class PlcMonitoredItems(MonitoredItemService):
    """The monitored items of one subscription."""

    def __init__(self, subscription: InternalSubscription, aspace: AddressSpace) -> None:
        super().__init__(subscription, aspace)
        self._reported: dict[int, ua.DataValue] = {}

    async def create_monitored_items(self, params: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        """Create them one by one; a deadband that the node cannot have is refused for that item alone."""
        results: list[ua.MonitoredItemCreateResult] = []
        for item in params.ItemsToCreate:
            refusal = self._filter_refusal(item)
            if refusal is None:
                results += await super().create_monitored_items(
                    ua.CreateMonitoredItemsParameters(params.SubscriptionId, params.TimestampsToReturn, [item])
                )
            else:
                results.append(ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(refusal)))
        return results

    async def datachange_callback(self, handle: int, value: ua.DataValue, error: ua.StatusCode | None = None) -> None:
        """Report ``value`` if the item's filter lets it through."""
        if error:
            await self.trigger_statuschange(error)
            return
        mid = self._monitored_datachange[handle]
        item = self._monitored_items[mid]
        if item.mode == ua.MonitoringMode.Disabled:
            return
        last = self._reported.get(mid)
        if last is not None and not self._passes(item, last, value):
            return
        self._reported[mid] = value
        event = ua.MonitoredItemNotification()
        event.ClientHandle = item.client_handle
        event.Value = value
        self._mark_overflow(mid, item.queue_size)
        await self.isub.enqueue_datachange_event(mid, event, item.queue_size)

    def _mark_overflow(self, mid: int, size: int) -> None:
        # The oldest value is about to be discarded; the one after it becomes the oldest and carries the mark.
        queue = self.isub._triggered_datachanges.get(mid)
        if queue is None or size < 2 or len(queue) < size:
            return
        marked = queue[1].Value
        status = ua.StatusCode(ua.UInt32((marked.StatusCode.value if marked.StatusCode else 0) | OVERFLOW_BITS))
        queue[1].Value = dataclasses.replace(marked, StatusCode=status)

    def _passes(self, item: MonitoredItemData, last: ua.DataValue, value: ua.DataValue) -> bool:
        if last.StatusCode != value.StatusCode:
            return True
        change_filter = item.filter
        trigger = change_filter.Trigger if change_filter else ua.DataChangeTrigger.StatusValue
        if trigger == ua.DataChangeTrigger.Status:
            return False
        if trigger == ua.DataChangeTrigger.StatusValueTimestamp and last.SourceTimestamp != value.SourceTimestamp:
            return True
        if last.Value == value.Value:
            return False
        width = self._deadband(item)
        old, new = _plain(last), _plain(value)
        if width is None or old is None or new is None:
            return True
        return any(abs(b - a) > width for a, b in zip(old, new, strict=True)) if len(old) == len(new) else True

    def _deadband(self, item: MonitoredItemData) -> float | None:
        change_filter = item.filter
        if not change_filter or change_filter.DeadbandType == ua.DeadbandType.None_:
            return None
        if change_filter.DeadbandType == ua.DeadbandType.Absolute:
            return float(change_filter.DeadbandValue)
        assert item.read_value_id is not None
        bounds = self._eu_range(item.read_value_id.NodeId)
        return None if bounds is None else float(change_filter.DeadbandValue) / 100.0 * (bounds.High - bounds.Low)

    def _filter_refusal(self, item: ua.MonitoredItemCreateRequest) -> int | None:
        change_filter = item.RequestedParameters.Filter
        # Not isinstance: asyncua decodes extension objects into a twin of the class that `ua` exports.
        if getattr(change_filter, "DeadbandType", ua.DeadbandType.None_) == ua.DeadbandType.None_:
            return None
        if item.ItemToMonitor.AttributeId != ua.AttributeIds.Value:
            return ua.StatusCodes.BadFilterNotAllowed
        current = self.aspace.read_attribute_value(item.ItemToMonitor.NodeId, ua.AttributeIds.Value)
        if current.Value is not None and current.Value.VariantType not in _NUMERIC_TYPES:
            return ua.StatusCodes.BadFilterNotAllowed
        if change_filter.DeadbandType == ua.DeadbandType.Percent:
            if self._eu_range(item.ItemToMonitor.NodeId) is None:
                return ua.StatusCodes.BadFilterNotAllowed
            if not 0.0 <= change_filter.DeadbandValue <= 100.0:
                return ua.StatusCodes.BadDeadbandFilterInvalid
        return None

    def _eu_range(self, node_id: ua.NodeId) -> Any:
        node = self.aspace.get(node_id)
        for reference in node.references if node else ():
            if reference.IsForward and reference.BrowseName.Name == "EURange":
                cell = self.aspace.read_attribute_value(reference.NodeId, ua.AttributeIds.Value)
                return cell.Value.Value if cell.Value else None
        return None


_NUMERIC_TYPES = frozenset(
    ua.VariantType[name]
    for name in ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "Null")
)


def _plain(value: ua.DataValue) -> list[float] | None:
    content = value.Value.Value if value.Value is not None else None
    if isinstance(content, _NUMBERS):
        return [content]
    if isinstance(content, list) and all(isinstance(entry, _NUMBERS) for entry in content):
        return content
    return None


class PlcSubscriptions(SubscriptionService):
    """The subscriptions of one server."""

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """Create one whose publishing interval is at least MIN_PUBLISHING_MS."""
        params.RequestedPublishingInterval = max(float(params.RequestedPublishingInterval), MIN_PUBLISHING_MS)
        result = await super().create_subscription(params, callback, session_id, request_callback)
        subscription = self.subscriptions[result.SubscriptionId]
        subscription.monitored_item_srv = PlcMonitoredItems(subscription, self.aspace)
        return result
