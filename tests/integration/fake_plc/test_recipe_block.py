"""A recipe put into the machine over OPC UA, by each handshake profile."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import Client, Node, ua

from fake_plc.endpoint import Endpoint
from fake_plc.equipment.kinds import KINDS
from fake_plc.handshake import Op, Result, State
from fake_plc.plant_table import EquipmentSpec
from fake_plc.process import Mode
from fake_plc.wire_values import variant_type
from tests.integration.fake_plc.conftest import Lab, eventually, node_at, spec_of, write

UINT32, INT32, STRING = ua.VariantType.UInt32, ua.VariantType.Int32, ua.VariantType.String


class Block:
    """One recipe block, seen by a client."""

    def __init__(self, client: Client, endpoint: Endpoint, equipment: EquipmentSpec) -> None:
        self.client, self.endpoint, self.equipment = client, endpoint, equipment
        self.parameters = KINDS[equipment.kind].parameters

    async def node(self, path: str) -> Node:
        return await node_at(self.client, self.endpoint, self.equipment, f"Recipe/{path}")

    async def read(self, path: str) -> Any:
        return await (await self.node(path)).read_value()

    async def call(self, name: str, *arguments: ua.Variant) -> tuple[int, str]:
        method = await self.node(name)
        result, reason = await (await method.get_parent()).call_method(method, *arguments)
        return result, reason

    async def command(self, tx_id: int, op: Op, *, digest: str = "", seconds: int = 0) -> int:
        nodes = [(await self.node("Cmd/Digest"), digest, STRING), (await self.node("Cmd/ConfirmSeconds"), seconds, UINT32)]
        nodes.append((await self.node("Cmd/Op"), int(op), INT32))
        assert all(status.is_good() for status in await write(nodes, self.client))
        assert (await write([(await self.node("Cmd/TxId"), tx_id, UINT32)], self.client))[0].is_good()

        async def acknowledged() -> bool:
            return bool(await self.read("Sts/AckTxId") == tx_id)

        await eventually(acknowledged)
        return int(await self.read("Sts/Reason"))

    def changed(self) -> dict[str, Any]:
        """A new value for every parameter, inside its range."""
        found: dict[str, Any] = {p.node: p.default for p in self.parameters}
        first = self.parameters[0]
        found[first.node] = float(first.default) + 1.0
        return found

    async def stage(self, area: str = "Staging") -> list[ua.StatusCode]:
        values = self.changed()
        nodes = [(await self.node(f"{area}/{p.node}"), values[p.node], variant_type(p.type)) for p in self.parameters]
        return await write(nodes, self.client)

    async def holds(self, values: dict[str, Any]) -> bool:
        # A Float comes back rounded to 32 bits.
        return {p.node: await self.read(f"Active/{p.node}") for p in self.parameters} == pytest.approx(values)

    async def state_is(self, state: State) -> bool:
        return bool(await self.read("Sts/State") == state)


async def test_method_profile(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    async with lab.connected(spec) as (endpoint, client):
        block = Block(client, endpoint, spec.equipment[1])
        tx = ua.Variant(41, UINT32)
        assert [status.value for status in await block.stage()] == [ua.StatusCodes.BadInvalidState] * len(block.parameters)
        assert (await block.call("Prepare", tx, ua.Variant("sha256:new", STRING)))[0] == Result.OK
        assert await block.read("Sts/StagedDigest") == "sha256:new"
        assert (await block.call("Commit", tx, ua.Variant(30, UINT32)))[0] == Result.STAGING_INCOMPLETE
        assert all(status.is_good() for status in await block.stage())
        assert (await block.call("Commit", tx, ua.Variant(30, UINT32)))[0] == Result.OK
        assert await block.state_is(State.ACTIVE_UNCONFIRMED)
        assert await block.holds(block.changed())
        assert (await block.read("Sts/ActiveDigest"), await block.read("Sts/ActiveTxId")) == ("sha256:new", 41)
        assert (await block.call("Confirm", ua.Variant(40, UINT32)))[0] == Result.FENCED_TX_ID
        assert (await block.call("Confirm", tx))[0] == Result.OK
        assert await block.state_is(State.IDLE)


async def test_method_arguments_are_checked(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    async with lab.connected(spec) as (endpoint, client):
        block = Block(client, endpoint, spec.equipment[1])
        method = await block.node("Confirm")
        parent = await method.get_parent()
        for arguments, status in (
            ([], ua.StatusCodes.BadArgumentsMissing),
            ([ua.Variant(1, ua.VariantType.Int64)], ua.StatusCodes.BadInvalidArgument),
            ([ua.Variant(1, UINT32)] * 2, ua.StatusCodes.BadTooManyArguments),
        ):
            request = ua.CallMethodRequest(parent.nodeid, method.nodeid, arguments)
            assert (await client.uaclient.call([request]))[0].StatusCode.value == status


async def test_not_confirmed_in_time_reverts(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    async with lab.connected(spec) as (endpoint, client):
        block = Block(client, endpoint, spec.equipment[1])
        tx = ua.Variant(1, UINT32)
        await block.call("Prepare", tx, ua.Variant("d", STRING))
        await block.stage()
        assert (await block.call("Commit", tx, ua.Variant(1, UINT32)))[0] == Result.OK
        await eventually(lambda: block.state_is(State.IDLE))
        assert await block.holds({p.node: p.default for p in block.parameters})
        assert (await block.call("Confirm", tx))[0] == Result.EXPIRED


async def test_a_slow_commit_is_answered_when_it_is_done(lab: Lab) -> None:
    spec = spec_of("nanjing.cell-plc")
    async with lab.connected(spec) as (endpoint, client):
        block = Block(client, endpoint, spec.equipment[1])
        endpoint.injector.inject("slow-commit", {"equipment": "coater-1", "seconds": 1})
        tx = ua.Variant(1, UINT32)
        await block.call("Prepare", tx, ua.Variant("d", STRING))
        await block.stage()
        assert (await block.call("Commit", tx, ua.Variant(30, UINT32)))[0] == Result.OK
        assert await block.state_is(State.ACTIVE_UNCONFIRMED)


async def test_mailbox_profile(lab: Lab) -> None:
    spec = spec_of("michigan.electrode-plc")
    async with lab.connected(spec) as (endpoint, client):
        block = Block(client, endpoint, spec.equipment[1])
        assert await block.command(10, Op.PREPARE, digest="new") == Result.OK
        assert all(status.is_good() for status in await block.stage())
        assert await block.command(11, Op.COMMIT, digest="else", seconds=30) == Result.DIGEST_MISMATCH
        assert await block.command(12, Op.COMMIT, digest="new", seconds=30) == Result.OK
        assert await block.holds(block.changed())
        assert await block.read("Sts/ActiveTxId") == 12
        assert await block.command(5, Op.CONFIRM, digest="new") == Result.FENCED_TX_ID
        assert await block.command(13, Op.CONFIRM, digest="new") == Result.OK
        assert await block.command(14, Op.NONE) == Result.WRONG_STATE
        assert await block.state_is(State.IDLE)


async def test_mailbox_cancel(lab: Lab) -> None:
    spec = spec_of("michigan.electrode-plc")
    async with lab.connected(spec) as (endpoint, client):
        block = Block(client, endpoint, spec.equipment[0])
        assert await block.command(1, Op.PREPARE, digest="new") == Result.OK
        assert await block.command(2, Op.CANCEL) == Result.OK
        assert await block.state_is(State.IDLE)
        assert await block.read("Sts/StagedDigest") == ""


async def test_direct_profile(lab: Lab) -> None:
    spec = spec_of("michigan.cell-plc")
    async with lab.connected(spec) as (endpoint, client):
        block = Block(client, endpoint, spec.equipment[0])
        assert all(status.is_good() for status in await block.stage("Active"))
        assert await block.holds(block.changed())
        assert endpoint.machines["stacker-1"].recipe["CycleTime"] == pytest.approx(block.changed()["CycleTime"])
        first = await block.node(f"Active/{block.parameters[0].node}")
        kind = variant_type(block.parameters[0].type)
        assert (await write([(first, 99.0, kind)], client))[0].value == ua.StatusCodes.BadOutOfRange
        assert (await write([(await block.node("Sts/ActiveDigest"), "mine", STRING)], client))[0].is_good()
        endpoint.machines["stacker-1"].cycle.start()
        await eventually(lambda: endpoint.machines["stacker-1"].cycle.mode is not Mode.IDLE)
        assert (await write([(first, 1.0, kind)], client))[0].value == ua.StatusCodes.BadInvalidState
        assert await block.read("Sts/ActiveDigest") == "mine"
        names = [(await child.read_browse_name()).Name for child in await (await block.node("Sts")).get_children()]
        assert sorted(names) == ["ActiveDigest", "BootId", "ChangeCounter", "ReadyForChange"]


async def test_writes_must_be_values_alone_in_exact_types(lab: Lab) -> None:
    spec = spec_of("michigan.electrode-plc")
    async with lab.connected(spec) as (endpoint, client):
        block = Block(client, endpoint, spec.equipment[1])
        tx_id = await block.node("Cmd/TxId")
        assert (await write([(tx_id, 1, INT32)], client))[0].value == ua.StatusCodes.BadTypeMismatch
        item = ua.WriteValue(tx_id.nodeid, ua.AttributeIds.Value)
        item.Value = ua.DataValue(ua.Variant(1, UINT32), SourceTimestamp=endpoint.clock.now())
        refused = await client.uaclient.write(ua.WriteParameters([item]))
        assert refused[0].value == ua.StatusCodes.BadWriteNotSupported
        readable = await node_at(client, endpoint, spec.equipment[1], "Process/CoatWeight")
        assert (await write([(readable, 1.0, ua.VariantType.Double)], client))[0].value == ua.StatusCodes.BadUserAccessDenied
