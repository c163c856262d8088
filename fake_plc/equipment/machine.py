"""What every machine has: state, batches, identity, diagnostics, alarms. Each kind adds its own process."""

from __future__ import annotations

import random
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from fake_plc.process import BatchCycle, CycleTimes, Mode, Tally
from fake_plc.signals import Parameter, PlainValue, Signal, analog

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Alarm:
    """One alarm condition of a machine. ``severity`` is 1 to 1000 (OPC 10000-5, 6.4.2)."""

    name: str
    severity: int
    message: str


COMMON_SIGNALS: tuple[Signal, ...] = (
    Signal(
        "State/Mode", "Enumeration", "What the machine does now. Faulted needs somebody at the machine, then Reset.", history=True
    ),
    Signal("State/Running", "Boolean", "True while product is made."),
    Signal(
        "State/Heartbeat",
        "UInt32",
        "Counts once a second. If it stands still the controller has stopped, whatever else is shown.",
        max_silence=10.0,
    ),
    Signal("State/Message", "LocalizedText", "What the panel at the machine shows, in the site's language."),
    Signal("State/AlarmCount", "UInt16", "Alarms active now. Look at the events of this machine for which."),
    Signal("Batch/Id", "String", "Identity of the batch; while Idle that of the last one.", history=True),
    Signal("Batch/Count", "UInt32", "Batches begun since the machine was installed."),
    Signal("Batch/StartedAt", "DateTime", "When the present batch began, by the controller's clock."),
    analog("Batch/Progress", "%", 0, 100, "Share of the running phase that is done.", type="Float", digits=0),
    Signal(
        "Batch/Summary",
        "Structure",
        "Result of the last finished batch: pieces made and rejected, mean and spread of the main measure.",
    ),
    Signal("Identity/SerialNumber", "String", "Serial number on the type plate.", period=60.0),
    Signal(
        "Identity/Firmware", "String", "Firmware of the controller. Recipes name the versions they were proven on.", period=60.0
    ),
    Signal("Identity/AssetId", "Guid", "Identity of the asset in the enterprise's register.", period=60.0),
    Signal(
        "Identity/ProgramChecksum",
        "ByteString",
        "Checksum of the controller's program. A change without a change request is a finding.",
        period=60.0,
    ),
    analog(
        "Diagnostics/CycleTime",
        "ms",
        0,
        100,
        "Cycle time of the controller. Above 50 ms the control loops suffer.",
        type="Float",
        deadband=0.5,
    ),
    analog(
        "Diagnostics/CabinetTemperature",
        "degC",
        -20,
        90,
        "Control cabinet. Above 55 °C check the filter mats.",
        type="Float",
        period=5.0,
        digits=1,
        deadband=0.2,
    ),
    Signal(
        "Diagnostics/ErrorCount",
        "Int64",
        "Errors of the fieldbus since power-on. Rising steadily means a bad connector.",
        period=5.0,
    ),
    analog("Maintenance/OperatingHours", "h", 0, 200000, "Hours of running since installation.", period=10.0, digits=3),
    analog(
        "Maintenance/Wear",
        "%",
        0,
        100,
        "Wear of the part that is replaced most often. Plan its replacement above 80 %.",
        type="Float",
        period=5.0,
        digits=1,
        history=True,
    ),
    Signal("Maintenance/EnergyCounter", "UInt64", "Energy used since installation, in Wh.", period=5.0),
)


class Machine(ABC):
    """One piece of equipment: ``step`` advances its process, ``values`` shows it."""

    kind: ClassVar[str]
    description: ClassVar[str]
    version: ClassVar[str] = "1.0.0"
    process_signals: ClassVar[tuple[Signal, ...]]
    parameters: ClassVar[tuple[Parameter, ...]]
    times: ClassVar[CycleTimes]
    power: ClassVar[float] = 10.0
    """Electrical power while running, kW."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name = name
        self.rng = rng
        self.cycle = BatchCycle(self.times, name.upper(), rng)
        self.recipe: dict[str, bool | int | float | str] = {p.node: p.default for p in self.parameters}
        self.tally = Tally()
        self.started_at = EPOCH
        self.heartbeat = 0
        self.forced_alarms: dict[str, Alarm] = {}
        self._seconds = 0.0
        self._hours = rng.uniform(2000, 9000)
        self._energy_wh = rng.randrange(10_000_000, 900_000_000)
        self._errors = rng.randrange(0, 40)
        self._serial = f"{self.kind[:3].upper()}-{rng.randrange(10_000, 99_999)}"
        self._asset = uuid.UUID(int=rng.getrandbits(128), version=4)
        self._checksum = rng.randbytes(16)
        self._summary: Mapping[str, PlainValue] = self._summarise(EPOCH, "")

    @classmethod
    def signals(cls) -> tuple[Signal, ...]:
        """Every variable of the class except those of the recipe block."""
        return COMMON_SIGNALS + cls.process_signals

    def number(self, node: str) -> float:
        """The active value of a numeric recipe parameter."""
        return float(self.recipe[node])

    def noise(self, sigma: float) -> float:
        """One sample of normal noise."""
        return self.rng.gauss(0.0, sigma)

    def step(self, dt: float, now: datetime, *, hold: bool = False) -> None:
        """Advance by ``dt`` seconds of process time; ``now`` is the controller's clock."""
        self.cycle.step(dt, hold=hold)
        if self.cycle.just_started:
            self.started_at = now
            self.tally = Tally()
        self._seconds += dt
        self.heartbeat = int(self._seconds) & 0xFFFFFFFF
        if self.cycle.running:
            self._hours += dt / 3600.0
        self._energy_wh += int((self.power if self.cycle.running else self.power * 0.1) * 1000 * dt / 3600.0 + self.rng.random())
        if self.rng.random() < dt * 0.002:
            self._errors += 1
        self.step_process(dt)
        if self.cycle.just_finished:
            self._summary = self._summarise(now, self.cycle.batch_id)

    @abstractmethod
    def step_process(self, dt: float) -> None:
        """Advance the process itself by ``dt`` seconds."""

    @abstractmethod
    def process_values(self) -> Mapping[str, PlainValue]:
        """Values of ``process_signals`` by class path, in the class's units."""

    @property
    @abstractmethod
    def wear(self) -> float:
        """Wear of the main part, 0 to 1."""

    def process_alarms(self) -> Sequence[Alarm]:
        """Alarms that the process raises now."""
        return ()

    def alarms(self) -> list[Alarm]:
        """All alarms active now."""
        found = [*self.process_alarms(), *self.forced_alarms.values()]
        if self.wear > 0.9:
            found.append(Alarm("WearHigh", 300, f"{self.name}: main part worn to {self.wear:.0%}"))
        if self.cycle.mode is Mode.FAULTED:
            found.append(Alarm("Tripped", 900, f"{self.name}: machine tripped"))
        return found

    def values(self) -> dict[str, PlainValue]:
        """Every signal's value by class path."""
        mode = self.cycle.mode
        found: dict[str, PlainValue] = {
            "State/Mode": int(mode),
            "State/Running": self.cycle.running,
            "State/Heartbeat": self.heartbeat,
            "State/Message": mode.name.capitalize(),
            "State/AlarmCount": len(self.alarms()),
            "Batch/Id": self.cycle.batch_id,
            "Batch/Count": self.cycle.count,
            "Batch/StartedAt": self.started_at,
            "Batch/Progress": self.cycle.progress * 100.0,
            "Batch/Summary": self._summary,
            "Identity/SerialNumber": self._serial,
            "Identity/Firmware": "4.2.1",
            "Identity/AssetId": self._asset,
            "Identity/ProgramChecksum": self._checksum,
            "Diagnostics/CycleTime": 12.0 + (6.0 if self.cycle.running else 0.0) + abs(self.noise(0.4)),
            "Diagnostics/CabinetTemperature": 34.0 + (6.0 if self.cycle.running else 0.0) + self.noise(0.1),
            "Diagnostics/ErrorCount": self._errors,
            "Maintenance/OperatingHours": self._hours,
            "Maintenance/Wear": self.wear * 100.0,
            "Maintenance/EnergyCounter": self._energy_wh,
        }
        found.update(self.process_values())
        return found

    def _summarise(self, now: datetime, batch_id: str) -> Mapping[str, PlainValue]:
        rejected = sum(1 for _ in range(min(self.tally.count, 50)) if self.rng.random() < 0.01)
        return {
            "BatchId": batch_id,
            "Produced": self.tally.count,
            "Rejected": rejected,
            "Mean": self.tally.mean,
            "Sigma": self.tally.sigma,
            "FinishedAt": now,
        }
