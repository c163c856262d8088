"""What every implementation of the push ledger's port must do."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import NotFound
from gateway.recipes.journal import Intent, Journal, LeaseLost, Outcome, Push, PushState
from gateway.store.sqlite.ledger import open_ledger
from tests.fakes.journal import MemoryJournal
from tests.unit.recipes.scenario import control_recipe

CONTROL = control_recipe("method")


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    async with open_ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


async def submit(journal: Journal, key: str = "k", by: str = "jan") -> Push:
    return await journal.submit(Intent(CONTROL, by, key), now=100)


async def test_an_intent_is_a_planned_push(journal: Journal) -> None:
    push = await submit(journal)
    assert (push.control, push.requested_by, push.requested_at) == (CONTROL, "jan", 100)
    assert (push.state, push.outcome, push.ended_at) == (PushState.PLANNED, None, None)
    assert await journal.push(push.id) == push
    assert list(await journal.open_pushes()) == [push]
    assert [step.state for step in await journal.steps(push.id)] == [PushState.PLANNED]


async def test_the_same_key_of_the_same_person_is_the_same_push(journal: Journal) -> None:
    push = await submit(journal)
    assert (await submit(journal)).id == push.id
    assert (await submit(journal, by="kim")).id != push.id
    assert (await submit(journal, key="other")).id != push.id


async def test_steps_are_kept_in_order_with_all_they_say(journal: Journal) -> None:
    push = await submit(journal)
    lease = await journal.lease(push, now=101)
    assert lease is not None
    values = {"active": {"Speed": 20.5, "wide": "9007199254740993"}}
    step = await journal.append(lease, PushState.STAGING, now=102, tx_id=12, detail={"a": "°"}, values=values)
    steps = await journal.steps(push.id)
    assert steps[-1] == step
    assert [(item.number, item.state, item.epoch) for item in steps] == [
        (1, "Planned", 0), (2, "Leased", lease.epoch), (3, "Staging", lease.epoch),
    ]  # fmt: skip
    assert steps[-1].values == values
    assert (await journal.push(push.id)).state == "Staging"


async def test_only_one_open_push_holds_a_piece_of_equipment(journal: Journal) -> None:
    first, second = await submit(journal, "1"), await submit(journal, "2")
    lease = await journal.lease(first, now=101)
    assert lease is not None
    assert await journal.lease(second, now=102) is None
    await journal.end(lease, Outcome.REFUSED, "no", now=103)
    assert await journal.lease(second, now=104) is not None
    assert await journal.lease(first, now=105) is None


async def test_a_new_epoch_ends_the_old_ones_right_to_write(journal: Journal) -> None:
    push = await submit(journal)
    old = await journal.lease(push, now=101)
    new = await journal.lease(push, now=102)
    assert old is not None
    assert new is not None
    assert new.epoch > old.epoch
    with pytest.raises(LeaseLost):
        await journal.append(old, PushState.STAGING, now=103)
    with pytest.raises(LeaseLost):
        await journal.end(old, Outcome.REFUSED, "", now=103)
    await journal.append(new, PushState.STAGING, now=104)


async def test_an_end_is_final(journal: Journal) -> None:
    push = await submit(journal)
    lease = await journal.lease(push, now=101)
    assert lease is not None
    ended = await journal.end(lease, Outcome.ABORTED_CLEAN, "a reason", now=110, values={"got": {"a": 1}})
    assert (ended.outcome, ended.reason, ended.ended_at, ended.state) == (
        Outcome.ABORTED_CLEAN, "a reason", 110, "AbortedClean",
    )  # fmt: skip
    assert await journal.push(push.id) == ended
    assert list(await journal.open_pushes()) == []
    last = (await journal.steps(push.id))[-1]
    assert (last.state, last.detail, last.values) == ("AbortedClean", {"reason": "a reason"}, {"got": {"a": 1}})
    with pytest.raises(LeaseLost):
        await journal.append(lease, PushState.STAGING, now=111)


async def test_the_highest_transaction_number_of_an_equipment_is_remembered(journal: Journal) -> None:
    equipment = str(CONTROL.equipment)
    assert await journal.last_tx(equipment) == 0
    lease = await journal.lease(await submit(journal), now=101)
    assert lease is not None
    await journal.append(lease, PushState.STAGING, now=102, tx_id=4_000_000_000)
    await journal.append(lease, PushState.CANCEL_SENT, now=103, tx_id=17)
    assert await journal.last_tx(equipment) == 4_000_000_000


async def test_quarantine_blocks_until_somebody_releases_it(journal: Journal) -> None:
    push = await submit(journal)
    lease = await journal.lease(push, now=101)
    assert lease is not None
    await journal.end(lease, Outcome.QUARANTINED, "half a recipe", now=105)
    (quarantine,) = await journal.quarantines()
    assert (quarantine.equipment, quarantine.push, quarantine.since, quarantine.reason) == (
        str(CONTROL.equipment), push.id, 105, "half a recipe",
    )  # fmt: skip
    await journal.release_quarantine(quarantine.equipment, by="kim", reason="looked at it", now=120)
    assert list(await journal.quarantines()) == []
    with pytest.raises(NotFound):
        await journal.release_quarantine(quarantine.equipment, by="kim", reason="again", now=121)


async def test_pushes_are_found_by_place_newest_first(journal: Journal) -> None:
    first, second = await submit(journal, "1"), await submit(journal, "2")
    assert [push.id for push in await journal.pushes()] == [second.id, first.id]
    assert [push.id for push in await journal.pushes("wroclaw/*", limit=1)] == [second.id]
    assert list(await journal.pushes("michigan")) == []


async def test_outcomes_are_counted_by_site(journal: Journal) -> None:
    for key in "12":
        lease = await journal.lease(await submit(journal, key), now=1)
        assert lease is not None
        await journal.end(lease, Outcome.NO_OP, "", now=2)
    assert dict(await journal.outcomes()) == {("wroclaw", Outcome.NO_OP): 2}


async def test_an_unknown_push_is_not_found(journal: Journal) -> None:
    with pytest.raises(NotFound):
        await journal.push(17)


async def test_the_ledger_survives_and_its_journal_cannot_be_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with open_ledger(path) as ledger:
        push = await submit(ledger)
        lease = await ledger.lease(push, now=101)
        assert lease is not None
    async with open_ledger(path) as ledger:
        assert (await ledger.push(push.id)).state == "Leased"
        again = await ledger.lease(push, now=201)
        assert again is not None
        assert again.epoch == lease.epoch + 1
    connection = sqlite3.connect(path)
    for statement in ("UPDATE push_step SET state = 'Confirmed'", "DELETE FROM push_step"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()
