"""Recipes and pushes. A request is recorded in the ledger; the daemon carries it out, and asking again shows how far it is."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.gate import Caller, Operator
from gateway.api.ops.context import Ask
from gateway.api.ops.plant import Pattern
from gateway.api.problems import Problem
from gateway.api.wire import moment_json
from gateway.plant import variant
from gateway.recipes import wire
from gateway.recipes.control_recipe import ControlRecipe
from gateway.recipes.journal import Push, Quarantine, Step
from gateway.recipes.selection import Validation
from gateway.recipes.service import DiffReport, PushStatus

router = APIRouter(prefix="/api/v1")
_Place = Annotated[str, Field(max_length=300)]


class RecipeDocument(BaseModel):
    """A recipe file as it is, and the place it is meant for."""

    model_config = ConfigDict(extra="forbid")
    document: Annotated[str, Field(description="the YAML text", max_length=1_000_000)]
    filename: Annotated[str, Field(description="how complaints name it", min_length=1, max_length=300)] = "recipe.yaml"


class ForAPlace(RecipeDocument):
    """A recipe file for any equipment at or below a place; empty for all of its class."""

    target: _Place = ""


class ForEquipment(RecipeDocument):
    """A recipe file for one piece of equipment, named by its path or by a line that has just one of the class."""

    target: Annotated[_Place, Field(min_length=1)]


class Release(BaseModel):
    """Which equipment is let go, and what was found and done there."""

    model_config = ConfigDict(extra="forbid")
    equipment: Annotated[_Place, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=3, max_length=2000)]


@router.post("/recipes/validate")
async def validate(ask: Ask, who: Caller, request: ForAPlace) -> dict[str, Any]:
    """Check a recipe file, and for which equipment it renders. Nothing is dialled, nothing is kept."""
    return _validation(ask.pushes.validate(request.document, request.filename, request.target))


@router.post("/recipes/diff")
async def diff(ask: Ask, who: Operator, request: ForEquipment) -> dict[str, Any]:
    """What a push would change: reads the values in force in the equipment, writes nothing."""
    return _diff(await ask.pushes.diff(request.document, request.filename, request.target))


@router.post("/pushes", status_code=HTTPStatus.ACCEPTED)
async def push(
    ask: Ask,
    who: Operator,
    request: ForEquipment,
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None,
) -> JSONResponse:
    """Record a push; the same `Idempotency-Key` of the same caller gives the same push again and never a second one."""
    if key is None or not key.strip():
        raise Problem(
            HTTPStatus.BAD_REQUEST, "A push needs the header Idempotency-Key: a text of your own that names it, such as a UUID."
        )
    number = await ask.pushes.submit(request.document, request.filename, request.target, who.name, key.strip())
    status = await ask.pushes.status(number, values=True)
    return JSONResponse(_status(status, reveal=True), HTTPStatus.ACCEPTED, headers={"Location": f"/api/v1/pushes/{number}"})


@router.get("/pushes")
async def pushes(
    ask: Ask, who: Caller, pattern: Pattern = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> dict[str, Any]:
    """Pushes into equipment at or below a place, newest first."""
    return {"pushes": [_push(item) for item in await ask.pushes.pushes(pattern, limit=limit)]}


@router.get("/pushes/{id}")
async def one_push(ask: Ask, who: Caller, id: Annotated[int, Path(ge=1, lt=2**63)]) -> dict[str, Any]:
    """One push with its journal. Recipe values are shown to operators, and to all where the recipe is public."""
    return _status(await ask.pushes.status(id, values=True), reveal=who.acts)


@router.get("/quarantines")
async def quarantines(ask: Ask, who: Caller) -> dict[str, Any]:
    """Equipment that no push may touch until a person has looked at it."""
    return {"quarantines": [_quarantine(item) for item in await ask.pushes.quarantines()]}


@router.post("/quarantines/release")
async def release(ask: Ask, who: Operator, request: Release) -> dict[str, Any]:
    """Let pushes into the equipment again; who and why is kept for ever."""
    await ask.pushes.release_quarantine(request.equipment, by=who.name, reason=request.reason)
    return {"released": request.equipment}


def _validation(found: Validation) -> dict[str, Any]:
    return {
        "valid": found.ok,
        "recipe": found.recipe,
        "class": found.equipment_class,
        "master_digest": found.master_digest,
        "targets": [
            {
                "equipment": target.equipment,
                "renders": not target.complaints,
                "complaints": list(target.complaints),
                "notes": list(target.notes),
                "rendered_digest": target.rendered_digest,
            }
            for target in found.targets
        ],
    }


def _diff(found: DiffReport) -> dict[str, Any]:
    return {
        "recipe": found.recipe,
        "equipment": found.equipment,
        "rendered_digest": found.rendered_digest,
        "active_digest": found.active_digest,
        "already_active": found.already_active,
        "rows": [
            {
                "parameter": row.parameter,
                "unit": row.unit,
                "active": variant.to_json(row.active),
                "wanted": variant.to_json(row.wanted),
                "same": row.same,
                "critical": row.critical,
            }
            for row in found.rows
        ],
    }


def _push(item: Push) -> dict[str, Any]:
    control = item.control
    return {
        "id": item.id,
        "recipe": control.name,
        "equipment": str(control.equipment),
        "handshake": control.handshake,
        "master_digest": control.master_digest,
        "rendered_digest": control.rendered_digest,
        "requested_by": item.requested_by,
        **moment_json("requested_at", item.requested_at),
        "state": item.state,
        "outcome": None if item.outcome is None else item.outcome.value,
        "reason": item.reason,
        **moment_json("ended_at", item.ended_at),
    }


def _status(status: PushStatus, *, reveal: bool) -> dict[str, Any]:
    control = status.push.control
    shown = reveal or control.is_public
    return {
        **_push(status.push),
        "values_shown": shown,
        "parameters": _parameters(control) if shown else [],
        "steps": [_step(step, shown=shown) for step in status.steps],
    }


def _parameters(control: ControlRecipe) -> list[dict[str, Any]]:
    return [
        {"name": item.name, "unit": item.unit, "value": wire.to_json(item.type, item.value), "critical": item.critical}
        for item in control.parameters
    ]


def _step(step: Step, *, shown: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "number": step.number,
        **moment_json("time", step.time),
        "state": str(step.state),
        "epoch": step.epoch,
        "tx_id": step.tx_id,
        "detail": dict(step.detail),
    }
    return {**made, "values": dict(step.values)} if shown else made


def _quarantine(item: Quarantine) -> dict[str, Any]:
    return {"equipment": item.equipment, "push": item.push, **moment_json("since", item.since), "reason": item.reason}
