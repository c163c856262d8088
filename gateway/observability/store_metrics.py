"""The twin store's figures (`TwinStore.statistics`) as metrics. A figure that only grows while the process lives is a counter."""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

#: Figure → (metric without `_total`, counter?, help).
FIGURES: Final[dict[str, tuple[str, bool, str]]] = {
    "commits": ("gateway_store_commits", True, "Commits made durable"),
    "commit_seconds": ("gateway_store_commit_seconds", True, "Seconds spent in commits; divided by commits the mean latency"),
    "last_commit_seconds": ("gateway_store_last_commit_seconds", False, "Seconds the latest commit took"),
    "last_commit_rows": ("gateway_store_last_commit_values", False, "Values in the latest commit"),
    "tags": ("gateway_store_tags", False, "Tags the twin knows"),
    "log_batches": ("gateway_store_log_batches", False, "Batches in the hot log"),
    "log_rows": ("gateway_store_log_values", False, "Values in the hot log, not sealed yet"),
    "segments": ("gateway_store_segments", False, "Sealed segments"),
    "blocks": ("gateway_store_blocks", False, "Sealed blocks"),
    "sealed_rows": ("gateway_store_sealed_values", False, "Values in sealed blocks"),
    "retired_segments": ("gateway_store_retired_segments", True, "Sealed segments that retention deleted"),
    "retired_rows": ("gateway_store_retired_values", True, "Values that retention deleted"),
    "gaps_open": ("gateway_store_open_gaps", False, "Gaps that still last"),
    "quarantined": ("gateway_store_quarantined_values", False, "Values the store refused and put aside"),
    "bytes": ("gateway_store_bytes", False, "Bytes of the twin's database files"),
}


def store_metrics(figures: Mapping[str, float]) -> Iterator[Metric]:
    """One metric for each figure of the table."""
    for figure, (name, counter, text) in FIGURES.items():
        if figure in figures:
            family = CounterMetricFamily if counter else GaugeMetricFamily
            yield family(name, text, value=figures[figure])
