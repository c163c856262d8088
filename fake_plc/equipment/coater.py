"""Slot-die electrode coater: slurry on foil, then a drying oven of four zones."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from fake_plc.equipment.machine import Alarm, Machine
from fake_plc.process import CycleTimes, Lag, Wear
from fake_plc.signals import Parameter, PlainValue, Range, Signal, analog

LANES = 16
ZONES = 4


class Coater(Machine):
    """Coat weight follows pump rate over speed; dryness follows oven temperature and residence time."""

    kind: ClassVar[str] = "coater"
    description: ClassVar[str] = "Slot-die electrode coater with a four-zone drying oven"
    times: ClassVar[CycleTimes] = CycleTimes(idle=15.0, starting=4.0, running=40.0, stopping=3.0)
    power: ClassVar[float] = 85.0
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("coat_speed", "CoatSpeed", "Float", 30.0, "m/min", Range(1, 80)),
        Parameter("coat_weight", "CoatWeight", "Float", 180.0, "g/m2", Range(50, 350)),
        Parameter("slot_gap", "SlotGap", "Float", 220.0, "um", Range(50, 600)),
        Parameter("oven_zone_1", "OvenZone1", "Float", 95.0, "degC", Range(40, 180)),
        Parameter("oven_zone_2", "OvenZone2", "Float", 115.0, "degC", Range(40, 180)),
        Parameter("oven_zone_3", "OvenZone3", "Float", 125.0, "degC", Range(40, 180)),
        Parameter("oven_zone_4", "OvenZone4", "Float", 105.0, "degC", Range(40, 180)),
        Parameter("web_tension", "WebTension", "Float", 150.0, "N", Range(20, 400)),
        Parameter("edge_trim", "EdgeTrim", "Boolean", True),
        Parameter("foil_material", "FoilMaterial", "String", "Al-15"),
    )
    process_signals: ClassVar[tuple[Signal, ...]] = (
        analog(
            "Process/CoatWeight",
            "g/m2",
            0,
            400,
            "Wet coat weight after the die. Drifting with constant speed: check the slot gap and the die lip.",
            period=0.5,
            digits=3,
            deadband=0.05,
            history=True,
        ),
        analog("Process/CoatWeightSetpoint", "g/m2", 0, 400, "What the coat weight control aims at now.", digits=3),
        analog(
            "Process/LineSpeed", "m/min", 0, 100, "Web speed at the die.", type="Float", period=0.5, deadband=0.02, history=True
        ),
        analog("Process/PumpRate", "kg/h", 0, 400, "Slurry the metering pump gives.", type="Float", period=0.5, deadband=0.1),
        analog(
            "Process/PumpPressure",
            "bar",
            0,
            25,
            "Pressure before the die. Rising at constant rate: the filter clogs.",
            type="Float",
            percent=1.0,
        ),
        analog("Process/SlotGap", "um", 0, 800, "Gap between die and foil.", type="Float", digits=1, deadband=0.2),
        analog(
            "Process/WebTension",
            "N",
            0,
            500,
            "Tension of the web. Below 20 N the web may run off, above 350 N it may break.",
            type="Float",
            period=0.5,
            digits=1,
            deadband=0.5,
            history=True,
        ),
        analog(
            "Process/WebPosition",
            "mm",
            -20,
            20,
            "Sideways position of the web; the edge guide keeps it within ±1 mm.",
            type="Float",
            period=0.5,
            digits=3,
            deadband=0.02,
        ),
        analog(
            "Process/WidthProfile",
            "g/m2",
            0,
            400,
            "Coat weight over the width, sixteen lanes from the drive side.",
            type="Float[]",
            period=2.0,
        ),
        analog(
            "Process/SlurryTemperature",
            "degC",
            0,
            60,
            "Slurry in the feed tank. Outside 20 to 28 °C the viscosity is off.",
            type="Float",
            digits=1,
            deadband=0.1,
        ),
        analog("Process/SlurryLevel", "%", 0, 100, "Feed tank. Refills by itself at 15 %.", type="Float", digits=1, deadband=0.5),
        analog("Process/Viscosity", "Pa.s", 0, 20, "Viscosity of the slurry in line.", type="Float", digits=2, deadband=0.05),
        *(
            analog(
                f"Oven/Zone{z}/Temperature",
                "degC",
                0,
                250,
                f"Air temperature of drying zone {z}. 10 °C above its setpoint raises an alarm.",
                digits=1,
                deadband=0.1,
                history=z == 1,
            )
            for z in range(1, ZONES + 1)
        ),
        *(
            analog(
                f"Oven/Zone{z}/FanSpeed", "rpm", 0, 3000, f"Circulation fan of zone {z}.", type="UInt16", digits=0, deadband=5.0
            )
            for z in range(1, ZONES + 1)
        ),
        analog(
            "Oven/ExhaustFlow",
            "m3/h",
            0,
            8000,
            "Exhaust air. Below 2,000 m³/h the solvent concentration rises: stop coating.",
            type="Int32",
            digits=0,
            deadband=10.0,
        ),
        analog(
            "Oven/SolventConcentration",
            "%",
            0,
            100,
            "Share of the lower explosive limit. The machine trips above 40 %.",
            type="Float",
            deadband=0.2,
        ),
        analog(
            "Oven/ResidualMoisture",
            "%",
            0,
            5,
            "Moisture of the dried coating. Above 0.6 % raise the oven or lower the speed.",
            digits=3,
            deadband=0.005,
            history=True,
        ),
        Signal(
            "Oven/Matrix",
            "Float[][]",
            "Temperatures over the oven: one row a zone, four sensors across.",
            unit="degC",
            range=Range(0, 250),
            period=2.0,
            digits=1,
            extra=True,
        ),
        analog("Process/CoatedLength", "m", 0, 1e9, "Metres coated in this batch.", type="Double", digits=1),
        Signal(
            "Process/Defects",
            "UInt32",
            "Defects the camera found in this batch. More than one in ten metres: look at the die lip.",
        ),
        Signal("Process/EdgeTrimActive", "Boolean", "Whether the edges are trimmed."),
        Signal("Process/Steering", "SByte", "Step of the edge guide, negative to the drive side.", unit="", period=2.0),
    )

    def __init__(self, name: str, rng: random.Random) -> None:
        super().__init__(name, rng)
        self._speed = Lag(0.0, 2.0)
        self._weight = Lag(0.0, 3.0)
        self._zones = [Lag(60.0, 25.0) for _ in range(ZONES)]
        self._tension = Lag(30.0, 1.5)
        self._position = Lag(0.0, 4.0)
        self._level = 80.0
        self._slurry = 23.5
        self._length = 0.0
        self._defects = 0
        self._lip = Wear(400.0, rng)
        self._lanes = [rng.gauss(0.0, 0.4) for _ in range(LANES)]
        self._moisture = 0.0

    @property
    def wear(self) -> float:
        return self._lip.value

    def step_process(self, dt: float) -> None:
        running = self.cycle.running
        if self.cycle.just_started:
            self._length, self._defects = 0.0, 0
        speed = self._speed.step(self.number("CoatSpeed") if running else 0.0, dt)
        gap_error = (self.number("SlotGap") - 220.0) * 0.02
        target = self.number("CoatWeight") * (1.0 + 0.01 * self._lip.value) + gap_error if running else 0.0
        self._weight.step(target, dt)
        for index, zone in enumerate(self._zones, start=1):
            zone.step(self.number(f"OvenZone{index}") if self.cycle.mode.name != "FAULTED" else 40.0, dt)
        self._tension.step(self.number("WebTension") if running else 30.0, dt)
        self._position.step(self.noise(0.6), dt)
        self._lip.step(1.0 if running else 0.0, dt)
        self._level -= dt * speed / 30.0 * 0.05
        if self._level < 15.0:
            self._level = 95.0
        self._length += speed * dt / 60.0
        if running and self.rng.random() < 0.005 * dt * (1.0 + 4.0 * self._lip.value):
            self._defects += 1
        residence = 60.0 * 12.0 / max(speed, 1.0)
        drying = sum(max(zone.value - 60.0, 0.0) for zone in self._zones) / (ZONES * 50.0)
        self._moisture = max(0.02, 0.9 - 0.6 * drying * residence / 24.0) if speed > 1.0 else self._moisture
        if running and self.cycle.elapsed > 10.0:
            self.tally.add(self._weight.value + self.noise(0.25))

    def process_values(self) -> Mapping[str, PlainValue]:
        speed, weight = self._speed.value, self._weight.value
        measured = max(0.0, weight + (self.noise(0.25) if weight > 1.0 else 0.0))
        found: dict[str, PlainValue] = {
            "Process/CoatWeight": measured,
            "Process/CoatWeightSetpoint": self.number("CoatWeight") if self.cycle.running else 0.0,
            "Process/LineSpeed": max(0.0, speed + (self.noise(0.02) if speed > 0.1 else 0.0)),
            "Process/PumpRate": weight * speed * 0.03,
            "Process/PumpPressure": 0.4 + speed * weight / 1200.0 * (1.0 + 0.3 * self._lip.value) + self.noise(0.005),
            "Process/SlotGap": self.number("SlotGap") + 4.0 * self._lip.value,
            "Process/WebTension": self._tension.value + self.noise(0.6),
            "Process/WebPosition": self._position.value,
            "Process/WidthProfile": [max(0.0, measured + lane) if measured else 0.0 for lane in self._lanes],
            "Process/SlurryTemperature": self._slurry + self.noise(0.05),
            "Process/SlurryLevel": self._level,
            "Process/Viscosity": 6.2 - 0.08 * (self._slurry - 23.5) + self.noise(0.02),
            "Process/CoatedLength": self._length,
            "Process/Defects": self._defects,
            "Process/EdgeTrimActive": bool(self.recipe["EdgeTrim"]) and self.cycle.running,
            "Process/Steering": int(max(-100, min(100, -self._position.value * 10))),
            "Oven/ExhaustFlow": 4200 + self.noise(8.0),
            "Oven/SolventConcentration": max(0.0, weight * speed / 400.0 + self.noise(0.1)),
            "Oven/ResidualMoisture": max(0.0, self._moisture + self.noise(0.003)),
            "Oven/Matrix": [[zone.value + 0.3 * column for column in range(4)] for zone in self._zones],
        }
        for index, zone in enumerate(self._zones, start=1):
            found[f"Oven/Zone{index}/Temperature"] = zone.value + self.noise(0.15)
            found[f"Oven/Zone{index}/FanSpeed"] = 1450 + self.noise(3.0)
        return found

    def process_alarms(self) -> Sequence[Alarm]:
        found = []
        for index, zone in enumerate(self._zones, start=1):
            if zone.value > self.number(f"OvenZone{index}") + 10.0:
                found.append(Alarm(f"OvenZone{index}High", 600, f"{self.name}: drying zone {index} is {zone.value:.0f} °C"))
        if self._tension.value > 350.0:
            found.append(Alarm("WebBreak", 800, f"{self.name}: web tension {self._tension.value:.0f} N, web may have broken"))
        return found
