"""The recipe block in the address space: nodes of the three handshake profiles bound to the state machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from fake_plc.clock import PlcClock
from fake_plc.equipment.machine import Machine
from fake_plc.handshake import RESULT_TEXT, Limits, Op, RecipeHandshake, Result, State
from fake_plc.machine_nodes import add_properties
from fake_plc.naming import Naming
from fake_plc.node_builder import READ, WRITE, NodeBuilder, argument
from fake_plc.plant_table import Profile
from fake_plc.process import Mode
from fake_plc.sessions import Gate
from fake_plc.wire_values import data_type_id, variant_type

Seconds = Callable[[], float]
"""A monotonic clock."""

STATUS_NODES: tuple[tuple[str, str], ...] = (
    ("State", "Int32"),
    ("Reason", "Int32"),
    ("AckTxId", "UInt32"),
    ("StagedDigest", "String"),
    ("PrevDigest", "String"),
    ("ActiveTxId", "UInt32"),
    ("ActiveDigest", "String"),
    ("ChangeCounter", "UInt32"),
    ("BootId", "UInt32"),
    ("ReadyForChange", "Boolean"),
)
DIRECT_STATUS_NODES = frozenset({"ActiveDigest", "ChangeCounter", "BootId", "ReadyForChange"})
COMMAND_NODES: tuple[tuple[str, str, Any], ...] = (
    ("TxId", "UInt32", 0),
    ("Op", "Int32", 0),
    ("Digest", "String", ""),
    ("ConfirmSeconds", "UInt32", 0),
)


def handshake_for(machine: Machine, profile: Profile) -> RecipeHandshake:
    """The state machine of ``machine``; its active values *are* the machine's recipe."""
    limits = {p.node: Limits(p.range.low, p.range.high) if p.range else Limits() for p in machine.parameters}
    return RecipeHandshake(limits=limits, active=machine.recipe, tx_per_operation=profile == "mailbox")


@dataclass
class RecipeBlock:
    """One machine's recipe block in one server."""

    machine: Machine
    profile: Profile
    handshake: RecipeHandshake
    aspace: AddressSpace
    seconds: Seconds
    clock: PlcClock
    nodes: dict[str, tuple[ua.NodeId, ua.VariantType]] = field(default_factory=dict)
    interlock_open: bool = False
    _shown: dict[str, Any] = field(default_factory=dict)
    _command: dict[str, Any] = field(default_factory=lambda: {name: start for name, _, start in COMMAND_NODES})
    _requested: asyncio.Event = field(default_factory=asyncio.Event)
    _scanned: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ready(self) -> bool:
        """``Sts/ReadyForChange`` (rule T4)."""
        return self.machine.cycle.mode is Mode.IDLE and not self.interlock_open

    def holds_start(self) -> bool:
        """Whether the machine has to wait with its next batch (rule T4)."""
        return self.profile != "direct" and self.handshake.holds_start(self.seconds())

    async def scan(self) -> None:
        """One controller cycle."""
        if self.profile != "direct":
            self.handshake.scan(now=self.seconds(), ready=self.ready)
        await self.show()
        self._scanned.set()
        self._scanned = asyncio.Event()

    async def serve(self) -> None:
        """Answer what clients write, until cancelled."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            self._take_command()
            await self.show()

    async def show(self) -> None:
        """Write every node of the block that has changed; ``Sts/AckTxId`` last (mailbox rule 3)."""
        shake = self.handshake
        values: dict[str, Any] = {f"Active/{name}": value for name, value in shake.active.items()}
        values |= {f"Staging/{name}": value for name, value in shake.staging.items()}
        values |= {
            "Sts/State": int(shake.state),
            "Sts/Reason": int(shake.reason),
            "Sts/StagedDigest": shake.staged_digest,
            "Sts/PrevDigest": shake.prev_digest,
            "Sts/ActiveTxId": shake.active_tx_id,
            "Sts/ActiveDigest": shake.active_digest,
            "Sts/ChangeCounter": shake.change_counter,
            "Sts/BootId": shake.boot_id,
            "Sts/ReadyForChange": self.ready,
            "Sts/AckTxId": shake.ack_tx_id,
        }
        now = self.clock.now()
        for name, value in values.items():
            if name not in self.nodes or self._shown.get(name) == value:
                continue
            self._shown[name] = value
            node_id, kind = self.nodes[name]
            data = ua.DataValue(ua.Variant(value, kind), SourceTimestamp=now, ServerTimestamp=now)
            await self.aspace.write_attribute_value(node_id, ua.AttributeIds.Value, data)

    # -- writes of clients ----------------------------------------------------------------------------------------

    def guard_staging(self, _: ua.DataValue) -> int:
        """Rule S2."""
        return 0 if self.handshake.state is State.PREPARED else ua.StatusCodes.BadInvalidState

    def guard_active(self, name: str, value: ua.DataValue) -> int:
        """Rule D1."""
        if self.machine.cycle.mode is not Mode.IDLE:
            return ua.StatusCodes.BadInvalidState
        content = value.Value.Value if value.Value is not None else None
        return 0 if content is not None and self.handshake.limits[name].allow(content) else ua.StatusCodes.BadOutOfRange

    def staged(self, name: str, value: Any) -> None:
        """A client has written ``Staging/<name>`` (rule S1)."""
        self.handshake.stage(name, value)

    def active_written(self, name: str, value: Any) -> None:
        """A client has written ``Active/<name>`` of the direct profile (rule D2)."""
        self.handshake.active[name] = value

    def digest_written(self, value: Any) -> None:
        """A client has written ``Sts/ActiveDigest`` of the direct profile (rule D3)."""
        self.handshake.active_digest = str(value or "")

    def command_written(self, name: str, value: Any) -> None:
        """A client has written ``Cmd/<name>``; a changed TxId is a request (mailbox rule 2)."""
        changed = self._command[name] != value
        self._command[name] = value
        if name == "TxId" and changed:
            self._requested.set()

    def _take_command(self) -> None:
        shake, command, now = self.handshake, self._command, self.seconds()
        tx_id, operation, digest = int(command["TxId"]), int(command["Op"]), str(command["Digest"] or "")
        if operation == Op.PREPARE:
            shake.prepare(tx_id, digest, now=now)
        elif operation == Op.COMMIT:
            shake.commit(tx_id, int(command["ConfirmSeconds"]), now=now, ready=self.ready, digest=digest)
        elif operation == Op.CONFIRM:
            shake.confirm(tx_id, digest=digest)
        elif operation == Op.CANCEL:
            shake.cancel(tx_id, now=now)
        else:
            shake.refuse(tx_id, Result.WRONG_STATE)

    # -- methods ----------------------------------------------------------------------------------------------------

    async def call_prepare(self, _: ua.NodeId, *arguments: ua.Variant) -> Any:
        """The Prepare method."""
        refusal = check_arguments(arguments, (ua.VariantType.UInt32, ua.VariantType.String))
        if refusal is not None:
            return refusal
        return await self._reply(self.handshake.prepare(arguments[0].Value, arguments[1].Value or "", now=self.seconds()))

    async def call_commit(self, _: ua.NodeId, *arguments: ua.Variant) -> Any:
        """The Commit method; it returns once the values are active (rule K9)."""
        refusal = check_arguments(arguments, (ua.VariantType.UInt32, ua.VariantType.UInt32))
        if refusal is not None:
            return refusal
        tx_id, seconds = arguments[0].Value, arguments[1].Value
        result = self.handshake.commit(tx_id, seconds, now=self.seconds(), ready=self.ready)
        await self.show()
        waited = False
        while result is Result.OK and self.handshake.state is State.COMMITTING:
            waited = True
            await self._scanned.wait()
        if waited and self.handshake.active_tx_id != tx_id:
            result = Result.EXPIRED
        return await self._reply(result)

    async def call_confirm(self, _: ua.NodeId, *arguments: ua.Variant) -> Any:
        """The Confirm method."""
        refusal = check_arguments(arguments, (ua.VariantType.UInt32,))
        return refusal if refusal is not None else await self._reply(self.handshake.confirm(arguments[0].Value))

    async def call_cancel(self, _: ua.NodeId, *arguments: ua.Variant) -> Any:
        """The Cancel method."""
        refusal = check_arguments(arguments, (ua.VariantType.UInt32,))
        return (
            refusal if refusal is not None else await self._reply(self.handshake.cancel(arguments[0].Value, now=self.seconds()))
        )

    async def _reply(self, result: Result) -> list[ua.Variant]:
        await self.show()
        return [ua.Variant(int(result), ua.VariantType.Int32), ua.Variant(RESULT_TEXT[result], ua.VariantType.String)]


def check_arguments(arguments: Sequence[ua.Variant], kinds: Sequence[ua.VariantType]) -> ua.CallMethodResult | None:
    """None if the arguments are as declared, else the answer of the Call service (OPC 10000-4, 5.12.2)."""
    if len(arguments) != len(kinds):
        few = len(arguments) < len(kinds)
        status = ua.StatusCodes.BadArgumentsMissing if few else ua.StatusCodes.BadTooManyArguments
        return ua.CallMethodResult(StatusCode=ua.StatusCode(ua.UInt32(status)))
    wrong = [given.VariantType is not kind for given, kind in zip(arguments, kinds, strict=True)]
    if not any(wrong):
        return None
    each = [ua.StatusCode(ua.UInt32(ua.StatusCodes.BadTypeMismatch if bad else ua.StatusCodes.Good)) for bad in wrong]
    return ua.CallMethodResult(StatusCode=ua.StatusCode(ua.UInt32(ua.StatusCodes.BadInvalidArgument)), InputArgumentResults=each)


@dataclass
class RecipeBlockBuilder:
    """Adds recipe blocks to one server and binds them to its gate."""

    builder: NodeBuilder
    naming: Naming
    aspace: AddressSpace
    gate: Gate

    def build(self, block: RecipeBlock, path: Sequence[str]) -> None:
        """Add ``block`` at browse path ``path`` below Objects."""
        direct = block.profile == "direct"
        self.naming.folder(path, description=f"Recipe block, handshake profile {block.profile}")
        for parameter in block.machine.parameters:
            value = block.handshake.active[parameter.node]
            areas = ("Active",) if direct else ("Active", "Staging")
            for area in areas:
                writable = direct or area == "Staging"
                node_id = self._node(block, path, area, parameter.node, parameter.type, value, writable=writable)
                add_properties(self.builder, node_id, parameter.unit, parameter.range)
                self._bind_parameter(block, area, parameter.node, node_id)
        for name, kind in STATUS_NODES:
            if not direct or name in DIRECT_STATUS_NODES:
                start: Any = "" if kind == "String" else False if kind == "Boolean" else 0
                writable = direct and name == "ActiveDigest"
                node_id = self._node(block, path, "Sts", name, kind, start, writable=writable)
                if writable:
                    self.gate.observers[node_id] = block.digest_written
        if block.profile == "mailbox":
            for name, kind, start in COMMAND_NODES:
                node_id = self._node(block, path, "Cmd", name, kind, start, writable=True)
                self.gate.observers[node_id] = partial(block.command_written, name)
        elif block.profile == "method":
            self._methods(block, path)

    def _bind_parameter(self, block: RecipeBlock, area: str, name: str, node_id: ua.NodeId) -> None:
        if area == "Staging":
            self.gate.guards[node_id] = block.guard_staging
            self.gate.observers[node_id] = partial(block.staged, name)
        elif block.profile == "direct":
            self.gate.guards[node_id] = partial(block.guard_active, name)
            self.gate.observers[node_id] = partial(block.active_written, name)

    def _node(
        self, block: RecipeBlock, path: Sequence[str], area: str, name: str, kind: str, value: Any, *, writable: bool
    ) -> ua.NodeId:
        full = (*path, area, name)
        node_id = self.naming.node_id(full)
        self.builder.add_variable(
            self.naming.folder(full[:-1]),
            node_id,
            self.naming.name(name),
            ua.Variant(value, variant_type(kind)),
            ua.NodeId(data_type_id(kind)),
            access=READ | (WRITE if writable else 0),
            type_definition=ua.ObjectIds.BaseDataVariableType,
        )
        block.nodes[f"{area}/{name}"] = (node_id, variant_type(kind))
        return node_id

    def _methods(self, block: RecipeBlock, path: Sequence[str]) -> None:
        tx_id = argument("TxId", ua.ObjectIds.UInt32)
        outputs = [argument("Result", ua.ObjectIds.Int32), argument("Reason", ua.ObjectIds.String)]
        for name, inputs, callback in (
            ("Prepare", [tx_id, argument("Digest", ua.ObjectIds.String)], block.call_prepare),
            ("Commit", [tx_id, argument("ConfirmSeconds", ua.ObjectIds.UInt32)], block.call_commit),
            ("Confirm", [tx_id], block.call_confirm),
            ("Cancel", [tx_id], block.call_cancel),
        ):
            full = (*path, name)
            method = self.builder.add_method(
                self.naming.folder(path), self.naming.node_id(full), self.naming.name(name), inputs, outputs
            )
            self.aspace.add_method_callback(method, callback)
