"""Metrics: exact accounts, every name documented, and a text that promtool accepts."""

import asyncio
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.errors import StoreUnreadable
from gateway.mirror.report import EndpointReport, EndpointState
from gateway.observability.metrics import Metrics
from gateway.observability.store_metrics import FIGURES
from gateway.recipes.journal import Outcome
from tests.fakes.services import NOW, REPORT, SECOND, PaperMirror, PaperTwin, StoppedClock

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"
WHERE = {"site": "wroclaw", "endpoint": "electrode-plc"}


def make(mirror: PaperMirror | None = None, twin: PaperTwin | None = None) -> Metrics:
    return Metrics(
        version="0.1.0",
        mirror=mirror or PaperMirror(),
        twin=twin or PaperTwin(figures=dict.fromkeys(FIGURES, 1.0)),
        clock=StoppedClock(),
        pushes=lambda: {("wroclaw", Outcome.CONFIRMED): 3},
        certificate_expires=lambda: NOW,
        data_dir=DOCUMENT.parent,
    )


async def scraped(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of one scrape, by name and labels."""
    text = (await metrics.scrape()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def at(samples: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def test_the_fixed_names_show_the_account() -> None:
    samples = await scraped(make())
    received = at(samples, "gateway_values_received_total", **WHERE)
    rejected = sum(value for (name, _), value in samples.items() if name == "gateway_values_rejected_total")
    stored, flying = at(samples, "gateway_values_stored_total", **WHERE), at(samples, "gateway_values_in_flight", **WHERE)
    assert received == 100
    assert received == stored + rejected + flying
    assert at(samples, "gateway_values_rejected_total", reason="duplicate", **WHERE) == 7
    assert at(samples, "gateway_push_total", site="wroclaw", outcome="Confirmed") == 3
    assert at(samples, "gateway_push_total", site="wroclaw", outcome="Quarantined") == 0


async def test_one_snapshot_a_scrape_keeps_the_account_exact() -> None:
    """A mirror that counts on between two looks must not show a torn account."""

    class Running(PaperMirror):
        looks = 0

        def reports(self) -> list[EndpointReport]:
            self.looks += 1  # also within one scrape
            return [
                replace(REPORT, received=1000 * self.looks, stored=1000 * self.looks - 9, rejected={"poison": 4}, in_flight=5)
            ]

    mirror = Running()
    metrics = make(mirror)
    for _ in range(3):
        samples = await scraped(metrics)
        total = at(samples, "gateway_values_stored_total", **WHERE) + at(samples, "gateway_values_in_flight", **WHERE) + 4
        assert at(samples, "gateway_values_received_total", **WHERE) == total
        assert at(samples, "gateway_values_rejected_total", reason="duplicate", **WHERE) == 0


async def test_exactly_one_state_is_present() -> None:
    samples = await scraped(make(PaperMirror(shown=[replace(REPORT, state=EndpointState.DEGRADED)])))
    states = {dict(labels)["state"]: value for (name, labels), value in samples.items() if name == "gateway_endpoint_state"}
    assert states == {state.value: float(state is EndpointState.DEGRADED) for state in EndpointState}


async def test_what_is_not_known_is_not_shown() -> None:
    unknown = replace(
        REPORT, last_data=None, last_heard=None, clock_offset_s=None, certificate_expires=None, product="", software_version=""
    )
    names = {name for name, _ in await scraped(make(PaperMirror(shown=[unknown])))}
    for name in ("data_age_seconds", "message_age_seconds", "clock_offset_seconds", "server_info"):
        assert f"gateway_{name}" not in names


async def test_ages_count_from_now_and_never_below_zero() -> None:
    report = replace(REPORT, last_data=NOW - 5 * SECOND, last_heard=NOW + SECOND)
    samples = await scraped(make(PaperMirror(shown=[report])))
    assert at(samples, "gateway_data_age_seconds", **WHERE) == 5
    assert at(samples, "gateway_message_age_seconds", **WHERE) == 0


async def test_a_failed_store_does_not_hide_the_rest() -> None:
    samples = await scraped(make(twin=PaperTwin(failure=StoreUnreadable("damaged"))))
    assert at(samples, "gateway_store_up") == 0
    assert at(samples, "gateway_values_received_total", **WHERE) == 100
    assert at(await scraped(make()), "gateway_store_up") == 1


async def test_the_space_left_is_shown() -> None:
    assert at(await scraped(make()), "gateway_store_device_free_bytes") > 0


async def test_the_event_loop_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.observability.metrics._LAG_PERIOD_S", 0.01)
    metrics = make()
    task = asyncio.create_task(metrics.watch_event_loop())
    async with asyncio.timeout(10):
        # The histogram is only seen by scraping.
        while at(await scraped(metrics), "gateway_event_loop_lag_seconds_count") < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def families(metrics: Metrics) -> dict[str, str]:
    """Metric name as queried → type."""
    text = (await metrics.scrape()).decode()
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


async def test_every_metric_is_documented_and_nothing_else() -> None:
    documented = dict(re.findall(r"^\| `([a-z_]+)` \| (\w+) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    assert documented == await families(make())


async def test_no_label_could_hold_a_tag_or_a_value() -> None:
    allowed = {"site", "endpoint", "reason", "state", "outcome", "product", "software_version", "version", "python", "le"}
    assert {key for _, labels in await scraped(make()) for key, _ in labels} <= allowed


@pytest.mark.peer("prometheus")
async def test_promtool_accepts_the_text() -> None:
    text = await make().scrape()
    check = await asyncio.to_thread(
        subprocess.run, ["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")
