"""Domain objects as JSON. Every time appears twice: `x` as ISO 8601 and `x_ns` as nanoseconds since the Unix epoch."""

from dataclasses import asdict
from typing import Any, Final

from gateway.api.times import iso
from gateway.mirror.report import EndpointReport, Finding, ItemReport
from gateway.plant.equipment_class import Endpoint, Equipment, Line, Plant, Site, Tag
from gateway.plant.ports import Gap, Reading, TagRecord
from gateway.plant.status_names import name, overflowed
from gateway.plant.values import DataType, Flag, Sample, is_bad, is_good
from gateway.plant.variant import to_json

Json = dict[str, Any]
_TYPE_NAMES: Final = {kind: kind.name for kind in DataType}


def moment_json(key: str, moment: int | None) -> Json:
    """`{key: ISO 8601, key_ns: int}`, both null when there is none."""
    return {key: None if moment is None else iso(moment), f"{key}_ns": moment}


def status_json(status: int) -> Json:
    """A StatusCode with its name and severity; `overflow` when values before it were lost in the server's queue."""
    severity = "good" if is_good(status) else "bad" if is_bad(status) else "uncertain"
    return {"code": status, "name": name(status), "severity": severity, "overflow": overflowed(status)}


def sample_json(sample: Sample, *, masked: bool) -> Json:
    """One stored change. A masked value is null, its times and status are shown."""
    return {
        "value": None if masked else to_json(sample.value),
        "value_type": _TYPE_NAMES[sample.type],
        "masked": masked,
        "status": status_json(sample.status),
        **moment_json("source_time", sample.source_time),
        **moment_json("server_time", sample.server_time),
        **moment_json("received_time", sample.received_time),
        "flags": [flag.name.lower() for flag in Flag if sample.flags & flag],
    }


def gap_json(where: str, gap: Gap) -> Json:
    """An interval the twin cannot vouch for. `where` is a tag's path, or `site/endpoint` for all of its tags."""
    return {
        "where": where,
        "reason": gap.reason.value,
        "detail": gap.detail,
        **moment_json("start", gap.start),
        **moment_json("end", gap.end),
        "open": gap.end is None,
    }


def reading_json(reading: Reading, *, masked: bool) -> Json:
    """A tag at a moment. `status` is what to believe; `sample.status` what the server said when it sent the value."""
    return {
        "path": reading.path,
        "unit": reading.unit,
        "type": reading.type,
        "status": status_json(reading.status),
        "sample": None if reading.sample is None else sample_json(reading.sample, masked=masked),
        "gap": None if reading.gap is None else gap_json(reading.path, reading.gap),
    }


def endpoint_json(report: EndpointReport) -> Json:
    """One endpoint at one moment, with its account: received = stored + Σ rejected + in flight."""
    fields = asdict(report)
    for key in ("since", "last_heard", "last_data", "certificate_expires"):
        fields.update(moment_json(key, fields.pop(key)))
    return {**fields, "state": report.state.value, "rejected": dict(report.rejected)}


def item_json(item: ItemReport) -> Json:
    """One tag from its class to its monitored item."""
    return {**asdict(item), "status": status_json(item.status)}


def finding_json(finding: Finding) -> Json:
    """One way in which equipment does not conform to its class."""
    return asdict(finding)


def tag_json(record: TagRecord) -> Json:
    """What the twin knows of a tag."""
    return asdict(record)


def class_tag_json(tag: Tag) -> Json:
    """What the class says of a tag."""
    return {
        "path": tag.path,
        "type": str(tag.type),
        "unit": tag.unit,
        "range": None if tag.range is None else {"low": tag.range.low, "high": tag.range.high},
        "sampling_ms": tag.sampling_ms,
        "deadband": None if tag.deadband is None else {tag.deadband.kind: tag.deadband.value},
        "max_silence_s": tag.max_silence_s,
        "history": tag.history,
        "optional": tag.optional,
        "guidance": tag.guidance,
    }


def endpoint_config_json(endpoint: Endpoint) -> Json:
    """How an endpoint is configured. Credentials appear as their kind alone: no user, no reference, no secret."""
    return {
        "endpoint": endpoint.key,
        "url": endpoint.url,
        "security": {"policy": endpoint.policy, "mode": endpoint.mode},
        "identity": "anonymous" if endpoint.credentials.user is None else "user",
        "limits": asdict(endpoint.limits),
        "publishing_ms": endpoint.publishing_ms,
        "enabled": endpoint.enabled,
    }


def equipment_json(equipment: Equipment) -> Json:
    """One piece of equipment and how its site's server answers to its class."""
    return {
        "path": str(equipment.path),
        "class": equipment.equipment_class.name,
        "class_version": equipment.equipment_class.version,
        "endpoint": f"{equipment.path.site}/{equipment.endpoint}",
        "root": asdict(equipment.root),
        "handshake": equipment.handshake,
        "rename": dict(equipment.rename),
        "measures": {
            path: {"type": str(measure.type), "unit": measure.unit, "scale": measure.scale, "offset": measure.offset}
            for path, measure in equipment.measures.items()
        },
    }


def line_json(line: Line) -> Json:
    """A work centre and the equipment it holds, by path."""
    return {
        "path": f"{line.site}/{line.area}/{line.line}",
        "role": line.role,
        "capacity": line.capacity,
        "equipment": [str(item.path) for item in line.equipment],
    }


def site_json(plant: Plant, site: Site) -> Json:
    """A site, its lines and its endpoints."""
    return {
        "site": site.name,
        "title": site.title,
        "country": site.country,
        "locale": site.locale,
        "mother": site.name == plant.mother,
        "lines": [line_json(line) for line in site.lines],
        "endpoints": [endpoint.key for endpoint in site.endpoints],
    }
