"""Recipes of the example configuration, pushed over OPC UA into fake PLCs of every handshake profile."""

from pathlib import Path

import pytest

from fake_plc.handshake import State
from gateway.errors import RequestRefused
from gateway.opcua.pki import Pki
from gateway.recipes.journal import Outcome
from gateway.recipes.service import PushStatus
from tests.integration.recipes.conftest import bench_at, recipe_text

COATING = recipe_text("electrode-coating")
FORMATION = recipe_text("cell-formation").replace("[method, mailbox]", "[method, mailbox, direct]")
PLACES = [
    pytest.param("nanjing.cell-plc", "nanjing/electrode/line-1/coater-1", COATING, id="method"),
    pytest.param("ochang.electrode-plc", "ochang/electrode/line-1/coater-1", COATING, id="method, secured"),
    pytest.param("wroclaw.electrode-plc", "wroclaw/electrode/line-1/coater-1", COATING, id="mailbox"),
    pytest.param("michigan.electrode-plc", "michigan/electrode/line-1/coater-1", COATING, id="mailbox, other units"),
    pytest.param("michigan.cell-plc", "michigan/formation/line-1/charger-1", FORMATION, id="direct"),
]


def states(status: PushStatus) -> list[str]:
    """The journal's states, in order."""
    return [str(step.state) for step in status.steps]


@pytest.mark.parametrize(("endpoint", "target", "recipe"), PLACES)
async def test_a_recipe_goes_in_and_a_second_time_is_a_no_op(
    endpoint: str, target: str, recipe: str, gateway_pki: Pki, tmp_path: Path
) -> None:
    async with bench_at(endpoint, gateway_pki, tmp_path) as bench:
        name = target.rsplit("/", maxsplit=1)[-1]
        before = await bench.service.diff(recipe, "recipe.yaml", target)
        assert not before.already_active
        assert not all(row.same for row in before.rows)
        status = await bench.push(recipe, target)
        assert status.push.outcome is Outcome.CONFIRMED, (status.push.reason, states(status))
        handshake = bench.plc.handshakes[name]
        assert handshake.active_digest == status.push.control.rendered_digest
        assert handshake.state is State.IDLE
        assert bench.held(name) == {item.node: item.wire_value for item in status.push.control.parameters}
        after = await bench.service.diff(recipe, "recipe.yaml", target)
        assert after.already_active
        again = await bench.push(recipe, target, key="again")
        assert again.push.outcome is Outcome.NO_OP
        assert bench.service.outcomes()[target.split("/", maxsplit=1)[0], Outcome.CONFIRMED] == 1


async def test_an_overlay_of_the_configuration_is_in_what_arrives(gateway_pki: Pki, tmp_path: Path) -> None:
    async with bench_at("nanjing.cell-plc", gateway_pki, tmp_path) as bench:
        await bench.push(COATING, "nanjing/electrode/line-1")  # a line with one coater names it
        assert bench.held("coater-1")["SlotGap"] == 225.0


@pytest.mark.parametrize("fault", ["refuse-write", "half-write"])
async def test_staging_that_is_refused_leaves_the_old_recipe(fault: str, gateway_pki: Pki, tmp_path: Path) -> None:
    async with bench_at("nanjing.cell-plc", gateway_pki, tmp_path) as bench:
        before = bench.held("coater-1")
        bench.plc.injector.inject(fault, {})
        status = await bench.push(COATING, "nanjing/electrode/line-1/coater-1")
        assert status.push.outcome is Outcome.ABORTED_CLEAN, (status.push.reason, states(status))
        assert bench.held("coater-1") == before
        assert bench.plc.handshakes["coater-1"].state is State.IDLE


@pytest.mark.parametrize(("how", "outcome"), [("restored", Outcome.ABORTED_CLEAN), ("broken", Outcome.QUARANTINED)])
async def test_a_commit_that_fails(how: str, outcome: Outcome, gateway_pki: Pki, tmp_path: Path) -> None:
    async with bench_at("nanjing.cell-plc", gateway_pki, tmp_path) as bench:
        target = "nanjing/electrode/line-1/coater-1"
        before = bench.held("coater-1")
        bench.plc.injector.inject("fail-commit", {"equipment": "coater-1", "how": how})
        status = await bench.push(COATING, target)
        assert status.push.outcome is outcome, (status.push.reason, states(status))
        if outcome is Outcome.QUARANTINED:
            with pytest.raises(RequestRefused, match="quarantined since push 1"):
                await bench.push(COATING, target, key="again")
            await bench.service.release_quarantine(target, by="kim", reason="inspected")
            assert (await bench.push(COATING, target, key="after")).push.outcome is Outcome.CONFIRMED
        else:
            assert bench.held("coater-1") == before


@pytest.mark.parametrize("fault", ["drop-connections", "lose-session", "restart"])
async def test_contact_lost_during_a_slow_commit_is_resolved_by_reading(fault: str, gateway_pki: Pki, tmp_path: Path) -> None:
    """The fault strikes while the controller is applying the recipe. Whatever it did, ledger and controller agree in the end."""
    async with bench_at("wroclaw.electrode-plc", gateway_pki, tmp_path) as bench:
        target = "wroclaw/electrode/line-1/coater-1"
        before = bench.held("coater-1")
        bench.plc.injector.inject("slow-commit", {"equipment": "coater-1", "seconds": 1.5})
        id = await bench.service.submit(COATING, "recipe.yaml", target, "jan", "k")
        async for status in bench.service.watch(id):
            if status.push.state == "CommitSent":
                bench.plc.injector.inject(fault, {})
        last = await bench.ended(id)
        assert states(last).count("CommitSent") == 1
        if last.push.outcome is Outcome.CONFIRMED:
            assert bench.held("coater-1") == {item.node: item.wire_value for item in last.push.control.parameters}
        else:  # a restart forgets what was staged (R2) and reverts what was not confirmed (R3)
            assert fault == "restart"
            assert last.push.outcome in (Outcome.ABORTED_CLEAN, Outcome.EXPIRED), states(last)
            assert bench.held("coater-1") == before
        assert bench.plc.handshakes["coater-1"].state is State.IDLE


async def test_a_machine_with_an_open_interlock_is_refused(gateway_pki: Pki, tmp_path: Path) -> None:
    async with bench_at("nanjing.cell-plc", gateway_pki, tmp_path) as bench:
        bench.plc.injector.inject("interlock", {"equipment": "coater-1"})
        await bench.next_cycle()
        status = await bench.push(COATING, "nanjing/electrode/line-1/coater-1")
        assert status.push.outcome is Outcome.REFUSED
        assert "ReadyForChange" in status.push.reason
