"""Alarms as events: one AlarmConditionType event when an alarm comes, one when it goes (OPC 10000-9, 5.8.2)."""

from __future__ import annotations

import uuid
from datetime import datetime

from asyncua import ua
from asyncua.common.event_objects import AlarmCondition
from asyncua.server.internal_server import InternalServer

from fake_plc.equipment.machine import Alarm, Machine

SERVER_OBJECT = ua.NodeId(ua.ObjectIds.Server)


class AlarmEvents:
    """Watches the alarms of one machine. Events go out from the machine's object and from the Server object."""

    def __init__(self, machine: Machine, root: ua.NodeId, server: InternalServer) -> None:
        self._machine = machine
        self._root = root
        self._server = server
        self._active: dict[str, Alarm] = {}

    async def report(self, now: datetime) -> None:
        """Emit an event for every alarm that came or went since the last call."""
        present = {alarm.name: alarm for alarm in self._machine.alarms()}
        for name in present.keys() - self._active.keys():
            await self._emit(present[name], now, active=True)
        for name in self._active.keys() - present.keys():
            await self._emit(self._active[name], now, active=False)
        self._active = present

    async def _emit(self, alarm: Alarm, now: datetime, *, active: bool) -> None:
        event = AlarmCondition(sourcenode=self._root, message=alarm.message, severity=alarm.severity)
        event.EventId = uuid.uuid4().bytes
        event.SourceName = self._machine.name
        event.Time = event.ReceiveTime = now
        event.Message = ua.LocalizedText(alarm.message if active else f"{alarm.message} (gone)")
        event.Severity = alarm.severity
        event.ConditionName = alarm.name
        event.Retain = active
        event.EnabledState, state_id = ua.LocalizedText("Enabled"), True
        setattr(event, "EnabledState/Id", state_id)
        event.ActiveState = ua.LocalizedText("Active" if active else "Inactive")
        setattr(event, "ActiveState/Id", active)
        condition = ua.NodeId(f"{self._machine.name}.{alarm.name}", self._root.NamespaceIndex)
        event.add_property("NodeId", condition, ua.VariantType.NodeId)
        for emitter in (self._root, SERVER_OBJECT):
            event.emitting_node = emitter
            await self._server.subscription_service.trigger_event(event)
