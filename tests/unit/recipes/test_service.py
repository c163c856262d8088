"""The push service: requests, order, rest and recovery, watching, and what is told to whom."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.errors import ConfigurationError, NotFound, RequestRefused, StoreFull
from gateway.plant.equipment_class import Endpoint, Equipment, Line, MirrorDefaults, Plant, Site
from gateway.plant.hierarchy import EquipmentPath
from gateway.recipes.journal import Intent, Outcome, Push
from gateway.recipes.recipe import MasterRecipe, SiteOverlay
from gateway.recipes.service import PushEvent, PushService, PushStatus, ServiceTimings
from tests.fakes.equipment import FakeEquipment
from tests.fakes.journal import MemoryJournal
from tests.unit.recipes.scenario import COATER, ENDPOINT, NEW, OLD, QUICK, SystemClock, coater, control_recipe, fake, master

TARGET = "wroclaw/electrode/line-1/coater-1"
OTHER = "wroclaw/electrode/line-2/coater-1"


def parse(text: str, filename: str) -> Sequence[MasterRecipe | SiteOverlay]:
    """Recipe files of this test: a comma-joined list of what they hold."""
    known: dict[str, Callable[[], MasterRecipe | SiteOverlay]] = {
        "master": master,
        "mixing": lambda: replace(
            master(), equipment_requirements=replace(master().equipment_requirements, equipment_class="mixer")
        ),
        "overlay": lambda: SiteOverlay("wroclaw", "coating", "1.2.0", {"oven": 118.0}),
        "too fast": lambda: master(
            parameters=tuple(replace(p, value=99.0) if p.name == "speed" else p for p in master().parameters)
        ),
    }
    if text == "broken":
        raise ConfigurationError([f"{filename}:1: kind: missing"])
    return [known[word]() for word in text.split(",") if word]


@dataclass
class Plc:
    """Two coaters behind one dialer, told apart by the endpoint."""

    first: FakeEquipment = field(default_factory=lambda: fake("method"))
    second: FakeEquipment = field(default_factory=lambda: fake("mailbox"))

    def dial(self, endpoint: Endpoint) -> AbstractAsyncContextManager[Any]:
        return (self.second if endpoint.name == "second" else self.first).dial(endpoint)


@dataclass
class Bench:
    plc: Plc = field(default_factory=Plc)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    events: list[PushEvent] = field(default_factory=list)
    equipment: tuple[Equipment, ...] = (
        coater("method"),
        coater("mailbox", path=EquipmentPath("wroclaw", "electrode", "line-2", "coater-1"), endpoint="second"),
    )
    overlays: dict[str, SiteOverlay] = field(default_factory=dict)

    def plant(self) -> Plant:
        lines = tuple(Line("wroclaw", "electrode", item.path.line, "child-line", 1.0, (item,)) for item in self.equipment)
        endpoints = (ENDPOINT, replace(ENDPOINT, name="second"))
        site = Site("wroclaw", "Wrocław", None, None, endpoints, lines)
        return Plant("acme", "wroclaw", MirrorDefaults(), {"coater": COATER}, (site,))

    @asynccontextmanager
    async def running(self, workers: int = 4) -> AsyncIterator[PushService]:
        service = PushService(
            journal=self.journal, dialer=self.plc, clock=SystemClock(), plant=self.plant, parse=parse,
            overlays=lambda site, recipe, version: self.overlays.get(site), workers=workers, push_timings=QUICK,
            timings=ServiceTimings(rest=0.01, longest_rest=0.05, drain=0.5), observe=self.events.append,
        )  # fmt: skip
        async with asyncio.timeout(10), service:
            yield service


async def ended(service: PushService, id: int) -> PushStatus:
    """Follow a push to its end."""
    last = None
    async for status in service.watch(id):
        last = status
    assert last is not None
    return last


# --- requests -----------------------------------------------------------------------------------------------------


async def test_a_request_becomes_a_push_and_is_carried_out() -> None:
    bench = Bench()
    async with bench.running() as service:
        id = await service.submit("master", "r.yaml", TARGET, "jan", "k")
        status = await ended(service, id)
        assert status.push.outcome is Outcome.CONFIRMED
        assert bench.plc.first.active == NEW
        assert bench.plc.second.active == OLD
        assert service.outcomes() == {("wroclaw", Outcome.CONFIRMED): 1}
        assert [push.id for push in await service.pushes("wroclaw")] == [id]


async def test_the_same_key_is_the_same_push_and_another_request_under_it_is_refused() -> None:
    bench = Bench()
    async with bench.running() as service:
        id = await service.submit("master", "r.yaml", TARGET, "jan", "k")
        assert await service.submit("master", "r.yaml", TARGET, "jan", "k") == id
        with pytest.raises(RequestRefused, match="key already names push 1"):
            await service.submit("master", "r.yaml", OTHER, "jan", "k")


@pytest.mark.parametrize(
    ("text", "target", "error", "said"),
    [
        ("broken", TARGET, ConfigurationError, "r.yaml:1: kind: missing"),
        ("overlay", TARGET, RequestRefused, "holds 0 documents of kind MasterRecipe"),
        ("master,master", TARGET, RequestRefused, "holds 2 documents of kind MasterRecipe"),
        ("master,overlay,overlay", TARGET, RequestRefused, "2 overlays for site wroclaw"),
        ("master", "wroclaw/electrode/line-9", NotFound, f"there is no equipment at .*{TARGET}, {OTHER}"),
        ("mixing", TARGET, RequestRefused, "no equipment of class mixer"),
        ("master", "wroclaw", RequestRefused, "names 2 pieces of equipment; a push goes into one"),
        ("too fast", TARGET, RequestRefused, "speed: its value is outside the recipe's limits"),
    ],
)
async def test_a_request_that_cannot_be_is_refused_and_leaves_no_push(
    text: str, target: str, error: type[Exception], said: str
) -> None:
    bench = Bench()
    async with bench.running() as service:
        with pytest.raises(error, match=said):
            await service.submit(text, "r.yaml", target, "jan", "k")
        assert list(await service.pushes()) == []


async def test_a_line_with_one_piece_of_the_class_names_it() -> None:
    bench = Bench()
    async with bench.running() as service:
        id = await service.submit("master", "r.yaml", "wroclaw/electrode/line-2", "jan", "k")
        assert (await ended(service, id)).push.outcome is Outcome.CONFIRMED
        assert bench.plc.second.active == NEW


async def test_the_files_own_overlay_wins_over_the_configurations() -> None:
    bench = Bench(overlays={"wroclaw": SiteOverlay("wroclaw", "coating", "1.2.0", {"oven": 112.0})})
    async with bench.running() as service:
        for text, oven in (("master", 112.0), ("master,overlay", 118.0)):
            report = await service.diff(text, "r.yaml", TARGET)
            assert next(row.wanted for row in report.rows if row.parameter == "oven") == oven


async def test_validation_tells_of_every_target() -> None:
    bench = Bench(equipment=(coater("method"), coater(None, path=EquipmentPath("wroclaw", "electrode", "line-2", "coater-1"))))
    async with bench.running() as service:
        validation = service.validate("master", "r.yaml")
        assert not validation.ok
        good, bad = validation.targets
        assert good.rendered_digest == control_recipe("method").rendered_digest
        assert good.complaints == ()
        assert "declares no handshake profile" in bad.complaints[0]
        assert service.validate("master", "r.yaml", TARGET).ok


async def test_a_diff_reads_and_writes_nothing() -> None:
    bench = Bench()
    bench.plc.first.handshake.active["Passes"] = 3
    async with bench.running() as service:
        report = await service.diff("master", "r.yaml", TARGET)
        rows = {row.parameter: (row.active, row.wanted, row.same) for row in report.rows}
        assert rows["speed"] == (20.0, 28.5, False)
        assert rows["passes"] == (3, 3, True)
        assert report.active_digest == "sha256:old"
        assert not report.already_active
        assert bench.plc.first.record == []


# --- carrying out -------------------------------------------------------------------------------------------------


async def test_pushes_into_one_piece_of_equipment_go_one_after_another_in_order() -> None:
    bench = Bench()
    async with bench.running() as service:
        ids = [await service.submit("master", "r.yaml", TARGET, "jan", str(key)) for key in range(4)]
        outcomes = [(await ended(service, id)).push.outcome for id in ids]
        assert outcomes == [Outcome.CONFIRMED, Outcome.NO_OP, Outcome.NO_OP, Outcome.NO_OP]
        assert bench.plc.first.most_connected == 1


async def test_a_push_that_rests_does_not_hold_up_other_equipment_and_is_resolved() -> None:
    bench = Bench()

    def cut() -> None:
        bench.plc.first.down = 1_000_000
        bench.plc.first.lose_connection()

    bench.plc.first.on("Commit", "after", cut)
    async with bench.running(workers=1) as service:
        stuck = await service.submit("master", "r.yaml", TARGET, "jan", "1")
        behind = await service.submit("master", "r.yaml", TARGET, "jan", "2")
        other = await service.submit("master", "r.yaml", OTHER, "jan", "3")
        assert (await ended(service, other)).push.outcome is Outcome.CONFIRMED
        assert (await service.status(stuck)).push.outcome is None
        assert (await service.status(behind)).push.state == "Planned"
        bench.plc.first.down = 0
        assert (await ended(service, stuck)).push.outcome is Outcome.CONFIRMED
        assert (await ended(service, behind)).push.outcome is Outcome.NO_OP
    assert "Resting" in {event.state for event in bench.events}


async def test_a_restart_takes_up_what_was_open() -> None:
    bench = Bench()
    push = await bench.journal.submit(Intent(control_recipe("method"), "jan", "k"), now=1)
    async with bench.running() as service:
        assert (await ended(service, push.id)).push.outcome is Outcome.CONFIRMED


async def test_stopping_lets_a_push_finish_and_leaves_no_task_behind() -> None:
    bench = Bench()
    bench.plc.first.handshake.commit_seconds = 1.0
    before = asyncio.all_tasks()
    async with bench.running() as service:
        id = await service.submit("master", "r.yaml", TARGET, "jan", "k")
        async for status in service.watch(id):
            if status.push.state == "Preflight":
                break
    assert (await bench.journal.push(id)).outcome is Outcome.CONFIRMED
    assert asyncio.all_tasks() == before


async def test_the_blocks_own_error_leaves_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with Bench().running():
            raise KeyError("of the block")


async def test_equipment_that_left_the_plant_is_not_pushed_into() -> None:
    bench = Bench()
    push = await bench.journal.submit(Intent(control_recipe("method"), "jan", "k"), now=1)
    bench.equipment = bench.equipment[1:]
    async with bench.running() as service:
        status = await ended(service, push.id)
        assert status.push.outcome is Outcome.REFUSED
        assert "no longer in the plant" in status.push.reason


async def test_a_plant_that_changed_since_the_request_is_noticed() -> None:
    bench = Bench()
    push = await bench.journal.submit(Intent(control_recipe("method"), "jan", "k"), now=1)
    bench.equipment = (coater("mailbox"), bench.equipment[1])
    async with bench.running() as service:
        status = await ended(service, push.id)
        assert status.push.outcome is Outcome.REFUSED
        assert "push again" in status.push.reason
        assert bench.plc.first.record == []


async def test_quarantined_equipment_takes_no_request_until_released() -> None:
    bench = Bench()
    bench.plc.first.handshake.fail_commit = "broken"
    async with bench.running() as service:
        id = await service.submit("master", "r.yaml", TARGET, "jan", "1")
        assert (await ended(service, id)).push.outcome is Outcome.QUARANTINED
        assert [item.equipment for item in await service.quarantines()] == [TARGET]
        with pytest.raises(RequestRefused, match=f"{TARGET} is quarantined since push 1"):
            await service.submit("master", "r.yaml", TARGET, "jan", "2")
        await service.release_quarantine(TARGET, by="kim", reason="inspected")
        id = await service.submit("master", "r.yaml", TARGET, "jan", "3")
        assert (await ended(service, id)).push.outcome is Outcome.CONFIRMED
        with pytest.raises(NotFound):
            await service.release_quarantine(TARGET, by="kim", reason="again")


class FailingJournal(MemoryJournal):
    """A ledger whose disk is full for a while."""

    failures = 3

    async def append(self, *given: Any, **named: Any) -> Any:
        if self.failures > 0:
            self.failures -= 1
            raise StoreFull("no space left")
        return await super().append(*given, **named)

    async def open_pushes(self) -> Sequence[Push]:
        if self.failures > 2:
            self.failures -= 1
            raise StoreFull("no space left")
        return await super().open_pushes()


async def test_a_ledger_that_fails_delays_pushes_and_nothing_else() -> None:
    bench = Bench(journal=FailingJournal())
    async with bench.running() as service:
        id = await service.submit("master", "r.yaml", TARGET, "jan", "k")
        status = await ended(service, id)
        assert status.push.outcome is Outcome.CONFIRMED
    assert {"LedgerFailed", "Resting"} <= {event.state for event in bench.events}


async def test_a_fault_of_ours_in_one_push_does_not_stop_the_others() -> None:
    bench = Bench()

    def bug() -> None:
        raise ZeroDivisionError

    bench.plc.first.on("inspect", "before", bug)
    async with bench.running() as service:
        first = await service.submit("master", "r.yaml", TARGET, "jan", "1")
        second = await service.submit("master", "r.yaml", OTHER, "jan", "2")
        assert (await ended(service, second)).push.outcome is Outcome.CONFIRMED
        assert (await ended(service, first)).push.outcome is Outcome.CONFIRMED
    assert [type(event.fault) for event in bench.events if event.fault] == [ZeroDivisionError]


# --- what is told to whom -----------------------------------------------------------------------------------------


async def test_values_are_only_in_the_steps_of_those_who_may_see_them() -> None:
    bench = Bench()
    bench.plc.first.lies["Recipe/Staging/Speed"] = 28.75
    async with bench.running() as service:
        id = await service.submit("master", "r.yaml", TARGET, "jan", "k")
        await ended(service, id)
        shown, full = await service.status(id), await service.status(id, values=True)
    told = repr([(step.detail, step.values) for step in shown.steps]) + shown.push.reason + repr(bench.events)
    for value in ("28.75", "28.5", "Al-15", "Al-12"):
        assert value not in told
    assert full.steps[-1].values == {"wanted": {"speed": 28.5}, "got": {"speed": 28.75}}


async def test_watching_ends_when_the_service_stops() -> None:
    bench = Bench()
    bench.plc.first.down = 1_000_000
    seen: list[PushStatus] = []

    first = asyncio.Event()

    async def follow(service: PushService, id: int) -> None:
        async for status in service.watch(id):
            seen.append(status)
            first.set()

    async with asyncio.TaskGroup() as group, bench.running() as service:
        id = await service.submit("master", "r.yaml", TARGET, "jan", "k")
        group.create_task(follow(service, id))
        await first.wait()
    assert seen


class LateJournal(MemoryJournal):
    """The push ends between a reader's two reads."""

    late: Push | None = None

    async def push(self, id: int) -> Push:
        found = await super().push(id)
        if found.outcome is not None and self.late is None:
            self.late = found
            return replace(found, outcome=None, state="ConfirmSent")
        return found


async def test_a_push_that_ends_between_two_reads_is_seen_as_ended() -> None:
    bench = Bench(journal=LateJournal())
    async with bench.running() as service:
        id = await service.submit("master", "r.yaml", TARGET, "jan", "k")
        assert (await ended(service, id)).push.outcome is Outcome.CONFIRMED


async def test_an_unknown_push_is_not_found() -> None:
    async with Bench().running() as service:
        with pytest.raises(NotFound):
            await service.status(99)
