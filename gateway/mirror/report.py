"""What the mirror says of itself: snapshots for metrics, the API and people. Plain data, safe to hand out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class EndpointState(StrEnum):
    """The one present state of an endpoint."""

    CONNECTING = "connecting"
    CONNECTED = "connected"  #: every expected item reports, or is rejected with a reason it was told
    DEGRADED = "degraded"  #: connected, but items are missing, rejected or silent
    AUTH_FAILED = "auth_failed"
    CERT_UNTRUSTED = "cert_untrusted"
    CONFIG_ERROR = "config_error"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """One endpoint at one moment. Counters only grow while the process lives; received = stored + Σ rejected + in flight."""

    site: str
    endpoint: str
    url: str
    state: EndpointState
    since: int  #: ns, when this state began
    reason: str  #: the cause and the cure when the state is not `connected`; else empty
    received: int = 0
    stored: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    in_flight: int = 0
    in_flight_bytes: int = 0
    notifications: int = 0
    keep_alives: int = 0
    sequence_gaps: int = 0
    republished: int = 0
    overflows: int = 0
    gap_seconds: float = 0.0
    items_expected: int = 0
    items_good: int = 0
    items_bad: int = 0
    items_rejected: int = 0
    items_late: int = 0
    reconnects: int = 0
    sessions_created: int = 0
    subscriptions_created: int = 0
    last_heard: int | None = None  #: ns, any message of a subscription
    last_data: int | None = None  #: ns, a data change
    publish_round_trip_s: float | None = None
    clock_offset_s: float | None = None
    service_level: int | None = None
    certificate_expires: int | None = None  #: ns, the server's certificate
    product: str = ""
    software_version: str = ""


@dataclass(frozen=True, slots=True)
class ItemReport:
    """One tag, from the class to the monitored item. `state`: `reporting`, `waiting`, `rejected`, `missing` or `offline`."""

    path: str
    endpoint: str
    site_path: str
    node: str | None
    state: str
    status: int
    reason: str
    declared_type: str
    server_type: str
    sampling_requested_ms: float
    sampling_revised_ms: float | None
    queue_size: int | None
    deadband: str | None
    max_silence_s: float | None
    guidance: str | None
    shows_loss: bool  #: False when the server granted a queue of 1: overflow cannot be seen


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which equipment does not conform to its class. `severity` is "fault" or "note"."""

    equipment: str
    tag: str
    severity: str
    problem: str
    cure: str


class MirrorView(Protocol):
    """What the rest of the house may ask the mirror."""

    def reports(self) -> Sequence[EndpointReport]:
        """All endpoints, in plant order."""

    def items(self, pattern: str) -> Sequence[ItemReport]:
        """Tags whose twin path matches."""

    def findings(self, pattern: str = "") -> Sequence[Finding]:
        """Conformance findings of equipment whose path matches."""
