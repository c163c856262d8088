"""Equipment in memory: a recipe block that follows docs/handshake.md behind the port `gateway.plant.ports.Equipment`.

The rules are the fake PLC's (`fake_plc.handshake`, written from that page by another hand than the gateway's push), so that the
push is not tested against its own mirror. Every message has a name; a test may hang an act before or after any of them:
`equipment.on("Commit", "before", equipment.lose_connection)`.

Message names: `read`, `inspect`, `resolve`, `dial`, `Staging/<node>`, `Active/<node>`, `ActiveDigest`, and `Prepare`, `Commit`,
`Confirm`, `Cancel` whether they come as a method or through the mailbox.
"""

import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from fake_plc.handshake import Limits, Op, RecipeHandshake, Result, State
from gateway.errors import ConnectionLost, Unreachable
from gateway.plant.equipment_class import Endpoint, RootNode, TagType, parse_type
from gateway.plant.ports import CallOutcome, NodeFacts, OperationLimits, ReadOutcome, ServerFacts, TypedValue
from gateway.plant.values import DataType

Profile = Literal["method", "mailbox", "direct"]
When = Literal["before", "after"]

BAD_NO_MATCH = 0x806F_0000
BAD_INVALID_STATE = 0x80AF_0000
BAD_OUT_OF_RANGE = 0x803C_0000
BAD_TYPE_MISMATCH = 0x8074_0000
BAD_NOT_WRITABLE = 0x803B_0000
BAD_DEVICE_FAILURE = 0x808B_0000
_OPS = {Op.PREPARE: "Prepare", Op.COMMIT: "Commit", Op.CONFIRM: "Confirm", Op.CANCEL: "Cancel"}
_STATUS_TYPES = {
    "State": "Int32", "Reason": "Int32", "AckTxId": "UInt32", "ActiveTxId": "UInt32", "StagedDigest": "String",
    "ActiveDigest": "String", "PrevDigest": "String", "ChangeCounter": "UInt32", "BootId": "UInt32", "ReadyForChange": "Boolean",
}  # fmt: skip
_COMMAND_TYPES = {"TxId": "UInt32", "ConfirmSeconds": "UInt32", "Op": "Int32", "Digest": "String"}


@dataclass
class FakeParameter:
    """One parameter of the block, as the controller holds it."""

    node: str
    type: TagType
    value: Any
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Effect:
    """Something that reached the controller and may have changed it."""

    name: str
    value: Any = None
    tx_id: int | None = None


@dataclass
class FakeEquipment:
    """One piece of equipment and the server before it. Implements `Dialer`; a session of it implements `Equipment`."""

    profile: Profile
    parameters: Sequence[FakeParameter]
    tags: dict[str, tuple[TagType, Any]] = field(default_factory=dict)
    version: str = "4.2.0"
    missing: set[str] = field(default_factory=set)
    read_only: set[str] = field(default_factory=set)
    refused_writes: dict[str, list[int]] = field(default_factory=dict)  #: path → statuses of the next writes, then Good
    lies: dict[str, Any] = field(default_factory=dict)  #: path → what a read tells instead
    record: list[Any] = field(default_factory=list)  #: effects, in order; a test may share it with a journal
    down: int = 0  #: how many more dials fail
    deaf: bool = False  #: the mailbox takes requests but never answers
    hold_ready: bool = True  #: False: ReadyForChange is false whatever the machine does
    now: float = 0.0

    def __post_init__(self) -> None:
        self.handshake = RecipeHandshake(
            limits={item.node: Limits(*(item.range or (None, None))) for item in self.parameters},
            active={item.node: item.value for item in self.parameters},
            tx_per_operation=self.profile == "mailbox",
        )
        self.command: dict[str, Any] = {"TxId": 0, "ConfirmSeconds": 0, "Op": 0, "Digest": ""}
        self._types = {item.node: item.type for item in self.parameters}
        self._acts: dict[tuple[str, When], list[Callable[[], None]]] = {}
        self.connected = 0
        self.most_connected = 0

    # -- what a test does to it ---------------------------------------------------------------------------------

    def on(self, message: str, when: When, *acts: Callable[[], None]) -> None:
        """Do the acts once, at the next message of that name."""
        self._acts.setdefault((message, when), []).extend(acts)

    def lose_connection(self) -> None:
        """The connection drops at this point; the next dial works."""
        raise ConnectionLost("the connection was closed by the fake equipment")

    def local_edit(self, node: str, value: Any) -> Callable[[], None]:
        """An operator changes a parameter at the panel."""
        return lambda: self.handshake.local_edit(node, value)

    def wait(self, seconds: float) -> Callable[[], None]:
        """Time passes."""

        def act() -> None:
            self.now += seconds
            self.scan()

        return act

    def restart(self) -> None:
        """A power cycle."""
        self.handshake.restart(now=self.now)
        self.scan()

    def run_machine(self, mode: int = 2) -> None:
        """The machine leaves Idle (0) and is in the middle of a batch."""
        self.tags["State/Mode"] = (self.tags["State/Mode"][0], mode)
        self.scan()

    @property
    def active(self) -> Mapping[str, Any]:
        """What is in force, by node."""
        return self.handshake.active

    @property
    def ready(self) -> bool:
        """`Sts/ReadyForChange`."""
        return self.hold_ready and self.tags["State/Mode"][1] == 0

    def scan(self) -> None:
        """One controller cycle."""
        self.handshake.scan(now=self.now, ready=self.ready)

    # -- Dialer -------------------------------------------------------------------------------------------------

    def dial(self, endpoint: Endpoint) -> AbstractAsyncContextManager["FakeSession"]:
        return self._dial()

    @asynccontextmanager
    async def _dial(self) -> AsyncIterator["FakeSession"]:
        with self.message("dial"):
            if self.down > 0:
                self.down -= 1
                raise Unreachable("nobody listens")
        self.connected += 1
        self.most_connected = max(self.most_connected, self.connected)
        try:
            yield FakeSession(self)
        finally:
            self.connected -= 1

    @contextmanager
    def message(self, name: str) -> Iterator[None]:
        """What happens before and after one message."""
        self._act(name, "before")
        self.scan()
        yield
        self.scan()
        self._act(name, "after")

    def _act(self, name: str, when: When) -> None:
        for act in self._acts.pop((name, when), []):
            act()

    # -- the block ----------------------------------------------------------------------------------------------

    def type_of(self, path: str) -> TagType | None:
        """The type of a variable, None where there is none."""
        folder, _, leaf = path.removeprefix("Recipe/").partition("/")
        if path in self.missing:
            return None
        if path in self.tags:
            return self.tags[path][0]
        tables = {"Sts": _STATUS_TYPES, "Cmd": _COMMAND_TYPES if self.profile == "mailbox" else {}}
        if folder in tables and leaf in tables[folder]:
            return parse_type(tables[folder][leaf])
        if folder == "Active" or (folder == "Staging" and self.profile != "direct"):
            return self._types.get(leaf)
        return None

    def exists(self, path: str) -> bool:
        """True for variables, the block, and methods of the method profile."""
        if path in self.missing:
            return False
        is_method = path.removeprefix("Recipe/") in _OPS.values() and self.profile == "method"
        return is_method or path == "Recipe" or self.type_of(path) is not None

    def value_of(self, path: str) -> Any:
        """The value of a variable at this moment."""
        if path in self.lies:
            return self.lies[path]
        if path in self.tags:
            return self.tags[path][1]
        folder, _, leaf = path.removeprefix("Recipe/").partition("/")
        block = self.handshake
        if folder == "Active":
            return block.active[leaf]
        if folder == "Staging":
            return block.staging.get(leaf)
        if folder == "Cmd":
            return self.command[leaf]
        return {
            "State": int(block.state), "Reason": int(block.reason), "AckTxId": block.ack_tx_id,
            "ActiveTxId": block.active_tx_id, "StagedDigest": block.staged_digest, "ActiveDigest": block.active_digest,
            "PrevDigest": block.prev_digest, "ChangeCounter": block.change_counter, "BootId": block.boot_id,
            "ReadyForChange": self.ready,
        }[leaf]  # fmt: skip

    def write(self, path: str, value: TypedValue) -> int:
        """One write; its StatusCode."""
        declared = self.type_of(path)
        if declared is None or not self._writable(path):
            return BAD_NOT_WRITABLE
        if (value.type.base, value.type.array) != (declared.base, declared.array):
            return BAD_TYPE_MISMATCH
        folder, _, leaf = path.removeprefix("Recipe/").partition("/")
        if folder == "Cmd":
            return self._write_command(leaf, value.value)
        name = leaf if folder == "Sts" else f"{folder}/{leaf}"
        with self.message(name):
            self.record.append(Effect(name, value.value))
            if refusals := self.refused_writes.get(path):
                return refusals.pop(0)
            return self._take(folder, leaf, wire(value))

    def _take(self, folder: str, leaf: str, value: Any) -> int:
        if folder == "Staging":
            return 0 if self.handshake.stage(leaf, value) else BAD_INVALID_STATE
        if folder == "Sts":
            self.handshake.active_digest = value
            return 0
        if self.tags["State/Mode"][1] != 0:
            return BAD_INVALID_STATE
        if not self.handshake.limits[leaf].allow(value):
            return BAD_OUT_OF_RANGE
        self.handshake.active[leaf] = value
        return 0

    def _writable(self, path: str) -> bool:
        folder, _, leaf = path.removeprefix("Recipe/").partition("/")
        if path in self.read_only:
            return False
        if self.profile == "direct":
            return folder == "Active" or leaf == "ActiveDigest"
        return folder in ("Staging", "Cmd")

    def writable(self, path: str) -> bool:
        """What the access level says."""
        return self._writable(path)

    def _write_command(self, leaf: str, value: Any) -> int:
        changed = self.command[leaf] != value
        self.command[leaf] = value
        if leaf == "TxId" and changed and not self.deaf:
            op = self.command["Op"]
            if op not in _OPS:
                self.handshake.refuse(value, Result.WRONG_STATE)
            else:
                self.request(_OPS[Op(op)], value, self.command["Digest"], self.command["ConfirmSeconds"], digest_checked=True)
        return 0

    def request(self, name: str, tx_id: int, digest: str, confirm_seconds: int, *, digest_checked: bool) -> Result:
        """One request of the handshake, from either profile."""
        block = self.handshake
        with self.message(name):
            self.record.append(Effect(name, digest, tx_id))
            checked = digest if digest_checked else None
            if name == "Prepare":
                return block.prepare(tx_id, digest, now=self.now)
            if name == "Commit":
                return block.commit(tx_id, confirm_seconds, now=self.now, ready=self.ready, digest=checked)
            if name == "Confirm":
                return block.confirm(tx_id, digest=checked)
            return block.cancel(tx_id, now=self.now)


def wire(value: TypedValue) -> Any:
    """What arrives: a Float has 32 bits."""
    if value.type.base is DataType.FLOAT:
        return struct.unpack("<f", struct.pack("<f", value.value))[0]
    return value.value


def _node(path: str) -> str:
    return f"nsu=urn:fake;s={path}"


def _path(node: str) -> str:
    return node.removeprefix("nsu=urn:fake;s=")


@dataclass
class FakeSession:
    """Implements `gateway.plant.ports.Equipment`."""

    equipment: FakeEquipment

    @property
    def facts(self) -> ServerFacts:
        return ServerFacts("Fake", self.equipment.version, ("urn:fake",), OperationLimits(), None, 0.0, None)

    async def resolve(self, root: RootNode, paths: Sequence[str]) -> list[str | int]:
        with self.equipment.message("resolve"):
            return [_node(path) if self.equipment.exists(path) else BAD_NO_MATCH for path in paths]

    async def inspect(self, nodes: Sequence[str]) -> list[NodeFacts]:
        with self.equipment.message("inspect"):
            return [self._facts(_path(node)) for node in nodes]

    def _facts(self, path: str) -> NodeFacts:
        equipment = self.equipment
        declared = equipment.type_of(path)
        assert declared is not None
        span = next((item.range for item in equipment.parameters if path.endswith(f"/{item.node}")), None)
        return NodeFacts(
            0, declared.base, str(declared), declared.array, readable=True, writable=equipment.writable(path), range=span
        )

    async def read(self, nodes: Sequence[str]) -> list[ReadOutcome]:
        self.equipment.now += 0.05
        with self.equipment.message("read"):
            outcomes = []
            for path in map(_path, nodes):
                declared = self.equipment.type_of(path)
                assert declared is not None
                outcomes.append(ReadOutcome(0, self.equipment.value_of(path), declared.base))
            return outcomes

    async def write(self, writes: Sequence[tuple[str, TypedValue]]) -> list[int]:
        return [self.equipment.write(_path(node), value) for node, value in writes]

    async def call(self, node: str, method: str, arguments: Sequence[TypedValue]) -> CallOutcome:
        name = _path(method).removeprefix("Recipe/")
        tx_id, *rest = (item.value for item in arguments)
        digest = rest[0] if name == "Prepare" else ""
        result = self.equipment.request(name, tx_id, digest, rest[0] if name == "Commit" else 0, digest_checked=False)
        while self.equipment.handshake.state is State.COMMITTING and name == "Commit":
            self.equipment.wait(0.1)()
            result = self.equipment.handshake.reason
        return CallOutcome(0, (int(result), result.name))
