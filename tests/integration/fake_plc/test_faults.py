"""Every fault does what it says, and clear ends it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from asyncua import Client, Node, ua

from fake_plc.control import ControlChannel, send
from fake_plc.endpoint import Endpoint
from fake_plc.errors import EndpointRefused, FaultRefused
from fake_plc.faults import FAULTS
from fake_plc.plant_table import SIMULATION_NAMESPACE
from tests.integration.fake_plc.conftest import Lab, eventually, node_at, spec_of, write

SPEC = spec_of("nanjing.cell-plc")
COATER = SPEC.equipment[1]
CURRENT_TIME = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)


async def weight(client: Client, endpoint: Endpoint) -> Node:
    return await node_at(client, endpoint, COATER, "PV/CoatWeight")


async def test_drop_connections(lab: Lab) -> None:
    async with lab.running(SPEC) as endpoint:
        client = await lab.client(endpoint)
        await client.connect()
        assert endpoint.wire.connections == 1
        endpoint.injector.inject("drop-connections", {})
        await eventually(lambda: endpoint.wire.connections == 0)
        with pytest.raises((ConnectionError, ua.UaError, asyncio.TimeoutError)):
            await client.get_node(CURRENT_TIME).read_value()
        client.disconnect_socket()
        async with await lab.client(endpoint) as again:
            assert await again.get_node(CURRENT_TIME).read_value()


async def test_silence(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        endpoint.injector.inject("silence", {"seconds": 60})
        node = client.get_node(CURRENT_TIME)

        async def silent() -> bool:
            try:
                await asyncio.wait_for(node.read_value(), 0.5)
            except TimeoutError:
                return True
            return False

        await eventually(silent)
        endpoint.injector.inject("clear", {})
        await eventually(lambda: _answers(node))


async def _answers(node: Node) -> bool:
    return bool(await asyncio.wait_for(node.read_value(), 5))


async def test_lose_session(lab: Lab) -> None:
    async with lab.running(SPEC) as endpoint:
        client = await lab.client(endpoint)
        await client.connect()
        assert len(endpoint.server.internal.clients) == 1
        endpoint.injector.inject("lose-session", {})
        await eventually(lambda: not endpoint.server.internal.clients)
        with pytest.raises(ua.UaStatusCodeError):
            await client.get_node(CURRENT_TIME).read_value()
        assert endpoint.wire.connections == 1
        client.disconnect_socket()


async def test_lose_subscription(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        await client.create_subscription(100, None)
        service = endpoint.server.internal.subscription_service
        assert len(service.subscriptions) == 1
        endpoint.injector.inject("lose-subscription", {})
        await eventually(lambda: not service.subscriptions)
        assert await client.get_node(CURRENT_TIME).read_value()


async def test_restart(lab: Lab) -> None:
    async with lab.running(SPEC) as endpoint:
        async with await lab.client(endpoint) as client:
            before = await client.get_namespace_array()
            boot = await (await node_at(client, endpoint, COATER, "Recipe/Sts/BootId")).read_value()
            batches = endpoint.machines["coater-1"].heartbeat
        url = endpoint.url
        endpoint.injector.inject("restart", {"down": 0.3})
        await eventually(lambda: not endpoint.running)
        with pytest.raises(EndpointRefused, match="is down"):
            endpoint.injector.inject("small-limits", {})
        await eventually(lambda: endpoint.running)
        assert endpoint.url == url
        async with await lab.client(endpoint) as client:
            after = await client.get_namespace_array()
            assert after != before
            assert sorted(after) == sorted(before)
            assert await (await node_at(client, endpoint, COATER, "Recipe/Sts/BootId")).read_value() == boot + 1
        assert endpoint.machines["coater-1"].heartbeat >= batches


async def test_slow_answers(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        endpoint.injector.inject("slow-answers", {"ms": 400})
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await client.get_node(CURRENT_TIME).read_value()
        assert loop.time() - begin >= 0.4
        endpoint.injector.inject("clear", {})


async def test_small_limits(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        limit = client.get_node(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
        assert await limit.read_value() == 1000
        endpoint.injector.inject("small-limits", {"operations": 3})

        async def published() -> bool:
            return bool(await limit.read_value() == 3)

        await eventually(published)
        nodes = [client.get_node(CURRENT_TIME)] * 4
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await client.read_values(nodes)
        assert refused.value.code == ua.StatusCodes.BadTooManyOperations
        assert len(await client.read_values(nodes[:3])) == 3


async def test_bad_quality_and_clear(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        node = await weight(client, endpoint)
        endpoint.injector.inject("bad-quality", {"tag": "coater-1/Process/CoatWeight", "status": "BadSensorFailure"})

        async def status() -> int:
            return int((await node.read_data_value(raise_on_bad_status=False)).StatusCode.value)

        async def is_bad() -> bool:
            return await status() == ua.StatusCodes.BadSensorFailure

        async def is_good() -> bool:
            return await status() == 0

        await eventually(is_bad)
        endpoint.injector.inject("clear", {})
        await eventually(is_good)


async def test_sensor_drift(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        node = await weight(client, endpoint)
        endpoint.injector.inject("sensor-drift", {"tag": "coater-1/PV/CoatWeight", "rate": 50})

        async def drifted() -> bool:
            return bool(await node.read_value() > 60)

        await eventually(drifted)


async def test_clock_offset(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        endpoint.injector.inject("clock-offset", {"seconds": -7200})
        heartbeat = await node_at(client, endpoint, COATER, "Status/Heartbeat")

        async def behind() -> bool:
            value = await heartbeat.read_data_value()
            return bool((datetime.now(UTC) - value.SourceTimestamp).total_seconds() > 7000)

        await eventually(behind)


async def test_local_edit(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        endpoint.injector.inject("local-edit", {"equipment": "coater-1", "parameter": "coat_speed", "value": "33"})
        active = await node_at(client, endpoint, COATER, "Recipe/Active/CoatSpeed")
        counter = await node_at(client, endpoint, COATER, "Recipe/Sts/ChangeCounter")

        async def edited() -> bool:
            return (await active.read_value(), await counter.read_value()) == (33.0, 1)

        await eventually(edited)


@pytest.mark.parametrize(("fault", "good"), [("refuse-write", 0), ("half-write", 2)])
async def test_writes_fail(lab: Lab, fault: str, good: int) -> None:
    spec = spec_of("michigan.electrode-plc")
    async with lab.connected(spec) as (endpoint, client):
        endpoint.injector.inject(fault, {})
        node = await node_at(client, endpoint, spec.equipment[1], "Recipe/Cmd/Digest")
        statuses = await write([(node, "x", ua.VariantType.String)] * 4, client)
        assert [status.is_good() for status in statuses] == [True] * good + [False] * (4 - good)


async def test_interlock(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        ready = await node_at(client, endpoint, COATER, "Recipe/Sts/ReadyForChange")

        async def is_ready() -> bool:
            return bool(await ready.read_value())

        async def is_not_ready() -> bool:
            return not await ready.read_value()

        await eventually(is_ready)
        endpoint.injector.inject("interlock", {"equipment": "coater-1"})
        await eventually(is_not_ready)


@pytest.mark.parametrize(
    ("fault", "arguments", "text"),
    [
        ("explode", {}, "no fault 'explode'"),
        ("bad-quality", {"tag": "coater-1/Process/Nothing"}, "no tag 'Process/Nothing'"),
        ("bad-quality", {"tag": "coater-1/Process/CoatWeight", "status": "BadLuck"}, "no StatusCode 'BadLuck'"),
        ("trip", {"equipment": "coater-9"}, "no equipment 'coater-9'"),
        ("local-edit", {"equipment": "coater-1", "parameter": "Taste", "value": "1"}, "no recipe parameter 'Taste'"),
        ("fail-commit", {"equipment": "coater-1", "how": "badly"}, "must be restored or broken"),
    ],
)
async def test_faults_that_cannot_be_done_say_why(lab: Lab, fault: str, arguments: dict[str, object], text: str) -> None:
    async with lab.running(SPEC) as endpoint:
        with pytest.raises(FaultRefused, match=text):
            endpoint.injector.inject(fault, arguments)


async def test_every_fault_is_a_method(lab: Lab) -> None:
    async with lab.connected(SPEC) as (endpoint, client):
        index = await client.get_namespace_index(SIMULATION_NAMESPACE)
        simulation = await client.nodes.objects.get_child(f"{index}:Simulation")
        names = {(await method.read_browse_name()).Name for method in await simulation.get_methods()}
        assert names == {fault.method_name for fault in FAULTS.values()}
        tag = ua.Variant("coater-1/Process/CoatWeight", ua.VariantType.String)
        done = await simulation.call_method(f"{index}:SensorDrift", tag, ua.Variant(1.0, ua.VariantType.Double))
        assert done == [True, "coater-1/Process/CoatWeight drifts by 1.0 a second"]
        assert (await simulation.call_method(f"{index}:Trip", ua.Variant("x", ua.VariantType.String)))[0] is False
        await simulation.call_method(f"{index}:Clear")
        assert endpoint.faults.of("coater-1") == {}


async def test_the_control_channel_works_while_the_endpoint_is_silent(lab: Lab) -> None:
    async with lab.running(SPEC) as endpoint:
        deep = lab.pki / ("a-directory-whose-name-is-longer-than-what-fits-" * 3)
        channel = ControlChannel(deep / "c.sock", {SPEC.key: endpoint})
        await channel.start()
        try:
            assert channel.path.stat().st_mode & 0o777 == 0o600
            assert await send(channel.path, "nanjing/cell-plc", "silence", {"seconds": "30"}) == "silent for 30.0 s"
            assert await send(channel.path, "cell-plc", "clear", {}) == "all faults cleared"
            with pytest.raises(FaultRefused, match="no endpoint is called 'x'"):
                await send(channel.path, "x", "clear", {})
            assert channel.answer(b"[]\n")["ok"] is False
        finally:
            await channel.stop()
        with pytest.raises(FaultRefused, match="no fake plant answers"):
            await send(channel.path, "cell-plc", "clear", {})


async def test_a_port_that_is_taken(lab: Lab) -> None:
    async with lab.running(SPEC) as endpoint:
        other = Endpoint(SPEC, endpoint.options, None)
        other.wire._port = endpoint.wire.port
        with pytest.raises(EndpointRefused, match="choose another --port-base"):
            await other.start()
