"""Diagnosis: why a tag reads as it does, and a bundle for a colleague who must help from afar."""

import asyncio
from difflib import get_close_matches
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from gateway.api import wire
from gateway.api.bundle import BundleContent, pack
from gateway.api.gate import Caller, Operator
from gateway.api.ops.context import Ask, masked_paths, moment
from gateway.api.ops.twin import Moment
from gateway.api.problems import Problem
from gateway.api.services import Services
from gateway.api.times import iso
from gateway.api.why import Evidence, explain, verdict
from gateway.plant.equipment_class import Endpoint, Equipment, Line, Plant, Tag
from gateway.plant.hierarchy import matches

router = APIRouter(prefix="/api/v1")
_DAY_NS = 86_400 * 1_000_000_000
_MINUTE_NS = 60 * 1_000_000_000
_BUNDLED_SAMPLES_PER_TAG = 2000
_BUNDLED_SAMPLES = 400_000
_BUNDLED_PUSHES = 1000


@router.get("/why")
async def why(ask: Ask, who: Caller, path: Annotated[str, Query(max_length=1000)]) -> dict[str, Any]:
    """Why one tag reads as it does: endpoint, node, item, value, freshness, gaps, with the first broken link as verdict."""
    plant = ask.plant()
    equipment, tag = _find(plant, path.strip("/"))
    evidence = await _evidence(ask, plant, equipment, tag)
    chain = explain(evidence)
    reading, report, item = evidence.reading, evidence.report, evidence.item
    masked = bool(await masked_paths(ask, equipment.twin_path(tag.path), who))
    return {
        "path": equipment.twin_path(tag.path),
        **wire.moment_json("now", evidence.now),
        "sound": all(link.sound for link in chain),
        "verdict": verdict(chain),
        "chain": [{"what": link.what, "sound": link.sound, "says": link.says, "cure": link.cure} for link in chain],
        "guidance": tag.guidance,
        "class": {
            "name": equipment.equipment_class.name,
            "version": equipment.equipment_class.version,
            "tag": wire.class_tag_json(tag),
        },
        "site_path": equipment.site_path(tag.path),
        "equipment": wire.equipment_json(equipment),
        "endpoint": {
            "configured": wire.endpoint_config_json(evidence.endpoint),
            "report": None if report is None else wire.endpoint_json(report),
        },
        "item": None if item is None else wire.item_json(item),
        "reading": None if reading is None else wire.reading_json(reading, masked=masked),
        "gaps": [wire.gap_json(equipment.twin_path(tag.path), gap) for gap in evidence.gaps],
        "findings": [wire.finding_json(finding) for finding in evidence.findings],
    }


def _find(plant: Plant, path: str) -> tuple[Equipment, Tag]:
    steps = path.split("/")
    place, rest = "/".join(steps[:4]), "/".join(steps[4:])
    equipment = next((item for item in plant.equipment() if str(item.path) == place), None)
    if equipment is None:
        near = get_close_matches(place, [str(item.path) for item in plant.equipment()], n=1, cutoff=0.6)
        hint = f"did you mean '{near[0]}'?" if near else _places(plant)
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no equipment '{place}': {hint}")
    tag = equipment.equipment_class.tag(rest)
    if tag is None:
        tags = [item.path for item in equipment.equipment_class.tags]
        near = get_close_matches(rest, tags, n=1, cutoff=0.4)
        hint = f"did you mean '{equipment.twin_path(near[0])}'?" if near else f"it has {len(tags)} others."
        raise Problem(HTTPStatus.NOT_FOUND, f"Class {equipment.equipment_class.name} has no tag '{rest}': {hint}")
    return equipment, tag


def _places(plant: Plant) -> str:
    lines = ", ".join(_line_path(line) for site in plant.sites for line in site.lines)
    return f"a path is SITE/AREA/LINE/EQUIPMENT/TAG, and the lines are {lines}."


def _endpoint_of(plant: Plant, equipment: Equipment) -> Endpoint:
    key = f"{equipment.path.site}/{equipment.endpoint}"
    return next(endpoint for endpoint in plant.endpoints() if endpoint.key == key)


async def _evidence(ask: Services, plant: Plant, equipment: Equipment, tag: Tag) -> Evidence:
    path, endpoint, now = equipment.twin_path(tag.path), _endpoint_of(plant, equipment), ask.clock.now()
    readings = await ask.twin.current(path, now=now, grace_ns=ask.grace_ns)
    gaps = await ask.twin.gaps(path, start=now - _DAY_NS, end=now)
    return Evidence(
        now=now,
        equipment=equipment,
        tag=tag,
        endpoint=endpoint,
        report=next((item for item in ask.mirror.reports() if f"{item.site}/{item.endpoint}" == endpoint.key), None),
        item=next((item for item in ask.mirror.items(path) if item.path == path), None),
        reading=next((reading for reading in readings if reading.path == path), None),
        gaps=[gap for _, gap in gaps],
        findings=[item for item in ask.mirror.findings(str(equipment.path)) if item.tag == tag.path],
    )


@router.get("/support-bundle")
async def support_bundle(
    ask: Ask,
    who: Operator,
    line: Annotated[str, Query(max_length=300)],
    around: Moment = "now",
    minutes: Annotated[int, Query(ge=1, le=1440, description="before and after the moment")] = 15,
) -> Response:
    """A ZIP for a colleague at the mother factory: values, gaps, events, configuration, log of one line, and no secrets."""
    found = next((item for site in ask.plant().sites for item in site.lines if _line_path(item) == line.strip("/")), None)
    if found is None:
        lines = ", ".join(_line_path(item) for site in ask.plant().sites for item in site.lines)
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no line '{line}'; there are {lines}.")
    when = moment(around, "around", ask)
    content = await _bundle(ask, found, when, minutes * _MINUTE_NS)
    packed = await asyncio.to_thread(pack, content)
    name = f"support-{_line_path(found).replace('/', '_')}-{iso(when)[:19].replace(':', '')}Z.zip"
    return Response(packed, media_type="application/zip", headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _line_path(line: Line) -> str:
    return f"{line.site}/{line.area}/{line.line}"


async def _bundle(ask: Services, line: Line, when: int, span: int) -> BundleContent:
    """Gather what goes into the bundle. Masked values stay masked for everyone: a bundle travels."""
    plant, path, now = ask.plant(), _line_path(line), ask.clock.now()
    start, end = when - span, when + span
    keys = {f"{line.site}/{item.endpoint}" for item in line.equipment}
    records = await ask.twin.tags(path)
    masked = frozenset(record.path for record in records if record.masked)
    histories, left = [], _BUNDLED_SAMPLES
    for record in records:
        limit = min(_BUNDLED_SAMPLES_PER_TAG, left)
        if limit == 0:
            break
        history = await ask.twin.history(record.path, start=start, end=end, limit=limit)
        left -= len(history.samples)
        histories.append(history)
    newest = await ask.pushes.pushes(path, limit=_BUNDLED_PUSHES)
    under_way = [push for push in newest if push.requested_at <= end and (push.ended_at is None or push.ended_at >= start)]
    return BundleContent(
        version=ask.version,
        line=path,
        made=now,
        around=when,
        start=start,
        end=end,
        masked=masked,
        current=await ask.twin.current(path, now=now, grace_ns=ask.grace_ns),
        as_of=await ask.twin.as_of(path, moment=when, grace_ns=ask.grace_ns),
        histories=histories,
        gaps=await ask.twin.gaps(path, start=start, end=end),
        reports=[report for report in ask.mirror.reports() if f"{report.site}/{report.endpoint}" in keys],
        items=ask.mirror.items(path),
        findings=[item for item in ask.mirror.findings(path) if matches(path, item.equipment)],
        accounts=[account for account in await ask.twin.accounts() if account.endpoint in keys],
        equipment=line.equipment,
        endpoints=[endpoint for endpoint in plant.endpoints() if endpoint.key in keys],
        pushes=[await ask.pushes.status(push.id) for push in reversed(under_way)],
        pushes_complete=len(newest) < _BUNDLED_PUSHES,
        logs=ask.log_tail(),
    )
