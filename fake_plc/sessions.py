"""Sessions of the fake PLC: guards on what clients write, operation limits, and the faults of a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession

from fake_plc.faults import RequestFaults
from fake_plc.monitoring import PlcSubscriptions
from fake_plc.standard_space import fill_with_standard_nodes

WriteGuard = Callable[[ua.DataValue], int]
"""Looks at a value before it is written; the status to answer, 0 (Good) to let it through."""

WriteObserver = Callable[[Any], None]
"""Told the plain value after it was written."""


@dataclass
class Gate:
    """What stands between the clients of one server and its address space."""

    guards: dict[ua.NodeId, WriteGuard] = field(default_factory=dict)
    observers: dict[ua.NodeId, WriteObserver] = field(default_factory=dict)
    faults: RequestFaults = field(default_factory=RequestFaults)

    def check_operations(self, count: int) -> None:
        """ServiceError BadTooManyOperations above the limit."""
        if self.faults.max_operations and count > self.faults.max_operations:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)

    def judge(self, items: Sequence[ua.WriteValue]) -> list[int]:
        """The status of each item before anything is written; 0 lets it through."""
        verdicts = []
        for index, item in enumerate(items):
            if self.faults.write == "refuse":
                verdicts.append(ua.StatusCodes.BadDeviceFailure)
            elif self.faults.write == "half" and index >= (len(items) + 1) // 2:
                verdicts.append(ua.StatusCodes.BadResourceUnavailable)
            else:
                verdicts.append(self._judge_one(item))
        return verdicts

    def _judge_one(self, item: ua.WriteValue) -> int:
        value = item.Value
        if (
            value.SourceTimestamp is not None
            or value.ServerTimestamp is not None
            or (value.StatusCode and value.StatusCode.value)
        ):
            return ua.StatusCodes.BadWriteNotSupported
        guard = self.guards.get(item.NodeId)
        return guard(value) if guard is not None and item.AttributeId == ua.AttributeIds.Value else 0


class PlcSession(InternalSession):
    """A client's session behind the gate."""

    iserver: PlcInternalServer

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        """The Read service."""
        self.iserver.gate.check_operations(len(params.NodesToRead))
        return await super().read(params)

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        """The Write service: each item is judged, the rest is written, observers are told."""
        gate = self.iserver.gate
        gate.check_operations(len(params.NodesToWrite))
        verdicts = gate.judge(params.NodesToWrite)
        allowed = [item for item, verdict in zip(params.NodesToWrite, verdicts, strict=True) if not verdict]
        written = iter(await super().write(ua.WriteParameters(NodesToWrite=allowed)) if allowed else [])
        results = []
        for item, verdict in zip(params.NodesToWrite, verdicts, strict=True):
            status = ua.StatusCode(ua.UInt32(verdict)) if verdict else next(written)
            results.append(status)
            observer = gate.observers.get(item.NodeId)
            if observer is not None and status.is_good() and item.Value.Value is not None:
                observer(item.Value.Value.Value)
        return results

    async def browse(self, params: ua.BrowseParameters) -> list[ua.BrowseResult]:
        """The Browse service."""
        self.iserver.gate.check_operations(len(params.NodesToBrowse))
        return await super().browse(params)

    async def translate_browsepaths_to_nodeids(self, params: list[ua.BrowsePath]) -> list[ua.BrowsePathResult]:
        """The TranslateBrowsePathsToNodeIds service."""
        self.iserver.gate.check_operations(len(params))
        return await super().translate_browsepaths_to_nodeids(params)

    async def create_monitored_items(self, params: ua.CreateMonitoredItemsParameters) -> list[ua.MonitoredItemCreateResult]:
        """The CreateMonitoredItems service."""
        self.iserver.gate.check_operations(len(params.ItemsToCreate))
        return await super().create_monitored_items(params)

    async def delete_monitored_items(self, params: ua.DeleteMonitoredItemsParameters) -> list[ua.StatusCode]:
        """The DeleteMonitoredItems service."""
        self.iserver.gate.check_operations(len(params.MonitoredItemIds))
        return await super().delete_monitored_items(params)

    async def history_read(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        """The HistoryRead service."""
        self.iserver.gate.check_operations(len(params.NodesToRead))
        results = await super().history_read(params)
        for item, result in zip(params.NodesToRead, results, strict=True):
            level = self.aspace.read_attribute_value(item.NodeId, ua.AttributeIds.AccessLevel)
            if level.Value is None:
                result.StatusCode = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNodeIdUnknown))
            elif not level.Value.Value & (1 << ua.AccessLevel.HistoryRead):
                result.StatusCode = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadHistoryOperationUnsupported))
        return results

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        """The Call service."""
        self.iserver.gate.check_operations(len(params))
        return await super().call(params)


class PlcInternalServer(InternalServer):
    """asyncua's server core with gated sessions, exact subscriptions, and standard nodes copied from memory."""

    def __init__(self, users: Users, faults: RequestFaults) -> None:
        super().__init__(user_manager=users)
        self.gate = Gate(faults=faults)
        self.clients: dict[ua.NodeId, InternalSession] = {}
        self.allow_remote_admin = False
        self.disabled_clock = True
        self.subscription_service = PlcSubscriptions(self.aspace, iserver=self)
        self.isession.subscription_service = self.subscription_service

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """Fill the address space from the process's one template; ``shelf_file`` is not used."""
        fill_with_standard_nodes(self.aspace)

    def create_session(self, name: str, user: User = User(role=UserRole.Anonymous), external: bool = False) -> InternalSession:
        """A session behind the gate for clients, an ordinary one for the server itself."""
        session_type = PlcSession if external else InternalSession
        return session_type(self, self.aspace, self.subscription_service, name, user=user, external=external)

    def register_external_session(self, session: InternalSession) -> None:
        """Keep track of a client's session."""
        super().register_external_session(session)
        self.clients[session.session_id] = session

    def unregister_external_session(self, session: InternalSession) -> None:
        """Forget a client's session."""
        super().unregister_external_session(session)
        self.clients.pop(session.session_id, None)


class Users:
    """One user with a password, or anonymous where ``user`` is None."""

    def __init__(self, user: str | None, password: str | None) -> None:
        self._user = user
        self._password = password

    def get_user(
        self, iserver: InternalServer, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """The session's user, or None to refuse it (asyncua's UserManager)."""
        if self._user is None:
            return User(role=UserRole.User)
        if username == self._user and password == self._password:
            return User(role=UserRole.User, name=username)
        return None
