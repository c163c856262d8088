"""One machine's variables in the address space, and their values kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from fake_plc.equipment.machine import Machine
from fake_plc.history import HistoryRing
from fake_plc.naming import Naming
from fake_plc.node_builder import HISTORY, READ, NodeBuilder, child_id
from fake_plc.plant_table import EquipmentSpec, renamed
from fake_plc.signals import MODES, PlainValue, Range, Signal, TypeName, unit_id
from fake_plc.wire_values import converter, data_type_id, site_range, to_variant

UNIT_NAMESPACE = "http://www.opcfoundation.org/UA/units/un/cefact"


@dataclass
class Disturbance:
    """A fault of one signal: a status instead of Good, a drift in the class's unit per second, or both."""

    status: int = 0
    drift_per_second: float = 0.0
    since: float = 0.0


@dataclass(slots=True)
class Output:
    """One variable: where it is, how its value is converted, what it showed last."""

    signal: Signal
    type: TypeName
    node_id: ua.NodeId
    convert: Callable[[PlainValue], Any]
    due: float = 0.0
    shown: Any = None
    status: int = 0


@dataclass
class TypeIds:
    """Node ids of the data types that a server defines itself."""

    summary: ua.NodeId
    summary_encoding: ua.NodeId


@dataclass
class MachineNodes:
    """The variables of one machine."""

    machine: Machine
    spec: EquipmentSpec
    root: ua.NodeId
    outputs: list[Output]
    types: TypeIds
    aspace: AddressSpace
    history: HistoryRing
    disturbances: Mapping[str, Disturbance]

    def find(self, path: str) -> Output | None:
        """The output of a class path, or of the site's path."""
        for output in self.outputs:
            if path in (output.signal.path, renamed(output.signal.path, self.spec.rename)):
                return output
        return None

    async def show(self, now: datetime, elapsed: float) -> int:
        """Write what is due and has changed; ``elapsed`` is the controller's running time in seconds. Returns how many."""
        values = self.machine.values()
        written = 0
        for output in self.outputs:
            if elapsed < output.due:
                continue
            output.due = elapsed + output.signal.period - 0.01
            value = values[output.signal.path]
            status = 0
            disturbance = self.disturbances.get(output.signal.path)
            if disturbance is not None:
                status = disturbance.status
                if disturbance.drift_per_second and isinstance(value, (int, float)):
                    value = value + disturbance.drift_per_second * (elapsed - disturbance.since)
            shown = output.convert(value)
            if shown == output.shown and status == output.status:
                continue
            output.shown, output.status = shown, status
            data = ua.DataValue(
                to_variant(output.type, shown, self.types.summary_encoding),
                ua.StatusCode(ua.UInt32(status)),
                SourceTimestamp=now,
                ServerTimestamp=now,
            )
            await self.aspace.write_attribute_value(output.node_id, ua.AttributeIds.Value, data)
            if output.signal.history:
                self.history.save(output.node_id, data)
            written += 1
        return written


@dataclass
class MachineNodesBuilder:
    """Builds the variables of machines in one server."""

    builder: NodeBuilder
    naming: Naming
    aspace: AddressSpace
    history: HistoryRing
    types: TypeIds
    locale: str

    def build(self, machine: Machine, spec: EquipmentSpec, disturbances: Mapping[str, Disturbance]) -> MachineNodes:
        """Add ``machine`` below the objects of ``spec.root``; ``disturbances`` are looked up at every value."""
        root_path = tuple(spec.root.split("/"))
        root = self.naming.folder(root_path, description=machine.description, events=True)
        values = machine.values()
        outputs = [self._variable(signal, spec, root_path, values[signal.path]) for signal in machine.signals()]
        return MachineNodes(machine, spec, root, outputs, self.types, self.aspace, self.history, disturbances)

    def _variable(self, signal: Signal, spec: EquipmentSpec, root_path: tuple[str, ...], value: PlainValue) -> Output:
        scaling = spec.scaling.get(signal.path)
        path = root_path + tuple(renamed(signal.path, spec.rename).split("/"))
        parent = self.naming.folder(path[:-1])
        type_name = scaling.type if scaling else signal.type
        unit = scaling.unit if scaling else signal.unit
        eu_range = site_range(signal, scaling)
        convert = converter(signal, scaling, self.locale)
        node_id = self.naming.node_id(path)
        variant = to_variant(type_name, convert(value), self.types.summary_encoding)
        rank = type_name.count("[") or -1
        dimensions = variant.Dimensions if rank == 2 else [len(variant.Value)] if rank == 1 else None
        self.builder.add_variable(
            parent,
            node_id,
            self.naming.name(path[-1]),
            variant,
            self._data_type(type_name),
            type_definition=_definition(signal, eu_range),
            access=READ | (HISTORY if signal.history else 0),
            description=signal.guidance,
            sampling_ms=signal.period * 1000.0,
            rank=rank,
            dimensions=dimensions,
        )
        add_properties(self.builder, node_id, unit, eu_range)
        if signal.type == "Enumeration":
            texts = [ua.LocalizedText(text) for text in MODES]
            self.builder.add_property(
                node_id,
                child_id(node_id, "EnumStrings"),
                "EnumStrings",
                ua.Variant(texts, ua.VariantType.LocalizedText),
                ua.NodeId(ua.ObjectIds.LocalizedText),
                rank=1,
            )
        return Output(signal, type_name, node_id, convert)

    def _data_type(self, type_name: TypeName) -> ua.NodeId:
        return self.types.summary if type_name == "Structure" else ua.NodeId(data_type_id(type_name))


def _definition(signal: Signal, eu_range: Range | None) -> int:
    if signal.type == "Enumeration":
        return ua.ObjectIds.MultiStateDiscreteType
    return ua.ObjectIds.AnalogItemType if eu_range is not None else ua.ObjectIds.BaseDataVariableType


def add_properties(builder: NodeBuilder, node_id: ua.NodeId, unit: str, eu_range: Range | None) -> None:
    """EURange and EngineeringUnits of an analog variable (OPC 10000-8, 5.3.2)."""
    if eu_range is not None:
        builder.add_property(
            node_id,
            child_id(node_id, "EURange"),
            "EURange",
            ua.Variant(ua.Range(eu_range.low, eu_range.high), ua.VariantType.ExtensionObject),
            ua.NodeId(ua.ObjectIds.Range),
        )
    if unit:
        information = ua.EUInformation(
            NamespaceUri=UNIT_NAMESPACE,
            UnitId=ua.Int32(unit_id(unit)),
            DisplayName=ua.LocalizedText(unit),
            Description=ua.LocalizedText(unit),
        )
        builder.add_property(
            node_id,
            child_id(node_id, "EngineeringUnits"),
            "EngineeringUnits",
            ua.Variant(information, ua.VariantType.ExtensionObject),
            ua.NodeId(ua.ObjectIds.EUInformation),
        )
