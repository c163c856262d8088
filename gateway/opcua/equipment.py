"""The ports `Equipment` and `Dialer`: acting on nodes by their `nsu=…` texts, values in their exact types."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from asyncua import ua

from gateway.mirror.feed import Sink
from gateway.opcua import browsing
from gateway.opcua.border import border
from gateway.opcua.nodes import BAD_NODE_ID_UNKNOWN
from gateway.opcua.pki import Pki
from gateway.opcua.session import UaSession, dial
from gateway.opcua.subscribing import UaFeed
from gateway.opcua.times import ns_of
from gateway.plant.equipment_class import Endpoint, RootNode, Secret
from gateway.plant.ports import CallOutcome, NodeFacts, ReadOutcome, ServerFacts, TypedValue
from gateway.plant.values import DataType

_TYPES = {kind: ua.VariantType(int(kind)) for kind in DataType if DataType.BOOLEAN <= kind <= DataType.VARIANT}


def variant_of(value: TypedValue) -> ua.Variant:
    """An asyncua Variant of exactly the declared type; asyncua would guess Int64 and Double."""
    return ua.Variant(value.value, _TYPES[value.type.base], is_array=value.type.array or None)


class UaEquipment:
    """`gateway.plant.ports.Equipment` over one asyncua session."""

    def __init__(self, session: UaSession) -> None:
        self.session = session

    @property
    def facts(self) -> ServerFacts:
        """Read once when the session began."""
        return self.session.facts

    async def resolve(self, root: RootNode, paths: Sequence[str]) -> list[str | int]:
        """NodeIds by browse path (see the port)."""
        return await browsing.resolve(self.session, root, paths)

    async def inspect(self, nodes: Sequence[str]) -> list[NodeFacts]:
        """Facts of variables (see the port)."""
        return await browsing.inspect(self.session, nodes)

    async def read(self, nodes: Sequence[str]) -> list[ReadOutcome]:
        """Read values (see the port)."""
        known = [self.session.namespaces.node(text) for text in nodes]
        wanted = [(node, ua.AttributeIds.Value) for node in known if node is not None]
        answers = iter(await self.session.read_attributes(wanted))
        return [_outcome(next(answers)) if node is not None else ReadOutcome(BAD_NODE_ID_UNKNOWN) for node in known]

    async def write(self, writes: Sequence[tuple[str, TypedValue]]) -> list[int]:
        """Write values (see the port)."""
        known = [(self.session.namespaces.node(text), value) for text, value in writes]

        async def call(part: list[tuple[ua.NodeId, TypedValue]]) -> Sequence[ua.StatusCode]:
            # Without timestamps: some PLCs refuse a write that carries one (BadWriteNotSupported).
            values = [ua.WriteValue(node, ua.AttributeIds.Value, None, ua.DataValue(variant_of(value))) for node, value in part]
            return await self.session.services.write(ua.WriteParameters(NodesToWrite=values))

        present = [(node, value) for node, value in known if node is not None]
        answers = iter(await self.session.chunked("Write", present, self.facts.limits.nodes_per_write, call))
        return [int(next(answers).value) if node is not None else BAD_NODE_ID_UNKNOWN for node, _ in known]

    async def call(self, node: str, method: str, arguments: Sequence[TypedValue]) -> CallOutcome:
        """Call a method (see the port)."""
        owner, called = self.session.namespaces.node(node), self.session.namespaces.node(method)
        if owner is None or called is None:
            return CallOutcome(BAD_NODE_ID_UNKNOWN)
        request = ua.CallMethodRequest(owner, called, [variant_of(argument) for argument in arguments])
        with border(f"{self.session.endpoint.url}: calling {method}"):
            (answer,) = await self.session.services.call([request])
        outputs = tuple(variant.Value for variant in answer.OutputArguments or [])
        return CallOutcome(int(answer.StatusCode.value), outputs)

    def feed(self, publishing_ms: float, sink: Sink) -> UaFeed:
        """Subscriptions on this session (see `gateway.mirror.feed`)."""
        return UaFeed(self.session, publishing_ms, sink)

    async def refresh(self) -> float:
        """Read the server's clock and service level anew (see `gateway.mirror.feed`)."""
        return await self.session.refresh()

    async def lost(self) -> None:
        """Return when the connection has ended (see `gateway.mirror.feed`)."""
        await self.session.lost()


def _outcome(answer: ua.DataValue) -> ReadOutcome:
    status = int(answer.StatusCode.value) if answer.StatusCode is not None else 0
    variant = answer.Value
    if variant is None or variant.VariantType is None:
        return ReadOutcome(status, None, DataType.NULL, ns_of(answer.SourceTimestamp))
    number = int(getattr(variant.VariantType, "value", 0))
    kind = DataType(number) if number <= DataType.DIAGNOSTICINFO else DataType.EXTENSIONOBJECT
    value: Any = variant.Value
    if isinstance(value, ua.LocalizedText):
        value = value.Text
    return ReadOutcome(status, value, kind, ns_of(answer.SourceTimestamp))


class UaDialer:
    """`gateway.plant.ports.Dialer`: sessions with certificates from one PKI and secrets read at the moment of use."""

    def __init__(self, pki: Pki, secret: Callable[[Secret], str], timeout: float = 10.0) -> None:
        self._pki = pki
        self._secret = secret
        self._timeout = timeout

    @asynccontextmanager
    async def dial(self, endpoint: Endpoint) -> AsyncIterator[UaEquipment]:
        """Connect, check certificates, activate (see the port)."""
        password = self._secret(endpoint.credentials.password) if endpoint.credentials.password else None
        async with dial(endpoint, self._pki, password, self._timeout) as session:
            yield UaEquipment(session)
