"""Does a piece of equipment offer what its class says? Pure rules over what the server told of each node."""

from collections.abc import Sequence

from gateway.mirror.items import Item
from gateway.mirror.report import Finding
from gateway.plant.ports import NodeFacts
from gateway.plant.status_names import describe
from gateway.plant.values import DataType

_WIDENS: dict[DataType, set[DataType]] = {DataType.DOUBLE: {DataType.FLOAT}}  # a class's Double may be a Float on the wire


def judge_equipment(rows: Sequence[tuple[Item, NodeFacts | None, int]]) -> list[Finding]:
    """What is wrong with the tags of one piece of equipment: (item, facts or None, status where there are none).

    When nothing at all is below the root, that is one finding and not one for each tag.
    """
    if len(rows) > 1 and all(facts is None for _, facts, _ in rows):
        item, _, status = rows[0]
        root = item.equipment.root
        where = root.node or f"{root.path} in {root.namespace}"
        problem = f"none of its {len(rows)} tags was found below its root '{where}' ({describe(status)})"
        return [
            Finding(
                str(item.equipment.path),
                "",
                "fault",
                problem,
                "correct 'root' in the site file; 'gateway browse' shows what is there",
            )
        ]
    return [finding for item, facts, status in rows for finding in judge(item, facts, status)]


def judge(item: Item, facts: NodeFacts | None, status: int) -> list[Finding]:
    """What is wrong with one tag. `facts` None: the node was not found, and `status` says why."""
    place = f"{item.equipment.path}"

    def finding(severity: str, problem: str, cure: str) -> Finding:
        return Finding(place, item.tag.path, severity, problem, cure)

    if facts is None or facts.status >> 31:
        why = describe(facts.status if facts is not None else status)
        return [
            finding(
                "note" if item.tag.optional else "fault",
                f"the server has no node at '{item.site_path}' below the equipment's root ({why})",
                "" if item.tag.optional else "correct 'root' or 'rename' in the site file, or mark the tag optional in the class",
            )
        ]
    found: list[Finding] = []
    if facts.type is not None and facts.type is not item.type.base and facts.type not in _WIDENS.get(item.type.base, set()):
        found.append(
            finding(
                "fault",
                f"declared {item.type}, the server has {facts.type_name}",
                "give the site's 'type' under 'tags' in the site file",
            )
        )
    if facts.type is not None and facts.array != item.type.array:
        has = "an array" if facts.array else "a single value"
        found.append(finding("fault", f"declared {item.type}, the server has {has}", "correct 'type' in the class"))
    if not facts.readable:
        found.append(finding("fault", "our user may not read it", "give the gateway's user read access on the server"))
    if item.tag.history and not facts.has_history:
        found.append(
            finding(
                "note",
                "the server keeps no history of it",
                "switch historising on, or drop 'history' from the class: outages stay gaps",
            )
        )
    if item.tag.deadband is not None and item.tag.deadband.kind == "percent" and facts.range is None:
        found.append(finding("note", "a percent deadband needs an EURange and the server has none", "use an absolute deadband"))
    return found
