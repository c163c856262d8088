"""What the API asks of the rest of the daemon. `gateway.runtime` fills it in; tests fill it with fakes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.api.tokens import Identity
from gateway.mirror.report import MirrorView
from gateway.plant.equipment_class import Plant
from gateway.plant.ports import Clock, TwinStore
from gateway.recipes.journal import Push, Quarantine
from gateway.recipes.selection import Validation
from gateway.recipes.service import DiffReport, PushStatus


class Pushes(Protocol):
    """Recipes and their way into equipment: `gateway.recipes.service.PushService`."""

    def validate(self, text: str, filename: str, target: str = "") -> Validation:
        """Check a recipe file against the plant, without a network."""

    async def diff(self, text: str, filename: str, target: str) -> DiffReport:
        """Read what one piece of equipment holds and compare."""

    async def submit(self, text: str, filename: str, target: str, requested_by: str, idempotency_key: str) -> int:
        """Record the intent to push; the push's id."""

    async def status(self, id: int, *, values: bool = False) -> PushStatus:
        """One push with its journal, with recipe values or without."""

    async def pushes(self, pattern: str = "", *, limit: int = 100) -> Sequence[Push]:
        """Pushes, newest first."""

    async def quarantines(self) -> Sequence[Quarantine]:
        """Equipment that no push may touch."""

    async def release_quarantine(self, equipment: str, *, by: str, reason: str) -> None:
        """Let pushes into the equipment again."""


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
    metrics: Callable[[], Awaitable[bytes]]  #: one scrape in Prometheus text format 0.0.4
    ready: Callable[[], tuple[bool, Sequence[str]]]  #: ready?, and why not, each reason one sentence
    reload: Callable[[], Awaitable[Mapping[str, Any]]]  #: read the configuration again; says what changed
    backup: Callable[[Path], Awaitable[Mapping[str, Any]]]  #: copy twin and ledger to a new directory; gives the manifest
    log_tail: Callable[[], Sequence[Mapping[str, Any]]]  #: recent log records, oldest first

    @property
    def grace_ns(self) -> int:
        """How long a value stays Uncertain after a loss of communication before it is Bad, by the configuration in force."""
        return round(self.plant().mirror.grace_s * 1e9)
