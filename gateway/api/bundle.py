"""The support bundle: one ZIP with what a colleague elsewhere needs to help with a line. No secrets, masked values masked."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.api import wire
from gateway.api.times import iso
from gateway.mirror.report import EndpointReport, Finding, ItemReport
from gateway.plant.equipment_class import Endpoint, Equipment
from gateway.plant.ports import Account, Gap, History, Reading
from gateway.plant.status_names import name

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
logs.jsonl          the gateway's recent log
"""


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
    logs: Sequence[Mapping[str, Any]]


def pack(content: BundleContent) -> bytes:
    """The ZIP's bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in _files(content).items():
            archive.writestr(file, text)
    return buffer.getvalue()


def _files(content: BundleContent) -> dict[str, str]:
    times = {key: iso(getattr(content, key)) for key in ("made", "around", "start", "end")}
    cut = [history.path for history in content.histories if not history.complete]
    manifest = {
        "line": content.line,
        "version": content.version,
        **times,
        "tags": len(content.items),
        "samples": sum(len(history.samples) for history in content.histories),
        "cut_short": cut,
        "masked": sorted(content.masked),
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
        "logs.jsonl": "".join(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in content.logs),
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
