"""Ports: what the capabilities ask of the outside. Drivers implement them; `gateway.runtime` alone knows both sides."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from gateway.plant.equipment_class import Deadband, Endpoint, RootNode, TagType
from gateway.plant.values import Changes, DataType, Sample

# --- time ---------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Wall time for stamps, monotonic time for durations."""

    def now(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds, never going back."""


# --- the twin store -----------------------------------------------------------------------------------------------


class GapReason(StrEnum):
    """Why the twin cannot vouch for an interval."""

    DISCONNECTED = "disconnected"
    GATEWAY_STOPPED = "gateway_stopped"
    QUEUE_OVERFLOW = "queue_overflow"
    SEQUENCE_LOST = "sequence_lost"
    ITEM_REJECTED = "item_rejected"
    UNDECODABLE = "undecodable"


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval in which changes may be missing. Times are ns since the Unix epoch; `end` None while it lasts.

    `tag` None means every tag of the endpoint. While a gap covers a moment, the value there is at best Uncertain.
    """

    endpoint: int
    tag: int | None
    start: int
    end: int | None
    reason: GapReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TagRecord:
    """How the twin knows a tag. `path` is unique in the plant; `node` is `nsu=<uri>;<id>`, never an index."""

    path: str
    endpoint: str  #: `site/endpoint`
    node: str
    equipment_class: str
    type: str  #: the class's declared type, such as "Double" or "Float[]"
    unit: str | None = None
    stepped: bool = False  #: hold the last value between samples (everything that is not analogue)
    masked: bool = False  #: holds a recipe's parameter: not for everyone to see


@dataclass(frozen=True, slots=True)
class Watermark:
    """Where a tag stands in the twin: its number, and the source time last stored (None: never)."""

    tag: int
    source_time: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one endpoint hands to the store in one commit.

    `heard` is when the endpoint last spoke (ns); a crash's gap starts there. `closes` ends the endpoint-wide gaps, and
    `closes_tags` the gaps of those tags, that are open in the store already: at `heard`. `gaps` are taken after that, as they
    are: one without an end stays open until a later delivery closes it.
    """

    endpoint: int
    changes: Sequence[Changes] = ()
    gaps: Sequence[Gap] = ()
    heard: int | None = None
    closes: bool = False
    closes_tags: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one delivery, durable when you hold it: values in = stored + sum(rejected)."""

    endpoint: int
    stored: int
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of one tag at a moment, honest about what is known.

    `sample.status` is as stored; `status` is what a reader must believe: degraded while a gap covers the moment.
    `sample` is None where nothing was ever stored up to the moment.
    """

    path: str
    unit: str | None
    type: str
    sample: Sample | None
    status: int
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class History:
    """Raw history of one tag over [start, end), by source time, with the gaps that touch it.

    `complete` is False when `limit` cut it; then read on from the last sample's source time.
    """

    path: str
    unit: str | None
    samples: Sequence[Sample]
    gaps: Sequence[Gap]
    complete: bool


@dataclass(frozen=True, slots=True)
class Account:
    """The durable loss account of one endpoint, written in the same transaction as its values."""

    endpoint: str
    stored: int
    rejected: Mapping[str, int]


class TwinStore(Protocol):
    """Current values and history of every mirrored tag. One writer; readers never block it.

    `gateway.store` must pass `tests/contract/twin_store.py`.
    """

    async def register_endpoint(self, key: str) -> int:
        """The number of endpoint `site/name`, given on first sight and kept for ever."""

    async def register_tags(self, tags: Sequence[TagRecord]) -> list[Watermark]:
        """Make the tags known (or update what is known of them); numbers are kept for ever. Same order as given."""

    async def commit(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Store durably, all or nothing, and say what became of every value. Same order as given.

        Raises:
            StoreFull: no space left; nothing of this call was stored.
            StoreError: anything else that kept it from being stored; nothing was.
        """

    async def last_heard(self) -> dict[str, int]:
        """Per endpoint key, when it last spoke according to the store (ns)."""

    async def open_gaps(self) -> list[Gap]:
        """Gaps without an end."""

    async def current(self, pattern: str, *, now: int, grace_ns: int) -> list[Reading]:
        """Readings of all tags that `plant.hierarchy.matches(pattern, path)`, by path."""

    async def as_of(self, pattern: str, *, moment: int, grace_ns: int) -> list[Reading]:
        """Readings as they were at `moment` by source time; outages show as outages."""

    async def history(self, path: str, *, start: int, end: int, limit: int = 10_000) -> History:
        """Raw history of one tag.

        Raises:
            NotFound: no tag has that path.
        """

    async def gaps(self, pattern: str, *, start: int, end: int) -> list[tuple[str, Gap]]:
        """Gaps that touch [start, end], as (tag path, or endpoint key for endpoint-wide ones; gap)."""

    async def tags(self, pattern: str) -> list[TagRecord]:
        """What is known of the tags that match."""

    async def accounts(self) -> list[Account]:
        """The durable account of every endpoint."""

    async def verify(self) -> list[str]:
        """Recount history against the accounts and check every block's integrity; each finding one sentence, none when sound."""

    async def statistics(self) -> Mapping[str, float]:
        """Figures for metrics: rows, bytes, blocks, commit seconds, …"""


# --- equipment ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OperationLimits:
    """What one call may hold; None where the server sets no limit (it reports 0; OPC 10000-5, 6.3.11)."""

    monitored_items_per_call: int | None = None
    nodes_per_read: int | None = None
    nodes_per_write: int | None = None
    nodes_per_translate: int | None = None
    nodes_per_browse: int | None = None
    nodes_per_method_call: int | None = None
    monitored_items_per_subscription: int | None = None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself when a session begins."""

    product: str
    software_version: str
    namespaces: tuple[str, ...]
    limits: OperationLimits
    service_level: int | None
    clock_offset_s: float | None  #: server time minus ours
    certificate_expires: int | None  #: ns since the Unix epoch; None without security


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a server says of one variable. `status` bad: the node does not exist or cannot be read."""

    status: int
    type: DataType | None = None  #: built-in type of its data type
    type_name: str = ""
    array: bool = False
    readable: bool = False
    writable: bool = False
    has_history: bool = False
    minimum_sampling_ms: float | None = None
    range: tuple[float, float] | None = None  #: EURange
    unit: str | None = None  #: display name of EngineeringUnits


@dataclass(frozen=True, slots=True)
class ItemRequest:
    """One monitored item to create. `handle` is the client handle: the row in the mirror's item table."""

    handle: int
    node: str
    sampling_ms: float
    queue_size: int
    deadband: Deadband | None = None
    type: DataType | None = None  #: items are grouped by it, so that runs decode together


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What the server made of one item. `status` bad: rejected; the reason is the status."""

    handle: int
    status: int
    sampling_ms: float = 0.0
    queue_size: int = 0
    deadband_refused: bool = False


@dataclass(frozen=True, slots=True)
class TypedValue:
    """A value with the exact type it has on the wire. Never guessed from the Python type."""

    type: TagType
    value: Any


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What a method answered: the call's StatusCode and its output arguments as Python values."""

    status: int
    outputs: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadOutcome:
    """One value read from equipment; `status` bad means `value` is None or not to be trusted."""

    status: int
    value: Any = None
    type: DataType = DataType.NULL
    source_time: int | None = None


class Equipment(Protocol):
    """A session with one server, for acting on nodes. NodeIds are `nsu=<uri>;<id>` texts.

    Every method raises `gateway.errors.EquipmentError` (ConnectionLost, ServiceFault, …) when the service as a whole fails;
    the fate of single nodes is in the results.
    """

    @property
    def facts(self) -> ServerFacts:
        """Read once when the session began."""

    async def resolve(self, root: RootNode, paths: Sequence[str]) -> list[str | int]:
        """For each browse path below `root` (`""` is the root itself) its NodeId, or the bad StatusCode.

        By TranslateBrowsePathsToNodeIds (OPC 10000-4, 5.9.4), chunked.
        """

    async def inspect(self, nodes: Sequence[str]) -> list[NodeFacts]:
        """Data type, rank, access, range and unit of variables."""

    async def read(self, nodes: Sequence[str]) -> list[ReadOutcome]:
        """Read values."""

    async def write(self, writes: Sequence[tuple[str, TypedValue]]) -> list[int]:
        """Write values in their exact types, without timestamps; one StatusCode each, never raising for one of them."""

    async def call(self, node: str, method: str, arguments: Sequence[TypedValue]) -> CallOutcome:
        """Call the method with NodeId `method` on the object `node`."""


class Dialer(Protocol):
    """Opens sessions."""

    def dial(self, endpoint: Endpoint) -> AbstractAsyncContextManager[Equipment]:
        """Connect, check certificates, activate. One attempt: whoever dials decides about trying again."""
