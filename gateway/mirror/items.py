"""The items an endpoint must mirror, by row: the row number is the client handle, for as long as the configuration stands."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.plant.equipment_class import Deadband, Endpoint, Equipment, Plant, Tag, TagType
from gateway.plant.ports import ItemRequest, TagRecord
from gateway.plant.units import conversion
from gateway.plant.values import FIXED, Changes, DataType, Ragged

_ANALOGUE = {DataType.FLOAT, DataType.DOUBLE}
_MOST_QUEUED = 10_000  #: values a server is asked to hold for one item


@dataclass(frozen=True, slots=True)
class Item:
    """One tag of one piece of equipment, as its site's server offers it.

    Twin value = raw value · factor + offset, in the class's unit.
    """

    path: str
    site_path: str
    equipment: Equipment
    tag: Tag
    type: TagType  #: as the site's server has it
    factor: float
    offset: float

    @property
    def converted(self) -> bool:
        """True when the site measures in another unit or scale than the class."""
        return self.factor != 1.0 or self.offset != 0.0

    @property
    def stepped(self) -> bool:
        """True for what holds its value between changes: everything that is not analogue."""
        return self.tag.type.base not in _ANALOGUE or self.tag.type.array

    def record(self, endpoint: Endpoint, node: str) -> TagRecord:
        """What the twin keeps of this tag."""
        return TagRecord(
            path=self.path, endpoint=endpoint.key, node=node, equipment_class=self.equipment.equipment_class.name,
            type=str(self.tag.type), unit=self.tag.unit, stepped=self.stepped,
            masked=self.equipment.equipment_class.holds_recipe(self.tag.path),
        )  # fmt: skip

    def deadband(self) -> Deadband | None:
        """The class's deadband as the server must apply it: in raw units."""
        band = self.tag.deadband
        if band is None or band.kind == "percent" or not self.converted:
            return band
        return Deadband(band.kind, band.value / abs(self.factor))

    def request(self, handle: int, node: str, outage_cover_s: float) -> ItemRequest:
        """The monitored item to ask for; its queue covers an outage at its sampling interval."""
        queue = min(max(2, int(outage_cover_s * 1000 / max(self.tag.sampling_ms, 1.0)) + 1), _MOST_QUEUED)
        return ItemRequest(handle, node, self.tag.sampling_ms, queue, self.deadband(), self.type.base)


def items_of(plant: Plant, endpoint: Endpoint) -> tuple[Item, ...]:
    """Everything to mirror from one endpoint, in a fixed order."""
    site = next(site for site in plant.sites if site.name == endpoint.site)
    return tuple(
        _item(equipment, tag)
        for equipment in site.equipment_of(endpoint.name)
        for tag in equipment.equipment_class.tags
        if _offered(equipment, tag)
    )


def _offered(equipment: Equipment, tag: Tag) -> bool:
    """The direct handshake has no transactions, and so none of their status (docs/handshake.md)."""
    recipe = equipment.equipment_class.recipe
    if recipe is None or equipment.handshake != "direct":
        return True
    return tag.path not in {f"{recipe.block}/Sts/ActiveTxId", f"{recipe.block}/Sts/State"}


def _item(equipment: Equipment, tag: Tag) -> Item:
    measure = equipment.measures.get(tag.path)
    kind, factor, offset = tag.type, 1.0, 0.0
    if measure is not None:
        kind, factor, offset = measure.type, measure.scale, measure.offset
        if measure.unit and tag.unit and measure.unit != tag.unit:
            times, plus = conversion(measure.unit, tag.unit)
            factor, offset = factor * times, offset * times + plus
    return Item(equipment.twin_path(tag.path), equipment.site_path(tag.path), equipment, tag, kind, factor, offset)


def group(
    requests: Sequence[ItemRequest], most: int | None, *, own_from: int = 50, most_groups: int = 6
) -> list[list[ItemRequest]]:
    """Split items into subscriptions by data type, so that values of one layout travel together and decode in long runs.

    A type gets subscriptions of its own from `own_from` items on; the rest share one. A subscription holds at most
    `most` items where the server says so. PLCs allow few subscriptions: beyond `most_groups` types share.
    """
    by_type: dict[DataType | None, list[ItemRequest]] = {}
    for request in requests:
        by_type.setdefault(request.type, []).append(request)
    large = sorted((items for items in by_type.values() if len(items) >= own_from), key=len, reverse=True)[: most_groups - 1]
    chosen = {id(items) for items in large}
    rest = [request for items in by_type.values() if id(items) not in chosen for request in items]
    size = most or max(len(requests), 1)
    return [items[at : at + size] for items in [*large, rest] for at in range(0, len(items), size)]


class Table:
    """Columns over an endpoint's items, indexed by client handle; what the hot path looks up."""

    def __init__(self, items: Sequence[Item], tags: Sequence[int], source_times: Sequence[int | None]) -> None:
        self.tag = np.array(tags, np.uint32)
        self.factor = np.array([item.factor for item in items], np.float64)
        self.offset = np.array([item.offset for item in items], np.float64)
        self.converted = np.array([item.converted for item in items], np.bool_)
        self.any_converted = bool(self.converted.any())
        self.last_source = np.array([time if time is not None else 0 for time in source_times], np.int64)
        self.last_received = np.zeros(len(items), np.int64)
        self.last_status = np.full(len(items), 0x8032_0000, np.uint32)  # BadWaitingForInitialData

    def __len__(self) -> int:
        return len(self.tag)

    def note(self, changes: Changes) -> None:
        """Remember when each item last reported, and with which status. `changes.tag` holds handles."""
        self.last_received[changes.tag] = changes.received_time
        self.last_status[changes.tag] = changes.status
        self.last_source[changes.tag] = changes.source_time  # the last to arrive, not the greatest: clocks are set back

    def in_class_terms(self, changes: Changes) -> list[Changes]:
        """Handles become the twin's tags, raw values the class's units."""
        handles = changes.tag
        tagged = _with(changes, self.tag[handles], changes.type, changes.values)
        if not self.any_converted or isinstance(changes.values, Ragged) or changes.type not in FIXED:
            return [tagged]
        rows = self.converted[handles]
        if not rows.any():
            return [tagged]
        which = np.flatnonzero(rows)
        own = handles[which]
        raw = tagged.take(which)
        values = np.asarray(raw.values, np.float64) * self.factor[own] + self.offset[own]
        converted = _with(raw, raw.tag, DataType.DOUBLE, values)
        return [converted] if len(which) == len(tagged) else [tagged.take(np.flatnonzero(~rows)), converted]


def _with(changes: Changes, tag: np.ndarray, kind: DataType, values: np.ndarray | Ragged) -> Changes:
    return Changes(
        kind, tag, changes.source_time, changes.server_time, changes.received_time, changes.status, changes.flags, values
    )
