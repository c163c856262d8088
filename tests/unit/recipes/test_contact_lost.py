"""Contact lost before and after each message: the journal and a look decide, nothing is committed twice."""

from typing import Literal

import pytest

from fake_plc.handshake import State
from gateway.recipes.journal import Outcome, Push
from tests.fakes.equipment import BAD_DEVICE_FAILURE, Profile
from tests.unit.recipes.scenario import ENDPOINT, NEW, OLD, Scenario
from tests.unit.recipes.test_push import PROFILES, every_profile, in_force, untouched, with_staging

When = Literal["before", "after"]
both_sides = pytest.mark.parametrize("when", ["before", "after"])
STAGING = ["Prepare", *(f"Staging/{node}" for node in NEW)]
REQUESTS = ["Commit", "Confirm"]
DIRECT = ["ActiveDigest", *(f"Active/{node}" for node in NEW)]


def count(scenario: Scenario, name: str) -> int:
    """How many such messages took effect."""
    return [item.name for item in scenario.effects].count(name)


@with_staging
@both_sides
@pytest.mark.parametrize("message", [*STAGING, *REQUESTS, "dial", "resolve", "inspect", "read"])
async def test_a_lost_connection_is_taken_up_where_it_was(profile: Profile, message: str, when: When) -> None:
    scenario = Scenario(profile)
    scenario.fake.on(message, when, scenario.fake.lose_connection)
    push = await scenario.ended()
    lost_commit = message == "Commit" and when == "before"
    assert push.outcome is (Outcome.ABORTED_CLEAN if lost_commit else Outcome.CONFIRMED), push.reason
    assert untouched(scenario) if lost_commit else in_force(scenario)
    assert count(scenario, "Commit") <= 1


@both_sides
@pytest.mark.parametrize("message", DIRECT)
async def test_direct_is_whole_or_rolled_back_after_a_lost_connection(message: str, when: When) -> None:
    scenario = Scenario("direct")
    scenario.fake.on(message, when, scenario.fake.lose_connection)
    push = await scenario.ended()
    if (message, when) == ("Active/Vacuum", "after"):  # the last value was written: the recipe is whole
        assert push.outcome is Outcome.CONFIRMED
        assert in_force(scenario)
    else:
        assert push.outcome is Outcome.ROLLED_BACK
        assert untouched(scenario)


@with_staging
@pytest.mark.parametrize("lost", REQUESTS)
async def test_reading_again_and_again_lost_contact_never_sends_a_request_twice(profile: Profile, lost: str) -> None:
    scenario = Scenario(profile)
    fake = scenario.fake
    fake.on(lost, "after", lambda: fake.on("read", "before", fake.lose_connection), fake.lose_connection)
    push = await scenario.ended()
    assert push.outcome is Outcome.CONFIRMED
    assert count(scenario, "Commit") == 1


@with_staging
async def test_after_a_restart_while_out_of_contact_the_push_begins_anew(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.on("Staging/Oven", "after", scenario.fake.restart, scenario.fake.lose_connection)
    push = await scenario.ended()
    assert push.outcome is Outcome.CONFIRMED
    assert count(scenario, "Prepare") == 2


@with_staging
async def test_the_same_transaction_goes_on_when_nothing_moved(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.on("Staging/Oven", "after", scenario.fake.lose_connection)
    push = await scenario.ended()
    assert push.outcome is Outcome.CONFIRMED
    assert count(scenario, "Prepare") == 1


@with_staging
async def test_out_of_contact_while_staging_for_too_long_ends_clean(profile: Profile) -> None:
    scenario = Scenario(profile)

    def cut() -> None:
        scenario.fake.down = 1_000
        scenario.fake.lose_connection()

    scenario.fake.on("Staging/Oven", "after", cut)
    push = await scenario.ended()
    assert push.outcome is Outcome.ABORTED_CLEAN
    assert "ends the open transaction by itself" in push.reason
    assert scenario.fake.active == OLD


@every_profile
async def test_out_of_contact_after_commit_the_push_rests_and_is_resolved_later(profile: Profile) -> None:
    scenario = Scenario(profile)

    def cut() -> None:
        scenario.fake.down = 1_000
        scenario.fake.lose_connection()

    scenario.fake.on("Active/Vacuum" if profile == "direct" else "Commit", "after", cut)
    push = await scenario.submit()
    assert await scenario.push(push) is None
    assert (await scenario.journal.push(push.id)).state == "Indeterminate"
    assert await scenario.push(await scenario.submit()) is None  # nobody else gets the equipment meanwhile
    scenario.fake.down = 0
    assert (await scenario.ended(push)).outcome is Outcome.CONFIRMED
    assert in_force(scenario)
    assert count(scenario, "Commit") <= 1


@every_profile
async def test_what_cannot_be_found_out_for_a_day_is_quarantined(profile: Profile) -> None:
    scenario = Scenario(profile)

    def cut() -> None:
        scenario.fake.down = 1_000_000
        scenario.fake.lose_connection()

    scenario.fake.on("Active/Vacuum" if profile == "direct" else "Commit", "after", cut)
    push = await scenario.submit()
    assert await scenario.push(push) is None
    scenario.clock.offset_ns = 25 * 3600 * 10**9
    assert (await scenario.ended(push)).outcome is Outcome.QUARANTINED


@with_staging
@pytest.mark.parametrize(("seconds", "outcome"), [(60, Outcome.CONFIRMED), (121, Outcome.EXPIRED)], ids=["in time", "too late"])
async def test_contact_that_comes_back_before_or_after_the_confirmation_ran_out(
    profile: Profile, seconds: float, outcome: Outcome
) -> None:
    scenario = Scenario(profile)
    scenario.fake.on("Confirm", "before", scenario.fake.wait(seconds), scenario.fake.lose_connection)
    push = await scenario.ended()
    assert push.outcome is outcome
    assert in_force(scenario) if outcome is Outcome.CONFIRMED else untouched(scenario)


@with_staging
async def test_a_commit_that_is_late_is_not_taken_for_lost(profile: Profile) -> None:
    """The connection drops while the controller is still applying: the first look finds it Committing."""
    scenario = Scenario(profile)
    scenario.fake.handshake.commit_seconds = 0.3
    scenario.fake.on("Commit", "after", scenario.fake.lose_connection)
    push = await scenario.ended()
    assert push.outcome is Outcome.CONFIRMED
    assert count(scenario, "Commit") == 1


@with_staging
async def test_values_that_are_neither_old_nor_new_are_quarantined(profile: Profile) -> None:
    scenario = Scenario(profile)
    fake = scenario.fake

    def half() -> None:
        fake.handshake.active.update(Speed=28.5)
        fake.handshake.state = State.IDLE
        fake.lose_connection()

    fake.on("Commit", "before", half)
    push = await scenario.ended()
    assert push.outcome is Outcome.QUARANTINED
    assert "28.5" not in push.reason


@with_staging
async def test_another_clients_unconfirmed_recipe_is_quarantined(profile: Profile) -> None:
    scenario = Scenario(profile)
    fake = scenario.fake

    def taken_over() -> None:
        fake.handshake.state, fake.handshake.active_tx_id = State.ACTIVE_UNCONFIRMED, 77
        fake.handshake._deadline = 1e9
        fake.lose_connection()

    fake.on("Commit", "before", taken_over)
    assert (await scenario.ended()).outcome is Outcome.QUARANTINED


# --- direct: partial writes and their undoing -----------------------------------------------------------------------


@pytest.mark.parametrize("node", list(NEW))
async def test_direct_restores_the_snapshot_backwards_when_a_value_is_refused(node: str) -> None:
    scenario = Scenario("direct")
    scenario.fake.refused_writes[f"Recipe/Active/{node}"] = [BAD_DEVICE_FAILURE, BAD_DEVICE_FAILURE]
    push = await scenario.ended()
    assert push.outcome is Outcome.ROLLED_BACK
    assert untouched(scenario)
    names = [item.name for item in scenario.effects]
    parameters = [item.node for item in scenario.control.parameters]
    written = [f"Active/{item}" for item in parameters if item != node]
    assert names[-1] == "ActiveDigest"
    assert names[-1 - len(written) : -1] == written[::-1]


async def test_direct_tries_a_refused_value_once_more() -> None:
    scenario = Scenario("direct")
    scenario.fake.refused_writes["Recipe/Active/Oven"] = [BAD_DEVICE_FAILURE]
    assert (await scenario.ended()).outcome is Outcome.CONFIRMED


async def test_direct_quarantines_what_cannot_be_restored() -> None:
    scenario = Scenario("direct")
    scenario.fake.on("Active/Passes", "after", scenario.fake.run_machine)  # from here on the controller refuses writes
    push = await scenario.ended()
    assert push.outcome is Outcome.QUARANTINED
    assert "could not be put back" in push.reason
    assert scenario.fake.handshake.active_digest == ""


async def test_direct_notices_a_local_edit() -> None:
    scenario = Scenario("direct")
    scenario.fake.on("Active/Vacuum", "after", scenario.fake.local_edit("Vacuum", True))
    push = await scenario.ended()
    assert push.outcome is Outcome.ROLLED_BACK
    assert "edited locally" in push.reason
    assert untouched(scenario)


async def test_direct_never_labels_half_a_recipe() -> None:
    scenario = Scenario("direct")
    labels = []
    for node in NEW:
        scenario.fake.on(f"Active/{node}", "after", lambda: labels.append(scenario.fake.handshake.active_digest))
    await scenario.ended()
    assert labels == [""] * len(NEW)


# --- recovery after a crash -----------------------------------------------------------------------------------------


class Crash(BaseException):
    """The gateway dies here."""


async def crash_after(scenario: Scenario, push: Push, steps: int) -> bool:
    """Carry the push out until so many steps are journaled, then die before their effect; False when it ended first."""

    def die(_: object) -> None:
        nonlocal steps
        steps -= 1
        if steps == 0:
            raise Crash

    try:
        await scenario.engine.carry_out(push, scenario.equipment, ENDPOINT, on_step=die)
    except Crash:
        return True
    return False


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("steps", range(1, 8))
async def test_a_crash_after_any_step_ends_in_agreement(profile: Profile, steps: int) -> None:
    scenario = Scenario(profile)
    push = await scenario.submit()
    crashed = await crash_after(scenario, push, steps)
    done = await scenario.ended(push) if crashed else await scenario.journal.push(push.id)
    if done.outcome is Outcome.CONFIRMED:
        assert in_force(scenario)
    else:
        assert done.outcome in (Outcome.ABORTED_CLEAN, Outcome.ROLLED_BACK)
        assert untouched(scenario)
    assert count(scenario, "Commit") <= 1
    assert list(await scenario.journal.open_pushes()) == []


@pytest.mark.parametrize("profile", PROFILES)
@both_sides
@pytest.mark.parametrize("number", range(1, 20))
async def test_a_crash_around_any_message_ends_in_agreement(profile: Profile, when: When, number: int) -> None:
    scenario = Scenario(profile)
    fake = scenario.fake
    push = await scenario.submit()
    messages = ["read", *DIRECT] if profile == "direct" else ["read", *STAGING, *REQUESTS]
    left = number

    def maybe_die(name: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Crash
        fake.on(name, when, lambda: maybe_die(name))

    for name in messages:
        fake.on(name, when, lambda name=name: maybe_die(name))  # type: ignore[misc]
    try:
        done = await scenario.ended(push)
    except Crash:
        fake._acts.clear()
        done = await scenario.ended(push)
    if done.outcome is Outcome.CONFIRMED:
        assert in_force(scenario)
    else:
        assert done.outcome in (Outcome.ABORTED_CLEAN, Outcome.ROLLED_BACK)
        assert untouched(scenario)
    assert count(scenario, "Commit") <= 1


@pytest.mark.parametrize("steps", range(4, 8))
async def test_a_crash_while_direct_is_rolling_back_ends_rolled_back_for_the_first_reason(steps: int) -> None:
    scenario = Scenario("direct")
    scenario.fake.refused_writes["Recipe/Active/Passes"] = [BAD_DEVICE_FAILURE, BAD_DEVICE_FAILURE]
    push = await scenario.submit()
    crashed = await crash_after(scenario, push, steps)
    done = await scenario.ended(push) if crashed else await scenario.journal.push(push.id)
    assert done.outcome is Outcome.ROLLED_BACK
    if "Restoring" in await scenario.states(push):
        assert "passes" in done.reason
    assert untouched(scenario)


async def test_a_crash_between_two_restoring_writes_goes_on_restoring() -> None:
    scenario = Scenario("direct")
    fake = scenario.fake
    fake.refused_writes["Recipe/Active/Vacuum"] = [BAD_DEVICE_FAILURE, BAD_DEVICE_FAILURE]

    def when_restoring() -> None:
        if fake.active["Speed"] == OLD["Speed"] and fake.active["Oven"] == NEW["Oven"]:
            raise Crash
        fake.on("Active/Speed", "after", when_restoring)

    fake.on("Active/Speed", "after", when_restoring)
    push = await scenario.submit()
    with pytest.raises(Crash):
        await scenario.push(push)
    fake._acts.clear()
    done = await scenario.ended(push)
    assert done.outcome is Outcome.ROLLED_BACK
    assert "did not take vacuum" in done.reason
    assert untouched(scenario)


@with_staging
async def test_a_local_edit_while_out_of_contact_aborts(profile: Profile) -> None:
    scenario = Scenario(profile)
    fake = scenario.fake
    fake.on("Staging/Oven", "after", fake.local_edit("Speed", 21.0), fake.lose_connection)
    push = await scenario.ended()
    assert push.outcome is Outcome.ABORTED_CLEAN
    assert "edited locally" in push.reason


async def test_direct_rolls_back_when_the_controller_restarts() -> None:
    scenario = Scenario("direct")
    scenario.fake.on("Active/Passes", "after", scenario.fake.restart)
    push = await scenario.ended()
    assert push.outcome is Outcome.ROLLED_BACK
    assert "restarted" in push.reason
    assert untouched(scenario)


@with_staging
async def test_another_clients_transaction_is_not_cancelled(profile: Profile) -> None:
    scenario = Scenario(profile)
    block = scenario.fake.handshake

    def taken_over() -> None:
        block.prepare(4_000_000_000, "sha256:theirs", now=scenario.fake.now)

    scenario.fake.on("Staging/Vacuum", "after", taken_over)
    push = await scenario.ended()
    assert push.outcome is Outcome.ABORTED_CLEAN
    assert count(scenario, "Cancel") == 0
    assert (block.state, block.staged_digest) == (State.PREPARED, "sha256:theirs")
