"""One recipe block on a live session: its nodes, its status, its values (docs/handshake.md, "The recipe block")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import ServiceFault
from gateway.plant import ports
from gateway.plant.equipment_class import Equipment, TagType, parse_type
from gateway.plant.status_names import describe
from gateway.plant.values import is_good
from gateway.recipes import wire
from gateway.recipes.control_recipe import ControlRecipe, RenderedParameter
from gateway.recipes.wire import WireValue

UINT32: Final = parse_type("UInt32")
INT32: Final = parse_type("Int32")
STRING: Final = parse_type("String")
METHODS: Final = ("Prepare", "Commit", "Confirm", "Cancel")
_COMMAND: Final = ("TxId", "Op", "Digest", "ConfirmSeconds")
_DIRECT_STATUS: Final[Mapping[str, type]] = {
    "ActiveDigest": str,
    "ChangeCounter": int,
    "BootId": int,
    "ReadyForChange": bool,
}
_STATUS: Final[Mapping[str, type]] = {
    **_DIRECT_STATUS,
    "State": int,
    "Reason": int,
    "AckTxId": int,
    "ActiveTxId": int,
    "StagedDigest": str,
}


@dataclass(frozen=True, slots=True)
class BlockStatus:
    """`Sts/…` as read. The direct profile has no transaction: there the lower half keeps its defaults."""

    active_digest: str
    change_counter: int
    boot_id: int
    ready: bool
    state: int = 0
    reason: int = 0
    ack_tx_id: int = 0
    active_tx_id: int = 0
    staged_digest: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """Status and active values, read in one request. A value is None where it could not be read in its type."""

    status: BlockStatus
    active: Mapping[str, WireValue | None]


class RecipeBlock:
    """The recipe block of one piece of equipment, as one control recipe uses it. Get one from `open`."""

    def __init__(self, session: ports.Equipment, control: ControlRecipe, nodes: Mapping[str, str]) -> None:
        self.session = session
        self.control = control
        self._nodes = nodes
        self._status = _DIRECT_STATUS if control.handshake == "direct" else _STATUS

    @classmethod
    async def open(
        cls, session: ports.Equipment, equipment: Equipment, control: ControlRecipe, *, state_tag: str | None
    ) -> "RecipeBlock | str":
        """Find every node the push needs, by browse path below the equipment's root; a complaint where some do not exist."""
        paths = _paths(control, state_tag)
        found = await session.resolve(equipment.root, [equipment.site_path(path) for path in paths])
        nodes = {path: node for path, node in zip(paths, found, strict=True) if isinstance(node, str)}
        missing = {path: node for path, node in zip(paths, found, strict=True) if isinstance(node, int)}
        if missing:
            named = ", ".join(equipment.site_path(path) for path in missing)
            first = next(iter(missing.values()))
            return (
                f"{equipment.path} does not offer the handshake profile {control.handshake}: missing {named} ({describe(first)});"
                " see docs/handshake.md for the nodes of a recipe block"
            )
        return cls(session, control, nodes)

    def node(self, path: str) -> str:
        """The NodeId of a path below the block, such as `Cmd/TxId`; `""` is the block itself."""
        return self._nodes[f"{self.control.block}/{path}" if path else self.control.block]

    def tag_node(self, tag: str) -> str:
        """The NodeId of an interlock's tag or the state tag, by class path."""
        return self._nodes[tag]

    async def look(self) -> Look:
        """Status and active values, in one request."""
        parameters = self.control.parameters
        names = list(self._status)
        outcomes = await self.session.read(
            [*(self.node(f"Sts/{name}") for name in names), *(self.node(f"Active/{item.node}") for item in parameters)]
        )
        status = self._read_status(names, outcomes[: len(names)])
        active = {
            item.name: _value(item.wire_type, outcome) for item, outcome in zip(parameters, outcomes[len(names) :], strict=True)
        }
        return Look(status, active)

    async def status(self) -> BlockStatus:
        """The status alone."""
        names = list(self._status)
        return self._read_status(names, await self.session.read([self.node(f"Sts/{name}") for name in names]))

    async def staged(self) -> dict[str, WireValue | None]:
        """The staging copies, by parameter name."""
        parameters = self.control.parameters
        outcomes = await self.session.read([self.node(f"Staging/{item.node}") for item in parameters])
        return {item.name: _value(item.wire_type, outcome) for item, outcome in zip(parameters, outcomes, strict=True)}

    async def write(
        self, folder: str, parameters: Sequence[RenderedParameter], values: Mapping[str, WireValue]
    ) -> dict[str, int]:
        """Write parameters below `Staging` or `Active`; the StatusCodes of those that were not taken, by name.

        Only Good itself counts: after `GoodCompletesAsynchronously` or `GoodClamped` what was asked is not there (OPC 10000-4,
        5.11.4).
        """
        statuses = await self.session.write(
            [(self.node(f"{folder}/{item.node}"), ports.TypedValue(item.wire_type, values[item.name])) for item in parameters]
        )
        return {item.name: status for item, status in zip(parameters, statuses, strict=True) if status & 0xFFFF_0000 != 0}

    async def write_active_digest(self, digest: str) -> int:
        """Direct profile: write the label; the StatusCode."""
        return (await self.session.write([(self.node("Sts/ActiveDigest"), ports.TypedValue(STRING, digest))]))[0]

    def _read_status(self, names: Sequence[str], outcomes: Sequence[ports.ReadOutcome]) -> BlockStatus:
        found: dict[str, Any] = {}
        for name, outcome in zip(names, outcomes, strict=True):
            value = "" if outcome.value is None and self._status[name] is str else outcome.value
            if not is_good(outcome.status) or not isinstance(value, self._status[name]):
                raise ServiceFault(
                    f"{self.control.equipment}: {self.control.block}/Sts/{name} cannot be read as docs/handshake.md says"
                    f" ({describe(outcome.status)})",
                    outcome.status,
                )
            found[name] = value
        return BlockStatus(
            active_digest=found["ActiveDigest"],
            change_counter=found["ChangeCounter"],
            boot_id=found["BootId"],
            ready=found["ReadyForChange"],
            state=found.get("State", 0),
            reason=found.get("Reason", 0),
            ack_tx_id=found.get("AckTxId", 0),
            active_tx_id=found.get("ActiveTxId", 0),
            staged_digest=found.get("StagedDigest", ""),
        )


def _paths(control: ControlRecipe, state_tag: str | None) -> list[str]:
    """Class paths of everything the profile needs."""
    below = [f"Active/{item.node}" for item in control.parameters]
    if control.handshake == "direct":
        below += [f"Sts/{name}" for name in _DIRECT_STATUS]
    else:
        below += [f"Staging/{item.node}" for item in control.parameters]
        below += [f"Sts/{name}" for name in _STATUS]
    if control.handshake == "mailbox":
        below += [f"Cmd/{name}" for name in _COMMAND]
    if control.handshake == "method":
        below += METHODS
    tags = {item.tag for item in control.interlocks}
    if control.handshake == "direct" and state_tag is not None:
        tags.add(state_tag)
    return [control.block, *(f"{control.block}/{path}" for path in below), *sorted(tags)]


def _value(type: TagType, outcome: ports.ReadOutcome) -> WireValue | None:
    if not is_good(outcome.status) or outcome.type != type.base:
        return None
    return wire.as_read(type, outcome.value)


def differing(
    parameters: Sequence[RenderedParameter], wanted: Mapping[str, WireValue], got: Mapping[str, WireValue | None]
) -> list[str]:
    """Names of the parameters whose value as read has not exactly the bits of the wanted one."""
    return [item.name for item in parameters if not wire.same(item.wire_type, wanted[item.name], got[item.name])]
