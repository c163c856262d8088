"""The plant as configured, and as the mirror finds it."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.api import wire
from gateway.api.gate import Caller
from gateway.api.ops.context import Ask
from gateway.api.problems import Problem
from gateway.plant.hierarchy import matches

router = APIRouter(prefix="/api/v1")
Pattern = Annotated[str, Query(description="a path, everything below it, or wildcards; empty for all", max_length=1000)]


@router.get("/sites")
async def sites(ask: Ask, who: Caller) -> dict[str, Any]:
    """Sites with their lines and endpoints, the mother marked."""
    plant = ask.plant()
    return {"enterprise": plant.enterprise, "sites": [wire.site_json(plant, site) for site in plant.sites]}


@router.get("/endpoints")
async def endpoints(ask: Ask, who: Caller, pattern: Pattern = "") -> dict[str, Any]:
    """Endpoints with state, cause and cure, and the loss account of each."""
    reports = [report for report in ask.mirror.reports() if matches(pattern, f"{report.site}/{report.endpoint}")]
    return {**wire.moment_json("now", ask.clock.now()), "endpoints": [wire.endpoint_json(report) for report in reports]}


@router.get("/equipment")
async def equipment(ask: Ask, who: Caller, pattern: Pattern = "") -> dict[str, Any]:
    """Equipment, each with its class, its endpoint and what does not conform."""
    findings = ask.mirror.findings(pattern)
    found = [item for item in ask.plant().equipment() if matches(pattern, str(item.path))]
    return {
        "equipment": [
            {
                **wire.equipment_json(item),
                "findings": [wire.finding_json(finding) for finding in findings if finding.equipment == str(item.path)],
            }
            for item in found
        ]
    }


@router.get("/tags")
async def tags(ask: Ask, who: Caller, pattern: Pattern = "") -> dict[str, Any]:
    """Tags as the twin knows them, with the state of their monitored items."""
    items = {item.path: item for item in ask.mirror.items(pattern)}
    records = await ask.twin.tags(pattern)
    return {
        "tags": [
            {**wire.tag_json(record), "item": wire.item_json(items[record.path]) if record.path in items else None}
            for record in records
        ]
    }


@router.get("/conformance")
async def conformance(ask: Ask, who: Caller, pattern: Pattern = "") -> dict[str, Any]:
    """How equipment differs from its class. `conforms` is False when any of it is a fault."""
    known = [str(item.path) for item in ask.plant().equipment() if matches(pattern, str(item.path))]
    if not known:
        raise Problem(HTTPStatus.NOT_FOUND, f"No equipment matches '{pattern}'; an empty pattern matches all of it.")
    findings = [finding for finding in ask.mirror.findings(pattern) if finding.equipment in known]
    return {
        "conforms": not any(finding.severity == "fault" for finding in findings),
        "equipment": known,
        "findings": [wire.finding_json(finding) for finding in findings],
    }
