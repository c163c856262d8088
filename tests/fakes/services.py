"""A daemon of paper: a small plant, a scripted mirror and twin, and recorded requests, behind the real API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.api.services import Services
from gateway.api.times import iso
from gateway.api.tokens import Identity, Role
from gateway.errors import NotFound
from gateway.mirror.report import EndpointReport, EndpointState, Finding, ItemReport
from gateway.plant.equipment_class import (
    Credentials,
    Endpoint,
    Equipment,
    EquipmentClass,
    Line,
    MirrorDefaults,
    Plant,
    RootNode,
    Secret,
    Site,
    Tag,
    TagType,
)
from gateway.plant.hierarchy import EquipmentPath, matches
from gateway.plant.ports import (
    Account,
    Delivery,
    Gap,
    GapReason,
    History,
    Reading,
    Receipt,
    TagRecord,
    Watermark,
)
from gateway.plant.values import DataType, Sample
from gateway.recipes.control_recipe import ControlRecipe, RenderedParameter
from gateway.recipes.diff import DiffRow
from gateway.recipes.journal import Outcome, Push, Quarantine, Step
from gateway.recipes.selection import TargetValidation, Validation
from gateway.recipes.service import DiffReport, PushStatus

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND  # 2027-01-15T08:00:00Z
COATER = "wroclaw/electrode/line-1/coater-1"
WEIGHT = f"{COATER}/Process/CoatWeight"
SPEED = f"{COATER}/Recipe/Active/CoatSpeed"
VIEWER, OPERATOR = "viewer-token", "operator-token"

_COATER_CLASS = EquipmentClass(
    name="coater",
    version="1.0.0",
    description="Slot-die electrode coater",
    tags=(
        Tag("Process/CoatWeight", TagType(DataType.DOUBLE), "g/m2", max_silence_s=10.0, guidance="Check the slot die."),
        Tag("Recipe/Active/CoatSpeed", TagType(DataType.FLOAT), "m/min"),
    ),
)
PLANT = Plant(
    enterprise="acme-cells",
    mother="ochang",
    mirror=MirrorDefaults(),
    classes={"coater": _COATER_CLASS},
    sites=(
        Site(
            name="wroclaw",
            title="Wrocław",
            country="PL",
            locale="pl-PL",
            endpoints=(
                Endpoint(
                    "wroclaw",
                    "electrode-plc",
                    "opc.tcp://127.0.0.1:48411",
                    credentials=Credentials("gateway-user", Secret(env="WROCLAW_PASSWORD")),
                ),
            ),
            lines=(
                Line(
                    "wroclaw",
                    "electrode",
                    "line-1",
                    "child-line",
                    1.0,
                    (
                        Equipment(
                            EquipmentPath.parse(COATER),
                            _COATER_CLASS,
                            "electrode-plc",
                            RootNode("urn:acme:wroclaw:electrode", "Line1/Beschichter1", None),
                            "mailbox",
                            rename={"Process/CoatWeight": "Prozess/Flaechengewicht"},
                        ),
                    ),
                ),
            ),
        ),
    ),
)
REPORT = EndpointReport(
    site="wroclaw",
    endpoint="electrode-plc",
    url="opc.tcp://127.0.0.1:48411",
    state=EndpointState.CONNECTED,
    since=NOW - 60 * SECOND,
    reason="",
    received=100,
    stored=90,
    rejected={"duplicate": 7, "poison": 1},
    in_flight=2,
    in_flight_bytes=512,
    notifications=12,
    keep_alives=3,
    items_expected=2,
    items_good=2,
    last_heard=NOW - SECOND,
    last_data=NOW - SECOND,
    publish_round_trip_s=0.02,
    clock_offset_s=0.1,
    service_level=255,
    certificate_expires=NOW + 86_400 * SECOND,
    product="Fake PLC",
    software_version="1.0",
)


def item(path: str = WEIGHT, **changes: Any) -> ItemReport:
    """A monitored item that reports, or as changed."""
    made = ItemReport(
        path=path,
        endpoint="wroclaw/electrode-plc",
        site_path="Prozess/Flaechengewicht",
        node="nsu=urn:acme:wroclaw:electrode;s=Coater1.Weight",
        state="reporting",
        status=0,
        reason="",
        declared_type="Double",
        server_type="Double",
        sampling_requested_ms=500.0,
        sampling_revised_ms=500.0,
        queue_size=20,
        deadband=None,
        max_silence_s=10.0,
        guidance="Check the slot die.",
        shows_loss=True,
    )
    return replace(made, **changes)


def sample(value: Any, *, at: int = NOW - SECOND, status: int = 0, type: DataType = DataType.DOUBLE) -> Sample:
    """A stored change."""
    return Sample(value, type, status, at, at, at + 1_000_000, 0)


@dataclass
class PaperMirror:
    """A mirror that shows what it is given."""

    shown: list[EndpointReport] = field(default_factory=lambda: [REPORT])
    watched: list[ItemReport] = field(default_factory=lambda: [item()])
    found: list[Finding] = field(default_factory=list)

    def reports(self) -> Sequence[EndpointReport]:
        return self.shown

    def items(self, pattern: str) -> Sequence[ItemReport]:
        return [item for item in self.watched if matches(pattern, item.path)]

    def findings(self, pattern: str = "") -> Sequence[Finding]:
        return [finding for finding in self.found if matches(pattern, finding.equipment)]


def _records() -> list[TagRecord]:
    key, base = "wroclaw/electrode-plc", "nsu=urn:acme:wroclaw:electrode;s="
    return [
        TagRecord(WEIGHT, key, base + "Coater1.Weight", "coater", "Double", "g/m2"),
        TagRecord(SPEED, key, base + "Coater1.Speed", "coater", "Float", "m/min", masked=True),
    ]


@dataclass
class PaperTwin:
    """A twin store that shows what it is given and takes nothing."""

    records: list[TagRecord] = field(default_factory=_records)
    samples: dict[str, list[Sample]] = field(default_factory=lambda: {WEIGHT: [sample(120.5)], SPEED: [sample(42.0)]})
    holes: list[tuple[str, Gap]] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    failure: Exception | None = None

    async def register_endpoint(self, key: str) -> int:
        raise NotImplementedError

    async def register_tags(self, tags: Sequence[TagRecord]) -> list[Watermark]:
        raise NotImplementedError

    async def commit(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        raise NotImplementedError

    async def last_heard(self) -> dict[str, int]:
        return {}

    async def open_gaps(self) -> list[Gap]:
        return [gap for _, gap in self.holes if gap.end is None]

    async def current(self, pattern: str, *, now: int, grace_ns: int) -> list[Reading]:
        return await self.as_of(pattern, moment=now, grace_ns=grace_ns)

    async def as_of(self, pattern: str, *, moment: int, grace_ns: int) -> list[Reading]:
        if self.failure is not None:
            raise self.failure
        readings = []
        for record in self.records:
            if matches(pattern, record.path):
                past = [sample for sample in self.samples.get(record.path, []) if sample.source_time <= moment]
                last = past[-1] if past else None
                hole = next((gap for where, gap in self.holes if where == record.path and gap.start <= moment), None)
                status = 0x408F0000 if hole else last.status if last else 0x80320000
                readings.append(Reading(record.path, record.unit, record.type, last, status, hole))
        return sorted(readings, key=lambda reading: reading.path)

    async def history(self, path: str, *, start: int, end: int, limit: int = 10_000) -> History:
        record = next((record for record in self.records if record.path == path), None)
        if record is None:
            raise NotFound(f"The twin knows no tag '{path}'; 'gateway twin get' lists them.")
        inside = [sample for sample in self.samples.get(path, []) if start <= sample.source_time < end]
        gaps = [gap for where, gap in self.holes if where == path]
        return History(path, record.unit, inside[:limit], gaps, len(inside) <= limit)

    async def gaps(self, pattern: str, *, start: int, end: int) -> list[tuple[str, Gap]]:
        return [(where, gap) for where, gap in self.holes if matches(pattern, where) and gap.start <= end]

    async def tags(self, pattern: str) -> list[TagRecord]:
        return [record for record in self.records if matches(pattern, record.path)]

    async def accounts(self) -> list[Account]:
        return [Account("wroclaw/electrode-plc", 90, {"duplicate": 7, "poison": 1})]

    async def verify(self) -> list[str]:
        return self.unsound

    async def statistics(self) -> Mapping[str, float]:
        if self.failure is not None:
            raise self.failure
        return self.figures


def hole(start: int, end: int | None = None, reason: GapReason = GapReason.DISCONNECTED) -> Gap:
    """A gap of the one endpoint."""
    return Gap(1, None, start, end, reason)


class FixedTokens:
    """Two bearers, known by heart."""

    def check(self, bearer: str) -> Identity | None:
        known = {VIEWER: Identity("victor", Role.VIEWER), OPERATOR: Identity("olga", Role.OPERATOR)}
        return known.get(bearer)


class StoppedClock:
    """A clock that stands at NOW."""

    def now(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return 1000.0


def control_recipe(confidentiality: str = "secret") -> ControlRecipe:
    """What a push of `coat@1.0.0` would write into the coater."""
    parameter = RenderedParameter(
        name="coat_speed", node="CoatSpeed", type=TagType(DataType.FLOAT), unit="m/min", value=45.5,
        wire_type=TagType(DataType.FLOAT), wire_unit="m/min", scale=1.0, offset=0.0, wire_value=45.5, critical=True,
    )  # fmt: skip
    return ControlRecipe(
        recipe_id="coat", version="1.0.0", master_digest="sha256:master", confidentiality=confidentiality,
        equipment=EquipmentPath.parse(COATER), equipment_class="coater", class_version="1.0.0", handshake="mailbox",
        block="Recipe", firmware=None, parameters=(parameter,), interlocks=(),
    )  # fmt: skip


@dataclass
class PaperPushes:
    """A push service that records what it is asked; each look at a push brings it one step further."""

    control: ControlRecipe = field(default_factory=control_recipe)
    ends: Outcome = Outcome.CONFIRMED
    submitted: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    blocked: list[Quarantine] = field(default_factory=list)
    released: list[tuple[str, str, str]] = field(default_factory=list)
    failure: Exception | None = None
    complaints: tuple[str, ...] = ()
    looks: int = 0

    def validate(self, text: str, filename: str, target: str = "") -> Validation:
        self._fail()
        rendered = None if self.complaints else "sha256:rendered"
        checked = TargetValidation(COATER, self.complaints, ("firmware is not checked",), rendered)
        return Validation("coat@1.0.0", "coater", "sha256:master", (checked,))

    async def diff(self, text: str, filename: str, target: str) -> DiffReport:
        self._fail()
        row = DiffRow("coat_speed", "m/min", 42.0, 45.5, same=False, critical=True)
        return DiffReport("coat@1.0.0", COATER, "sha256:rendered", "sha256:active", False, (row,))

    async def submit(self, text: str, filename: str, target: str, requested_by: str, idempotency_key: str) -> int:
        self._fail()
        asked = (text, filename, target, requested_by, idempotency_key)
        if asked not in self.submitted:
            self.submitted.append(asked)
        return self.submitted.index(asked) + 1

    async def status(self, id: int, *, values: bool = False) -> PushStatus:
        if id > len(self.submitted):
            raise NotFound(f"There is no push {id}.")
        self.looks += 1
        states = ["Planned", "Leased", "CommitSent", self.ends.value][: max(1, self.looks + 1)]
        held = {"coat_speed": 42.0} if values else {}
        steps = [Step(id, n, NOW + n * SECOND, 1, state, values=held) for n, state in enumerate(states)]
        return PushStatus(self._push(id, states[-1]), steps)

    async def pushes(self, pattern: str = "", *, limit: int = 100) -> Sequence[Push]:
        if not matches(pattern, COATER):
            return []
        return [self._push(n, self.ends.value) for n in range(len(self.submitted), 0, -1)][:limit]

    async def quarantines(self) -> Sequence[Quarantine]:
        return self.blocked

    async def release_quarantine(self, equipment: str, *, by: str, reason: str) -> None:
        if not any(item.equipment == equipment for item in self.blocked):
            raise NotFound(f"{equipment} is not quarantined.")
        self.released.append((equipment, by, reason))

    def _push(self, id: int, state: str) -> Push:
        asked = self.submitted[id - 1]
        ended = state == self.ends.value
        return Push(
            id=id, control=self.control, requested_by=asked[3], requested_at=NOW, idempotency_key=asked[4], state=state,
            outcome=self.ends if ended else None, reason="", ended_at=NOW if ended else None,
        )  # fmt: skip

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def log_record(event: str, ago: int, **more: str) -> dict[str, Any]:
    """A log record that is `ago` nanoseconds old, in the form of the log's tail."""
    return {"event": event, "level": "info", "timestamp": iso(NOW - ago), **more}


@dataclass
class Paper:
    """The parts of the daemon of paper, to be changed by a test before it asks."""

    mirror: PaperMirror = field(default_factory=PaperMirror)
    twin: PaperTwin = field(default_factory=PaperTwin)
    pushes: PaperPushes = field(default_factory=PaperPushes)
    plant: Plant = PLANT
    is_ready: tuple[bool, Sequence[str]] = (True, ())
    backups: list[Path] = field(default_factory=list)
    reloads: int = 0
    reload_failure: Exception | None = None
    log: list[Mapping[str, Any]] = field(default_factory=lambda: [log_record("started", SECOND)])

    async def _metrics(self) -> bytes:
        return b"# TYPE gateway_up gauge\ngateway_up 1\n"

    async def _reload(self) -> Mapping[str, Any]:
        if self.reload_failure is not None:
            raise self.reload_failure
        self.reloads += 1
        return {"added": [], "changed": [], "removed": [], "kept": ["wroclaw/electrode-plc"]}

    async def _backup(self, target: Path) -> Mapping[str, Any]:
        self.backups.append(target)
        return {"format": 1, "finished": "2027-01-15T08:00:00Z", "files": [{"name": "twin.db", "bytes": 9, "sha256": "0" * 64}]}

    def services(self) -> Services:
        """What `create_app` needs."""
        return Services(
            version="0.1.0",
            clock=StoppedClock(),
            twin=self.twin,
            mirror=self.mirror,
            plant=lambda: self.plant,
            pushes=self.pushes,
            tokens=FixedTokens(),
            metrics=self._metrics,
            ready=lambda: self.is_ready,
            reload=self._reload,
            backup=self._backup,
            log_tail=lambda: self.log,
        )
