"""One endpoint, supervised: connect, resolve, subscribe, watch; on any loss a gap, and again. Its only owner of reconnection."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import structlog

from gateway.errors import (
    AuthenticationFailed,
    CertificateUntrusted,
    ConfigurationError,
    ConnectionLost,
    GatewayError,
    SecurityRefused,
)
from gateway.mirror.account import LossAccount
from gateway.mirror.backoff import Backoff
from gateway.mirror.conformance import judge_equipment
from gateway.mirror.feed import Feed, MirrorDialer, MirrorSession, PublishCounters
from gateway.mirror.intake import Intake, SessionSink
from gateway.mirror.items import Item, group
from gateway.mirror.report import EndpointState, Finding
from gateway.plant.equipment_class import Endpoint
from gateway.plant.hierarchy import EquipmentPath
from gateway.plant.ports import Clock, Gap, GapReason, ItemOutcome, ItemRequest, NodeFacts, ServerFacts
from gateway.plant.status_names import describe

_log = structlog.get_logger(__name__)
_WATCH_S = 0.5
_REFRESH_S = 10.0
_RETRY_ITEMS_S, _RETRY_ITEMS_LONGEST_S = 5.0, 300.0
_HOPELESS_S = 5.0  #: the least wait after a failure that only a person can mend

_STATE_OF: tuple[tuple[type[GatewayError], EndpointState], ...] = (
    (AuthenticationFailed, EndpointState.AUTH_FAILED),
    (CertificateUntrusted, EndpointState.CERT_UNTRUSTED),
    (SecurityRefused, EndpointState.CONFIG_ERROR),
    (ConfigurationError, EndpointState.CONFIG_ERROR),
)


@dataclass(slots=True)
class ItemFate:
    """What became of one item in the present session."""

    node: str | None = None
    facts: NodeFacts | None = None
    outcome: ItemOutcome | None = None
    status: int = 0x8032_0000  # BadWaitingForInitialData

    @property
    def accepted(self) -> bool:
        """True when the server monitors it."""
        return self.outcome is not None and not self.outcome.status >> 31


@dataclass(slots=True)
class Tally:
    """Counters over all sessions."""

    sessions: int = 0
    subscriptions: int = 0
    reconnects: int = 0
    feed: PublishCounters = field(default_factory=PublishCounters)

    def add(self, counters: PublishCounters) -> None:
        """Add up a session that has ended."""
        for name in ("notifications", "keep_alives", "sequence_gaps", "republished", "repeated"):
            setattr(self.feed, name, getattr(self.feed, name) + getattr(counters, name))


#: Told which node each item was found at, so that the twin can name it.
Learned = Callable[[Sequence[tuple[Item, str]]], Awaitable[None]]


class EndpointMirror:
    """Mirrors one endpoint until cancelled. Nothing that happens here disturbs another endpoint."""

    def __init__(
        self, endpoint: Endpoint, items: Sequence[Item], intake: Intake, dialer: MirrorDialer, connecting: asyncio.Semaphore,
        clock: Clock, *, outage_cover_s: float, open_tag_gaps: set[int], learned: Learned, store_trouble: Callable[[], str],
    ) -> None:  # fmt: skip
        self.endpoint = endpoint
        self.items = items
        self.intake = intake
        self.state = EndpointState.CONNECTING if endpoint.enabled else EndpointState.DISABLED
        self.since = clock.now()
        self.reason = ""
        self.facts: ServerFacts | None = None
        self.fates = [ItemFate() for _ in items]
        self.findings: list[Finding] = []
        self.tally = Tally()
        self._dialer = dialer
        self._connecting = connecting
        self.clock = clock
        self._outage_cover_s = outage_cover_s
        self._feed: Feed | None = None
        self._tag_gaps = open_tag_gaps
        self._learned = learned
        self._store_trouble = store_trouble
        self._backoff = Backoff()
        self._unmet: list[str] = []
        self._began = 0
        #: Set before the task is cancelled: asyncio before Python 3.12 swallows a cancellation that meets a connection, and a
        #: TaskGroup that winds up leaves its own cancellation counted, so that `Task.cancelling()` does not tell.
        self.ending = False
        self._timed = [
            (row, item.tag.max_silence_s * 1e9) for row, item in enumerate(items) if item.tag.max_silence_s is not None
        ]
        self._log = _log.bind(site=endpoint.site, endpoint=endpoint.name)

    @property
    def items_rejected(self) -> int:
        """Items of the present session that the server refused or does not have; what the class leaves open does not count."""
        if self.state not in {EndpointState.CONNECTED, EndpointState.DEGRADED}:
            return 0
        return sum(not fate.accepted and not item.tag.optional for item, fate in zip(self.items, self.fates, strict=True))

    @property
    def account(self) -> LossAccount:
        """The loss account."""
        return self.intake.account

    def counters(self) -> PublishCounters:
        """Publishing over all sessions, the present one included."""
        total = Tally(feed=replace(self.tally.feed))
        if self._feed is not None:
            total.add(self._feed.counters)
            total.feed.round_trip_s = self._feed.counters.round_trip_s
        return total.feed

    async def run(self) -> None:
        """Connect, mirror, and connect again, until cancelled."""
        if not self.endpoint.enabled:
            return
        while not self.ending:
            await asyncio.sleep(self._delay())
            try:
                await self._session()
            except Exception as fault:  # noqa: BLE001 - a defect of ours in one endpoint must not stop the others; it is logged whole
                self._failed(self._explain(fault))

    def _delay(self) -> float:
        delay = self._backoff.next_delay()
        hopeless = self.state in {EndpointState.AUTH_FAILED, EndpointState.CERT_UNTRUSTED, EndpointState.CONFIG_ERROR}
        return max(delay, _HOPELESS_S) if hopeless else delay

    def _explain(self, fault: BaseException) -> GatewayError:
        """The error of ours that ended a session; anything else is a defect, logged with its traceback."""
        while isinstance(fault, BaseExceptionGroup):
            fault = next((each for each in fault.exceptions if not isinstance(each, GatewayError)), fault.exceptions[0])
        if isinstance(fault, GatewayError):
            return fault
        self._log.error("mirroring failed unexpectedly", exc_info=fault)
        return ConnectionLost(f"internal error: {type(fault).__name__}: {fault}; please report it with the log")

    def _enter(self, state: EndpointState, reason: str) -> None:
        if (state, reason) != (self.state, self.reason):
            if state is not self.state:
                self.since = self.clock.now()
            self.state, self.reason = state, reason
            level = (
                self._log.info
                if state in {EndpointState.CONNECTED, EndpointState.CONNECTING} and not reason
                else self._log.warning
            )
            level("endpoint state", state=str(state), reason=reason)

    def _failed(self, fault: GatewayError) -> None:
        start = self.last_word()
        self.end_feed()
        state = next((state for kind, state in _STATE_OF if isinstance(fault, kind)), EndpointState.CONNECTING)
        self._enter(state, str(fault))
        if start is not None:
            self.intake.open_gap(start, GapReason.DISCONNECTED, type(fault).__name__)
        self.fates = [ItemFate(fate.node, fate.facts) for fate in self.fates]

    def last_word(self) -> int | None:
        """Up to when nothing is missing: the last word of the quietest subscription."""
        vouched = self._feed.vouched() if self._feed is not None else None
        return self.intake.heard if vouched is None or self.intake.heard is None else min(vouched, self.intake.heard)

    def end_feed(self) -> None:
        """Add up the counters of a session that has ended."""
        if self._feed is not None:
            self.tally.add(self._feed.counters)
            self._feed = None

    async def _session(self) -> None:
        """One session from dialling to its end, which is always an error or a cancellation."""
        async with AsyncExitStack() as stack:
            async with self._connecting:
                session = await stack.enter_async_context(self._dialer.dial(self.endpoint))
            if self.ending:
                return
            self.tally.sessions += 1
            self._began = self.clock.now()
            self.tally.reconnects += self.tally.sessions > 1
            self.facts = session.facts
            requests = await self._find_items(session, range(len(self.items)))
            sink = SessionSink(self.intake)
            feed = sink.feed = session.feed(self.endpoint.publishing_ms, sink)
            groups = group(requests, session.facts.limits.monitored_items_per_subscription)
            self._record(await feed.subscribe(groups))
            self.tally.subscriptions += len(groups)
            self._feed = feed
            self._judge_health()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(feed.run(), name=f"publish {self.endpoint.key}")
                tasks.create_task(self._watch(feed), name=f"watch {self.endpoint.key}")
                tasks.create_task(self._refresh(session, feed), name=f"facts {self.endpoint.key}")
                tasks.create_task(self._end_with(session), name=f"connection {self.endpoint.key}")
                tasks.create_task(self._retry_items(session, feed), name=f"items {self.endpoint.key}")

    async def _find_items(self, session: MirrorSession, wanted: Sequence[int]) -> list[ItemRequest]:
        """Resolve items by browse path, judge their equipment against its class, and make the requests for those there are."""
        by_equipment: dict[EquipmentPath, list[int]] = {}
        for row in wanted:
            by_equipment.setdefault(self.items[row].equipment.path, []).append(row)
        for rows in by_equipment.values():
            root = self.items[rows[0]].equipment.root
            found = await session.resolve(root, [self.items[row].site_path for row in rows])
            for row, where in zip(rows, found, strict=True):
                self.fates[row] = ItemFate(status=where) if isinstance(where, int) else ItemFate(where)
        nodes = [(row, node) for row in wanted if (node := self.fates[row].node) is not None]
        for (row, _), facts in zip(nodes, await session.inspect([node for _, node in nodes]), strict=True):
            self.fates[row].facts = facts
        self._judge_equipment()
        if nodes:
            await self._learned([(self.items[row], node) for row, node in nodes])
        return [self.items[row].request(row, node, self._outage_cover_s) for row, node in nodes]

    def _judge_equipment(self) -> None:
        rows: dict[EquipmentPath, list[tuple[Item, NodeFacts | None, int]]] = {}
        for item, fate in zip(self.items, self.fates, strict=True):
            rows.setdefault(item.equipment.path, []).append((item, fate.facts, fate.status))
        self.findings = [finding for each in rows.values() for finding in judge_equipment(each)]

    def _record(self, outcomes: Sequence[ItemOutcome]) -> None:
        """Take the server's word on items; open a gap for each tag that is not monitored, close it for each that is again."""
        for outcome in outcomes:
            fate = self.fates[outcome.handle]
            fate.outcome, fate.status = outcome, outcome.status
        tags = self.intake.table.tag
        accepted = {int(tags[row]) for row, fate in enumerate(self.fates) if fate.accepted}
        back = accepted & self._tag_gaps
        allowed = {  # the class allows it to be missing, and it never was there
            int(tags[row]) for row, item in enumerate(self.items) if item.tag.optional and not self.intake.table.last_source[row]
        }
        missing = {int(tag) for tag in tags} - accepted - self._tag_gaps - allowed
        now = self.clock.now()
        names = {int(tags[row]): describe(fate.status) for row, fate in enumerate(self.fates) if not fate.accepted}
        self.intake.close_tags(sorted(back), now)
        self.intake.note_gaps(
            [Gap(self.intake.endpoint, tag, now, None, GapReason.ITEM_REJECTED, names[tag]) for tag in sorted(missing)]
        )
        self._tag_gaps = (self._tag_gaps - back) | missing
        self._unmet = [
            f"{item.path} ({describe(fate.status)})"
            for item, fate in zip(self.items, self.fates, strict=True)
            if not fate.accepted and not item.tag.optional
        ]

    def _judge_health(self) -> None:
        """Healthy: every expected item reports or was individually rejected with a reason; and the store takes it."""
        if trouble := self._store_trouble():
            self._enter(EndpointState.DEGRADED, f"its values are received and not stored: {trouble}")
        elif self._unmet:
            more = f" and {len(self._unmet) - 3} more" if len(self._unmet) > 3 else ""
            which = f"{len(self._unmet)} items are not monitored: {', '.join(self._unmet[:3])}{more}"
            self._enter(EndpointState.DEGRADED, f"{which}; for the cure of each: gateway why PATH")
        elif late := self.late_items(self.clock.now()):
            self._enter(
                EndpointState.DEGRADED, f"{len(late)} items are silent for longer than their class allows: {', '.join(late[:3])}"
            )
        else:
            self._enter(EndpointState.CONNECTED, "")

    def late_items(self, now: int) -> list[str]:
        """Items that declare `max_silence` and have been silent for longer, as far as what was received has been looked at."""
        now = self.intake.known_until(now)
        last, began = self.intake.table.last_received, self._began  # a new session reports everything once: give it the time
        return [
            self.items[row].path
            for row, limit_ns in self._timed
            if self.fates[row].accepted and max(int(last[row]), began) < now - limit_ns
        ]

    async def _watch(self, feed: Feed) -> None:
        """Freshness: a subscription whose keep-alives are missing is dead even if the connection looks alive."""
        while True:
            await asyncio.sleep(_WATCH_S)
            silent = feed.silent_for()
            if silent > feed.silence_limit_s:
                raise ConnectionLost(
                    f"{self.endpoint.url}: connected, but a subscription has been silent for {silent:.0f} s "
                    f"and its keep-alives are missing; connecting anew"
                )
            if feed.counters.notifications:
                self._backoff.succeeded()
            self._judge_health()

    async def _refresh(self, session: MirrorSession, feed: Feed) -> None:
        """Ask again what changes while a session lives: the server's clock, its service level, its namespaces."""
        while True:
            await asyncio.sleep(_REFRESH_S)
            feed.counters.round_trip_s = await session.refresh()
            self.facts = session.facts

    async def _end_with(self, session: MirrorSession) -> None:
        await session.lost()
        raise ConnectionLost(f"{self.endpoint.url}: the connection was closed")

    async def _retry_items(self, session: MirrorSession, feed: Feed) -> None:
        """Ask again for what was missing or rejected, with capped back-off; the others keep their data meanwhile."""
        delay = _RETRY_ITEMS_S
        while True:
            await asyncio.sleep(delay)
            delay = min(delay * 2, _RETRY_ITEMS_LONGEST_S)
            wanted = [row for row, fate in enumerate(self.fates) if not fate.accepted]
            if wanted and (requests := await self._find_items(session, wanted)):
                self._record(await feed.add(requests))
