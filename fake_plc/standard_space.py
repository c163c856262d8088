"""The OPC UA standard address space, loaded once per process and given to every server as its own copy.

Building it takes about two seconds, so a plant of nine servers would need twenty. The copy shares what is never changed in place
(values, reference descriptions) and owns what is (the attribute cells and the lists of references).
"""

from __future__ import annotations

from functools import cache

from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData, NodeManagementService
from asyncua.server.standard_address_space import standard_address_space


@cache
def _template() -> tuple[NodeData, ...]:
    space = AddressSpace()
    standard_address_space.fill_address_space(NodeManagementService(space))
    return tuple(space[node_id] for node_id in space.keys())  # noqa: SIM118  AddressSpace is not iterable


def fill_with_standard_nodes(space: AddressSpace) -> None:
    """Put an own copy of every standard node into the empty ``space``."""
    for source in _template():
        node = NodeData(source.nodeid)
        node.references = list(source.references)
        for attribute, cell in source.attributes.items():
            if cell.value is not None:
                node.attributes[attribute] = AttributeValue(cell.value)
        space[source.nodeid] = node
