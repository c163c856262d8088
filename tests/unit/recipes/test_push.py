"""A push over every handshake profile, from the intent to each of its ends."""

import struct
from collections.abc import Callable

import pytest

from fake_plc.handshake import State
from gateway.plant.equipment_class import parse_type
from gateway.recipes.journal import Outcome, Step
from tests.fakes.equipment import BAD_DEVICE_FAILURE, BAD_OUT_OF_RANGE, Effect, Profile
from tests.unit.recipes.scenario import NEW, OLD, PATIENT, Scenario, control_recipe, scaled

PROFILES: tuple[Profile, ...] = ("method", "mailbox", "direct")
STAGED: tuple[Profile, ...] = ("method", "mailbox")
every_profile = pytest.mark.parametrize("profile", PROFILES)
NOT_READY = "the controller is not ready for a change (ReadyForChange is false)"
with_staging = pytest.mark.parametrize("profile", STAGED)


def untouched(scenario: Scenario) -> bool:
    """The old recipe is in force, under its old label, and nothing is open."""
    block = scenario.fake.handshake
    return (scenario.fake.active, block.active_digest, block.state) == (OLD, "sha256:old", State.IDLE)


def in_force(scenario: Scenario) -> bool:
    """The new recipe is in force, confirmed, under its label."""
    block = scenario.fake.handshake
    return (scenario.fake.active, block.active_digest, block.state) == (NEW, scenario.control.rendered_digest, State.IDLE)


# --- success ------------------------------------------------------------------------------------------------------


@every_profile
async def test_a_push_brings_the_recipe_and_labels_it(profile: Profile) -> None:
    scenario = Scenario(profile)
    push = await scenario.ended()
    assert (push.outcome, push.reason) == (Outcome.CONFIRMED, "every value reads back as wanted")
    assert in_force(scenario)


@pytest.mark.parametrize(
    ("profile", "states"),
    [
        ("method", "Planned Leased Preflight Snapshot Staging StagedVerified CommitSent ActiveUnconfirmed ConfirmSent Confirmed"),
        (
            "mailbox",
            "Planned Leased Preflight Snapshot Staging StagedVerified CommitSent ActiveUnconfirmed ConfirmSent Confirmed",
        ),
        ("direct", "Planned Leased Preflight Snapshot CommitSent ActiveUnconfirmed Confirmed"),
    ],
)
async def test_the_journal_tells_the_whole_way(profile: Profile, states: str) -> None:
    scenario = Scenario(profile)
    push = await scenario.ended()
    assert await scenario.states(push) == states.split()


@with_staging
async def test_every_effect_is_journaled_before_it_happens(profile: Profile) -> None:
    """One list records the journal's durable steps and what reaches the equipment, in the order they happen."""
    scenario = Scenario(profile)
    scenario.fake.record = scenario.journal.record
    await scenario.ended()
    announced: dict[str, int | None] = {}
    wanted = {"Prepare": "Staging", "Commit": "CommitSent", "Confirm": "ConfirmSent"}
    effects = []
    for item in scenario.fake.record:
        if isinstance(item, Step):
            announced[str(item.state)] = item.tx_id
        elif item.name in wanted:
            assert announced[wanted[item.name]] == item.tx_id
            effects.append(item.name)
        else:
            assert "Snapshot" in announced
            assert "Staging" in announced
    assert effects == ["Prepare", "Commit", "Confirm"]


async def test_direct_writes_only_after_the_snapshot_is_journaled() -> None:
    scenario = Scenario("direct")
    scenario.fake.record = scenario.journal.record
    await scenario.ended()
    first = next(number for number, item in enumerate(scenario.fake.record) if isinstance(item, Effect))
    before = [str(item.state) for item in scenario.fake.record[:first]]
    assert before[-2:] == ["Snapshot", "CommitSent"]
    assert scenario.fake.record[first] == Effect("ActiveDigest", "")


async def test_mailbox_requests_have_rising_numbers_of_their_own_and_methods_share_one() -> None:
    for profile in STAGED:
        scenario = Scenario(profile)
        await scenario.ended()
        numbers = [item.tx_id for item in scenario.effects if item.tx_id is not None]
        assert min(numbers) > 9  # the last one the controller has seen
        assert len(set(numbers)) == (3 if profile == "mailbox" else 1)
        assert numbers == sorted(numbers)


async def test_a_lost_ledger_does_not_fence_us_out() -> None:
    """The controller saw high numbers, then answered a stray low one: AckTxId alone would mislead."""
    scenario = Scenario("method")
    scenario.fake.handshake.last_tx_id = 500_000_000
    scenario.fake.handshake.ack_tx_id = 3
    assert (await scenario.ended()).outcome is Outcome.CONFIRMED


@with_staging
async def test_a_slow_commit_is_waited_for(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.handshake.commit_seconds = 0.4
    assert (await scenario.ended()).outcome is Outcome.CONFIRMED
    assert in_force(scenario)


@every_profile
async def test_a_push_of_what_is_active_is_a_no_op(profile: Profile) -> None:
    scenario = Scenario(profile)
    await scenario.ended()
    scenario.fake.record.clear()
    scenario.fake.run_machine()  # interlocks do not matter where nothing is written
    again = await scenario.ended(await scenario.submit())
    assert again.outcome is Outcome.NO_OP
    assert scenario.effects == []


@every_profile
async def test_the_right_digest_over_wrong_values_is_no_no_op(profile: Profile) -> None:
    scenario = Scenario(profile)
    await scenario.ended()
    scenario.fake.handshake.local_edit("Speed", 30.0)
    assert (await scenario.ended(await scenario.submit())).outcome is Outcome.CONFIRMED
    assert in_force(scenario)


@every_profile
async def test_a_site_that_measures_otherwise_gets_its_own_representation(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.equipment = scaled(profile)
    scenario.control = control_recipe(profile, equipment=scenario.equipment)
    oven = next(item for item in scenario.fake.parameters if item.node == "Oven")
    oven.type, oven.value, oven.range = parse_type("Int16"), 2120, (680, 3920)
    scenario.fake.__post_init__()
    assert (await scenario.ended()).outcome is Outcome.CONFIRMED
    assert scenario.fake.active["Oven"] == 2480  # 120 °C are 248.0 °F


# --- refused before anything is written ---------------------------------------------------------------------------


def machine_runs(scenario: Scenario) -> None:
    scenario.fake.run_machine()


def not_ready(scenario: Scenario) -> None:
    scenario.fake.hold_ready = False


def node_missing(scenario: Scenario) -> None:
    scenario.fake.missing.add("Recipe/Active/Oven")


def node_of_another_type(scenario: Scenario) -> None:
    scenario.fake._types["Oven"] = parse_type("Double")


def node_read_only(scenario: Scenario) -> None:
    scenario.fake.read_only |= {"Recipe/Staging/Oven", "Recipe/Active/Oven"}


def narrower_range(scenario: Scenario) -> None:
    next(item for item in scenario.fake.parameters if item.node == "Oven").range = (20, 110)


def old_firmware(scenario: Scenario) -> None:
    scenario.control = control_recipe(scenario.profile, firmware=">=4.1,<5")
    scenario.fake.version = "4.0.9"


def unreachable(scenario: Scenario) -> None:
    scenario.fake.down = 1_000


def value_unreadable(scenario: Scenario) -> None:
    scenario.fake.lies["Recipe/Active/Foil"] = None


@every_profile
@pytest.mark.parametrize(
    ("hindrance", "said"),
    [
        (machine_runs, "State/Mode must be Idle"),
        (not_ready, "ReadyForChange"),
        (node_missing, "missing Recipe/Active/Oven"),
        (node_of_another_type, "oven: its node in"),
        (node_read_only, "not writable"),
        (narrower_range, "EURange"),
        (old_firmware, "firmware >=4.1,<5; the server says 4.0.9"),
        (unreachable, "nobody listens"),
        (value_unreadable, "foil cannot be read"),
    ],
)
async def test_a_push_that_cannot_go_well_is_refused(profile: Profile, hindrance: Callable[[Scenario], None], said: str) -> None:
    scenario = Scenario(profile)
    hindrance(scenario)
    push = await scenario.ended()
    assert push.outcome is Outcome.REFUSED
    assert said in push.reason
    assert scenario.effects == []
    assert untouched(scenario)


@with_staging
@pytest.mark.parametrize("state", [State.COMMITTING, State.ACTIVE_UNCONFIRMED, State.REVERTING])
async def test_another_change_under_way_is_respected(profile: Profile, state: State) -> None:
    scenario = Scenario(profile)
    scenario.fake.hold_ready = False
    scenario.fake.handshake.commit_seconds = 1e9
    scenario.fake.handshake._deadline = 1e9
    scenario.fake.handshake.state = state
    push = await scenario.ended()
    assert push.outcome is Outcome.REFUSED
    assert "another change is under way" in push.reason
    assert scenario.effects == []


@with_staging
async def test_a_prepare_that_is_fenced_is_refused(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.handshake.last_tx_id = 4_000_000_000
    push = await scenario.ended()
    assert push.outcome is Outcome.REFUSED
    assert "FencedTxId" in push.reason
    assert untouched(scenario)


@every_profile
async def test_a_machine_that_becomes_ready_in_time_is_waited_for(profile: Profile) -> None:
    scenario = Scenario(profile, timings=PATIENT)
    scenario.fake.run_machine()
    looks = iter(range(4))

    def stop_after_four_looks() -> None:
        if next(looks, None) is None:
            scenario.fake.run_machine(0)
        else:
            scenario.fake.on("read", "after", stop_after_four_looks)

    stop_after_four_looks()
    push = await scenario.ended()
    assert push.outcome is Outcome.CONFIRMED
    waits = [step.detail["waits_for"] for step in await scenario.journal.steps(push.id) if "waits_for" in step.detail]
    assert waits[0][0] == "interlock State/Mode must be Idle or Stopped, and is not"
    assert waits[0][-1] == NOT_READY


# --- aborted while staging ----------------------------------------------------------------------------------------


@with_staging
async def test_a_refused_staging_write_is_tried_once_more(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.refused_writes["Recipe/Staging/Oven"] = [BAD_DEVICE_FAILURE]
    assert (await scenario.ended()).outcome is Outcome.CONFIRMED
    writes = [item.name for item in scenario.effects if item.name.startswith("Staging/")]
    assert len(writes) == len(NEW) + 1
    assert writes.count("Staging/Oven") == 2


@with_staging
async def test_a_staging_write_refused_twice_is_cancelled(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.refused_writes["Recipe/Staging/Oven"] = [BAD_OUT_OF_RANGE, BAD_OUT_OF_RANGE]
    push = await scenario.ended()
    assert push.outcome is Outcome.ABORTED_CLEAN
    assert "oven (BadOutOfRange)" in push.reason
    assert [item.name for item in scenario.effects][-1] == "Cancel"
    assert untouched(scenario)


@with_staging
@pytest.mark.parametrize(("path", "lie"), [("Recipe/Staging/Oven", 120.00001), ("Recipe/Staging/Passes", 4)])
async def test_staging_that_reads_back_otherwise_is_never_committed(profile: Profile, path: str, lie: float) -> None:
    scenario = Scenario(profile)
    scenario.fake.lies[path] = struct.unpack("<f", struct.pack("<f", lie))[0] if isinstance(lie, float) else lie
    push = await scenario.ended()
    assert push.outcome is Outcome.ABORTED_CLEAN
    assert "Commit" not in [item.name for item in scenario.effects]
    assert untouched(scenario)
    evidence = (await scenario.journal.steps(push.id))[-1].values
    assert set(evidence["wanted"]) == set(evidence["got"]) == {"oven" if "Oven" in path else "passes"}
    assert str(lie) not in push.reason


@with_staging
async def test_a_staged_digest_that_is_not_ours_is_never_committed(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.lies["Recipe/Sts/StagedDigest"] = "sha256:other"
    assert (await scenario.ended()).outcome is Outcome.ABORTED_CLEAN
    assert "Commit" not in [item.name for item in scenario.effects]
    assert scenario.fake.active == OLD


@with_staging
@pytest.mark.parametrize("message", ["Prepare", "Staging/Speed", "Staging/Foil"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_local_edit_while_staging_aborts(profile: Profile, message: str, when: str) -> None:
    scenario = Scenario(profile)
    scenario.fake.on(message, when, scenario.fake.local_edit("Speed", 21.0))  # type: ignore[arg-type]
    push = await scenario.ended()
    assert push.outcome is Outcome.ABORTED_CLEAN
    assert "edited locally" in push.reason
    assert scenario.fake.active == {**OLD, "Speed": 21.0}
    assert scenario.fake.handshake.state is State.IDLE


@with_staging
@pytest.mark.parametrize("message", ["Prepare", "Staging/Speed", "Staging/Foil"])
async def test_a_controller_that_restarts_while_staging_ends_it(profile: Profile, message: str) -> None:
    scenario = Scenario(profile)
    scenario.fake.on(message, "after", scenario.fake.restart)
    push = await scenario.ended()
    assert push.outcome is Outcome.ABORTED_CLEAN
    assert untouched(scenario)


@with_staging
async def test_a_machine_that_starts_while_staging_is_left_alone(profile: Profile) -> None:
    scenario = Scenario(profile)
    scenario.fake.on("Staging/Foil", "after", scenario.fake.run_machine)
    push = await scenario.ended()
    assert push.outcome is Outcome.ABORTED_CLEAN
    assert "State/Mode must be Idle" in push.reason
    assert untouched(scenario)
