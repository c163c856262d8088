"""The support bundle: one ZIP with what a colleague elsewhere needs to help with a line. No secrets, masked values masked."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.api import wire
from gateway.api.times import iso, parse_moment
from gateway.mirror.report import EndpointReport, Finding, ItemReport
from gateway.plant.equipment_class import Endpoint, Equipment
from gateway.plant.ports import Account, Gap, History, Reading
from gateway.plant.status_names import name
from gateway.recipes.service import PushStatus

_README: Final = """\
Support bundle of {line}, gateway {version}
made {made}, around {around} (values from {start} to {end})

manifest.json       what this is, and what was cut short
endpoints.json      state, cause and cure, and the loss account of the line's endpoints
configuration.json  the line's endpoints, equipment and classes as configured (no users, no secrets)
items.json          each tag from its class to its monitored item
findings.json       where the equipment does not conform to its class
current.json        values when the bundle was made
as-of.json          values at the moment asked for
history.csv         every stored change in the interval
gaps.json           intervals for which the twin cannot vouch
events.json         pushes into the line with their journals, and changes of endpoint state, in the interval
logs.jsonl          the gateway's log in the interval, as far as the process still holds it

Alarms of the controllers are not in it: the gateway does not mirror them yet.
"""
_LOG_NOTE: Final = (
    "The latest records that the gateway's process holds in memory. What is older than 'held_since', or from before a restart,"
    " is in the journal of the gateway's machine only; that goes for the endpoint states in events.json too."
)
_NOT_INCLUDED: Final = ("Alarms and events of the controllers: the gateway does not mirror them yet.",)


@dataclass(frozen=True, slots=True)
class BundleContent:
    """Everything that goes in. Times are ns since the Unix epoch; `masked` are paths whose values are left out."""

    version: str
    line: str
    made: int
    around: int
    start: int
    end: int
    masked: frozenset[str]
    current: Sequence[Reading]
    as_of: Sequence[Reading]
    histories: Sequence[History]
    gaps: Sequence[tuple[str, Gap]]
    reports: Sequence[EndpointReport]
    items: Sequence[ItemReport]
    findings: Sequence[Finding]
    accounts: Sequence[Account]
    equipment: Sequence[Equipment]
    endpoints: Sequence[Endpoint]
    pushes: Sequence[PushStatus]  #: that were under way in the interval, oldest first
    pushes_complete: bool  #: False when only the latest of the line were looked at
    logs: Sequence[Mapping[str, Any]]  #: all that is held, oldest first; what goes in is cut to the interval


def pack(content: BundleContent) -> bytes:
    """The ZIP's bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in _files(content).items():
            archive.writestr(file, text)
    return buffer.getvalue()


def _files(content: BundleContent) -> dict[str, str]:
    times = {key: iso(getattr(content, key)) for key in ("made", "around", "start", "end")}
    logs = [record for record in content.logs if _inside(content, record)]
    cut = [history.path for history in content.histories if not history.complete]
    manifest = {
        "line": content.line,
        "version": content.version,
        **times,
        "tags": len(content.items),
        "samples": sum(len(history.samples) for history in content.histories),
        "cut_short": cut,
        "masked": sorted(content.masked),
        "pushes": len(content.pushes),
        "pushes_complete": content.pushes_complete,
        "logs": {
            "start": times["start"],
            "end": times["end"],
            "records": len(logs),
            "held_since": content.logs[0].get("timestamp") if content.logs else None,
            "note": _LOG_NOTE,
        },
        "not_included": _NOT_INCLUDED,
    }
    return {
        "README.txt": _README.format(line=content.line, version=content.version, **times),
        "manifest.json": _json(manifest),
        "endpoints.json": _json([_endpoint(content, report) for report in content.reports]),
        "configuration.json": _json(_configuration(content)),
        "items.json": _json([wire.item_json(item) for item in content.items]),
        "findings.json": _json([wire.finding_json(finding) for finding in content.findings]),
        "current.json": _json(_readings(content, content.current)),
        "as-of.json": _json(_readings(content, content.as_of)),
        "history.csv": _history(content),
        "gaps.json": _json([wire.gap_json(where, gap) for where, gap in content.gaps]),
        "events.json": _json(_events(content, logs)),
        "logs.jsonl": "".join(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in logs),
    }


def _inside(content: BundleContent, record: Mapping[str, Any]) -> bool:
    try:
        return content.start <= parse_moment(str(record.get("timestamp", "")), content.made) <= content.end
    except ValueError:
        return False


def _events(content: BundleContent, logs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What happened to the line, apart from its values. Recipe values are left out for everyone: a bundle travels."""
    ours = {endpoint.key for endpoint in content.endpoints}
    return {
        "pushes": [_push(status) for status in content.pushes],
        "endpoint_states": [
            {"time": record["timestamp"], "endpoint": key, "state": record.get("state"), "reason": record.get("reason", "")}
            for record in logs
            if record.get("event") == "endpoint state" and (key := f"{record.get('site')}/{record.get('endpoint')}") in ours
        ],
    }


def _push(status: PushStatus) -> dict[str, Any]:
    push = status.push
    return {
        "push": push.id,
        "recipe": push.control.name,
        "equipment": str(push.control.equipment),
        "handshake": push.control.handshake,
        "rendered_digest": push.control.rendered_digest,
        "requested_by": push.requested_by,
        **wire.moment_json("requested_at", push.requested_at),
        "state": push.state,
        "reason": push.reason,
        **wire.moment_json("ended_at", push.ended_at),
        "steps": [
            {**wire.moment_json("time", step.time), "state": str(step.state), "tx_id": step.tx_id, "detail": dict(step.detail)}
            for step in status.steps
        ],
    }


def _endpoint(content: BundleContent, report: EndpointReport) -> dict[str, Any]:
    key = f"{report.site}/{report.endpoint}"
    durable = next((account for account in content.accounts if account.endpoint == key), None)
    stored = None if durable is None else {"stored": durable.stored, "rejected": dict(durable.rejected)}
    return {**wire.endpoint_json(report), "durable_account": stored}


def _configuration(content: BundleContent) -> dict[str, Any]:
    classes = {item.equipment_class.name: item.equipment_class for item in content.equipment}
    return {
        "endpoints": [wire.endpoint_config_json(endpoint) for endpoint in content.endpoints],
        "equipment": [wire.equipment_json(item) for item in content.equipment],
        "classes": [
            {"name": kind.name, "version": kind.version, "tags": [wire.class_tag_json(tag) for tag in kind.tags]}
            for kind in classes.values()
        ],
    }


def _readings(content: BundleContent, readings: Sequence[Reading]) -> list[dict[str, Any]]:
    return [wire.reading_json(reading, masked=reading.path in content.masked) for reading in readings]


def _history(content: BundleContent) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["path", "unit", "source_time", "server_time", "received_time", "status", "value", "flags"])
    for history in content.histories:
        masked = history.path in content.masked
        for sample in history.samples:
            shown = wire.sample_json(sample, masked=masked)
            value = "(masked)" if masked else json.dumps(shown["value"], ensure_ascii=False)
            writer.writerow(
                [
                    history.path, history.unit or "", shown["source_time"], shown["server_time"], shown["received_time"],
                    name(sample.status), value, " ".join(shown["flags"]),
                ]
            )  # fmt: skip
    return buffer.getvalue()


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
