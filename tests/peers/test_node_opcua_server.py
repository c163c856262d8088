"""The peer itself: what it offers, and that its values prove loss. The gateway meets it in the other tests of this folder."""

import asyncio
from pathlib import Path

import pytest
from asyncua import Client, ua
from asyncua.common.subscription import Subscription
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from gateway.opcua.pki import Pki
from tests.peers.node_opcua import NodeOpcuaServer, node_opcua_server

pytestmark = pytest.mark.peer("node")


async def connected(server: NodeOpcuaServer, pki: Pki, *, password: str | None = None) -> Client:
    """A client of asyncua's own, secured with the gateway's certificate."""
    client = Client(server.url, timeout=10)
    client.application_uri = pki.application_uri()
    client.set_user(server.user)
    client.set_password(password or server.password)
    await client.set_security(
        SecurityPolicyBasic256Sha256, str(pki.certificate_file), str(pki.key_file), server_certificate=str(server.certificate)
    )
    return client


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    """A certificate of the client's own."""
    pki = Pki(tmp_path / "client-pki")
    pki.create("localhost")
    return pki


class Numbers:
    """Collects the values of an Int32 counter."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.enough = asyncio.Event()

    def datachange_notification(self, node: object, value: int, data: object) -> None:
        """Called by asyncua for each value."""
        self.seen.append(value)
        if len(self.seen) > 20:
            self.enough.set()


async def test_offers_one_secured_endpoint_and_refuses_strangers(tmp_path: Path, pki: Pki) -> None:
    """Nobody gets in without an encrypted channel, a trusted certificate and the right password."""
    async with node_opcua_server(tmp_path / "server", trust=[pki.certificate_file]) as server:
        offers = await Client(server.url).connect_and_get_server_endpoints()
        assert {(offer.SecurityPolicyUri.rsplit("#")[-1], offer.SecurityMode) for offer in offers} == {
            ("Basic256Sha256", ua.MessageSecurityMode.SignAndEncrypt)
        }
        client = await connected(server, pki, password="wrong")
        with pytest.raises(ua.UaStatusCodeError) as refusal:
            await client.connect()
        assert refusal.value.code in {ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadIdentityTokenRejected}


async def test_counts_without_a_hole_and_takes_writes(tmp_path: Path, pki: Pki) -> None:
    """The counter's values follow one another; a set-point holds what was written."""
    async with node_opcua_server(tmp_path / "server", trust=[pki.certificate_file], limits={"maxNodesPerRead": 77}) as server:
        assert len(server.changing) >= 100
        async with await connected(server, pki) as client:
            index = await client.get_namespace_index(server.namespace)
            limit = client.get_node(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
            assert await limit.read_value() == 77

            def path(tag: str) -> str:
                return "/".join(f"{index}:{name}" for name in f"{server.root}/{tag}".split("/"))

            counter = next(tag for tag in server.changing if tag.type == "Int32")
            node = await client.nodes.objects.get_child(path(counter.path))
            numbers = Numbers()
            subscription: Subscription = await client.create_subscription(100, numbers)
            await subscription.subscribe_data_change(node, sampling_interval=20, queuesize=50)
            await asyncio.wait_for(numbers.enough.wait(), timeout=20)
            await subscription.delete()
            assert numbers.seen == list(range(numbers.seen[0], numbers.seen[0] + len(numbers.seen)))

            setpoint = await client.nodes.objects.get_child(path("Setpoints/FloatSetpoint"))
            await setpoint.write_value(ua.DataValue(ua.Variant(1.5, ua.VariantType.Float)))
            assert await setpoint.read_value() == 1.5

            unit = await (await node.get_parent()).get_child([f"{index}:Double000", "0:EngineeringUnits"])
            assert (await unit.read_value()).DisplayName.Text == "°C"
