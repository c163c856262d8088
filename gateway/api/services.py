"""What the API asks of the rest of the daemon. `gateway.runtime` fills it in; tests fill it with fakes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.api.tokens import Identity
from gateway.mirror.report import MirrorView
from gateway.plant.equipment_class import Plant
from gateway.plant.ports import Clock, TwinStore


class Pushes(Protocol):
    """Recipes as the API sees them: requests are recorded, the daemon carries them out.

    Outcomes are JSON-safe mappings; nothing in them shows a confidential value unless `reveal` is True.
    """

    async def validate(self, text: str, filename: str, target: str | None) -> Mapping[str, Any]:
        """Check a recipe document, and for `target` (an equipment path) render it. `{"valid": bool, "problems": […], …}`."""

    async def diff(self, text: str, filename: str, target: str, *, reveal: bool) -> Mapping[str, Any]:
        """What a push would change. `{"same": bool, "rows": […], …}`."""

    async def submit(self, text: str, filename: str, target: str, *, requested_by: str, idempotency_key: str) -> str:
        """Record the intent durably and give its push id; the same key gives the same push again.

        Raises:
            RequestRefused: the document or the target does not allow it.
        """

    async def status(self, push: str, *, reveal: bool) -> Mapping[str, Any]:
        """One push with its journal.

        Raises:
            NotFound: there is no such push.
        """

    async def list(self, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """The latest pushes, newest first."""


class Tokens(Protocol):
    """Who a bearer is."""

    def check(self, bearer: str) -> Identity | None:
        """The identity behind a bearer token, or None."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a route may use. Times are ns since the Unix epoch."""

    version: str
    clock: Clock
    twin: TwinStore
    mirror: MirrorView
    plant: Callable[[], Plant]  #: the configuration in force
    pushes: Pushes
    tokens: Tokens
    grace_ns: int  #: how long a value stays Uncertain after a loss of communication before it is Bad
    metrics: Callable[[], Awaitable[bytes]]  #: one scrape in Prometheus text format 0.0.4
    ready: Callable[[], tuple[bool, Sequence[str]]]  #: ready?, and why not, each reason one sentence
    reload: Callable[[], Awaitable[Mapping[str, Any]]]  #: read the configuration again; says what changed
    backup: Callable[[Path], Awaitable[Mapping[str, Any]]]  #: copy twin and ledger to a new directory; gives the manifest
    log_tail: Callable[[], Sequence[Mapping[str, Any]]]  #: recent log records, oldest first
