"""Calender: two heated rolls press the coated foil to its thickness."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from fake_plc.equipment.machine import Alarm, Machine
from fake_plc.process import CycleTimes, Lag, Wear
from fake_plc.signals import Parameter, PlainValue, Range, Signal, analog

PROFILE_POINTS = 12


class Calender(Machine):
    """Thickness follows the line load and the rolls' temperature; roll wear makes it uneven."""

    kind: ClassVar[str] = "calender"
    description: ClassVar[str] = "Two-roll electrode calender with heated rolls"
    times: ClassVar[CycleTimes] = CycleTimes(idle=16.0, starting=4.0, running=38.0, stopping=3.0)
    power: ClassVar[float] = 60.0
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("line_speed", "LineSpeed", "Float", 25.0, "m/min", Range(1, 80)),
        Parameter("line_load", "LineLoad", "Float", 900.0, "kN", Range(100, 2500)),
        Parameter("roll_temperature", "RollTemperature", "Float", 90.0, "degC", Range(20, 160)),
        Parameter("roll_gap", "RollGap", "Float", 95.0, "um", Range(20, 300)),
        Parameter("unwind_tension", "UnwindTension", "Float", 120.0, "N", Range(20, 400)),
        Parameter("rewind_tension", "RewindTension", "Float", 140.0, "N", Range(20, 400)),
    )
    process_signals: ClassVar[tuple[Signal, ...]] = (
        analog(
            "Process/LineSpeed", "m/min", 0, 100, "Web speed in the nip.", type="Float", period=0.5, deadband=0.02, history=True
        ),
        analog("Process/LineLoad", "kN", 0, 3000, "Force on the web.", digits=1, period=0.5, deadband=1.0, history=True),
        analog(
            "Process/LoadDriveSide",
            "kN",
            0,
            1500,
            "Force on the drive side. More than 5 % from the other side: the web is wedged.",
            type="Float",
            digits=1,
            deadband=0.5,
        ),
        analog("Process/LoadOperatorSide", "kN", 0, 1500, "Force on the operator side.", type="Float", digits=1, deadband=0.5),
        analog("Process/RollGap", "um", 0, 500, "Gap between the rolls.", type="Float", digits=1, deadband=0.1),
        analog(
            "Process/Thickness",
            "um",
            0,
            500,
            "Thickness after the nip. Beyond ±2 µm of the target: check load and temperature.",
            digits=2,
            period=0.5,
            deadband=0.05,
            history=True,
        ),
        analog(
            "Process/ThicknessProfile",
            "um",
            0,
            500,
            "Thickness over the width, twelve points from the drive side.",
            type="Float[]",
            period=2.0,
        ),
        analog("Process/Density", "%", 0, 100, "Density of the coating as a share of the solid's.", type="Float", deadband=0.05),
        analog("Roll/UpperTemperature", "degC", 0, 200, "Surface of the upper roll.", digits=1, deadband=0.1, history=True),
        analog(
            "Roll/LowerTemperature",
            "degC",
            0,
            200,
            "Surface of the lower roll. More than 5 °C from the upper: check the oil flow.",
            digits=1,
            deadband=0.1,
        ),
        analog("Roll/OilFlow", "m3/h", 0, 20, "Thermal oil.", type="Float", deadband=0.02),
        analog(
            "Roll/Vibration",
            "mm/s",
            0,
            50,
            "Vibration of the bearings. Above 7 mm/s plan maintenance, above 11 mm/s stop.",
            type="Float",
            percent=0.5,
        ),
        analog("Web/UnwindTension", "N", 0, 500, "Tension before the nip.", type="Float", digits=1, deadband=0.5),
        analog("Web/RewindTension", "N", 0, 500, "Tension after the nip.", type="Float", digits=1, deadband=0.5),
        analog("Web/RollDiameter", "mm", 0, 1200, "Diameter of the wound roll.", type="UInt16", digits=0, deadband=1.0),
        analog("Web/Length", "m", 0, 1e9, "Metres pressed in this batch.", digits=1),
        Signal("Web/BreakCount", "UInt32", "Web breaks since installation."),
    )

    def __init__(self, name: str, rng: random.Random) -> None:
        super().__init__(name, rng)
        self._speed = Lag(0.0, 2.0)
        self._load = Lag(0.0, 2.5)
        self._upper = Lag(60.0, 40.0)
        self._lower = Lag(58.0, 44.0)
        self._rolls = Wear(900.0, rng)
        self._length = 0.0
        self._breaks = rng.randrange(0, 12)
        self._profile = [rng.gauss(0.0, 0.15) for _ in range(PROFILE_POINTS)]

    @property
    def wear(self) -> float:
        return self._rolls.value

    @property
    def _thickness(self) -> float:
        heat = (self._upper.value + self._lower.value) / 2.0 - 90.0
        return (
            0.2 * (self.number("RollGap") - 95.0)
            + 110.0
            - 0.012 * (self._load.value - 900.0)
            - 0.02 * heat
            + 0.8 * self._rolls.value
        )

    def step_process(self, dt: float) -> None:
        running = self.cycle.running
        if self.cycle.just_started:
            self._length = 0.0
        speed = self._speed.step(self.number("LineSpeed") if running else 0.0, dt)
        self._load.step(self.number("LineLoad") if running else 0.0, dt)
        self._upper.step(self.number("RollTemperature"), dt)
        self._lower.step(self.number("RollTemperature") - 1.0, dt)
        self._rolls.step(self._load.value / 900.0 if running else 0.0, dt)
        self._length += speed * dt / 60.0
        if running and self.cycle.elapsed > 8.0:
            self.tally.add(self._thickness + self.noise(0.12))

    def process_values(self) -> Mapping[str, PlainValue]:
        speed, load = self._speed.value, self._load.value
        pressed = load > 50.0
        thickness = self._thickness + self.noise(0.12) if pressed else 0.0
        return {
            "Process/LineSpeed": max(0.0, speed + (self.noise(0.01) if speed > 0.1 else 0.0)),
            "Process/LineLoad": load + (self.noise(0.8) if pressed else 0.0),
            "Process/LoadDriveSide": load * 0.502 + (self.noise(0.4) if pressed else 0.0),
            "Process/LoadOperatorSide": load * 0.498 + (self.noise(0.4) if pressed else 0.0),
            "Process/RollGap": self.number("RollGap") + 0.3 * self._rolls.value,
            "Process/Thickness": thickness,
            "Process/ThicknessProfile": [thickness + point if pressed else 0.0 for point in self._profile],
            "Process/Density": 100.0 * 78.0 / thickness if pressed else 0.0,
            "Roll/UpperTemperature": self._upper.value + self.noise(0.08),
            "Roll/LowerTemperature": self._lower.value + self.noise(0.08),
            "Roll/OilFlow": 8.4 + self.noise(0.01),
            "Roll/Vibration": max(0.0, (1.2 + 4.0 * self._rolls.value) * speed / 25.0 + abs(self.noise(0.05))),
            "Web/UnwindTension": max(0.0, self.number("UnwindTension") * min(1.0, speed / 5.0) + self.noise(0.4)),
            "Web/RewindTension": max(0.0, self.number("RewindTension") * min(1.0, speed / 5.0) + self.noise(0.4)),
            "Web/RollDiameter": 200.0 + self._length * 4.0,
            "Web/Length": self._length,
            "Web/BreakCount": self._breaks,
        }

    def process_alarms(self) -> Sequence[Alarm]:
        vibration = (1.2 + 4.0 * self._rolls.value) * self._speed.value / 25.0
        if vibration > 7.0:
            return (Alarm("VibrationHigh", 500, f"{self.name}: bearings vibrate with {vibration:.1f} mm/s"),)
        return ()
