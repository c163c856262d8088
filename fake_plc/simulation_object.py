"""The Simulation object: every fault as a method, for clients that test themselves over OPC UA."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asyncua import ua
from asyncua.server.address_space import AddressSpace

from fake_plc.errors import FakePlcRefused
from fake_plc.faults import FAULTS, Fault, FaultInjector
from fake_plc.naming import Naming
from fake_plc.node_builder import NodeBuilder, argument
from fake_plc.recipe_block import check_arguments
from fake_plc.wire_values import data_type_id, variant_type


def add_simulation_object(builder: NodeBuilder, naming: Naming, aspace: AddressSpace, injector: FaultInjector) -> None:
    """Add Objects/Simulation with one method a fault. Each returns (Done Boolean, Message String)."""
    path = ("Simulation",)
    parent = naming.folder(path, description="Faults of this emulated controller")
    outputs = [argument("Done", ua.ObjectIds.Boolean), argument("Message", ua.ObjectIds.String)]
    for fault in FAULTS.values():
        inputs = [argument(a.name, data_type_id(a.type), a.description) for a in fault.arguments]
        name = naming.name(fault.method_name)
        method = builder.add_method(
            parent, naming.node_id((*path, fault.method_name)), name, inputs, outputs, description=fault.description
        )  # fmt: skip
        aspace.add_method_callback(method, _callback(fault, injector))


def _callback(fault: Fault, injector: FaultInjector) -> Callable[..., Awaitable[object]]:
    kinds = [variant_type(a.type) for a in fault.arguments]

    async def call(_: ua.NodeId, *arguments: ua.Variant) -> object:
        refusal = check_arguments(arguments, kinds)
        if refusal is not None:
            return refusal
        given = {a.name: value.Value for a, value in zip(fault.arguments, arguments, strict=True)}
        try:
            done, message = True, injector.inject(fault.name, given)
        except FakePlcRefused as error:
            done, message = False, str(error)
        return [ua.Variant(done, ua.VariantType.Boolean), ua.Variant(message, ua.VariantType.String)]

    return call
