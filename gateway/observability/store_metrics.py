"""The twin store's figures (`TwinStore.statistics`) as metrics: `commits` becomes `gateway_store_commits_total`."""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

#: Figure → (metric, help). Those that only grow while the process lives are counters.
_COUNTERS: Final[dict[str, tuple[str, str]]] = {}
_GAUGES: Final[dict[str, tuple[str, str]]] = {}


def store_metrics(figures: Mapping[str, float]) -> Iterator[Metric]:
    """One metric for each figure that the table knows."""
    for key, value in figures.items():
        if key in _COUNTERS:
            name, text = _COUNTERS[key]
            yield CounterMetricFamily(name, text, value=value)
        elif key in _GAUGES:
            name, text = _GAUGES[key]
            yield GaugeMetricFamily(name, text, value=value)
