"""A control recipe against what is active in the equipment. Pure; rows hold recipe values, for those who may see them."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.recipes import wire
from gateway.recipes.control_recipe import ControlRecipe
from gateway.recipes.render import engineering
from gateway.recipes.wire import WireValue


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One parameter in the class's unit. `active` None: it cannot be read. `same` compares in the wire type, bit by bit."""

    parameter: str
    unit: str | None
    active: WireValue | None
    wanted: WireValue
    same: bool
    critical: bool


def diff(control: ControlRecipe, active: Mapping[str, WireValue | None]) -> tuple[DiffRow, ...]:
    """Compare with `active`: what the equipment holds, by parameter name, in its own representation."""
    rows = []
    for item in control.parameters:
        held = active.get(item.name)
        rows.append(
            DiffRow(
                parameter=item.name,
                unit=item.unit,
                active=None if held is None else engineering(item, held),
                wanted=item.value,
                same=held is not None and wire.same(item.wire_type, item.wire_value, held),
                critical=item.critical,
            )
        )
    return tuple(rows)
