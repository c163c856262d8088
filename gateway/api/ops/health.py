"""Health and metrics: readable without a token, and telling nothing but health and counts."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from gateway.api.ops.context import Ask

router = APIRouter()


@router.get("/livez")
async def livez() -> PlainTextResponse:
    """Alive: the event loop answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
async def readyz(ask: Ask) -> JSONResponse:
    """Ready: 200 when the store takes values and every endpoint was tried, else 503; `reasons` says what is missing."""
    ready, reasons = ask.ready()
    body: dict[str, Any] = {"ready": ready, "version": ask.version, "reasons": list(reasons)}
    return JSONResponse(body, 200 if ready else 503)


@router.get("/metrics")
async def metrics(ask: Ask) -> Response:
    """Metrics in Prometheus text format; docs/metrics.md lists them."""
    return Response(await ask.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
