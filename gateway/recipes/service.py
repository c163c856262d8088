"""The push service: takes requests, records intents in the ledger, and has workers carry out what the ledger holds open.

Nothing is kept only in memory: after a crash the open pushes of the ledger are taken up again by the same path.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from gateway.errors import EquipmentError, GatewayError, RequestRefused, StoreError
from gateway.plant.equipment_class import Plant
from gateway.plant.ports import Clock, Dialer
from gateway.recipes.block import RecipeBlock
from gateway.recipes.diff import DiffRow, diff
from gateway.recipes.engine import PushEngine
from gateway.recipes.journal import Intent, Journal, LeaseLost, Outcome, Push, Quarantine, Step
from gateway.recipes.run import PushTimings
from gateway.recipes.selection import Overlays, Parse, RecipeFile, Validation, locate


@dataclass(frozen=True, slots=True)
class PushStatus:
    """A push and its journal. Without `values` the steps hold no recipe values."""

    push: Push
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class DiffReport:
    """A control recipe against what one piece of equipment holds now."""

    recipe: str
    equipment: str
    rendered_digest: str
    active_digest: str
    already_active: bool
    rows: tuple[DiffRow, ...]


@dataclass(frozen=True, slots=True)
class PushEvent:
    """Something happened to a push; for logs. Never holds a recipe value. `fault` is set where the gateway itself erred."""

    push: int
    equipment: str
    recipe: str
    state: str
    reason: str = ""
    fault: Exception | None = None


@dataclass(frozen=True, slots=True)
class ServiceTimings:
    """How the service paces itself, in seconds."""

    rest: float = 5.0  #: before a push that rests is taken up again; doubled each time, up to `longest_rest`
    longest_rest: float = 60.0
    diff: float = 30.0  #: for reading equipment when somebody asks for a diff
    drain: float = 10.0  #: for pushes under way when the service stops; what is cut off is resolved at the next start


def _ignore(event: PushEvent) -> None:
    """Nobody listens."""


class PushService:
    """`async with PushService(...)`: inside the block the ledger's open pushes are carried out, at most `workers` at a time."""

    def __init__(
        self,
        *,
        journal: Journal,
        dialer: Dialer,
        clock: Clock,
        plant: Callable[[], Plant],
        parse: Parse,
        overlays: Overlays,
        workers: int = 8,
        push_timings: PushTimings | None = None,
        timings: ServiceTimings | None = None,
        observe: Callable[[PushEvent], None] = _ignore,
    ) -> None:
        self._journal = journal
        self._dialer = dialer
        self._clock = clock
        self._plant = plant
        self._parse = parse
        self._overlays = overlays
        self._workers = workers
        self._timings = timings or ServiceTimings()
        self._observe = observe
        self._engine = PushEngine(journal, dialer, clock, push_timings)
        self._running: dict[str, int] = {}  # equipment → push
        self._rests: dict[int, tuple[float, float]] = {}  # push → (not before, pause), monotonic seconds
        self._counts: Counter[tuple[str, Outcome]] = Counter()
        self._wake = asyncio.Event()
        self._closed = False
        self._news = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._dispatcher: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._counts.update(await self._journal.outcomes())
        self._group = await asyncio.TaskGroup().__aenter__()
        self._dispatcher = self._group.create_task(self._dispatch(), name="push dispatcher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._group is not None
        assert self._dispatcher is not None
        self._dispatcher.cancel()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._timings.drain)
        finally:
            for task in self._tasks:
                task.cancel()  # at most a step is journaled without its effect: the next start looks and decides
            self._closed = True
            self._announce()
            # The block's own error is not the group's: it leaves as it is, not inside an ExceptionGroup.
            await self._group.__aexit__(None, None, None)

    # -- what people ask ------------------------------------------------------------------------------------------

    def validate(self, text: str, filename: str, target: str = "") -> Validation:
        """Check a recipe file against the plant, without a network.

        Raises:
            ConfigurationError: the file is malformed; every complaint with its line.
            NotFound: the plant has nothing at or below `target`.
            RequestRefused: no master recipe in it, or what is there is not of its class.
        """
        file = RecipeFile.read(text, filename, self._parse)
        return file.validate(file.targets(self._plant(), target), self._overlays)

    async def diff(self, text: str, filename: str, target: str) -> DiffReport:
        """Read what one piece of equipment holds and compare; nothing is written.

        Raises:
            ConfigurationError, NotFound, RequestRefused: as `submit`.
            EquipmentError: the equipment could not be read.
        """
        file = RecipeFile.read(text, filename, self._parse)
        plant = self._plant()
        equipment = file.one_target(plant, target)
        control = file.control(equipment, self._overlays)
        found = locate(plant, str(equipment.path))
        assert found is not None
        try:
            async with asyncio.timeout(self._timings.diff), self._dialer.dial(found[1]) as session:
                state_tag = equipment.equipment_class.state
                block = await RecipeBlock.open(session, equipment, control, state_tag=state_tag)
                if isinstance(block, str):
                    raise RequestRefused(block)
                look = await block.look()
        except TimeoutError as error:
            raise EquipmentError(
                f"{equipment.path} did not answer within {self._timings.diff:g} s; look at its endpoint"
            ) from error
        rows = diff(control, look.active)
        active = look.status.active_digest
        already = active == control.rendered_digest and all(row.same for row in rows)
        return DiffReport(control.name, str(equipment.path), control.rendered_digest, active, already, rows)

    async def submit(self, text: str, filename: str, target: str, requested_by: str, idempotency_key: str) -> int:
        """Record the intent to push; the push's id. It is carried out as soon as the equipment is free.

        Raises:
            ConfigurationError: the file is malformed; every complaint with its line.
            NotFound: the plant has no such target.
            RequestRefused: it does not render for the target, the target is quarantined, or the key names another push.
            StoreError: the ledger could not record it.
        """
        file = RecipeFile.read(text, filename, self._parse)
        equipment = file.one_target(self._plant(), target)
        control = file.control(equipment, self._overlays)
        for quarantine in await self._journal.quarantines():
            if quarantine.equipment == str(equipment.path):
                raise RequestRefused(
                    f"{equipment.path} is quarantined since push {quarantine.push} ({quarantine.reason}); "
                    "inspect it, then release it"
                )
        push = await self._journal.submit(Intent(control, requested_by, idempotency_key), now=self._clock.now())
        if push.control != control:
            raise RequestRefused(
                f"the idempotency key already names push {push.id}, of {push.control.name} into {push.control.equipment}:"
                " use a new key for a new push"
            )
        self._tell(push)
        self._wake.set()
        return push.id

    async def status(self, id: int, *, values: bool = False) -> PushStatus:
        """One push with its journal; with recipe values only for those who may see them.

        Raises:
            NotFound: there is no such push.
        """
        push = await self._journal.push(id)
        steps = await self._journal.steps(id)
        if push.outcome is None and steps[-1].state in set(Outcome):
            push = await self._journal.push(id)  # it ended between the two
        return PushStatus(push, steps if values else [replace(step, values={}) for step in steps])

    async def pushes(self, pattern: str = "", *, limit: int = 100) -> Sequence[Push]:
        """Pushes into equipment at, below or matching `pattern`, newest first."""
        return await self._journal.pushes(pattern, limit=limit)

    async def watch(self, id: int) -> AsyncIterator[PushStatus]:
        """The status now and after further steps, until the push has ended or the service stops.

        Raises:
            NotFound: there is no such push.
        """
        seen = 0
        while not self._closed:
            news = self._news
            status = await self.status(id)
            if len(status.steps) == seen:
                await news.wait()
                continue
            seen = len(status.steps)
            yield status
            if status.push.outcome is not None:
                return

    async def quarantines(self) -> Sequence[Quarantine]:
        """Equipment that no push may touch."""
        return await self._journal.quarantines()

    async def release_quarantine(self, equipment: str, *, by: str, reason: str) -> None:
        """Let pushes into the equipment again, after a person looked at it.

        Raises:
            NotFound: it is not quarantined.
        """
        await self._journal.release_quarantine(equipment, by=by, reason=reason, now=self._clock.now())
        self._wake.set()

    def outcomes(self) -> Mapping[tuple[str, Outcome], int]:
        """How many pushes ended how, ever, by (site, outcome): `gateway_push_total`."""
        return dict(self._counts)

    # -- carrying out ---------------------------------------------------------------------------------------------

    async def _dispatch(self) -> None:
        """Start a worker for the oldest open push of every free piece of equipment, as long as there are workers."""
        while True:
            self._wake.clear()
            pause: float | None = None
            try:
                pause = self._assign(await self._journal.open_pushes())
            except StoreError as error:
                self._observe(PushEvent(0, "", "", "LedgerFailed", str(error)))
                pause = self._timings.rest
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    def _assign(self, pushes: Sequence[Push]) -> float | None:
        """Start what can start; seconds until the next resting push is due, None when none rests."""
        now = self._clock.monotonic()
        due: list[float] = []
        heads: set[str] = set()
        for push in pushes:
            equipment = str(push.control.equipment)
            if equipment in heads:
                continue  # one push at a time a piece of equipment, in the order they were asked for
            heads.add(equipment)
            if equipment in self._running:
                continue
            not_before, _ = self._rests.get(push.id, (now, 0.0))
            if not_before > now:
                due.append(not_before - now)
            elif len(self._running) < self._workers:
                self._running[equipment] = push.id
                self._start(push)
        return min(due, default=None)

    async def _carry_out(self, push: Push) -> None:
        equipment = str(push.control.equipment)
        reason, fault = "it will be taken up again", None
        ended: Push | None = None
        try:
            found = locate(self._plant(), equipment)
            if found is None:
                ended = await self._engine.withdraw(push, f"{equipment} is no longer in the plant's configuration")
            else:
                ended = await self._engine.carry_out(push, *found, on_step=lambda step: self._tell(push, step))
        except LeaseLost:
            reason = "another executor took it over"
        except GatewayError as error:
            # the ledger failed: what is not journaled was not done, so taking it up again is safe
            reason = str(error)
        except Exception as error:  # noqa: BLE001 -- a fault of ours in one push must not stop the pushes into all other equipment
            reason, fault = f"internal error: {type(error).__name__}", error
        finally:
            del self._running[equipment]
        if ended is None:
            self._rest(push, reason, fault)
        else:
            self._rests.pop(push.id, None)
            assert ended.outcome is not None
            self._counts[push.control.equipment.site, ended.outcome] += 1
            self._tell(ended)
        self._wake.set()

    def _rest(self, push: Push, reason: str, fault: Exception | None) -> None:
        _, last = self._rests.get(push.id, (0.0, 0.0))
        pause = min(2 * last, self._timings.longest_rest) if last else self._timings.rest
        self._rests[push.id] = (self._clock.monotonic() + pause, pause)
        self._observe(PushEvent(push.id, str(push.control.equipment), push.control.name, "Resting", reason, fault))

    def _tell(self, push: Push, step: Step | None = None) -> None:
        """Tell logs and watchers."""
        state = str(step.state) if step is not None else push.state
        self._observe(PushEvent(push.id, str(push.control.equipment), push.control.name, state, push.reason))
        self._announce()

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _start(self, push: Push) -> None:
        assert self._group is not None
        name = f"push {push.id} into {push.control.equipment}"
        task = self._group.create_task(self._carry_out(push), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
