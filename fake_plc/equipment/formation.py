"""Formation charger: cells get their first charge, each on a channel of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from fake_plc.equipment.machine import Alarm, Machine
from fake_plc.process import CycleTimes, Lag, Wear
from fake_plc.signals import Parameter, PlainValue, Range, Signal, analog

CHANNELS = 16


@dataclass
class Channel:
    """One cell on its channel: charge in Ah, resistance in mOhm, temperature in degC."""

    capacity: float
    resistance: float
    offset: float
    charge: float = 0.0
    current: float = 0.0
    voltage: float = 3.0
    temperature: float = 25.0

    def step(self, limit: float, ceiling: float, chiller: float, dt: float) -> None:
        """Charge for ``dt`` process seconds at up to ``limit`` A, not above ``ceiling`` V (constant current, then voltage)."""
        open_circuit = 3.0 + 0.9 * min(1.0, self.charge / self.capacity) ** 0.8 + self.offset
        headroom = max(0.0, ceiling - open_circuit) / (self.resistance / 1000.0)
        self.current = min(limit, headroom)
        self.voltage = open_circuit + self.current * self.resistance / 1000.0
        # A second of the simulation stands for two minutes of formation, else one batch would take ten hours.
        self.charge += self.current * dt * 120.0 / 3600.0
        heat = self.current**2 * self.resistance / 1000.0
        self.temperature += (chiller + 4.0 * heat - self.temperature) * min(1.0, dt / 20.0)

    def rest(self, chiller: float, dt: float) -> None:
        """No current: the voltage relaxes."""
        self.current = 0.0
        self.voltage += (3.0 + 0.9 * min(1.0, self.charge / self.capacity) ** 0.8 + self.offset - self.voltage) * min(
            1.0, dt / 3.0
        )
        self.temperature += (chiller - self.temperature) * min(1.0, dt / 20.0)


class FormationCharger(Machine):
    """Constant current, then constant voltage, on sixteen channels; the open-circuit voltage afterwards is what counts."""

    kind: ClassVar[str] = "formation-charger"
    description: ClassVar[str] = "Formation charger with sixteen channels and a chiller"
    times: ClassVar[CycleTimes] = CycleTimes(idle=18.0, starting=3.0, running=60.0, stopping=10.0)
    power: ClassVar[float] = 25.0
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("cc_current", "CcCurrent", "Float", 12.5, "A", Range(1, 40)),
        Parameter("cv_voltage", "CvVoltage", "Float", 3.65, "V", Range(2.5, 4.4)),
        Parameter("cutoff_current", "CutoffCurrent", "Float", 1.2, "A", Range(0.05, 10)),
        Parameter("chiller_setpoint", "ChillerSetpoint", "Float", 25.0, "degC", Range(15, 45)),
        Parameter("rest_time", "RestTime", "UInt32", 1800, "s", Range(0, 86400)),
        Parameter("max_temperature", "MaxTemperature", "Float", 45.0, "degC", Range(30, 60)),
        Parameter("cycles", "Cycles", "Int32", 2, "", Range(1, 10)),
        Parameter("procedure", "Procedure", "String", "FORM_A"),
    )
    process_signals: ClassVar[tuple[Signal, ...]] = (
        *(
            signal
            for c in range(1, CHANNELS + 1)
            for signal in (
                analog(
                    f"Channel/{c:02d}/Voltage",
                    "V",
                    0,
                    5,
                    f"Cell voltage of channel {c}. Above its ceiling: stop the channel.",
                    digits=4,
                    deadband=0.001,
                    history=c <= 2,
                ),
                analog(
                    f"Channel/{c:02d}/Current",
                    "A",
                    0,
                    60,
                    f"Charging current of channel {c}.",
                    type="Float",
                    digits=3,
                    deadband=0.01,
                    history=c <= 2,
                ),
                analog(
                    f"Channel/{c:02d}/Temperature",
                    "degC",
                    -10,
                    90,
                    f"Cell on channel {c}. 5 °C above its neighbours: take the cell out, it may be shorted.",
                    type="Float",
                    period=2.0,
                    digits=1,
                    deadband=0.1,
                ),
                analog(
                    f"Channel/{c:02d}/Charge",
                    "Ah",
                    0,
                    200,
                    f"Charge given to the cell of channel {c} in this batch.",
                    type="Float",
                    period=2.0,
                    digits=2,
                    deadband=0.05,
                ),
            )
        ),
        analog(
            "Process/Voltages", "V", 0, 5, "All cell voltages in the order of the channels.", type="Float[]", period=2.0, digits=3
        ),
        analog(
            "Process/Currents", "A", 0, 60, "All currents in the order of the channels.", type="Float[]", period=2.0, digits=2
        ),
        analog(
            "Process/ContactResistances",
            "mOhm",
            0,
            20,
            "Resistance of the contacts. Above 2 mΩ clean the pins.",
            type="Float[]",
            period=10.0,
        ),
        analog("Process/MeanVoltage", "V", 0, 5, "Mean of the cell voltages.", digits=4, deadband=0.001, history=True),
        analog(
            "Process/VoltageSpread",
            "V",
            0,
            2,
            "Largest less smallest cell voltage. Above 0.1 V at rest: sort the cells.",
            digits=4,
            deadband=0.001,
        ),
        analog("Process/TotalPower", "kW", 0, 60, "Power into all cells.", type="Float", deadband=0.02),
        analog(
            "Process/OpenCircuitVoltage",
            "V",
            0,
            5,
            "Mean open-circuit voltage at the end of the last batch: the measure of the process.",
            digits=4,
            history=True,
        ),
        Signal("Process/ChannelsActive", "Byte", "Channels with a cell under current."),
        Signal("Process/Tray", "String", "Identity of the tray of cells."),
        Signal("Process/Phase", "Int16", "Phase of the procedure: 0 rest, 1 constant current, 2 constant voltage."),
        analog(
            "Chiller/SupplyTemperature",
            "degC",
            -10,
            60,
            "Coolant to the trays. 3 °C off the setpoint: check the chiller.",
            digits=1,
            deadband=0.1,
            history=True,
        ),
        analog("Chiller/ReturnTemperature", "degC", -10, 60, "Coolant from the trays.", type="Float", digits=1, deadband=0.1),
        analog("Chiller/Flow", "m3/h", 0, 30, "Coolant flow. Below 4 m³/h the machine trips.", type="Float", deadband=0.02),
        Signal("Chiller/Running", "Boolean", "The chiller runs."),
        Signal(
            "Safety/SmokeDetected",
            "Boolean",
            "Smoke in the chamber. The fire brigade is called by the site's own system, not from here.",
        ),
        analog(
            "Safety/GasConcentration",
            "%",
            0,
            100,
            "Electrolyte vapour, share of the lower explosive limit.",
            type="Float",
            period=2.0,
            deadband=0.1,
        ),
    )

    def __init__(self, name: str, rng: random.Random) -> None:
        super().__init__(name, rng)
        self._channels = [self._new_cell() for _ in range(CHANNELS)]
        self._contacts = [rng.uniform(0.5, 1.2) for _ in range(CHANNELS)]
        self._supply = Lag(25.0, 15.0)
        self._pins = Wear(500.0, rng)
        self._open_circuit = 0.0

    def _new_cell(self) -> Channel:
        return Channel(self.rng.gauss(20.0, 0.15), self.rng.gauss(6.0, 0.2), self.rng.gauss(0.0, 0.002))

    @property
    def wear(self) -> float:
        return self._pins.value

    def step_process(self, dt: float) -> None:
        running = self.cycle.running
        chiller = self._supply.step(self.number("ChillerSetpoint"), dt)
        if self.cycle.just_started:
            self._channels = [self._new_cell() for _ in range(CHANNELS)]
        for channel in self._channels:
            if running:
                channel.step(self.number("CcCurrent"), self.number("CvVoltage"), chiller, dt)
                if channel.current < self.number("CutoffCurrent"):
                    channel.rest(chiller, 0.0)
            else:
                channel.rest(chiller, dt)
        self._pins.step(1.0 if running else 0.0, dt)
        if self.cycle.just_finished:
            for channel in self._channels:
                self.tally.add(channel.voltage + channel.offset)
            self._open_circuit = self.tally.mean
        if running and max(channel.temperature for channel in self._channels) > self.number("MaxTemperature") + 10.0:
            self.cycle.fault()

    def process_values(self) -> Mapping[str, PlainValue]:
        cells = self._channels
        found: dict[str, PlainValue] = {}
        for number, cell in enumerate(cells, start=1):
            found[f"Channel/{number:02d}/Voltage"] = cell.voltage
            found[f"Channel/{number:02d}/Current"] = cell.current
            found[f"Channel/{number:02d}/Temperature"] = cell.temperature + self.noise(0.04)
            found[f"Channel/{number:02d}/Charge"] = cell.charge
        voltages = [cell.voltage for cell in cells]
        active = sum(cell.current > 0.0 for cell in cells)
        ceiling = self.number("CvVoltage") - 0.005
        heat = sum(cell.current**2 * cell.resistance / 1e3 for cell in cells)
        found |= {
            "Process/Voltages": voltages,
            "Process/Currents": [cell.current for cell in cells],
            "Process/ContactResistances": [contact * (1.0 + self._pins.value) for contact in self._contacts],
            "Process/MeanVoltage": sum(voltages) / len(voltages),
            "Process/VoltageSpread": max(voltages) - min(voltages),
            "Process/TotalPower": sum(cell.voltage * cell.current for cell in cells) / 1000.0,
            "Process/OpenCircuitVoltage": self._open_circuit,
            "Process/ChannelsActive": active,
            "Process/Tray": f"TRAY-{self.cycle.count % 40:03d}" if self.cycle.count else "",
            "Process/Phase": 0 if not active else 2 if max(voltages) >= ceiling else 1,
            "Chiller/SupplyTemperature": self._supply.value + self.noise(0.05),
            "Chiller/ReturnTemperature": self._supply.value + heat * 0.2 + self.noise(0.05),
            "Chiller/Flow": 9.5 + self.noise(0.01),
            "Chiller/Running": True,
            "Safety/SmokeDetected": False,
            "Safety/GasConcentration": 0.4 + abs(self.noise(0.05)),
        }
        return found

    def process_alarms(self) -> Sequence[Alarm]:
        limit = self.number("MaxTemperature")
        hot = [number for number, cell in enumerate(self._channels, start=1) if cell.temperature > limit]
        if hot:
            listed = ", ".join(str(number) for number in hot)
            return (Alarm("CellTemperatureHigh", 800, f"{self.name}: cells above {limit:.0f} °C on channels {listed}"),)
        return ()
