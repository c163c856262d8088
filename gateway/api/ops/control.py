"""Acts on the daemon itself: read the configuration again, make a backup."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.gate import Operator
from gateway.api.ops.context import Ask
from gateway.errors import RequestRefused

router = APIRouter(prefix="/api/v1")


class BackupRequest(BaseModel):
    """Where to put a backup: an absolute path of a new directory on the gateway's machine."""

    model_config = ConfigDict(extra="forbid")
    target: Annotated[str, Field(min_length=1, max_length=4096)]


@router.post("/reload")
async def reload(ask: Ask, who: Operator) -> dict[str, Any]:
    """Read the configuration again. Endpoints that did not change are not disturbed; a faulty one changes nothing (422)."""
    return dict(await ask.reload())


@router.post("/backup")
async def backup(ask: Ask, who: Operator, request: BackupRequest) -> dict[str, Any]:
    """Copy the live twin and ledger to a new directory on the gateway's machine; gives the manifest."""
    target = Path(request.target)
    if not target.is_absolute():
        raise RequestRefused(f"'{target}' is no absolute path: the gateway may run in another directory than you")
    return dict(await ask.backup(target))
