"""A twin store in memory: the port's rules in their plainest form, a model for tests and a stand-in for the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.errors import NotFound, StoreError
from gateway.plant.hierarchy import matches
from gateway.plant.ports import Account, Delivery, Gap, History, Reading, Receipt, TagRecord, Watermark
from gateway.plant.quality import effective_status, governing
from gateway.plant.values import Changes, Ragged, Sample
from gateway.plant.variant import to_python
from tests.fakes.variants import encode_fixed

DAY_NS = 24 * 3600 * 1_000_000_000


@dataclass
class _Row:
    sample: Sample
    encoded: bytes

    @property
    def key(self) -> tuple[int, int, bytes]:
        return self.sample.source_time, self.sample.status, self.encoded


@dataclass
class _Tag:
    record: TagRecord
    endpoint: int
    rows: list[_Row] = field(default_factory=list)  # in order of arrival

    def at(self, moment: int | None = None) -> Sample | None:
        found = [row.sample for row in self.rows if moment is None or row.sample.source_time <= moment]
        return max(reversed(found), key=lambda sample: sample.source_time, default=None)


class MemoryTwin:
    """Implements `gateway.plant.ports.TwinStore`. `fail_with` makes every commit raise that error while it is set."""

    def __init__(self) -> None:
        self.fail_with: StoreError | None = None
        self.commits = 0
        self._endpoints: list[str] = []
        self._tags: list[_Tag] = []
        self._numbers: dict[str, int] = {}
        self._gaps: list[Gap] = []
        self._heard: dict[int, int] = {}
        self._stored: dict[int, int] = {}
        self._rejected: dict[int, dict[str, int]] = {}

    async def register_endpoint(self, key: str) -> int:
        if key not in self._endpoints:
            self._endpoints.append(key)
        return self._endpoints.index(key) + 1

    async def register_tags(self, tags: Sequence[TagRecord]) -> list[Watermark]:
        marks = []
        for record in tags:
            if record.endpoint not in self._endpoints:
                raise NotFound(f"endpoint '{record.endpoint}' is not registered")
            endpoint = self._endpoints.index(record.endpoint) + 1
            if record.path in self._numbers:
                tag = self._tags[self._numbers[record.path] - 1]
                if tag.endpoint != endpoint:
                    self._gaps = [self._left(gap, self._numbers[record.path]) for gap in self._gaps]
                tag.record, tag.endpoint = record, endpoint
            else:
                tag = _Tag(record, endpoint)
                self._tags.append(tag)
                self._numbers[record.path] = len(self._tags)
            newest = tag.at()
            marks.append(Watermark(self._numbers[record.path], None if newest is None else newest.source_time))
        return marks

    def _left(self, gap: Gap, tag: int) -> Gap:
        if gap.tag != tag or gap.end is not None:
            return gap
        return replace(gap, end=max(gap.start, self._heard.get(gap.endpoint, gap.start)))

    async def commit(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        if self.fail_with is not None:
            raise self.fail_with
        for item in deliveries:
            if not 0 < item.endpoint <= len(self._endpoints):
                raise NotFound(f"endpoint number {item.endpoint} is not registered")
            if (item.closes or item.closes_tags) and item.heard is None:
                raise ValueError("a delivery that closes gaps must say when the endpoint was heard")
            for gap in item.gaps:
                known = gap.tag is None or (0 < gap.tag <= len(self._tags) and self._tags[gap.tag - 1].endpoint == item.endpoint)
                if gap.endpoint != item.endpoint or not known:
                    raise NotFound(f"a gap of endpoint {item.endpoint} names endpoint {gap.endpoint}, tag {gap.tag}")
        self.commits += 1
        return [self._take(item) for item in deliveries]

    def _take(self, item: Delivery) -> Receipt:
        stored, rejected = 0, dict[str, int]()
        for changes in item.changes:
            for row in range(len(changes)):
                reason = self._put(item.endpoint, changes, row)
                if reason is None:
                    stored += 1
                else:
                    rejected[reason] = rejected.get(reason, 0) + 1
        self._stored[item.endpoint] = self._stored.get(item.endpoint, 0) + stored
        account = self._rejected.setdefault(item.endpoint, {})
        for reason, count in rejected.items():
            account[reason] = account.get(reason, 0) + count
        self._mark(item)
        return Receipt(item.endpoint, stored, rejected)

    def _put(self, endpoint: int, changes: Changes, row: int) -> str | None:
        number, source = int(changes.tag[row]), int(changes.source_time[row])
        if not 0 < number <= len(self._tags) or self._tags[number - 1].endpoint != endpoint:
            return "poison"
        if source < 0 or source - int(changes.received_time[row]) > DAY_NS:
            return "poison"
        values = changes.values
        encoded = list(values)[row] if isinstance(values, Ragged) else encode_fixed(changes.type, values[row])
        try:
            value, base = to_python(encoded)
        except ValueError:
            return "poison"
        sample = Sample(
            value, base, int(changes.status[row]), source, int(changes.server_time[row]), int(changes.received_time[row]),
            int(changes.flags[row]),
        )  # fmt: skip
        fresh = _Row(sample, encoded)
        rows = self._tags[number - 1].rows
        if any(fresh.key == known.key for known in rows):
            return "duplicate"
        rows.append(fresh)
        return None

    def _mark(self, item: Delivery) -> None:
        def closes(gap: Gap) -> bool:
            return gap.endpoint == item.endpoint and (item.closes if gap.tag is None else gap.tag in item.closes_tags)

        heard = item.heard
        if heard is not None:
            self._gaps = [
                replace(gap, end=max(gap.start, heard)) if gap.end is None and closes(gap) else gap for gap in self._gaps
            ]
            self._heard[item.endpoint] = max(heard, self._heard.get(item.endpoint, heard))
        for gap in item.gaps:
            end = gap.end
            self._gaps.append(replace(gap, end=None if end is None else max(end, gap.start)))

    async def last_heard(self) -> dict[str, int]:
        return {self._endpoints[number - 1]: heard for number, heard in self._heard.items()}

    async def open_gaps(self) -> list[Gap]:
        return [gap for gap in self._gaps if gap.end is None]

    async def current(self, pattern: str, *, now: int, grace_ns: int) -> list[Reading]:
        return [self._reading(tag, tag.at(), now, grace_ns) for tag in self._matching(pattern)]

    async def as_of(self, pattern: str, *, moment: int, grace_ns: int) -> list[Reading]:
        return [self._reading(tag, tag.at(moment), moment, grace_ns) for tag in self._matching(pattern)]

    async def history(self, path: str, *, start: int, end: int, limit: int = 10_000) -> History:
        if path not in self._numbers:
            raise NotFound(f"no tag '{path}' in the twin")
        tag = self._tags[self._numbers[path] - 1]
        samples = sorted(
            (row.sample for row in tag.rows if start <= row.sample.source_time < end), key=lambda sample: sample.source_time
        )
        kept = [sample for sample in samples if sample.source_time <= samples[min(limit, len(samples)) - 1].source_time]
        gaps = [gap for gap in await self._touching(start, end) if self._concerns(gap, tag)]
        return History(path, tag.record.unit, kept, gaps, len(kept) == len(samples))

    async def gaps(self, pattern: str, *, start: int, end: int) -> list[tuple[str, Gap]]:
        tags = self._matching(pattern)
        endpoints = {tag.endpoint for tag in tags}
        endpoints |= {number for number, key in enumerate(self._endpoints, start=1) if matches(pattern, key)}
        paths = {tag.record.path for tag in tags}
        named = [
            (self._endpoints[gap.endpoint - 1] if gap.tag is None else self._tags[gap.tag - 1].record.path, gap)
            for gap in await self._touching(start, end)
        ]
        return [(name, gap) for name, gap in named if (gap.endpoint in endpoints if gap.tag is None else name in paths)]

    async def tags(self, pattern: str) -> list[TagRecord]:
        return [tag.record for tag in self._matching(pattern)]

    async def accounts(self) -> list[Account]:
        return [
            Account(key, self._stored.get(number, 0), dict(self._rejected.get(number, {})))
            for number, key in enumerate(self._endpoints, start=1)
        ]

    async def verify(self) -> list[str]:
        rows = sum(len(tag.rows) for tag in self._tags)
        stored = sum(self._stored.values())
        return [] if rows == stored else [f"{rows} rows are stored, the accounts say {stored}"]

    async def statistics(self) -> Mapping[str, float]:
        return {"commits": float(self.commits), "tags": float(len(self._tags))}

    async def _touching(self, start: int, end: int) -> list[Gap]:
        found = [gap for gap in self._gaps if gap.start <= end and (gap.end is None or gap.end >= start)]
        return sorted(found, key=lambda gap: gap.start)

    def _matching(self, pattern: str) -> list[_Tag]:
        return sorted((tag for tag in self._tags if matches(pattern, tag.record.path)), key=lambda tag: tag.record.path)

    def _concerns(self, gap: Gap, tag: _Tag) -> bool:
        return gap.endpoint == tag.endpoint if gap.tag is None else self._tags[gap.tag - 1] is tag

    def _reading(self, tag: _Tag, sample: Sample | None, moment: int, grace_ns: int) -> Reading:
        gap = governing([gap for gap in self._gaps if self._concerns(gap, tag)], moment)
        status = effective_status(None if sample is None else sample.status, gap, moment, grace_ns)
        return Reading(tag.record.path, tag.record.unit, tag.record.type, sample, status, gap)
