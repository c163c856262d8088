"""The mirror as a whole: every endpoint of the plant supervised, one ingest, and a face for the rest of the house."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from gateway.errors import RequestRefused, StoreError
from gateway.mirror.account import LossAccount
from gateway.mirror.endpoint import EndpointMirror
from gateway.mirror.feed import MirrorDialer
from gateway.mirror.ingest import Ingest
from gateway.mirror.intake import Intake
from gateway.mirror.items import Item, Table, items_of
from gateway.mirror.report import EndpointReport, EndpointState, Finding, ItemReport
from gateway.plant.equipment_class import Endpoint, Plant
from gateway.plant.hierarchy import matches
from gateway.plant.ports import Clock, Delivery, Gap, GapReason, TagRecord, TwinStore
from gateway.plant.status_names import describe

_CONNECTING_AT_ONCE = 8  #: gateway-wide, so that a plant coming back is not met by a storm
_CANCEL_AGAIN_S = 4.0  #: longer than a session takes to close (`gateway.opcua.session`)
_DRAIN_S = 10.0
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Running:
    mirror: EndpointMirror
    task: asyncio.Task[None]


class Mirror:
    """Mirrors a plant into a twin store. Use as `async with Mirror.start(...)`."""

    def __init__(self, plant: Plant, store: TwinStore, dialer: MirrorDialer, clock: Clock) -> None:
        self._plant = plant
        self._store = store
        self._dialer = dialer
        self._clock = clock
        self._connecting = asyncio.Semaphore(_CONNECTING_AT_ONCE)
        self._endpoints: dict[str, _Running] = {}
        self._leaving: dict[str, Intake] = {}
        self.ingest = Ingest(store, self._intakes)
        self._changing = asyncio.Lock()
        self._ingesting: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def start(cls, plant: Plant, store: TwinStore, dialer: MirrorDialer, clock: Clock) -> AsyncIterator["Mirror"]:
        """Mirror until the block ends; then close every session, and store what was received."""
        mirror = cls(plant, store, dialer, clock)
        mirror._ingesting = ingest = asyncio.create_task(mirror.ingest.run(), name="ingest")
        try:
            await mirror._begin(plant)
            yield mirror
        finally:
            await mirror._end(ingest)

    @property
    def alive(self) -> bool:
        """False when a loop that must never end has ended: only a restart helps then."""
        ended = [running for running in self._endpoints.values() if running.task.done() and running.mirror.endpoint.enabled]
        return self._ingesting is not None and not self._ingesting.done() and not ended

    # --- life ---

    def _intakes(self) -> list[Intake]:
        return [running.mirror.intake for running in self._endpoints.values()] + list(self._leaving.values())

    async def _begin(self, plant: Plant) -> None:
        heard = await self._store.last_heard()
        open_gaps = await self._store.open_gaps()
        for endpoint in plant.endpoints():
            number = await self._store.register_endpoint(endpoint.key)
            mine = [gap for gap in open_gaps if gap.endpoint == number]
            mirror = await self._prepare(endpoint, items_of(plant, endpoint), number, mine)
            if any(gap.tag is None for gap in mine):
                mirror.intake.gap_since = self._clock.now()  # what lay before this run is in the twin, not in its counters
            elif endpoint.key in heard:
                mirror.intake.open_gap(heard[endpoint.key], GapReason.GATEWAY_STOPPED, "the gateway ended without notice")
            self._launch(mirror)
        await self._close_the_past(plant, heard, open_gaps)

    async def _close_the_past(self, plant: Plant, heard: Mapping[str, int], open_gaps: Sequence[Gap]) -> None:
        """Endpoints that are no longer in the plant, and were not stopped in an orderly way: nobody vouches for their values."""
        gone = heard.keys() - {endpoint.key for endpoint in plant.endpoints()}
        open_wide = {gap.endpoint for gap in open_gaps if gap.tag is None}
        numbers = {key: await self._store.register_endpoint(key) for key in sorted(gone)}
        detail = "it is no longer in the configuration"
        deliveries = [
            Delivery(number, gaps=[Gap(number, None, heard[key], None, GapReason.GATEWAY_STOPPED, detail)])
            for key, number in numbers.items()
            if number not in open_wide
        ]
        if deliveries:
            await self._store.commit(deliveries)

    async def _prepare(self, endpoint: Endpoint, items: Sequence[Item], number: int, open_gaps: Sequence[Gap]) -> EndpointMirror:
        async def learned(nodes: Sequence[tuple[Item, str]]) -> None:
            await self._store.register_tags([item.record(endpoint, node) for item, node in nodes])

        known = {tag.path: tag for tag in await self._store.tags(f"{endpoint.site}/")}
        moved = any(item.path in known and known[item.path].endpoint != endpoint.key for item in items)
        left = [tag for path, tag in known.items() if tag.endpoint == endpoint.key and path not in {item.path for item in items}]
        marks = await self._store.register_tags(
            [item.record(endpoint, known[item.path].node if item.path in known else "") for item in items]
        )
        table = Table(items, [mark.tag for mark in marks], [mark.source_time for mark in marks])
        intake = Intake(number, table, LossAccount(), self.ingest.wake)
        if moved:  # their last values came from elsewhere: nobody vouches for them until this endpoint speaks
            intake.open_gap(self._clock.now(), GapReason.GATEWAY_STOPPED, "tags moved here from another endpoint")
        open_tags = {gap.tag for gap in open_gaps if gap.tag is not None}
        await self._leave(intake, left, open_tags)
        return EndpointMirror(
            endpoint, items, intake, self._dialer, self._connecting, self._clock,
            outage_cover_s=self._plant.mirror.outage_cover_s, learned=learned,
            open_tag_gaps=open_tags, store_trouble=lambda: self.ingest.trouble,
        )  # fmt: skip

    async def _leave(self, intake: Intake, tags: Sequence[TagRecord], open_tags: set[int]) -> None:
        """Tags that this endpoint mirrored and no longer does: their values are the last that will come."""
        if not tags:
            return
        numbers = [mark.tag for mark in await self._store.register_tags(tags)]
        now, detail = self._clock.now(), "it is no longer in the configuration"
        fresh = [number for number in numbers if number not in open_tags]
        intake.note_gaps([Gap(intake.endpoint, number, now, None, GapReason.ITEM_REJECTED, detail) for number in fresh])
        open_tags.update(fresh)

    def _launch(self, mirror: EndpointMirror) -> None:
        task = asyncio.create_task(mirror.run(), name=f"endpoint {mirror.endpoint.key}")
        self._endpoints[mirror.endpoint.key] = _Running(mirror, task)

    async def _stop(self, running: Sequence[_Running], detail: str) -> None:
        for each in running:
            each.mirror.ending = True
        await _cancelled([each.task for each in running])
        for each in running:
            start = each.mirror.last_word()
            each.mirror.end_feed()
            if start is not None:
                each.mirror.intake.open_gap(start, GapReason.GATEWAY_STOPPED, detail)

    async def _end(self, ingest: asyncio.Task[None]) -> None:
        await asyncio.shield(self._stop(list(self._endpoints.values()), "the gateway was stopped"))
        ingest.cancel()
        await asyncio.gather(ingest, return_exceptions=True)  # however it ended: what waits is stored now
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self.ingest.drain()
        except TimeoutError:
            kept = sum(intake.in_flight for intake in self._intakes())
            _log.error("values are lost that were never acknowledged", values=kept, reason=self.ingest.trouble)

    async def reload(self, plant: Plant) -> dict[str, list[str]]:
        """Take a new configuration; endpoints whose part did not change are not touched.

        Returns the keys of endpoints by what happened to them: `added`, `changed`, `removed`, `kept`.
        """
        async with self._changing:
            wanted = {endpoint.key: (endpoint, items_of(plant, endpoint)) for endpoint in plant.endpoints()}
            same_defaults = plant.mirror.outage_cover_s == self._plant.mirror.outage_cover_s
            kept = [
                key for key, running in self._endpoints.items()
                if key in wanted and same_defaults and wanted[key] == (running.mirror.endpoint, running.mirror.items)
            ]  # fmt: skip
            changed = [key for key in self._endpoints if key in wanted and key not in kept]
            removed = [key for key in self._endpoints if key not in wanted]
            added = [key for key in wanted if key not in self._endpoints]
            if self.ingest.trouble and changed + removed:
                raise RequestRefused(
                    f"not while the store takes no values ({self.ingest.trouble}): what was received would be lost"
                )
            leaving = [self._endpoints[key] for key in changed + removed]
            former_plant = self._plant
            self._leaving = {each.mirror.endpoint.key: each.mirror.intake for each in leaving}
            await self._stop(leaving, "its configuration changed")
            try:
                async with asyncio.timeout(_DRAIN_S):
                    await self.ingest.drain([each.mirror.intake for each in leaving])
                self._plant = plant
                for key in changed + added:
                    former = self._endpoints.get(key)
                    await self._enter(*wanted[key], former.mirror if former else None)
            except (StoreError, TimeoutError) as fault:
                self._plant = former_plant  # what is compared with when it is tried again
                for each in leaving:
                    if self._endpoints.get(each.mirror.endpoint.key) is each:  # not replaced yet: it goes on as it was
                        each.mirror.ending = False
                        self._launch(each.mirror)
                raise RequestRefused(f"the store failed during the reload ({fault or 'no answer in time'}); try again") from fault
            finally:
                self._leaving = {}
            self._endpoints = {key: self._endpoints[key] for key in wanted}  # in the plant's order, however they came
            return {"added": added, "changed": changed, "removed": removed, "kept": kept}

    async def _enter(self, endpoint: Endpoint, items: Sequence[Item], former: EndpointMirror | None) -> None:
        number = await self._store.register_endpoint(endpoint.key)
        mine = [gap for gap in await self._store.open_gaps() if gap.endpoint == number]
        mirror = await self._prepare(endpoint, items, number, mine)
        mirror.intake.gap_since = min((gap.start for gap in mine if gap.tag is None), default=mirror.intake.gap_since)
        if former is not None:  # counters never go back while the process lives
            mirror.intake.account, mirror.tally = former.intake.account, former.tally
            mirror.intake.overflows, mirror.intake.closed_gap_ns = former.intake.overflows, former.intake.closed_gap_ns
        self._launch(mirror)

    # --- what it says of itself (report.MirrorView) ---

    def reports(self) -> list[EndpointReport]:
        """All endpoints, in plant order."""
        return [_report(running.mirror) for running in self._endpoints.values()]

    def items(self, pattern: str) -> list[ItemReport]:
        """Tags whose twin path matches."""
        return [
            _item_report(running.mirror, row)
            for running in self._endpoints.values()
            for row, item in enumerate(running.mirror.items)
            if matches(pattern, item.path)
        ]

    def findings(self, pattern: str = "") -> list[Finding]:
        """Conformance findings of equipment whose path matches."""
        every = (finding for running in self._endpoints.values() for finding in running.mirror.findings)
        return [finding for finding in every if matches(pattern, finding.equipment)]


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: one whose cancellation was swallowed below it would go on for ever, and we with it."""
    rest: set[asyncio.Task[None]] = set(tasks)
    while rest:
        for task in rest:
            task.cancel()
        _, rest = await asyncio.wait(rest, timeout=_CANCEL_AGAIN_S)


def _report(mirror: EndpointMirror) -> EndpointReport:
    endpoint, intake, facts, counters = mirror.endpoint, mirror.intake, mirror.facts, mirror.counters()
    accepted = [row for row, fate in enumerate(mirror.fates) if fate.accepted]
    bad = int((intake.table.last_status[accepted] >> 30 != 0).sum()) if accepted else 0
    return EndpointReport(
        site=endpoint.site, endpoint=endpoint.name, url=endpoint.url,
        state=mirror.state, since=mirror.since, reason=mirror.reason,
        received=mirror.account.received, stored=mirror.account.stored, rejected=mirror.account.rejections(),
        in_flight=intake.in_flight, in_flight_bytes=intake.size, notifications=counters.notifications,
        keep_alives=counters.keep_alives, sequence_gaps=counters.sequence_gaps, republished=counters.republished,
        overflows=intake.overflows, gap_seconds=intake.gap_ns(mirror.clock.now()) / 1e9, items_expected=len(mirror.items),
        items_good=len(accepted) - bad, items_bad=bad, items_rejected=mirror.items_rejected,
        items_late=len(mirror.late_items(mirror.clock.now())), reconnects=mirror.tally.reconnects,
        sessions_created=mirror.tally.sessions, subscriptions_created=mirror.tally.subscriptions, last_heard=intake.heard,
        last_data=intake.last_data, publish_round_trip_s=counters.round_trip_s,
        clock_offset_s=facts.clock_offset_s if facts else None, service_level=facts.service_level if facts else None,
        certificate_expires=facts.certificate_expires if facts else None, product=facts.product if facts else "",
        software_version=facts.software_version if facts else "",
    )  # fmt: skip


def _item_report(mirror: EndpointMirror, row: int) -> ItemReport:
    item, fate = mirror.items[row], mirror.fates[row]
    connected = mirror.state in {EndpointState.CONNECTED, EndpointState.DEGRADED}
    if not connected:
        state, reason = "offline", mirror.reason or f"the endpoint is {mirror.state}"
    elif fate.node is None:
        state, reason = "missing", f"the server has no such node: {describe(fate.status)}"
    elif not fate.accepted:
        state, reason = "rejected", f"the server does not monitor it: {describe(fate.status)}"
    elif not mirror.intake.table.last_received[row]:
        state, reason = "waiting", "no value has arrived in this run of the gateway"
    else:
        state, reason = "reporting", ""
    band, outcome = item.tag.deadband, fate.outcome if fate.accepted else None
    applied = (
        f"{band.kind} {band.value:g}" + (" (refused by the server)" if outcome and outcome.deadband_refused else "")
        if band
        else None
    )
    return ItemReport(
        path=item.path, endpoint=mirror.endpoint.key, site_path=item.site_path, node=fate.node, state=state, status=fate.status,
        reason=reason, declared_type=str(item.type), server_type=fate.facts.type_name if fate.facts else "",
        sampling_requested_ms=item.tag.sampling_ms, sampling_revised_ms=outcome.sampling_ms if outcome else None,
        queue_size=outcome.queue_size if outcome else None, deadband=applied, max_silence_s=item.tag.max_silence_s,
        guidance=item.tag.guidance, shows_loss=outcome is None or outcome.queue_size > 1,
    )  # fmt: skip
