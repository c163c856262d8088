"""The twin store's figures (`TwinStore.statistics`) as metrics. A figure that only grows while the process lives is a counter."""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

#: Figure → (metric without `_total`, counter?, help).
FIGURES: Final[dict[str, tuple[str, bool, str]]] = {
    "commits": ("gateway_store_commits", True, "Commits made durable"),
    "commit_seconds": ("gateway_store_commit_seconds", True, "Seconds spent in commits; divided by commits the mean latency"),
    "commit_seconds_last": ("gateway_store_last_commit_seconds", False, "Seconds the latest commit took"),
    "committed_values": ("gateway_store_committed_values", True, "Values committed; divided by commits the mean batch"),
    "tags": ("gateway_store_tags", False, "Tags the twin knows"),
    "log_values": ("gateway_store_log_values", False, "Values in the hot log, not sealed yet"),
    "log_bytes": ("gateway_store_log_bytes", False, "Bytes of the hot log"),
    "blocks": ("gateway_store_blocks", False, "Sealed blocks"),
    "block_values": ("gateway_store_block_values", False, "Values in sealed blocks"),
    "block_bytes": ("gateway_store_block_bytes", False, "Bytes of sealed blocks"),
    "gaps": ("gateway_store_gaps", False, "Gaps recorded"),
    "open_gaps": ("gateway_store_open_gaps", False, "Gaps that still last"),
    "quarantined": ("gateway_store_quarantined_rows", False, "Rows the store refused and put aside"),
    "retention_deleted_values": ("gateway_store_retention_deleted_values", True, "Values deleted by retention"),
    "file_bytes": ("gateway_store_file_bytes", False, "Bytes of the twin's database file and its log"),
    "free_bytes": ("gateway_store_device_free_bytes", False, "Bytes free on the data directory's device"),
}


def store_metrics(figures: Mapping[str, float]) -> Iterator[Metric]:
    """One metric for each figure of the table."""
    for figure, (name, counter, text) in FIGURES.items():
        if figure in figures:
            family = CounterMetricFamily if counter else GaugeMetricFamily
            yield family(name, text, value=figures[figure])
