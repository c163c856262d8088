"""Rendering: master recipe + site overlay + equipment → control recipe. Pure; every complaint at once.

A refusal is an expected outcome, so it is returned, not raised. Messages name the parameter; they hold a value only when the
recipe's confidentiality is `public`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from gateway.plant.equipment_class import Equipment, RecipeBlock, RecipeParameter, SiteMeasure
from gateway.plant.units import conversion
from gateway.plant.values import INTEGERS, DataType
from gateway.recipes import wire
from gateway.recipes.control_recipe import ControlRecipe, RenderedInterlock, RenderedParameter
from gateway.recipes.digest import master_digest
from gateway.recipes.recipe import HandshakeProfile, Interlock, MasterRecipe, Parameter, ParameterValue, SiteOverlay
from gateway.recipes.wire import WireScalar, WireValue

#: Values of a class's machine state tag (docs/configuration.md).
MACHINE_STATES: Mapping[str, int] = {"Idle": 0, "Starting": 1, "Running": 2, "Stopping": 3, "Faulted": 4}


@dataclass(frozen=True, slots=True)
class Rendering:
    """What became of it: a control recipe when there are no complaints. `notes` say what the gateway could not check."""

    control: ControlRecipe | None
    complaints: tuple[str, ...]
    notes: tuple[str, ...]


class _Refused(Exception):
    """One parameter cannot be rendered; the message says why, without its name."""


def render(master: MasterRecipe, overlay: SiteOverlay | None, equipment: Equipment) -> Rendering:
    """Render `master` for one piece of equipment, with the site's overlay if it has one."""
    complaints, notes = _check_documents(master, overlay, equipment)
    handshake = _handshake(master, equipment, complaints)
    block = equipment.equipment_class.recipe
    if block is None:
        complaints.append(f"class {equipment.equipment_class.name} takes no recipes: it declares no recipe block")
    if block is None or handshake is None or _wrong_class(master, equipment):
        return Rendering(None, tuple(complaints), tuple(notes))
    parameters = _parameters(master, overlay, equipment, block, complaints)
    interlocks = [_interlock(item, equipment, complaints, notes) for item in master.interlocks]
    if complaints:
        return Rendering(None, tuple(complaints), tuple(notes))
    control = ControlRecipe(
        recipe_id=master.header.id,
        version=master.header.version,
        master_digest=master_digest(master),
        confidentiality=master.header.classification.confidentiality,
        equipment=equipment.path,
        equipment_class=equipment.equipment_class.name,
        class_version=equipment.equipment_class.version,
        handshake=handshake,
        block=block.block,
        firmware=master.equipment_requirements.firmware,
        parameters=tuple(sorted(parameters, key=lambda item: item.name)),
        interlocks=tuple(sorted((item for item in interlocks if item), key=lambda item: (item.tag, item.names))),
    )
    return Rendering(control, (), tuple(notes))


def binding_changes(control: ControlRecipe, equipment: Equipment) -> list[str]:
    """How the plant's configuration no longer is what `control` was rendered for; empty when it still fits."""
    kind = equipment.equipment_class
    if (control.equipment_class, control.class_version) != (kind.name, kind.version):
        was = f"{control.equipment_class} {control.class_version}"
        return [f"{equipment.path} is now of class {kind.name} {kind.version}, no more {was}"]
    if control.handshake != equipment.handshake:
        return [f"{equipment.path} now uses the handshake profile {equipment.handshake}, no more {control.handshake}"]
    declared = {item.name: item for item in kind.recipe.parameters} if kind.recipe else {}
    changes = []
    for item in control.parameters:
        parameter = declared.get(item.name)
        if parameter is None or kind.recipe is None or parameter.node != item.node or parameter.type != item.type:
            changes.append(f"{item.name}: the class has changed since")
            continue
        now = _measure(equipment, kind.recipe, parameter)
        if (now.type, now.unit, now.scale, now.offset) != (item.wire_type, item.wire_unit, item.scale, item.offset):
            changes.append(f"{item.name}: the site measures otherwise since")
    return changes


def _wrong_class(master: MasterRecipe, equipment: Equipment) -> bool:
    return master.equipment_requirements.equipment_class != equipment.equipment_class.name


def _check_documents(master: MasterRecipe, overlay: SiteOverlay | None, equipment: Equipment) -> tuple[list[str], list[str]]:
    """Complaints and notes about the documents as wholes."""
    complaints = []
    if _wrong_class(master, equipment):
        complaints.append(
            f"{master.header.name} is for class {master.equipment_requirements.equipment_class}; {equipment.path} is of class "
            f"{equipment.equipment_class.name}: choose other equipment"
        )
    if overlay is not None:
        if overlay.site != equipment.path.site:
            complaints.append(f"the overlay is for site {overlay.site}, not {equipment.path.site}")
        if (overlay.recipe_id, overlay.recipe_version) != (master.header.id, master.header.version):
            complaints.append(
                f"the overlay is for {overlay.recipe_id}@{overlay.recipe_version}, not {master.header.name}: "
                "write one for this version"
            )
        complaints.extend(
            f"{name}: the overlay localizes it, but the recipe does not declare its parity class as localized"
            for name in overlay.localize
            if (found := master.parameter(name)) is None or found.parity.parity_class != "localized"
        )
    notes = [
        f"capability {item.name} ≥ {item.min:g} is not checked: classes declare no capabilities"
        for item in master.equipment_requirements.capabilities
    ]
    return complaints, notes


def _handshake(master: MasterRecipe, equipment: Equipment, complaints: list[str]) -> HandshakeProfile | None:
    allowed = master.equipment_requirements.handshake
    for profile in ("method", "mailbox", "direct"):
        if equipment.handshake != profile:
            continue
        if profile in allowed or (not allowed and profile != "direct"):
            return profile
        cure = " (it is not atomic: list it under equipment_requirements.handshake to accept that)" if profile == "direct" else ""
        complaints.append(f"{equipment.path} offers only the handshake profile {profile}, which the recipe does not allow{cure}")
        return None
    complaints.append(
        f"{equipment.path} declares no handshake profile: add `handshake: method | mailbox | direct` to its site file"
    )
    return None


def _parameters(
    master: MasterRecipe, overlay: SiteOverlay | None, equipment: Equipment, block: RecipeBlock, complaints: list[str]
) -> list[RenderedParameter]:
    declared = {item.name: item for item in block.parameters}
    localized = overlay.localize if overlay is not None else {}
    rendered = []
    for item in master.parameters:
        parameter = declared.pop(item.name, None)
        if parameter is None:
            complaints.append(f"{item.name}: class {equipment.equipment_class.name} has no such recipe parameter")
            continue
        value = localized.get(item.name, item.value) if item.parity.parity_class == "localized" else item.value
        try:
            rendered.append(_parameter(item, value, parameter, _measure(equipment, block, parameter)))
        except _Refused as refused:
            shown = f" (it is {value})" if master.header.classification.confidentiality == "public" else ""
            complaints.append(f"{item.name}: {refused}{shown}")
    complaints.extend(
        f"{name}: the recipe gives no value, and class {equipment.equipment_class.name} asks for one" for name in declared
    )
    return rendered


def _measure(equipment: Equipment, block: RecipeBlock, parameter: RecipeParameter) -> SiteMeasure:
    """How this equipment holds the parameter: as the site file says, or as the class does."""
    found = equipment.measures.get(f"{block.block}/Active/{parameter.node}")
    return found or SiteMeasure(parameter.type, parameter.unit)


def _parameter(item: Parameter, value: ParameterValue, declared: RecipeParameter, measure: SiteMeasure) -> RenderedParameter:
    if not wire.is_supported(declared.type):
        raise _Refused(f"the class gives it the type {declared.type}, which no push can write")
    if item.type != declared.type:
        raise _Refused(f"the recipe says type {item.type}, the class {declared.type}")
    if (item.unit or None) != (declared.unit or None):
        cure = "write it in the class's unit"
        raise _Refused(f"the recipe says unit {item.unit or 'none'}, the class {declared.unit or 'none'}: {cure}")
    try:
        class_value = wire.cast(declared.type, value)
    except ValueError as refused:
        raise _Refused(str(refused)) from refused
    _check_bounds(item, declared, class_value)
    wire_value = class_value
    if measure != SiteMeasure(declared.type, declared.unit):
        wire_value = _to_wire(declared, class_value, measure)
        _check_realised(item, declared, class_value, wire_value, measure)
    return RenderedParameter(
        name=item.name,
        node=declared.node,
        type=declared.type,
        unit=declared.unit,
        value=class_value,
        wire_type=measure.type,
        wire_unit=measure.unit,
        scale=measure.scale,
        offset=measure.offset,
        wire_value=wire_value,
        critical=item.critical,
    )


def _check_bounds(item: Parameter, declared: RecipeParameter, value: WireValue) -> None:
    if not wire.is_number(declared.type):
        return
    bounds: list[tuple[str, float | None, float | None]] = [("the recipe's limits", item.limits.low, item.limits.high)]
    if declared.range is not None:
        bounds.append(("the class's range", declared.range.low, declared.range.high))
    if item.parity.bound is not None and item.parity.parity_class in ("localized", "bounded"):
        bounds.append((f"the bound of its parity class {item.parity.parity_class}", *item.parity.bound))
    for number in map(Fraction, _numbers(declared.type.base, value)):
        for what, low, high in bounds:
            # decimals are compared as people write them: a Float of 0.1 is not above a limit of 0.1
            if (low is not None and number < Fraction(repr(low))) or (high is not None and number > Fraction(repr(high))):
                raise _Refused(f"its value is outside {what}")


def _numbers(base: DataType, value: WireValue) -> list[Fraction]:
    scalars = value if isinstance(value, tuple) else (value,)
    return [wire.exact(base, item) for item in scalars if not isinstance(item, str)]


def _to_wire(declared: RecipeParameter, value: WireValue, measure: SiteMeasure) -> WireValue:
    """The equipment's own representation: in the site's unit, then (value - offset) / scale, rounded only for integers."""
    if not (wire.is_number(declared.type) and wire.is_number(measure.type)) or declared.type.array != measure.type.array:
        raise _Refused(f"the site holds it as {measure.type}, the class as {declared.type}: that cannot be converted")
    factor, shift = _conversion(declared.unit, measure.unit)
    raw: list[float] = []
    for number in _numbers(declared.type.base, value):
        exact = (number * factor + shift - Fraction(repr(measure.offset))) / Fraction(repr(measure.scale))
        raw.append(round(exact) if measure.type.base in INTEGERS else float(exact))
    try:
        return wire.cast(measure.type, raw if measure.type.array else raw[0])
    except ValueError as refused:
        raise _Refused(f"as the site holds it ({measure.type}), it {refused}") from refused


def _conversion(source: str | None, target: str | None) -> tuple[Fraction, Fraction]:
    if source is None or target is None or source == target:
        return Fraction(1), Fraction(0)
    try:
        factor, shift = conversion(source, target)
    except ValueError as refused:
        raise _Refused(f"the site's unit does not fit the class's: {refused}") from refused
    # the table's factors are quotients of floats: 1.7999999999999998 is meant as 9/5
    return Fraction(factor).limit_denominator(10**12), Fraction(shift).limit_denominator(10**12)


def engineering(item: RenderedParameter, raw: object) -> WireValue | None:
    """A value read from this equipment in the class's unit and type; None when it is of another type."""
    try:
        value = wire.cast(item.wire_type, raw)
    except ValueError:
        return None
    if (item.wire_type, item.wire_unit, item.scale, item.offset) == (item.type, item.unit, 1.0, 0.0):
        return value
    measure = SiteMeasure(item.wire_type, item.wire_unit, item.scale, item.offset)
    numbers = [float(number) for number in _engineering(value, measure, item.unit)]
    return tuple(numbers) if item.wire_type.array else numbers[0]


def to_class_unit(raw: float, measure: SiteMeasure, unit: str | None) -> float:
    """A raw number as the site holds it, in the class's unit."""
    return float(_engineering(raw, measure, unit)[0])


def _engineering(value: WireValue, measure: SiteMeasure, unit: str | None) -> list[Fraction]:
    factor, shift = _conversion(unit, measure.unit)
    scale, offset = Fraction(repr(measure.scale)), Fraction(repr(measure.offset))
    return [(number * scale + offset - shift) / factor for number in _numbers(measure.type.base, value)]


def _check_realised(
    item: Parameter, declared: RecipeParameter, value: WireValue, wire_value: WireValue, measure: SiteMeasure
) -> None:
    """What rounding to the site's representation makes of the value must still be what the recipe means."""
    wanted = _numbers(declared.type.base, value)
    realised = _engineering(wire_value, measure, declared.unit)
    for target, number in zip(wanted, realised, strict=True):
        if item.parity.parity_class == "tolerance":
            allowed = max(Fraction(repr(item.parity.absolute)), Fraction(repr(item.parity.relative)) * abs(target))
            if abs(number - target) > allowed:
                held = f"{measure.type}, scale {measure.scale:g}"
                raise _Refused(f"the site's representation ({held}) is coarser than its tolerance")
        low, high = item.limits.low, item.limits.high
        if number != target and (
            (low is not None and number < Fraction(repr(low))) or (high is not None and number > Fraction(repr(high)))
        ):
            raise _Refused("rounded to the site's representation, its value is outside the recipe's limits")


def _interlock(item: Interlock, equipment: Equipment, complaints: list[str], notes: list[str]) -> RenderedInterlock | None:
    kind = equipment.equipment_class
    tag = kind.tag(item.tag)
    if tag is None:
        complaints.append(f"interlock {item.tag}: class {kind.name} has no such tag")
        return None
    allowed: list[WireScalar] = []
    for choice in item.allowed:
        if isinstance(choice, str) and item.tag == kind.state:
            if choice in MACHINE_STATES:
                allowed.append(MACHINE_STATES[choice])
            else:
                notes.append(f"interlock {item.tag}: {choice} is no machine state ({', '.join(MACHINE_STATES)}) and is never met")
            continue
        try:
            value = wire.cast(tag.type, choice)
        except ValueError as refused:
            complaints.append(f"interlock {item.tag}: {choice} {refused}")
            continue
        if not isinstance(value, tuple):
            allowed.append(value)
    if not allowed and item.allowed:
        complaints.append(f"interlock {item.tag}: no value it allows can ever be met")
    return RenderedInterlock(item.tag, tag.type, tuple(allowed), tuple(map(str, item.allowed)))
