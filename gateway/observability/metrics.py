"""Prometheus metrics, read at scrape time from snapshots: nothing is counted twice and the hot path counts nothing here.

Each scrape takes one report per endpoint, so received = stored + Σ rejected + in flight is exact in what it shows.
Never a node, a tag or a recipe value in a label. docs/metrics.md lists every name.
"""

import asyncio
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.errors import StoreError
from gateway.mirror.report import EndpointReport, EndpointState, MirrorView
from gateway.observability.store_metrics import store_metrics
from gateway.plant.ports import Clock, TwinStore
from gateway.recipes.journal import Outcome

_ENDPOINT: Final = ("site", "endpoint")
#: Reasons that are always shown, so that a query over `rejected` finds a series before the first rejection.
_REASONS: Final = ("duplicate", "poison")
_LAG_PERIOD_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Field:
    """One metric per endpoint, read from one field of its report. None shows no sample."""

    name: str
    help: str
    read: Callable[[EndpointReport], float | None]


_COUNTERS: Final = (
    _Field("gateway_values_received", "Values received, those read from server history included", lambda r: r.received),
    _Field("gateway_values_stored", "Values stored durably in the twin", lambda r: r.stored),
    _Field("gateway_notifications", "Data change notifications received", lambda r: r.notifications),
    _Field("gateway_keep_alives", "Keep-alive messages received", lambda r: r.keep_alives),
    _Field("gateway_sequence_gaps", "Missing sequence numbers noticed in subscriptions", lambda r: r.sequence_gaps),
    _Field("gateway_notifications_republished", "Missing notifications recovered by Republish", lambda r: r.republished),
    _Field("gateway_queue_overflows", "Values flagged Overflow: values before them were lost", lambda r: r.overflows),
    _Field("gateway_gap_seconds", "Seconds for which the twin holds a gap of the endpoint", lambda r: r.gap_seconds),
    _Field("gateway_reconnects", "Connections made again after one was lost", lambda r: r.reconnects),
    _Field("gateway_sessions_created", "Sessions created", lambda r: r.sessions_created),
    _Field("gateway_subscriptions_created", "Subscriptions created", lambda r: r.subscriptions_created),
)
_GAUGES: Final = (
    _Field("gateway_values_in_flight", "Values received and not yet stored or rejected", lambda r: r.in_flight),
    _Field("gateway_values_in_flight_bytes", "Memory held by values in flight", lambda r: r.in_flight_bytes),
    _Field("gateway_items_expected", "Monitored items the plant asks for", lambda r: r.items_expected),
    _Field("gateway_items_good", "Items whose latest value is good", lambda r: r.items_good),
    _Field("gateway_items_bad", "Items whose latest value is bad or uncertain", lambda r: r.items_bad),
    _Field("gateway_items_rejected", "Items the server refused to monitor", lambda r: r.items_rejected),
    _Field("gateway_items_late", "Items silent for longer than their class allows", lambda r: r.items_late),
    _Field("gateway_publish_round_trip_seconds", "Latest round trip of a small Read", lambda r: r.publish_round_trip_s),
    _Field("gateway_clock_offset_seconds", "The server's clock minus ours", lambda r: r.clock_offset_s),
    _Field("gateway_service_level", "The server's ServiceLevel, 0 to 255 (OPC 10000-5, 6.3.1)", lambda r: r.service_level),
    _Field(
        "gateway_server_certificate_expiry_timestamp_seconds",
        "When the server's certificate expires, Unix time",
        lambda r: None if r.certificate_expires is None else r.certificate_expires / 1e9,
    ),
)


class _MirrorCollector(Collector):
    """One snapshot of all endpoints a scrape."""

    def __init__(self, mirror: MirrorView, clock: Clock) -> None:
        self._mirror, self._clock = mirror, clock

    def collect(self) -> Iterator[Metric]:
        """Metrics of every endpoint."""
        reports, now = self._mirror.reports(), self._clock.now()
        for kind, fields in ((CounterMetricFamily, _COUNTERS), (GaugeMetricFamily, _GAUGES)):
            for field in fields:
                family = kind(field.name, field.help, labels=_ENDPOINT)
                for report in reports:
                    value = field.read(report)
                    if value is not None:
                        family.add_metric((report.site, report.endpoint), value)
                yield family
        yield _rejected(reports)
        yield _states(reports)
        yield from _ages(reports, now)
        yield _servers(reports)


def _rejected(reports: Sequence[EndpointReport]) -> Metric:
    family = CounterMetricFamily("gateway_values_rejected", "Values not stored, by reason", labels=(*_ENDPOINT, "reason"))
    for report in reports:
        for reason, count in (dict.fromkeys(_REASONS, 0) | dict(report.rejected)).items():
            family.add_metric((report.site, report.endpoint, reason), count)
    return family


def _states(reports: Sequence[EndpointReport]) -> Metric:
    family = GaugeMetricFamily("gateway_endpoint_state", "1 for the endpoint's present state", labels=(*_ENDPOINT, "state"))
    for report in reports:
        for state in EndpointState:
            family.add_metric((report.site, report.endpoint, state.value), float(report.state is state))
    return family


def _ages(reports: Sequence[EndpointReport], now: int) -> Iterator[Metric]:
    data = GaugeMetricFamily("gateway_data_age_seconds", "Seconds since the last data change", labels=_ENDPOINT)
    message = GaugeMetricFamily("gateway_message_age_seconds", "Seconds since a subscription last spoke", labels=_ENDPOINT)
    state = GaugeMetricFamily("gateway_endpoint_state_age_seconds", "Seconds in the present state", labels=_ENDPOINT)
    for report in reports:
        for family, moment in ((data, report.last_data), (message, report.last_heard), (state, report.since)):
            if moment is not None:
                family.add_metric((report.site, report.endpoint), max(0.0, (now - moment) / 1e9))
    yield from (data, message, state)


def _servers(reports: Sequence[EndpointReport]) -> Metric:
    labels = (*_ENDPOINT, "product", "software_version")
    family = GaugeMetricFamily("gateway_server_info", "The server's product and software version, always 1", labels=labels)
    for report in reports:
        if report.product or report.software_version:
            family.add_metric((report.site, report.endpoint, report.product, report.software_version), 1)
    return family


class _HouseCollector(Collector):
    """The gateway itself: build, pushes, own certificate."""

    def __init__(
        self,
        version: str,
        sites: Callable[[], Iterable[str]],
        pushes: Callable[[], Mapping[tuple[str, Outcome], int]],
        certificate_expires: Callable[[], int | None],
    ) -> None:
        self._version, self._sites = version, sites
        self._pushes, self._certificate_expires = pushes, certificate_expires

    def collect(self) -> Iterator[Metric]:
        """Metrics of the process as a whole."""
        yield InfoMetricFamily(
            "gateway_build", "The running version", value={"version": self._version, "python": platform.python_version()}
        )
        pushes = CounterMetricFamily(
            "gateway_push", "Recipe pushes that ended, by outcome, as the ledger has them", labels=("site", "outcome")
        )
        counts = dict.fromkeys(((site, outcome) for site in self._sites() for outcome in Outcome), 0) | dict(self._pushes())
        for (site, outcome), count in counts.items():  # zeros too, so that the first of its kind is seen as an increase
            pushes.add_metric((site, outcome.value), count)
        yield pushes
        expires = self._certificate_expires()
        if expires is not None:
            yield GaugeMetricFamily(
                "gateway_certificate_expiry_timestamp_seconds", "When our own certificate expires, Unix time", value=expires / 1e9
            )


class Metrics:
    """The gateway's own registry and everything on it."""

    def __init__(
        self,
        *,
        version: str,
        mirror: MirrorView,
        twin: TwinStore,
        clock: Clock,
        pushes: Callable[[], Mapping[tuple[str, Outcome], int]],
        certificate_expires: Callable[[], int | None] = lambda: None,
        data_dir: Path | None = None,
    ) -> None:
        """`pushes` counts ended pushes by (site, outcome); `certificate_expires` is our certificate's end (ns).

        The space that is left on the device of `data_dir` is shown where it is given.
        """
        self._twin = twin
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a gauge `…_created` beside each histogram tells nobody anything
        self._registry = CollectorRegistry()
        self._lag = Histogram(
            "gateway_event_loop_lag_seconds",
            "How late the event loop ran a timer",
            registry=self._registry,
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
        )
        self._statistics: Mapping[str, float] | None = None
        self._registry.register(
            _HouseCollector(
                version, lambda: dict.fromkeys(report.site for report in mirror.reports()), pushes, certificate_expires
            )
        )
        self._registry.register(_MirrorCollector(mirror, clock))
        self._registry.register(_StoreCollector(lambda: self._statistics, data_dir))
        ProcessCollector(registry=self._registry)

    async def scrape(self) -> bytes:
        """One scrape in Prometheus text format 0.0.4. A store that does not answer shows as `gateway_store_up 0`."""
        try:
            self._statistics = await self._twin.statistics()
        except StoreError:
            self._statistics = None
        return generate_latest(self._registry)

    async def watch_event_loop(self) -> None:
        """Sample the event loop's lag until cancelled: one timer each half second."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_PERIOD_S
            await asyncio.sleep(_LAG_PERIOD_S)
            self._lag.observe(max(0.0, loop.time() - due))


class _StoreCollector(Collector):
    def __init__(self, statistics: Callable[[], Mapping[str, float] | None], data_dir: Path | None) -> None:
        self._statistics, self._data_dir = statistics, data_dir

    def collect(self) -> Iterator[Metric]:
        """Metrics of the twin store."""
        figures = self._statistics()
        yield GaugeMetricFamily(
            "gateway_store_up", "1 when the twin store answered this scrape", value=float(figures is not None)
        )
        yield from store_metrics(figures or {})
        if self._data_dir is not None:
            free = shutil.disk_usage(self._data_dir).free
            yield GaugeMetricFamily("gateway_store_device_free_bytes", "Bytes free on the data directory's device", value=free)
