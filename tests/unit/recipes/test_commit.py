"""Commit and after: refusals, read-back, local edits, expiry, reversion, quarantine."""

import pytest

from fake_plc.handshake import State
from gateway.recipes.journal import Outcome
from tests.fakes.equipment import Profile
from tests.unit.recipes.scenario import OLD, Scenario
from tests.unit.recipes.test_push import in_force, untouched, with_staging


@with_staging
@pytest.mark.parametrize(
    ("act", "said"),
    [("run", "NotReady"), ("edit", "LocalEdit"), ("expire", "Expired"), ("fail", "InternalError"), ("restart", "WrongState")],
)
async def test_a_refused_commit_leaves_the_old_recipe(profile: Profile, act: str, said: str) -> None:
    scenario = Scenario(profile)
    fake = scenario.fake
    fake.handshake.fail_commit = "restored" if act == "fail" else ""
    acts = {
        "run": fake.run_machine,
        "edit": fake.local_edit("Speed", 21.0),
        "expire": fake.wait(301),
        "fail": lambda: None,
        "restart": fake.restart,
    }
    fake.on("Commit", "before", acts[act])
    push = await scenario.ended()
    assert push.outcome in (Outcome.ABORTED_CLEAN, Outcome.EXPIRED)
    assert push.outcome is Outcome.ABORTED_CLEAN or act == "expire"
    assert said in push.reason or act == "restart"
    assert fake.active == ({**OLD, "Speed": 21.0} if act == "edit" else OLD)
    assert fake.handshake.state is State.IDLE


@with_staging
async def test_a_commit_that_breaks_halfway_is_quarantined_and_blocks(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.handshake.fail_commit = "broken"
    push = await scenario.ended()
    assert push.outcome is Outcome.QUARANTINED
    again = await scenario.ended(await scenario.submit())
    assert again.outcome is Outcome.REFUSED
    assert f"quarantined since push {push.id}" in again.reason


@with_staging
async def test_after_release_the_next_push_clears_the_fault_and_heals(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.handshake.fail_commit = "broken"
    await scenario.ended()
    path = str(scenario.control.equipment)
    await scenario.journal.release_quarantine(path, by="kim", reason="inspected", now=1)
    push = await scenario.ended(await scenario.submit())
    assert push.outcome is Outcome.CONFIRMED, push.reason
    assert in_force(scenario)


@with_staging
async def test_values_that_read_back_otherwise_after_commit_are_rolled_back(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.on("Commit", "after", lambda: scenario.fake.handshake.active.update(Oven=119.0))
    push = await scenario.ended()
    assert push.outcome is Outcome.ROLLED_BACK
    assert "oven" in push.reason
    assert "Confirm" not in [item.name for item in scenario.effects]
    assert untouched(scenario)


@with_staging
async def test_a_lying_digest_over_old_values_is_rolled_back(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.on("Commit", "after", lambda: scenario.fake.handshake.active.update(OLD))
    push = await scenario.ended()
    assert push.outcome is Outcome.ROLLED_BACK
    assert untouched(scenario)


@with_staging
@pytest.mark.parametrize("message", ["Commit", "Confirm"])
async def test_a_local_edit_of_the_new_recipe_is_rolled_back(profile: Profile, message: str) -> None:
    scenario = Scenario(profile)
    when = "after" if message == "Commit" else "before"
    scenario.fake.on(message, when, scenario.fake.local_edit("Speed", 21.0))  # type: ignore[arg-type]
    push = await scenario.ended()
    assert push.outcome is Outcome.ROLLED_BACK
    assert untouched(scenario)


@with_staging
async def test_a_confirmation_too_late_has_expired(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.on("Confirm", "before", scenario.fake.wait(121))
    push = await scenario.ended()
    assert push.outcome is Outcome.EXPIRED
    assert untouched(scenario)


@with_staging
async def test_a_restart_before_confirm_has_expired(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.on("Confirm", "before", scenario.fake.restart)
    push = await scenario.ended()
    assert push.outcome is Outcome.EXPIRED
    assert "restarted" in push.reason
    assert untouched(scenario)


@with_staging
async def test_a_reversion_waits_for_the_end_of_the_batch(profile: Profile) -> None:
    """The controller reverts at a safe boundary: until then the push rests, and holds the equipment."""
    scenario = Scenario(profile)
    fake = scenario.fake
    fake.on("Commit", "after", lambda: fake.handshake.active.update(Oven=119.0), fake.run_machine)
    push = await scenario.submit()
    assert await scenario.push(push) is None
    assert (await scenario.journal.push(push.id)).state == "Reverting"
    assert await scenario.push(await scenario.submit()) is None  # another push has to wait
    fake.run_machine(0)
    assert (await scenario.ended(push)).outcome is Outcome.ROLLED_BACK
    assert untouched(scenario)


@with_staging
async def test_a_rollback_that_fails_is_quarantined(profile: Profile) -> None:
    scenario = Scenario(profile)
    fake = scenario.fake
    fake.on("Commit", "after", lambda: fake.handshake.active.update(Oven=119.0))
    fake.on("Cancel", "after", lambda: fake.handshake.active.update(Oven=118.0))
    push = await scenario.ended()
    assert push.outcome is Outcome.QUARANTINED
    assert [item.equipment for item in await scenario.journal.quarantines()] == [str(scenario.control.equipment)]


async def test_a_mailbox_that_never_answers_ends_before_commit() -> None:
    scenario = Scenario("mailbox")
    scenario.fake.deaf = True
    push = await scenario.ended()
    assert push.outcome is Outcome.ABORTED_CLEAN
    assert "no answer to PREPARE" in push.reason
    assert untouched(scenario)
