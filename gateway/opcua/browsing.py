"""Finding nodes by browse path, and reading what a server says of its variables."""

from collections.abc import Sequence
from typing import Any, Final

from asyncua import ua

from gateway.errors import EquipmentError
from gateway.opcua.nodes import BAD_NODE_ID_UNKNOWN
from gateway.opcua.session import UaSession
from gateway.plant.equipment_class import RootNode
from gateway.plant.ports import NodeFacts
from gateway.plant.values import DataType

_BAD_NO_MATCH: Final = 0x806F_0000
_BAD_TOO_MANY_MATCHES: Final = 0x8070_0000
_OBJECTS: Final = ua.NodeId(ua.ObjectIds.ObjectsFolder, 0)
_HIERARCHICAL: Final = ua.NodeId(ua.ObjectIds.HierarchicalReferences, 0)

_READ, _WRITE, _HISTORY = 0x01, 0x02, 0x04  # AccessLevel bits (OPC 10000-3, 8.57)
#: Abstract data types and the built-in type their values are commonly declared by.
_ABSTRACT: Final = {26: DataType.DOUBLE, 27: DataType.INT64, 28: DataType.UINT64, 29: DataType.INT32, 290: DataType.DOUBLE}
_ATTRIBUTES: Final = (
    ua.AttributeIds.DataType, ua.AttributeIds.ValueRank, ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel,
    ua.AttributeIds.MinimumSamplingInterval,
)  # fmt: skip


def _relative(names: Sequence[str], namespace: int) -> ua.RelativePath:
    path = ua.RelativePath()
    path.Elements = [
        ua.RelativePathElement(
            ReferenceTypeId=_HIERARCHICAL, IsInverse=False, IncludeSubtypes=True, TargetName=ua.QualifiedName(name, namespace)
        )
        for name in names
    ]
    return path


async def translate(session: UaSession, paths: Sequence[tuple[ua.NodeId, Sequence[str], int]]) -> list[ua.NodeId | int]:
    """For each (start, names, namespace index) the one node at the end of the path, or the bad StatusCode."""

    async def call(part: list[tuple[ua.NodeId, Sequence[str], int]]) -> Sequence[Any]:
        return await session.services.translate_browsepaths_to_nodeids(
            [ua.BrowsePath(StartingNode=start, RelativePath=_relative(names, number)) for start, names, number in part]
        )

    found: list[ua.NodeId | int] = []
    for answer in await session.chunked("TranslateBrowsePaths", paths, session.facts.limits.nodes_per_translate, call):
        status, targets = int(answer.StatusCode.value), answer.Targets or []
        if status >> 31:
            found.append(status)
        elif len(targets) == 1:
            found.append(targets[0].TargetId)
        else:
            found.append(_BAD_TOO_MANY_MATCHES if targets else _BAD_NO_MATCH)
    return found


async def resolve(session: UaSession, root: RootNode, paths: Sequence[str]) -> list[str | int]:
    """For each browse path below `root` (`""` is the root itself) its NodeId text, or the bad StatusCode."""
    start, namespace = await _root(session, root)
    if isinstance(start, int):
        return [start] * len(paths)
    below = [path for path in paths if path]
    found = iter(await translate(session, [(start, path.split("/"), namespace) for path in below]))
    nodes = [next(found) if path else start for path in paths]
    return [node if isinstance(node, int) else session.namespaces.text(node) for node in nodes]


async def _root(session: UaSession, root: RootNode) -> tuple[ua.NodeId | int, int]:
    """The equipment's root and the index of the namespace that the names below it are in."""
    if root.node is not None:
        node = session.namespaces.node(root.node)
        return (BAD_NODE_ID_UNKNOWN, 0) if node is None else (node, int(node.NamespaceIndex))
    number = session.namespaces.index(root.namespace or "")
    if number is None or root.path is None:
        return BAD_NODE_ID_UNKNOWN, 0
    (found,) = await translate(session, [(_OBJECTS, root.path.split("/"), number)])
    return found, number


async def inspect(session: UaSession, nodes: Sequence[str]) -> list[NodeFacts]:
    """Data type, rank, access, range and unit of variables, in the order given."""
    known = [session.namespaces.node(text) for text in nodes]
    present = [node for node in known if node is not None]
    answers = await session.read_attributes([(node, attribute) for node in present for attribute in _ATTRIBUTES])
    rows = [answers[start : start + len(_ATTRIBUTES)] for start in range(0, len(answers), len(_ATTRIBUTES))]
    types = _DataTypes(session)
    analog = iter(await _analog(session, present))
    facts = iter([await _facts(row, types, next(analog)) for row in rows])
    return [next(facts) if node is not None else NodeFacts(BAD_NODE_ID_UNKNOWN) for node in known]


def _value(answer: ua.DataValue) -> Any:
    return answer.Value.Value if answer.StatusCode.is_good() else None


async def _facts(row: Sequence[ua.DataValue], types: "_DataTypes", analog: tuple[Any, Any]) -> NodeFacts:
    data_type, rank, access, user_access, interval = (_value(answer) for answer in row)
    if data_type is None:
        return NodeFacts(int(row[0].StatusCode.value) or BAD_NODE_ID_UNKNOWN)
    kind, name = await types.built_in(data_type)
    allowed = int(user_access if user_access is not None else access or 0)
    span, unit = analog
    return NodeFacts(
        status=0, type=kind, type_name=name, array=rank is not None and rank >= 1,
        readable=bool(allowed & _READ), writable=bool(allowed & _WRITE), has_history=bool(allowed & _HISTORY),
        minimum_sampling_ms=interval, range=(span.Low, span.High) if isinstance(span, ua.Range) else None,
        unit=unit.DisplayName.Text if isinstance(unit, ua.EUInformation) else None,
    )  # fmt: skip


async def _analog(session: UaSession, nodes: Sequence[ua.NodeId]) -> list[tuple[Any, Any]]:
    """(EURange, EngineeringUnits) of each variable, None where it has none (OPC 10000-8, 5.3.2)."""
    names = ("EURange", "EngineeringUnits")
    found = await translate(session, [(node, [name], 0) for node in nodes for name in names])
    properties = [node for node in found if not isinstance(node, int)]
    values = iter(await session.read_attributes([(node, ua.AttributeIds.Value) for node in properties]))
    flat = [None if isinstance(node, int) else _value(next(values)) for node in found]
    return list(zip(flat[::2], flat[1::2], strict=True))


class _DataTypes:
    """Finds the built-in type behind a data type by walking up its supertypes; remembers what it found."""

    def __init__(self, session: UaSession) -> None:
        self._session = session
        self._known: dict[ua.NodeId, tuple[DataType | None, str]] = {}

    async def built_in(self, node: ua.NodeId) -> tuple[DataType | None, str]:
        """The built-in type, and the standard's name of it (`Enumeration` and `Structure` for their kinds)."""
        if node not in self._known:
            self._known[node] = await self._find(node)
        return self._known[node]

    async def _find(self, node: ua.NodeId) -> tuple[DataType | None, str]:
        seen = 0
        while seen < 20:  # deeper than any real type hierarchy; a server with a cycle must not hold us
            if node.NamespaceIndex == 0 and isinstance(node.Identifier, int):
                number = int(node.Identifier)
                if number == 29:
                    return DataType.INT32, "Enumeration"
                if number == 22:
                    return DataType.EXTENSIONOBJECT, "Structure"
                if 1 <= number <= 25:
                    return DataType(number), DataType(number).name.title()
                if number in _ABSTRACT:
                    return _ABSTRACT[number], "Number"
            parent = await self._supertype(node)
            if parent is None:
                return None, node.to_string()
            node, seen = parent, seen + 1
        return None, node.to_string()

    async def _supertype(self, node: ua.NodeId) -> ua.NodeId | None:
        description = ua.BrowseDescription(
            NodeId=node, BrowseDirection=ua.BrowseDirection.Inverse, ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasSubtype, 0),
            IncludeSubtypes=False, NodeClassMask=0, ResultMask=0,
        )  # fmt: skip

        async def call(part: list[ua.BrowseDescription]) -> Sequence[Any]:
            return await self._session.services.browse(ua.BrowseParameters(NodesToBrowse=part))

        try:
            (answer,) = await self._session.chunked("Browse", [description], 1, call)
        except EquipmentError:
            return None  # a server may refuse to show its types; the value's own encoding still tells the type
        references = answer.References or []
        return references[0].NodeId if references else None
