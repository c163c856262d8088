"""What must hold before a push may write: the nodes conform to the class, and the machine is where the recipe wants it."""

import asyncio
import math
import re
from collections.abc import Sequence

from gateway.plant.equipment_class import Equipment, Range
from gateway.plant.ports import NodeFacts, ReadOutcome
from gateway.plant.status_names import describe
from gateway.plant.values import DataType, is_good
from gateway.recipes import wire
from gateway.recipes.block import RecipeBlock
from gateway.recipes.control_recipe import ControlRecipe, RenderedInterlock, RenderedParameter
from gateway.recipes.journal import PushState
from gateway.recipes.render import MACHINE_STATES, to_class_unit
from gateway.recipes.run import Run

_COMPARISON = re.compile(r"\s*(>=|<=|==|!=|>|<)?\s*v?(\d+(?:\.\d+)*)\s*\Z")


async def conformance(block: RecipeBlock) -> list[str]:
    """How the equipment's parameter nodes differ from what the control recipe needs; empty when they conform."""
    control = block.control
    complaints = _firmware(control, block.session.facts.software_version)
    folder = "Active" if control.handshake == "direct" else "Staging"
    nodes = [block.node(f"{folder}/{item.node}") for item in control.parameters]
    for item, facts in zip(control.parameters, await block.session.inspect(nodes), strict=True):
        complaints += [f"{item.name}: {fault}" for fault in _node_faults(item, facts, folder)]
    return complaints


async def hindrances(block: RecipeBlock, equipment: Equipment) -> list[str]:
    """Which interlocks are not met at this moment; empty when the machine is ready for a change."""
    control = block.control
    interlocks = list(control.interlocks)
    state_tag = equipment.equipment_class.state
    if control.handshake == "direct" and state_tag is not None:
        interlocks.append(idle_interlock(equipment, state_tag))
    outcomes = await block.session.read([block.tag_node(item.tag) for item in interlocks])
    found = [
        fault
        for item, outcome in zip(interlocks, outcomes, strict=True)
        if (fault := _interlock_fault(item, outcome, equipment)) is not None
    ]
    if not (await block.status()).ready:
        found.append("the controller is not ready for a change (ReadyForChange is false)")
    return found


async def await_readiness(run: Run, block: RecipeBlock) -> list[str]:
    """Wait until the interlocks are met, as long as the timings allow; what still hinders, then. The journal says for what."""
    deadline = run.clock.monotonic() + run.timings.ready
    told: list[str] = []
    while found := await hindrances(block, run.equipment):
        if run.clock.monotonic() >= deadline:
            return found
        if found != told:
            await run.step(PushState.PREFLIGHT, detail={"waits_for": found})
            told = found
        await asyncio.sleep(run.timings.poll)
    return []


def idle_interlock(equipment: Equipment, state_tag: str) -> RenderedInterlock:
    """Without staging the machine must stand still: the direct profile's own interlock."""
    tag = equipment.equipment_class.tag(state_tag)
    assert tag is not None
    return RenderedInterlock(state_tag, tag.type, (MACHINE_STATES["Idle"],), ("Idle",))


def _interlock_fault(item: RenderedInterlock, outcome: ReadOutcome, equipment: Equipment) -> str | None:
    wanted = f"interlock {item.tag} must be {' or '.join(item.names)}"
    if not is_good(outcome.status):
        return f"{wanted}, but cannot be read: {describe(outcome.status)}"
    value = outcome.value
    measure = equipment.measures.get(item.tag)
    tag = equipment.equipment_class.tag(item.tag)
    if measure is not None and tag is not None and isinstance(value, int | float) and not isinstance(value, bool):
        value = to_class_unit(value, measure, tag.unit)
    return None if any(_equal(item.type.base, allowed, value) for allowed in item.allowed) else f"{wanted}, and is not"


def _equal(base: DataType, allowed: object, value: object) -> bool:
    if isinstance(allowed, float) and isinstance(value, int | float) and not isinstance(value, bool):
        # a condition, not a read-back: a converted or 32-bit value means the number a person wrote
        return math.isclose(allowed, value, rel_tol=1e-6)
    return isinstance(value, bool) == isinstance(allowed, bool) and base is not DataType.NULL and value == allowed


def _node_faults(item: RenderedParameter, facts: NodeFacts, folder: str) -> Sequence[str]:
    if not is_good(facts.status):
        return [f"its node in {folder} cannot be inspected: {describe(facts.status)}"]
    faults = []
    if facts.type != item.wire_type.base or facts.array != item.wire_type.array:
        offered = facts.type_name or (facts.type.name if facts.type is not None else "an unknown type")
        faults.append(f"its node in {folder} is of type {offered}{'[]' if facts.array else ''}, not {item.wire_type}")
    if not facts.writable:
        faults.append(f"its node in {folder} is not writable for the gateway's user")
    if facts.range is not None and _outside(item, Range(*facts.range)):
        faults.append(f"its value is outside the controller's own EURange {facts.range[0]:g} to {facts.range[1]:g}")
    return faults


def _outside(item: RenderedParameter, range: Range) -> bool:
    """EURange bounds the node's own value (OPC 10000-8, 5.3.2), in a scaled integer too. An empty range is none."""
    if not wire.is_number(item.wire_type) or range.low >= range.high:
        return False
    numbers = item.wire_value if isinstance(item.wire_value, tuple) else (item.wire_value,)
    return any(not range.low <= number <= range.high for number in numbers if not isinstance(number, str))


def _firmware(control: ControlRecipe, version: str) -> list[str]:
    if control.firmware is None:
        return []
    wanted = f"the recipe asks for firmware {control.firmware}"
    own = re.match(r"\D*(\d+(?:\.\d+)*)", version)
    if own is None:
        return [f"{wanted}; the server does not tell its version (SoftwareVersion is '{version}')"]
    number = _version(own.group(1))
    for comparison in control.firmware.split(","):
        parsed = _COMPARISON.match(comparison)
        if parsed is None:
            return [f"{wanted}, which cannot be read; write comparisons such as >=4.1,<5"]
        if not _satisfies(number, parsed.group(1) or "==", _version(parsed.group(2))):
            return [f"{wanted}; the server says {version}"]
    return []


def _version(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _satisfies(own: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    return {
        ">=": own >= bound, "<=": own <= bound, ">": own > bound, "<": own < bound, "==": own == bound, "!=": own != bound,
    }[sign]  # fmt: skip
