"""What a client finds in a fake PLC."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import Client, ua

from fake_plc.endpoint import Endpoint
from fake_plc.equipment.kinds import KINDS
from fake_plc.plant_table import PLANT, EndpointSpec, renamed
from fake_plc.wire_values import site_range, variant_type
from tests.integration.fake_plc.conftest import Lab, eventually, node_at, spec_of


async def _check_equipment(client: Client, endpoint: Endpoint) -> None:
    index = await client.get_namespace_index(endpoint.spec.namespace)
    for equipment in endpoint.spec.equipment:
        paths = [renamed(signal.path, equipment.rename) for signal in KINDS[equipment.kind].signals()]
        nodes = []
        for path in paths:
            names = [ua.QualifiedName(name, index) for name in (*equipment.root.split("/"), *path.split("/"))]
            nodes.append(await client.nodes.objects.get_child(names))
        values = await client.read_values(nodes)
        data = [await node.read_data_value() for node in nodes[:5]]
        assert all(value is not None for value in values)
        assert all(item.SourceTimestamp is not None and item.ServerTimestamp is not None for item in data)


@pytest.mark.parametrize("spec", PLANT, ids=lambda spec: spec.key)
async def test_every_endpoint_serves_its_equipment(lab: Lab, spec: EndpointSpec) -> None:
    async with lab.connected(spec) as (endpoint, client):
        assert (await client.get_namespace_array())[2:] == list(spec.namespaces)
        await _check_equipment(client, endpoint)


async def test_types_ranges_units_and_descriptions(lab: Lab) -> None:
    spec = spec_of("michigan.electrode-plc")
    equipment = spec.equipment[1]
    async with lab.connected(spec) as (endpoint, client):
        for signal in KINDS[equipment.kind].signals():
            node = await node_at(client, endpoint, equipment, signal.path)
            scaling = equipment.scaling.get(signal.path)
            value = (await node.read_data_value()).Value
            assert value.VariantType is variant_type(scaling.type if scaling else signal.type), signal.path
            assert (await node.read_description()).Text == signal.guidance
            expected = site_range(signal, scaling)
            if expected is not None:
                bounds = await (await node.get_child("0:EURange")).read_value()
                assert (bounds.Low, bounds.High) == pytest.approx((expected.low, expected.high))
                unit = await (await node.get_child("0:EngineeringUnits")).read_value() if signal.unit else None
                assert unit is None or unit.DisplayName.Text == (scaling.unit if scaling else signal.unit)
        zone = await node_at(client, endpoint, equipment, "Oven/Zone1/Temperature")
        assert 1000 < await zone.read_value() < 4820


async def test_enumeration_matrix_and_structure(lab: Lab) -> None:
    spec = spec_of("ochang.electrode-plc")
    coater = spec.equipment[1]
    async with lab.connected(spec) as (endpoint, client):
        mode = await node_at(client, endpoint, coater, "State/Mode")
        texts = await (await mode.get_child("0:EnumStrings")).read_value()
        assert [text.Text for text in texts] == ["Idle", "Starting", "Running", "Stopping", "Faulted"]
        matrix = (await (await node_at(client, endpoint, coater, "Oven/Matrix")).read_data_value()).Value
        assert list(matrix.Dimensions) == [4, 4]
        summary = await node_at(client, endpoint, coater, "Batch/Summary")
        raw = await summary.read_value()
        assert isinstance(raw, ua.ExtensionObject)
        assert raw.Body
        definition = await client.get_node(await summary.read_data_type()).read_data_type_definition()
        assert [field.Name for field in definition.Fields] == ["BatchId", "Produced", "Rejected", "Mean", "Sigma", "FinishedAt"]
        assert (await (await node_at(client, endpoint, coater, "State/Message")).read_value()).Text == "대기"


class Collector:
    """Keeps what a subscription delivers."""

    def __init__(self) -> None:
        self.values: list[ua.DataValue] = []
        self.events: list[Any] = []

    def datachange_notification(self, node: object, value: object, data: Any) -> None:
        self.values.append(data.monitored_item.Value)

    def event_notification(self, event: object) -> None:
        self.events.append(event)


async def test_values_change_by_themselves_and_have_history(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    coater = spec.equipment[1]
    async with lab.connected(spec) as (endpoint, client):
        collector = Collector()
        subscription = await client.create_subscription(100, collector)
        tension = await node_at(client, endpoint, coater, "PV/WebTension")
        await subscription.subscribe_data_change(tension)
        await eventually(lambda: len(collector.values) >= 4)
        now = datetime.now(UTC)
        history = await tension.read_raw_history(now - timedelta(minutes=1), now + timedelta(minutes=1))
        times = [value.SourceTimestamp for value in history]
        assert times == sorted(times)
        known = {value.SourceTimestamp: value.Value.Value for value in history}
        assert all(known[value.SourceTimestamp] == value.Value.Value for value in collector.values[1:3])
        newest = await tension.read_raw_history(None, now + timedelta(minutes=1), numvalues=2)
        assert [value.SourceTimestamp for value in newest] == times[::-1][:2]
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await (await node_at(client, endpoint, coater, "PV/SlotGap")).read_raw_history(now, None)
        assert refused.value.code == ua.StatusCodes.BadHistoryOperationUnsupported
        level = await tension.read_attribute(ua.AttributeIds.AccessLevel)
        assert level.Value.Value & (1 << ua.AccessLevel.HistoryRead)


async def _subscribe_with(client: Client, node: Any, deadband: Any, collector: Collector) -> Any:
    subscription = await client.create_subscription(100, collector)
    change_filter = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, *deadband)
    item = ua.MonitoredItemCreateRequest()
    item.ItemToMonitor.NodeId, item.ItemToMonitor.AttributeId = node.nodeid, ua.AttributeIds.Value
    item.MonitoringMode = ua.MonitoringMode.Reporting
    item.RequestedParameters.ClientHandle = 7
    item.RequestedParameters.QueueSize = 3
    item.RequestedParameters.Filter = change_filter
    params = ua.CreateMonitoredItemsParameters(subscription.subscription_id, ua.TimestampsToReturn.Both, [item])
    return (await client.uaclient.create_monitored_items(params))[0]


async def test_deadbands(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    coater = spec.equipment[1]
    async with lab.connected(spec) as (endpoint, client):
        absolute = (ua.UInt32(ua.DeadbandType.Absolute), 1e6)
        tension = await node_at(client, endpoint, coater, "PV/WebTension")
        batch = await node_at(client, endpoint, coater, "Lot/Id")
        heartbeat = await node_at(client, endpoint, coater, "Status/Heartbeat")
        collector = Collector()
        assert (await _subscribe_with(client, tension, absolute, collector)).StatusCode.is_good()
        refused = await _subscribe_with(client, batch, absolute, collector)
        assert refused.StatusCode.value == ua.StatusCodes.BadFilterNotAllowed
        percent = (ua.UInt32(ua.DeadbandType.Percent), 10.0)
        assert (
            await _subscribe_with(client, heartbeat, percent, collector)
        ).StatusCode.value == ua.StatusCodes.BadFilterNotAllowed
        assert (await _subscribe_with(client, tension, percent, collector)).StatusCode.is_good()
        item = next(iter(endpoint.server.internal.subscription_service.subscriptions.values()))
        service = item.monitored_item_srv
        before = endpoint.elapsed
        await eventually(lambda: endpoint.elapsed > before + 1.5)
        assert len(service._reported) == 1
        bad = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadSensorFailure))
        endpoint.injector.inject("bad-quality", {"tag": "coater-1/Process/WebTension"})
        await eventually(lambda: next(iter(service._reported.values())).StatusCode == bad)


async def test_a_full_queue_marks_the_value_after_the_loss(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    async with lab.connected(spec) as (endpoint, client):
        tension = await node_at(client, endpoint, spec.equipment[1], "PV/WebTension")
        received: list[ua.DataValue] = []
        result = await client.uaclient.create_subscription(
            ua.CreateSubscriptionParameters(3000, 100, 10, 0, True, 0),
            lambda published: received.extend(
                item.Value for note in published.NotificationMessage.NotificationData for item in note.MonitoredItems
            ),
        )
        item = ua.MonitoredItemCreateRequest()
        item.ItemToMonitor.NodeId, item.ItemToMonitor.AttributeId = tension.nodeid, ua.AttributeIds.Value
        item.RequestedParameters.QueueSize = 3
        item.MonitoringMode = ua.MonitoringMode.Reporting
        params = ua.CreateMonitoredItemsParameters(result.SubscriptionId, ua.TimestampsToReturn.Both, [item])
        assert (await client.uaclient.create_monitored_items(params))[0].StatusCode.is_good()
        await eventually(lambda: any(value.StatusCode.value & 0x480 == 0x480 for value in received))
        marked = next(value for value in received if value.StatusCode.value)
        assert marked.StatusCode.is_good()


async def test_alarms_are_events(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    async with lab.connected(spec) as (endpoint, client):
        collector = Collector()
        subscription = await client.create_subscription(100, collector)
        await subscription.subscribe_alarms_and_conditions()
        endpoint.injector.inject("trip", {"equipment": "mixer-1"})
        await eventually(lambda: any(event.Severity == 900 for event in collector.events))
        event = next(event for event in collector.events if event.Severity == 900)
        assert (event.SourceName, event.ConditionName, event.Retain) == ("mixer-1", "Tripped", True)
        root = await node_at(client, endpoint, spec.equipment[0], "Reset")
        await (await root.get_parent()).call_method(root)
        await eventually(lambda: any(not event.Retain for event in collector.events))


async def test_machine_methods(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    async with lab.connected(spec) as (endpoint, client):
        start = await node_at(client, endpoint, spec.equipment[0], "Start")
        root = await start.get_parent()
        await root.call_method(start)
        mode = await node_at(client, endpoint, spec.equipment[0], "Status/Mode")

        async def started() -> bool:
            return bool(await mode.read_value() == 1)

        await eventually(started)
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await root.call_method(start)
        assert refused.value.code == ua.StatusCodes.BadInvalidState


async def test_strangers_are_refused(lab: Lab) -> None:
    spec = spec_of("ochang.assembly-plc")
    async with lab.running(spec) as endpoint:
        stranger = await lab.client(endpoint, name="stranger")
        with pytest.raises(ua.UaStatusCodeError) as untrusted:
            await stranger.connect()
        assert untrusted.value.code == ua.StatusCodes.BadCertificateUntrusted
        wrong = await lab.client(endpoint, password="guess")
        with pytest.raises(ua.UaStatusCodeError) as denied:
            await wrong.connect()
        assert denied.value.code == ua.StatusCodes.BadUserAccessDenied
        plain = Client(endpoint.url, timeout=5, auto_reconnect=False)
        with pytest.raises((ua.UaError, asyncio.TimeoutError, ConnectionError)):
            await plain.connect()


async def test_equal_seeds_show_equal_serial_numbers(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    found = []
    for seed in (1, 1, 2):
        other = Lab(lab.pki, dataclasses.replace(lab.options, seed=seed))
        async with other.connected(spec) as (endpoint, client):
            found.append(await (await node_at(client, endpoint, spec.equipment[0], "Identity/SerialNumber")).read_value())
    assert found[0] == found[1] != found[2]
