"""Puts nodes into a server's address space, synchronously and in the exact types asked for."""

from __future__ import annotations

from asyncua import ua
from asyncua.server.address_space import NodeManagementService

READ = 1 << ua.AccessLevel.CurrentRead
WRITE = 1 << ua.AccessLevel.CurrentWrite
HISTORY = 1 << ua.AccessLevel.HistoryRead


class AddressSpaceError(Exception):
    """A node could not be added; the text names it and the status."""


class NodeBuilder:
    """Adds nodes below others. Every method returns the new node's id."""

    def __init__(self, management: NodeManagementService) -> None:
        self._management = management

    def add_object(
        self,
        parent: ua.NodeId,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        *,
        description: str = "",
        type_definition: int = ua.ObjectIds.BaseObjectType,
        organizes: bool = False,
        events: bool = False,
    ) -> ua.NodeId:
        """An object; ``events`` makes it an event notifier."""
        attributes = ua.ObjectAttributes()
        attributes.DisplayName = ua.LocalizedText(name.Name)
        attributes.Description = ua.LocalizedText(description)
        attributes.EventNotifier = ua.Byte(1 if events else 0)
        reference = ua.ObjectIds.Organizes if organizes else ua.ObjectIds.HasComponent
        return self._add(parent, node_id, name, ua.NodeClass.Object, attributes, reference, ua.NodeId(type_definition))

    def add_variable(
        self,
        parent: ua.NodeId,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        value: ua.Variant,
        data_type: ua.NodeId,
        *,
        type_definition: int = ua.ObjectIds.BaseDataVariableType,
        access: int = READ,
        description: str = "",
        sampling_ms: float = 0.0,
        rank: int = -1,
        dimensions: list[int] | None = None,
        is_property: bool = False,
    ) -> ua.NodeId:
        """A variable or, with ``is_property``, a property. ``rank`` is the ValueRank (OPC 10000-3, 5.6.2)."""
        attributes = ua.VariableAttributes()
        attributes.DisplayName = ua.LocalizedText(name.Name)
        attributes.Description = ua.LocalizedText(description)
        attributes.Value = value
        attributes.DataType = data_type
        attributes.ValueRank = ua.Int32(rank)
        attributes.ArrayDimensions = [ua.UInt32(size) for size in dimensions] if dimensions else []
        attributes.AccessLevel = attributes.UserAccessLevel = ua.Byte(access)
        attributes.Historizing = bool(access & HISTORY)
        attributes.MinimumSamplingInterval = ua.Double(sampling_ms)
        reference = ua.ObjectIds.HasProperty if is_property else ua.ObjectIds.HasComponent
        definition = ua.ObjectIds.PropertyType if is_property else type_definition
        return self._add(parent, node_id, name, ua.NodeClass.Variable, attributes, reference, ua.NodeId(definition))

    def add_property(
        self, owner: ua.NodeId, node_id: ua.NodeId, name: str, value: ua.Variant, data_type: ua.NodeId, *, rank: int = -1
    ) -> ua.NodeId:
        """A property of the standard namespace (EURange, EnumStrings, InputArguments …)."""
        return self.add_variable(owner, node_id, ua.QualifiedName(name, 0), value, data_type, rank=rank, is_property=True)

    def add_method(
        self,
        parent: ua.NodeId,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        inputs: list[ua.Argument],
        outputs: list[ua.Argument],
        *,
        description: str = "",
    ) -> ua.NodeId:
        """A method with its argument properties."""
        attributes = ua.MethodAttributes()
        attributes.DisplayName = ua.LocalizedText(name.Name)
        attributes.Description = ua.LocalizedText(description)
        attributes.Executable = attributes.UserExecutable = True
        added = self._add(parent, node_id, name, ua.NodeClass.Method, attributes, ua.ObjectIds.HasComponent, ua.NodeId())
        for title, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                self.add_property(
                    added,
                    child_id(node_id, title),
                    title,
                    ua.Variant(arguments, ua.VariantType.ExtensionObject),
                    ua.NodeId(ua.ObjectIds.Argument),
                    rank=1,
                )
        return added

    def add_structure_type(
        self, node_id: ua.NodeId, encoding_id: ua.NodeId, name: ua.QualifiedName, fields: list[tuple[str, int]]
    ) -> None:
        """A structured data type with its definition and binary encoding; ``fields`` are (name, built-in type id)."""
        definition = ua.StructureDefinition()
        definition.DefaultEncodingId = encoding_id
        definition.BaseDataType = ua.NodeId(ua.ObjectIds.Structure)
        definition.StructureType = ua.StructureType.Structure
        definition.Fields = [
            ua.StructureField(Name=field, DataType=ua.NodeId(type_id), ValueRank=ua.Int32(-1), IsOptional=False)
            for field, type_id in fields
        ]
        attributes = ua.DataTypeAttributes()
        attributes.DisplayName = ua.LocalizedText(name.Name)
        attributes.IsAbstract = False
        attributes.DataTypeDefinition = definition
        attributes.SpecifiedAttributes = ua.UInt32(attributes.SpecifiedAttributes | ua.NodeAttributesMask.DataTypeDefinition)
        structure = ua.NodeId(ua.ObjectIds.Structure)
        self._add(structure, node_id, name, ua.NodeClass.DataType, attributes, ua.ObjectIds.HasSubtype, ua.NodeId())
        encoding = ua.ObjectAttributes()
        encoding.DisplayName = ua.LocalizedText("Default Binary")
        self._add(
            node_id,
            encoding_id,
            ua.QualifiedName("Default Binary", 0),
            ua.NodeClass.Object,
            encoding,
            ua.ObjectIds.HasEncoding,
            ua.NodeId(ua.ObjectIds.DataTypeEncodingType),
        )

    def _add(
        self,
        parent: ua.NodeId,
        node_id: ua.NodeId,
        name: ua.QualifiedName,
        node_class: ua.NodeClass,
        attributes: object,
        reference: int,
        type_definition: ua.NodeId,
    ) -> ua.NodeId:
        item = ua.AddNodesItem()
        item.ParentNodeId = parent
        item.ReferenceTypeId = ua.NodeId(reference)
        item.RequestedNewNodeId = node_id
        item.BrowseName = name
        item.NodeClass = node_class
        item.NodeAttributes = attributes
        item.TypeDefinition = type_definition
        result = self._management.add_nodes([item])[0]
        if not result.StatusCode.is_good():
            raise AddressSpaceError(f"node {name.Name} ({node_id.to_string()}): {result.StatusCode.name}")
        return node_id


def child_id(owner: ua.NodeId, name: str) -> ua.NodeId:
    """A stable id for a property of ``owner``, in its namespace."""
    return ua.NodeId(f"{owner.Identifier}#{name}", owner.NamespaceIndex)


def argument(name: str, type_id: int, description: str = "") -> ua.Argument:
    """A scalar argument of a method; ``type_id`` is the built-in type."""
    return ua.Argument(Name=name, DataType=ua.NodeId(type_id), ValueRank=ua.Int32(-1), Description=ua.LocalizedText(description))
