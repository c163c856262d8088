"""The OPC UA server of one controller, from one start to the next."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from asyncua import Server, ua

from fake_plc.alarms import AlarmEvents
from fake_plc.machine_nodes import MachineNodes, MachineNodesBuilder, TypeIds
from fake_plc.naming import Naming
from fake_plc.node_builder import NodeBuilder
from fake_plc.pki import server_identity
from fake_plc.plant_table import SIMULATION_NAMESPACE, EquipmentSpec, Policy
from fake_plc.recipe_block import RecipeBlock, RecipeBlockBuilder
from fake_plc.sessions import PlcInternalServer, Users
from fake_plc.simulation_object import add_simulation_object
from fake_plc.wire_values import SUMMARY_FIELDS

if TYPE_CHECKING:
    from fake_plc.endpoint import Endpoint

_log = logging.getLogger(__name__)

OPERATION_LIMITS = (
    "MaxNodesPerRead", "MaxNodesPerWrite", "MaxNodesPerHistoryReadData", "MaxNodesPerMethodCall", "MaxNodesPerBrowse",
    "MaxNodesPerTranslateBrowsePathsToNodeIds", "MaxMonitoredItemsPerCall",
)  # fmt: skip

_POLICIES: dict[Policy, ua.SecurityPolicyType] = {
    "None": ua.SecurityPolicyType.NoSecurity,
    "Basic256Sha256": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "Aes256_Sha256_RsaPss": ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
}


class PlcServer:
    """Address space, sessions and blocks of one run of a controller."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.spec = endpoint.spec
        self.machines: list[MachineNodes] = []
        self.blocks: list[RecipeBlock] = []
        self.alarms: list[AlarmEvents] = []
        self._server: Server | None = None
        self._internal: PlcInternalServer | None = None
        self._serving: list[asyncio.Task[None]] = []

    @property
    def internal(self) -> PlcInternalServer:
        """asyncua's server core; only after ``start``."""
        assert self._internal is not None
        return self._internal

    @property
    def address(self) -> tuple[str, int]:
        """Where the server itself listens, behind the wire; only after ``start``."""
        assert self._server is not None
        assert self._server.bserver is not None
        return "127.0.0.1", self._server.bserver.port

    async def start(self, password: str | None) -> None:
        """Build the address space and listen on a free loopback port."""
        spec = self.spec
        self._internal = PlcInternalServer(Users(spec.user, password), self.endpoint.faults.requests)
        server = self._server = Server(iserver=self._internal)
        await server.init()
        server.name = f"{spec.site} {spec.name}"
        server.product_uri, server.manufacturer_name = "urn:fake-plc", "fake-plc"
        await server.set_application_uri(spec.application_uri)
        await server.set_build_info("urn:fake-plc", "fake-plc", server.name, "4.2.1", "1", datetime(2024, 1, 1))  # noqa: DTZ001
        server.application_type = ua.ApplicationType.Server
        server.set_endpoint(self.endpoint.url)
        server.socket_address = ("127.0.0.1", 0)
        server.set_security_policy([_POLICIES[spec.policy]])
        server.set_identity_tokens([ua.UserNameIdentityToken if spec.user else ua.AnonymousIdentityToken])
        await self._load_identity(server)
        self._internal.history_manager.set_storage(self.endpoint.history)
        await self._build(server, self._internal)
        await self.publish_limits()
        await server.start()
        self._serving = [asyncio.create_task(block.serve(), name=f"recipe {block.machine.name}") for block in self.blocks]

    async def stop(self) -> None:
        """Close every session and stop listening."""
        for task in self._serving:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._serving = []
        if self._server is not None and self._internal is not None:
            for session in list(self._internal.clients.values()):
                await session.close_session(True)
            await self._server.stop()

    async def show(self, now: datetime, elapsed: float) -> None:
        """Write what the machines and the controller's clock show at ``now``."""
        for machine in self.machines:
            await machine.show(now, elapsed)
        for alarms in self.alarms:
            await alarms.report(now)
        data = ua.DataValue(ua.Variant(now, ua.VariantType.DateTime), SourceTimestamp=now, ServerTimestamp=now)
        clock = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
        await self.internal.aspace.write_attribute_value(clock, ua.AttributeIds.Value, data)

    async def publish_limits(self) -> None:
        """Write the OperationLimits that the gate enforces (OPC 10000-5, 6.3.11)."""
        limit = ua.Variant(self.internal.gate.faults.max_operations, ua.VariantType.UInt32)
        for name in OPERATION_LIMITS:
            node_id = ua.NodeId(getattr(ua.ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}"))
            await self.internal.aspace.write_attribute_value(node_id, ua.AttributeIds.Value, ua.DataValue(limit))

    async def _load_identity(self, server: Server) -> None:
        options = self.endpoint.options
        if self.spec.policy == "None":
            return
        identity = server_identity(options.pki_dir, self.spec.key, self.spec.application_uri, options.host)
        await server.load_certificate(identity.certificate)
        await server.load_private_key(identity.key)
        server.set_certificate_validator(options.trust)

    async def _build(self, server: Server, internal: PlcInternalServer) -> None:
        uris = list(self.spec.namespaces)
        if self.endpoint.boot_id % 2 == 0:
            uris.reverse()  # a controller that loads its libraries in another order after a restart
        for uri in uris:
            await server.register_namespace(uri)
        namespace = await server.get_namespace_index(self.spec.namespace)
        builder = NodeBuilder(internal.node_mgt_service)
        naming = Naming(builder, namespace, self.spec.node_ids)
        types = self._types(builder, namespace)
        machines = MachineNodesBuilder(builder, naming, internal.aspace, self.endpoint.history, types, self.spec.locale)
        recipes = RecipeBlockBuilder(builder, naming, internal.aspace, internal.gate)
        for equipment in self.spec.equipment:
            machine = self.endpoint.machines[equipment.name]
            nodes = machines.build(machine, equipment, self.endpoint.faults.of(equipment.name))
            self.machines.append(nodes)
            self.alarms.append(AlarmEvents(machine, nodes.root, internal))
            block = RecipeBlock(
                machine,
                equipment.handshake,
                self.endpoint.handshakes[equipment.name],
                internal.aspace,
                asyncio.get_running_loop().time,
                self.endpoint.clock,
            )
            recipes.build(block, (*equipment.root.split("/"), "Recipe"))
            await block.show()
            self.blocks.append(block)
            self._machine_methods(builder, naming, equipment, internal)
        simulation = Naming(builder, await server.get_namespace_index(SIMULATION_NAMESPACE), "dotted")
        add_simulation_object(builder, simulation, internal.aspace, self.endpoint.injector)

    def _types(self, builder: NodeBuilder, namespace: int) -> TypeIds:
        ids = TypeIds(ua.NodeId("BatchSummary", namespace), ua.NodeId("BatchSummary.Binary", namespace))
        builder.add_structure_type(ids.summary, ids.summary_encoding, ua.QualifiedName("BatchSummary", namespace), SUMMARY_FIELDS)
        return ids

    def _machine_methods(
        self, builder: NodeBuilder, naming: Naming, equipment: EquipmentSpec, internal: PlcInternalServer
    ) -> None:
        cycle = self.endpoint.machines[equipment.name].cycle
        root = tuple(equipment.root.split("/"))
        for name, act in (("Start", cycle.start), ("Stop", cycle.stop), ("Reset", cycle.reset)):

            async def call(_: ua.NodeId, *arguments: ua.Variant, act: Any = act) -> ua.StatusCode:
                if arguments:
                    return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadTooManyArguments))
                return ua.StatusCode(ua.UInt32(ua.StatusCodes.Good if act() else ua.StatusCodes.BadInvalidState))

            path = (*root, name)
            method = builder.add_method(
                naming.folder(root), naming.node_id(path), naming.name(name), [], [], description=f"{name} the machine"
            )
            internal.aspace.add_method_callback(method, call)
