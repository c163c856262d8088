"""Why a tag reads as it does: the chain from its endpoint to the stored value, each link judged. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.api.times import iso
from gateway.mirror.report import EndpointReport, EndpointState, Finding, ItemReport
from gateway.plant.equipment_class import Endpoint, Equipment, Tag
from gateway.plant.ports import Gap, Reading
from gateway.plant.status_names import describe
from gateway.plant.values import is_bad, is_good

_STATES: Final = {
    EndpointState.CONNECTING: "is being connected",
    EndpointState.CONNECTED: "is connected",
    EndpointState.DEGRADED: "is connected, but not everything reports",
    EndpointState.AUTH_FAILED: "refuses our user",
    EndpointState.CERT_UNTRUSTED: "is not trusted, or does not trust us",
    EndpointState.CONFIG_ERROR: "is wrongly configured",
    EndpointState.DISABLED: "is disabled",
}
#: States in which values flow.
_FLOWING: Final = (EndpointState.CONNECTED, EndpointState.DEGRADED)
#: How far a clock may be off before it is a fault: more than any network delays.
_CLOCK_S: Final = 5.0
_SILENT: Final = "The server sends no change: see whether the equipment still measures it."


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain: `what` it is, whether it is sound, what it says, and how to mend it."""

    what: str
    sound: bool
    says: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything known of one tag at `now` (ns). What is None is not known."""

    now: int
    equipment: Equipment
    tag: Tag
    endpoint: Endpoint
    report: EndpointReport | None
    item: ItemReport | None
    reading: Reading | None
    gaps: Sequence[Gap]
    findings: Sequence[Finding]


def explain(known: Evidence) -> list[Link]:
    """The chain, from the outside in: endpoint, node, monitored item, value, freshness, gaps; and the clock beside it.

    The links after the first broken one break with it, so that one alone has a cure. A wrong clock has its own.
    """
    chain = [_endpoint(known), _node(known), _item(known), _value(known), _freshness(known), _gaps(known)]
    first = next((link for link in chain if not link.sound), None)
    return [
        link if link.sound or link is first or first is None else replace(link, cure=f"Follows from: {first.what}.")
        for link in chain
    ] + [_clock(known)]


def verdict(chain: Sequence[Link]) -> str:
    """What the first link that is not sound says, and its cure: it is the cause of those after it."""
    broken = next((link for link in chain if not link.sound), None)
    if broken is None:
        return "Sound from the endpoint to the stored value."
    return f"{broken.says} {broken.cure}".strip()


def _endpoint(known: Evidence) -> Link:
    key, report = known.endpoint.key, known.report
    if report is None:
        return Link("endpoint", False, f"The mirror does not know {key}.", "Reload the configuration: 'gateway reload'.")
    since = f"since {iso(report.since)}"
    if report.state in _FLOWING:
        heard = "" if report.last_heard is None else f", last heard {_ago(known.now, report.last_heard)}"
        reason = f" {report.reason}." if report.reason else ""
        return Link("endpoint", True, f"{key} {_STATES[report.state]} {since}{heard} ({report.url}).{reason}")
    return Link("endpoint", False, f"{key} {_STATES[report.state]} {since} ({report.url}).", report.reason)


def _node(known: Evidence) -> Link:
    item = known.item
    site_path = known.equipment.site_path(known.tag.path)
    renamed = "" if site_path == known.tag.path else f" ('{known.tag.path}' in the class)"
    finding = next((finding for finding in known.findings if finding.severity == "fault"), None)
    if item is not None and item.state == "missing":
        cure = (
            "The class calls it optional: there is nothing to mend, unless this equipment should have it."
            if known.tag.optional
            else "Give the name it has there under 'rename' in the site file, or correct the server."
        )
        return Link("node", False, f"The server has no '{site_path}'{renamed} below the equipment's root.", cure)
    if finding is not None:
        return Link("node", False, f"'{site_path}'{renamed} does not conform: {finding.problem}.", finding.cure)
    if item is None or item.node is None:
        return Link(
            "node", False, f"'{site_path}'{renamed} was not found yet.", "It is looked up once the endpoint is connected."
        )
    return Link("node", True, f"'{site_path}'{renamed} is {item.node}, {item.server_type or item.declared_type}.")


def _item(known: Evidence) -> Link:
    item = known.item
    if item is None:
        return Link("item", False, "The mirror has no monitored item for it.", "Reload the configuration: 'gateway reload'.")
    sampling = f"sampling {item.sampling_requested_ms:g} ms asked"
    if item.sampling_revised_ms is not None:
        sampling += f", {item.sampling_revised_ms:g} ms given, queue {item.queue_size}"
    deadband = f", deadband {item.deadband}" if item.deadband else ""
    blind = "" if item.shows_loss or item.queue_size is None else "; a queue of 1 cannot show loss"
    if item.state == "reporting":
        return Link("item", True, f"The monitored item reports ({sampling}{deadband}{blind}).")
    if item.state == "missing":
        return Link("item", False, f"There is no monitored item without a node ({describe(item.status)}).")
    if item.state == "rejected":
        cure = "It is tried again; correct the node on the server, or the class, so that the server takes it."
        return Link(
            "item", False, f"The server rejected the monitored item: {describe(item.status)} ({sampling}{deadband}).", cure
        )
    return Link("item", False, f"The monitored item is {item.state} ({sampling}{deadband}{blind}): {item.reason}.")


def _value(known: Evidence) -> Link:
    reading = known.reading
    if reading is None or reading.sample is None:
        return Link("value", False, "No value was ever stored.", "It arrives once the item reports.")
    sample = reading.sample
    times = f"source time {iso(sample.source_time)}, {_ago(known.now, sample.source_time)}"
    if is_good(reading.status):
        return Link("value", True, f"The last value is {describe(reading.status)}, {times}.")
    stored = "" if sample.status == reading.status else f" (the server sent it as {describe(sample.status)})"
    severity = "bad" if is_bad(reading.status) else "uncertain"
    cure = "" if stored else "The server says so itself: look at the equipment."
    return Link("value", False, f"The last value is {severity}: {describe(reading.status)}{stored}, {times}.", cure)


def _freshness(known: Evidence) -> Link:
    limit, reading = known.tag.max_silence_s, known.reading
    if limit is None:
        return Link("freshness", True, "The class sets no max_silence: an unchanged value is as fresh as its subscription.")
    if reading is None or reading.sample is None:
        return Link("freshness", False, f"It was never heard; the class allows {limit:g} s of silence.")
    silent = (known.now - reading.sample.received_time) / 1e9
    if silent > limit:
        return Link("freshness", False, f"Silent for {silent:.1f} s; the class allows {limit:g} s.", _SILENT)
    return Link("freshness", True, f"Heard {silent:.1f} s ago; the class allows {limit:g} s of silence.")


def _gaps(known: Evidence) -> Link:
    lasting = next((gap for gap in known.gaps if gap.end is None), None)
    if lasting is not None:
        detail = f": {lasting.detail.rstrip('.')}" if lasting.detail else ""
        says = f"A gap lasts since {iso(lasting.start)}: {lasting.reason.value.replace('_', ' ')}{detail}."
        return Link("gaps", False, says, "It ends when values flow again.")
    if known.gaps:
        count = "One gap" if len(known.gaps) == 1 else f"{len(known.gaps)} gaps"
        return Link("gaps", True, f"{count} in the last 24 h, over now.")
    return Link("gaps", True, "No gaps in the last 24 h.")


def _clock(known: Evidence) -> Link:
    sample = known.reading.sample if known.reading is not None else None
    ahead = 0.0 if sample is None else (sample.source_time - known.now) / 1e9
    offset = None if known.report is None else known.report.clock_offset_s
    cure = f"Set the clock of the controller at {known.endpoint.url}, best by NTP; values are filed under its times."
    if offset is not None and abs(offset) > _CLOCK_S:
        way = "ahead of" if offset > 0 else "behind"
        return Link("clock", False, f"The server's clock is {_span(abs(offset))} {way} ours.", cure)
    if ahead > _CLOCK_S:
        return Link("clock", False, f"The last value's source time is {_span(ahead)} ahead of our clock.", cure)
    if offset is None:
        return Link("clock", True, "No time lies ahead of our clock; the server's own clock is not known.")
    return Link("clock", True, f"The server's clock differs from ours by {abs(offset):.1f} s.")


def _ago(now: int, then: int) -> str:
    return f"{_span((now - then) / 1e9)} ago" if then <= now else f"{_span((then - now) / 1e9)} ahead"


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
