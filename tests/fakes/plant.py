"""Small plants made in memory, for tests of rules."""

from collections.abc import Collection

from gateway.mirror.items import Item, items_of
from gateway.plant.equipment_class import (
    Endpoint,
    Equipment,
    EquipmentClass,
    Line,
    MirrorDefaults,
    Plant,
    RootNode,
    Site,
    SiteMeasure,
    Tag,
    TagType,
)
from gateway.plant.hierarchy import EquipmentPath
from gateway.plant.values import DataType

DOUBLE = TagType(DataType.DOUBLE)


def plant_with(
    count: int, fahrenheit: Collection[int] = (), *, url: str = "opc.tcp://127.0.0.1:4840", publishing_ms: float = 500.0
) -> Plant:
    """A plant of one oven with `count` temperatures T0, T1, …; those numbered in `fahrenheit` are measured so at the site."""
    tags = tuple(Tag(f"T{number}", DOUBLE, unit="degC") for number in range(count))
    oven = EquipmentClass("oven", "1.0.0", "An oven", tags)
    endpoint = Endpoint("here", "plc", url)
    equipment = Equipment(
        EquipmentPath("here", "hall", "line-1", "oven-1"), oven, "plc", RootNode("urn:oven", "Oven", None),
        measures={f"T{number}": SiteMeasure(DOUBLE, "degF") for number in fahrenheit},
    )  # fmt: skip
    site = Site("here", "Here", None, None, (endpoint,), (Line("here", "hall", "line-1", "child-line", 1.0, (equipment,)),))
    return Plant("acme", "here", MirrorDefaults(), {"oven": oven}, (site,))


def items_with(count: int, fahrenheit: Collection[int] = ()) -> tuple[Item, ...]:
    """The items of that plant's one endpoint."""
    plant = plant_with(count, fahrenheit)
    return items_of(plant, plant.endpoints()[0])
