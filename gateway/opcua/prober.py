"""Looking at a server before it is configured: what it offers, which filters it takes, what lies below a node."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua

from gateway.errors import EquipmentError, NotFound, RequestRefused
from gateway.mirror.message import Message
from gateway.opcua.border import border
from gateway.opcua.equipment import UaEquipment
from gateway.opcua.pki import fingerprint, leaf
from gateway.opcua.security import MODES, POLICIES, policy_name
from gateway.opcua.session import UaSession, offers
from gateway.plant.equipment_class import Deadband
from gateway.plant.ports import ItemRequest
from gateway.plant.status_names import describe
from gateway.plant.values import DataType

_STRENGTH: Final = ["Aes256_Sha256_RsaPss", "Aes128_Sha256_RsaOaep", "Basic256Sha256", "None"]
_MODE_STRENGTH: Final = ["SignAndEncrypt", "Sign", "None"]
_MOST_NODES: Final = 20_000  #: nodes one browse may return


@dataclass(frozen=True, slots=True)
class Offer:
    """One way into a server. `supported`: this gateway can take it."""

    policy: str
    mode: str
    users: tuple[str, ...]
    fingerprint: str  #: SHA-256 of the server's certificate, empty without one
    supported: bool


@dataclass(frozen=True, slots=True)
class BrowsedNode:
    """One node below another. `depth` 0 is right below the start."""

    depth: int
    name: str
    namespace: str  #: of its browse name; empty in the standard's own
    node: str
    kind: str
    type: str = ""


async def offers_of(url: str, timeout: float) -> list[Offer]:
    """What a server offers, strongest first.

    Raises:
        Unreachable: nobody answers there.
    """
    found = {_offer(each) for each in await offers(url, timeout)}
    return sorted(found, key=lambda each: (not each.supported, _rank(_STRENGTH, each.policy), _rank(_MODE_STRENGTH, each.mode)))


def _rank(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _offer(endpoint: ua.EndpointDescription) -> Offer:
    policy = policy_name(endpoint.SecurityPolicyUri)
    mode = next((name for name, mode in MODES.items() if mode == endpoint.SecurityMode), "?")
    users = tuple(sorted({token.TokenType.name for token in endpoint.UserIdentityTokens or []}))
    certificate = leaf(bytes(endpoint.ServerCertificate or b""))
    return Offer(policy, mode, users, fingerprint(certificate) if certificate else "", policy in POLICIES and mode in MODES)


class _Deaf:
    """A sink for trying filters: nothing is published."""

    async def room(self) -> None:
        return

    def accept(self, message: Message) -> None:
        return

    def lost(self, subscription: int, since: int, until: int) -> None:
        return


async def test_filters(equipment: UaEquipment) -> tuple[dict[str, bool | None], bool]:
    """Which deadbands the server takes (None: nothing found to try them on), and whether any variable found keeps history."""
    variables = [node for node in await browse_below(equipment, None, depth=4) if node.kind == "Variable" and node.namespace][
        :200
    ]
    facts = await equipment.inspect([node.node for node in variables])
    analog = [
        (node.node, each)
        for node, each in zip(variables, facts, strict=True)
        if each.type in {DataType.FLOAT, DataType.DOUBLE} and not each.array
    ]
    history = any(each.has_history for each in facts)
    ranged = next((node for node, each in analog if each.range is not None), None)
    plain = ranged or (analog[0][0] if analog else None)
    verdict: dict[str, bool | None] = {}
    for kind, node in (("absolute", plain), ("percent", ranged)):
        verdict[kind] = None if node is None else await _takes(equipment, node, kind)
    return verdict, history


async def _takes(equipment: UaEquipment, node: str, kind: str) -> bool:
    feed = equipment.feed(1000.0, _Deaf())
    try:
        (outcome,) = await feed.subscribe([[ItemRequest(0, node, 1000.0, 2, Deadband(kind, 1.0))]])
    except EquipmentError:
        return False
    return not outcome.status >> 31 and not outcome.deadband_refused


async def browse_below(equipment: UaEquipment, below: str | None, depth: int) -> list[BrowsedNode]:
    """The nodes below `below` (`nsu=…;…`; None: Objects) in tree order, down to `depth` levels.

    Raises:
        NotFound: there is no such node.
        RequestRefused: the server has no such namespace, or far too many nodes lie below.
    """
    session = equipment.session
    start = ua.NodeId(ua.ObjectIds.ObjectsFolder, 0) if below is None else session.namespaces.node(below)
    if start is None:
        raise RequestRefused(f"'{below}': the server has no namespace of that URI; it has {', '.join(session.namespaces.uris)}")
    found: list[BrowsedNode] = []
    await _descend(session, start, 0, depth, found, {start})
    return found


async def _descend(
    session: UaSession, node: ua.NodeId, level: int, depth: int, found: list[BrowsedNode], seen: set[ua.NodeId]
) -> None:
    for reference in await _children(session, node):
        child = reference.NodeId
        if child in seen:
            continue
        seen.add(child)
        number = reference.BrowseName.NamespaceIndex
        uri = session.namespaces.uris[number] if 0 < number < len(session.namespaces.uris) else ""
        found.append(
            BrowsedNode(
                level,
                reference.BrowseName.Name or "",
                uri,
                session.namespaces.text(child),
                ua.NodeClass(reference.NodeClass).name,
            )
        )
        if len(found) > _MOST_NODES:
            raise RequestRefused(f"more than {_MOST_NODES} nodes lie below; browse a node further down, or fewer levels")
        if level + 1 < depth:
            await _descend(session, child, level + 1, depth, found, seen)


async def _children(session: UaSession, node: ua.NodeId) -> list[Any]:
    """All hierarchical children, the server's own Server object left out."""
    description = ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences, 0),
        IncludeSubtypes=True,
        NodeClassMask=int(ua.NodeClass.Object) | int(ua.NodeClass.Variable) | int(ua.NodeClass.Method),
        ResultMask=int(ua.BrowseResultMask.All),
    )
    with border(f"{session.endpoint.url}: browsing"):
        (answer,) = await session.services.browse(ua.BrowseParameters(NodesToBrowse=[description]))
        if not answer.StatusCode.is_good():
            raise NotFound(f"{session.namespaces.text(node)} cannot be browsed: {describe(int(answer.StatusCode.value))}")
        references = list(answer.References or [])
        while answer.ContinuationPoint:
            parameters = ua.BrowseNextParameters(ContinuationPoints=[answer.ContinuationPoint])
            (answer,) = await session.services.browse_next(parameters)
            references += answer.References or []
    return [each for each in references if each.NodeId != ua.NodeId(ua.ObjectIds.Server, 0)]
