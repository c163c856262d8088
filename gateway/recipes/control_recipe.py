"""The control recipe: a master recipe and its site overlay, rendered for one piece of equipment. Immutable.

It says what is written where, in the equipment's own representation, and carries two digests: the *master* digest names the
recipe for all places, the *rendered* digest names this one line's control recipe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.plant.equipment_class import TagType, parse_type
from gateway.plant.hierarchy import EquipmentPath
from gateway.recipes import wire
from gateway.recipes.digest import digest
from gateway.recipes.recipe import HandshakeProfile
from gateway.recipes.wire import WireScalar, WireValue


@dataclass(frozen=True, slots=True)
class RenderedParameter:
    """One parameter as the class means it (`type`, `unit`, `value`) and as this equipment holds it (`wire_…`).

    Where the site measures otherwise: engineering value = wire value · scale + offset, in `wire_unit`.
    """

    name: str
    node: str
    type: TagType
    unit: str | None
    value: WireValue
    wire_type: TagType
    wire_unit: str | None
    scale: float
    offset: float
    wire_value: WireValue
    critical: bool


@dataclass(frozen=True, slots=True)
class RenderedInterlock:
    """The tag at class path `tag` must hold one of `allowed`, in the class's unit; `names` is how people write them."""

    tag: str
    type: TagType
    allowed: tuple[WireScalar, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControlRecipe:
    """What one push writes into one piece of equipment, and under which conditions."""

    recipe_id: str
    version: str
    master_digest: str
    confidentiality: str
    equipment: EquipmentPath
    equipment_class: str
    class_version: str
    handshake: HandshakeProfile
    block: str
    firmware: str | None
    parameters: tuple[RenderedParameter, ...]  #: by name
    interlocks: tuple[RenderedInterlock, ...]  #: by tag

    @property
    def name(self) -> str:
        """`id@version`."""
        return f"{self.recipe_id}@{self.version}"

    @property
    def rendered_digest(self) -> str:
        """`sha256:` over the canonical JSON of the whole control recipe (RFC 8785)."""
        return digest(self.to_json())

    @property
    def is_public(self) -> bool:
        """Whether values may appear in messages."""
        return self.confidentiality == "public"

    def to_json(self) -> dict[str, Any]:
        """The form that is digested and kept in the ledger."""
        return {
            "recipe": {"id": self.recipe_id, "version": self.version, "master_digest": self.master_digest},
            "confidentiality": self.confidentiality,
            "equipment": str(self.equipment),
            "class": {"name": self.equipment_class, "version": self.class_version},
            "handshake": self.handshake,
            "block": self.block,
            "firmware": self.firmware,
            "parameters": [_parameter_to_json(item) for item in self.parameters],
            "interlocks": [_interlock_to_json(item) for item in self.interlocks],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ControlRecipe":
        """Read what `to_json` wrote.

        Raises:
            ValueError, KeyError: it is not that.
        """
        recipe, kind = document["recipe"], document["class"]
        return cls(
            recipe_id=recipe["id"],
            version=recipe["version"],
            master_digest=recipe["master_digest"],
            confidentiality=document["confidentiality"],
            equipment=EquipmentPath.parse(document["equipment"]),
            equipment_class=kind["name"],
            class_version=kind["version"],
            handshake=document["handshake"],
            block=document["block"],
            firmware=document["firmware"],
            parameters=tuple(map(_parameter_from_json, document["parameters"])),
            interlocks=tuple(map(_interlock_from_json, document["interlocks"])),
        )


def values_to_json(parameters: Sequence[RenderedParameter], values: Mapping[str, WireValue]) -> dict[str, Any]:
    """Wire values by parameter name, as JSON for the ledger."""
    return {item.name: wire.to_json(item.wire_type, values[item.name]) for item in parameters}


def values_from_json(parameters: Sequence[RenderedParameter], document: Mapping[str, Any]) -> dict[str, WireValue]:
    """Read what `values_to_json` wrote."""
    return {item.name: wire.from_json(item.wire_type, document[item.name]) for item in parameters}


def _parameter_to_json(item: RenderedParameter) -> dict[str, Any]:
    return {
        "name": item.name,
        "node": item.node,
        "type": str(item.type),
        "unit": item.unit,
        "value": wire.to_json(item.type, item.value),
        "wire_type": str(item.wire_type),
        "wire_unit": item.wire_unit,
        "scale": item.scale,
        "offset": item.offset,
        "wire_value": wire.to_json(item.wire_type, item.wire_value),
        "critical": item.critical,
    }


def _parameter_from_json(document: Mapping[str, Any]) -> RenderedParameter:
    type, wire_type = parse_type(document["type"]), parse_type(document["wire_type"])
    return RenderedParameter(
        name=document["name"],
        node=document["node"],
        type=type,
        unit=document["unit"],
        value=wire.from_json(type, document["value"]),
        wire_type=wire_type,
        wire_unit=document["wire_unit"],
        scale=float(document["scale"]),
        offset=float(document["offset"]),
        wire_value=wire.from_json(wire_type, document["wire_value"]),
        critical=document["critical"],
    )


def _interlock_to_json(item: RenderedInterlock) -> dict[str, Any]:
    return {
        "tag": item.tag,
        "type": str(item.type),
        "allowed": [wire.to_json(item.type, value) for value in item.allowed],
        "names": list(item.names),
    }


def _interlock_from_json(document: Mapping[str, Any]) -> RenderedInterlock:
    type = parse_type(document["type"])
    allowed = []
    for value in document["allowed"]:
        scalar = wire.from_json(type, value)
        assert not isinstance(scalar, tuple)
        allowed.append(scalar)
    return RenderedInterlock(document["tag"], type, tuple(allowed), tuple(document["names"]))
