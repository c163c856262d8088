"""The twin: values as they are, as they were, and where it cannot vouch for them."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from gateway.api import wire
from gateway.api.gate import Caller
from gateway.api.ops.context import Ask, masked_paths, moment
from gateway.api.ops.plant import Pattern
from gateway.api.problems import Problem
from gateway.plant.ports import Reading

router = APIRouter(prefix="/api/v1/twin")
Limit = Annotated[int, Query(ge=1, le=100_000, description="at most so many; the answer says whether there is more")]
Moment = Annotated[str, Query(description="ISO 8601 with Z or an offset, ns since 1970, now, or -10m", max_length=60)]


async def _rendered(make: Callable[[], dict[str, Any]]) -> Response:
    """Render a large answer in a thread: a long JSON text must not hold up the mirror."""
    body = await asyncio.to_thread(lambda: json.dumps(make(), ensure_ascii=False, allow_nan=False).encode())
    return Response(body, media_type="application/json")


def _page(readings: list[Reading], after: str, limit: int) -> tuple[list[Reading], str | None]:
    rest = [reading for reading in readings if reading.path > after] if after else readings
    return rest[:limit], rest[limit - 1].path if len(rest) > limit else None


@router.get("/current")
async def current(ask: Ask, who: Caller, pattern: Pattern = "", after: str = "", limit: Limit = 10_000) -> Response:
    """Current values by path or wildcard, by path. `next` is the `after` of the next page, null on the last."""
    now = ask.clock.now()
    readings, following = _page(await ask.twin.current(pattern, now=now, grace_ns=ask.grace_ns), after, limit)
    masked = await masked_paths(ask, pattern, who)
    return await _rendered(
        lambda: {
            **wire.moment_json("now", now),
            "readings": [wire.reading_json(reading, masked=reading.path in masked) for reading in readings],
            "next": following,
        }
    )


@router.get("/as-of")
async def as_of(ask: Ask, who: Caller, at: Moment, pattern: Pattern = "", after: str = "", limit: Limit = 10_000) -> Response:
    """Values as they were at a moment, by source time; an outage shows as an outage."""
    when = moment(at, "at", ask)
    readings, following = _page(await ask.twin.as_of(pattern, moment=when, grace_ns=ask.grace_ns), after, limit)
    masked = await masked_paths(ask, pattern, who)
    return await _rendered(
        lambda: {
            **wire.moment_json("at", when),
            "readings": [wire.reading_json(reading, masked=reading.path in masked) for reading in readings],
            "next": following,
        }
    )


@router.get("/history")
async def history(
    ask: Ask, who: Caller, path: str, start: Moment = "-1h", end: Moment = "now", limit: Limit = 10_000
) -> Response:
    """Raw history of one tag over [start, end) by source time, with its gaps. Not `complete`: read on from the last time."""
    first, last = moment(start, "start", ask), moment(end, "end", ask)
    if first >= last:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "start: it must lie before end.")
    found = await ask.twin.history(path, start=first, end=last, limit=limit)
    masked = found.path in await masked_paths(ask, path, who)
    return await _rendered(
        lambda: {
            "path": found.path,
            "unit": found.unit,
            **wire.moment_json("start", first),
            **wire.moment_json("end", last),
            "samples": [wire.sample_json(sample, masked=masked) for sample in found.samples],
            "gaps": [wire.gap_json(found.path, gap) for gap in found.gaps],
            "complete": found.complete,
        }
    )


@router.get("/gaps")
async def gaps(ask: Ask, who: Caller, pattern: Pattern = "", start: Moment = "-24h", end: Moment = "now") -> dict[str, Any]:
    """Intervals that touch [start, end] for which the twin cannot vouch."""
    first, last = moment(start, "start", ask), moment(end, "end", ask)
    found = await ask.twin.gaps(pattern, start=first, end=last)
    return {
        **wire.moment_json("start", first),
        **wire.moment_json("end", last),
        "gaps": [wire.gap_json(where, gap) for where, gap in found],
    }


@router.get("/verify")
async def verify(ask: Ask, who: Caller) -> dict[str, Any]:
    """Recount the history against the loss account and check every block. `sound` with the accounts, or `findings`."""
    findings = await ask.twin.verify()
    accounts = await ask.twin.accounts()
    return {
        "sound": not findings,
        "findings": findings,
        "accounts": [
            {"endpoint": account.endpoint, "stored": account.stored, "rejected": dict(account.rejected)} for account in accounts
        ],
    }
