"""EquipmentClass documents → equipment classes, with the checks that look across fields."""

from typing import Final

from gateway.documents.fields import RangePart
from gateway.documents.plant_documents import EquipmentClassDocument, RecipeParameterPart, TagPart
from gateway.documents.source import Complaint, Document
from gateway.documents.validation import did_you_mean
from gateway.plant.equipment_class import Deadband, EquipmentClass, Range, RecipeBlock, RecipeParameter, Tag, TagType
from gateway.plant.values import INTEGERS, DataType

NUMERIC: Final = frozenset({*INTEGERS, DataType.FLOAT, DataType.DOUBLE})
#: Status variables of every recipe block (docs/handshake.md): name, type, whether a profile may lack it.
_STATUS: Final = (
    ("ActiveDigest", DataType.STRING, False),
    ("ChangeCounter", DataType.UINT32, False),
    ("BootId", DataType.UINT32, False),
    ("ActiveTxId", DataType.UINT32, True),
    ("State", DataType.INT32, True),
)


def is_numeric(declared: TagType) -> bool:
    """True for numbers that carry a unit, a range, a deadband or a scale: not for enumerations."""
    return declared.base in NUMERIC and not declared.enumeration


def written(document: Document, field: str, key: str) -> list[str]:
    """The texts at `key` of every entry of the list `field`, faulty entries included."""
    entries = document.data.get(field) if isinstance(document.data, dict) else None
    found = [entry.get(key) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return [text for text in found if isinstance(text, str)]


def build_class(document: Document, part: EquipmentClassDocument) -> tuple[EquipmentClass, list[Complaint]]:
    """The class, and what is wrong across its fields (then the class is not to be used)."""
    complaints: list[Complaint] = []
    tags: dict[str, Tag] = {}
    for item in part.tags:
        complaints += _check_tag(item)
        if item.path in tags:
            complaints.append(item.at("path").complain(f"'{item.path}' is listed twice; remove one of the tags"))
        else:
            tags[item.path] = _tag(item)
    block = None
    if part.recipe is not None:
        complaints += _check_parameters(part.recipe.parameters)
        block = RecipeBlock(part.recipe.block, tuple(map(_parameter, part.recipe.parameters)))
        explicit = {item.path: item for item in part.tags}
        for tag in _block_tags(block):
            if tag.path in explicit:
                place = explicit[tag.path].at("path")
                complaints.append(place.complain(f"'{tag.path}' comes with the recipe block by itself; remove it from 'tags'"))
            tags.setdefault(tag.path, tag)
    listed = written(document, "tags", "path")
    known = {*tags, *listed}
    for field in ("batch", "state"):
        path = getattr(part, field)
        if path is not None and path not in known and listed:
            complaints.append(part.at(field).complain(f"the class has no tag '{path}'; {did_you_mean(path, known)}"))
    built = EquipmentClass(
        part.name, part.version, part.description, tuple(tags.values()), batch=part.batch, state=part.state, recipe=block
    )
    return built, complaints


def _check_tag(part: TagPart) -> list[Complaint]:
    found = []
    numeric = is_numeric(part.type)
    for field in ("unit", "range", "deadband"):
        if getattr(part, field) is not None and not numeric:
            found.append(
                part.at(field).complain(f"only a number has a {field}, and the type is {part.type}; remove one of the two")
            )
    if part.deadband is not None and part.deadband.percent is not None and part.range is None:
        found.append(part.at("deadband").complain("a percent deadband is of the range; add 'range', or write {absolute: …}"))
    if part.deadband is not None and part.type.array:
        found.append(part.at("deadband").complain("an array has no deadband here; remove it"))
    found += _check_bounds(part)
    if part.max_silence is not None and part.max_silence <= part.sampling:
        text = (
            f"{part.max_silence:g} s is not longer than the sampling interval of {part.sampling:g} s; every value would be late"
        )
        found.append(part.at("max_silence").complain(text))
    return found


def _check_bounds(part: TagPart | RecipeParameterPart) -> list[Complaint]:
    """A range must lie inside what the type can hold."""
    bounds = INTEGERS.get(part.type.base)
    if part.range is None or bounds is None or part.type.enumeration:
        return []
    if part.range.low < bounds[0] or part.range.high > bounds[1]:
        text = f"{part.type} holds {bounds[0]} to {bounds[1]}; narrow the range or widen the type"
        return [part.at("range").complain(text)]
    return []


def _check_parameters(parameters: list[RecipeParameterPart]) -> list[Complaint]:
    found = []
    for index, part in enumerate(parameters):
        for field in ("name", "node"):
            value = getattr(part, field)
            if any(getattr(other, field) == value for other in parameters[:index]):
                found.append(part.at(field).complain(f"'{value}' is used by a parameter above; each {field} counts once"))
        for field in ("unit", "range"):
            if getattr(part, field) is not None and not is_numeric(part.type):
                text = f"only a number has a {field}, and the type is {part.type}; remove one of the two"
                found.append(part.at(field).complain(text))
        found += _check_bounds(part)
    return found


def _range(part: RangePart | None) -> Range | None:
    return Range(part.low, part.high) if part is not None else None


def _tag(part: TagPart) -> Tag:
    deadband = None
    if part.deadband is not None:
        absolute, percent = part.deadband.absolute, part.deadband.percent
        deadband = Deadband("absolute", absolute) if absolute is not None else Deadband("percent", percent or 0.0)
    return Tag(
        path=part.path,
        type=part.type,
        unit=part.unit,
        range=_range(part.range),
        sampling_ms=part.sampling * 1000,
        deadband=deadband,
        max_silence_s=part.max_silence,
        history=part.history,
        optional=part.optional,
        guidance=part.guidance,
    )


def _parameter(part: RecipeParameterPart) -> RecipeParameter:
    return RecipeParameter(part.name, part.node, part.type, part.unit, _range(part.range))


def _block_tags(block: RecipeBlock) -> list[Tag]:
    """The tags that every recipe block brings: the values in force, and what the PLC says of itself."""
    active = [Tag(f"{block.block}/Active/{item.node}", item.type, unit=item.unit, range=item.range) for item in block.parameters]
    status = [Tag(f"{block.block}/Sts/{name}", TagType(base), optional=optional) for name, base, optional in _STATUS]
    return active + status
