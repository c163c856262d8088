"""What the API asks of the rest of the daemon. `gateway.runtime` fills it in; tests fill it with fakes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.api.tokens import Identity
from gateway.mirror.report import MirrorView
from gateway.plant.equipment_class import Plant
from gateway.plant.ports import Clock, TwinStore


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
    tokens: Tokens
    grace_ns: int  #: how long a value stays Uncertain after a loss of communication before it is Bad
    metrics: Callable[[], Awaitable[bytes]]  #: one scrape in Prometheus text format 0.0.4
    ready: Callable[[], tuple[bool, Sequence[str]]]  #: ready?, and why not, each reason one sentence
    reload: Callable[[], Awaitable[Mapping[str, Any]]]  #: read the configuration again; says what changed
    backup: Callable[[Path], Awaitable[Mapping[str, Any]]]  #: copy twin and ledger to a new directory; gives the manifest
    log_tail: Callable[[], Sequence[Mapping[str, Any]]]  #: recent log records, oldest first
