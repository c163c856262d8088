"""Planetary mixer: powder and solvent become slurry."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from fake_plc.equipment.machine import Alarm, Machine
from fake_plc.process import CycleTimes, Lag, Mode, Wear
from fake_plc.signals import Parameter, PlainValue, Range, Signal, analog


class Mixer(Machine):
    """Viscosity falls as the slurry disperses; the jacket cools what the blades heat."""

    kind: ClassVar[str] = "mixer"
    description: ClassVar[str] = "Planetary slurry mixer with vacuum and cooling jacket"
    times: ClassVar[CycleTimes] = CycleTimes(idle=14.0, starting=3.0, running=36.0, stopping=4.0)
    power: ClassVar[float] = 45.0
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("planet_speed", "PlanetSpeed", "Float", 32.0, "rpm", Range(5, 60)),
        Parameter("disperser_speed", "DisperserSpeed", "Float", 2400.0, "rpm", Range(200, 4000)),
        Parameter("jacket_temperature", "JacketTemperature", "Float", 20.0, "degC", Range(8, 60)),
        Parameter("vacuum", "Vacuum", "Float", 0.08, "bar", Range(0.02, 1.0)),
        Parameter("solid_content", "SolidContent", "Float", 68.0, "%", Range(40, 80)),
        Parameter("binder_share", "BinderShare", "Double", 1.4, "%", Range(0.5, 4)),
        Parameter("mixing_steps", "MixingSteps", "UInt16", 5, "", Range(1, 12)),
    )
    process_signals: ClassVar[tuple[Signal, ...]] = (
        analog("Process/PlanetSpeed", "rpm", 0, 80, "Speed of the planetary arms.", type="Float", deadband=0.05),
        analog("Process/DisperserSpeed", "rpm", 0, 5000, "Speed of the disperser discs.", type="Float", digits=1, deadband=2.0),
        analog(
            "Process/DisperserTorque",
            "N.m",
            0,
            500,
            "Torque of the disperser. Falling at constant speed: the discs are worn.",
            type="Float",
            digits=1,
            deadband=0.5,
        ),
        analog(
            "Process/SlurryTemperature",
            "degC",
            0,
            90,
            "Slurry in the kettle. Above 45 °C the binder suffers: reduce the disperser.",
            digits=1,
            deadband=0.1,
            history=True,
        ),
        analog("Process/JacketTemperature", "degC", -10, 80, "Cooling water of the jacket.", digits=1, deadband=0.1),
        analog(
            "Process/Viscosity",
            "Pa.s",
            0,
            60,
            "Viscosity. The batch is good between 5 and 8 Pa·s.",
            digits=2,
            percent=0.2,
            history=True,
        ),
        analog(
            "Process/Pressure",
            "bar",
            0,
            1.2,
            "Absolute pressure in the kettle. Not below 0.15 bar when mixing: the lid leaks.",
            type="Float",
            digits=4,
            deadband=0.002,
        ),
        analog("Process/FillMass", "kg", 0, 1200, "Mass in the kettle.", type="Float", digits=1, deadband=0.5),
        analog("Process/SolidContent", "%", 0, 100, "Solids in the slurry, from the scales.", type="Float", deadband=0.05),
        analog(
            "Process/ParticleSize",
            "um",
            0,
            200,
            "D90 of the agglomerates. Below 12 µm when the batch is good.",
            type="Float",
            digits=1,
            deadband=0.2,
        ),
        Signal("Process/Step", "Byte", "Step of the mixing procedure, from 1; 0 between batches."),
        Signal(
            "Process/ScaleReadings",
            "Float[]",
            "The four load cells under the kettle. More than 10 % apart: check the feet.",
            unit="kg",
            range=Range(0, 400),
            period=2.0,
            digits=1,
        ),
        Signal("Process/LidClosed", "Boolean", "The lid is closed and locked."),
        analog("Process/MotorCurrent", "A", 0, 200, "Current of the disperser's motor.", type="Float", digits=1, deadband=0.3),
    )

    def __init__(self, name: str, rng: random.Random) -> None:
        super().__init__(name, rng)
        self._planet = Lag(0.0, 1.5)
        self._disperser = Lag(0.0, 3.0)
        self._temperature = Lag(22.0, 30.0)
        self._pressure = Lag(1.0, 5.0)
        self._dispersion = 0.0
        self._mass = 0.0
        self._discs = Wear(600.0, rng)
        self._cells = [rng.uniform(0.24, 0.26) for _ in range(4)]

    @property
    def wear(self) -> float:
        return self._discs.value

    @property
    def _viscosity(self) -> float:
        solids = self.number("SolidContent")
        final = 6.4 + 0.35 * (solids - 68.0) + 1.2 * (self.number("BinderShare") - 1.4)
        return max(0.5, final + 22.0 * (1.0 - self._dispersion))

    def step_process(self, dt: float) -> None:
        running = self.cycle.running
        if self.cycle.just_started:
            self._dispersion = 0.0
        self._planet.step(self.number("PlanetSpeed") if running else 0.0, dt)
        speed = self._disperser.step(self.number("DisperserSpeed") if running else 0.0, dt)
        heat = 16.0 * (speed / 2400.0) ** 2
        self._temperature.step(self.number("JacketTemperature") + heat, dt)
        self._pressure.step(self.number("Vacuum") if running else 1.0, dt)
        self._discs.step(speed / 2400.0 if running else 0.0, dt)
        if running:
            rate = speed / 2400.0 * (1.0 - 0.3 * self._discs.value) / 9.0
            self._dispersion += (1.0 - self._dispersion) * rate * dt
            self._mass = min(800.0, self._mass + 80.0 * dt)
        elif self.cycle.mode is Mode.STOPPING:
            self._mass = max(0.0, self._mass - 220.0 * dt)
            self.tally.add(self._viscosity + self.noise(0.03))

    def process_values(self) -> Mapping[str, PlainValue]:
        disperser = self._disperser.value
        torque = disperser / 2400.0 * (60.0 + 6.0 * self._viscosity) * (1.0 - 0.15 * self._discs.value)
        steps = int(self.number("MixingSteps"))
        return {
            "Process/PlanetSpeed": self._planet.value,
            "Process/DisperserSpeed": disperser + (self.noise(1.5) if disperser > 1.0 else 0.0),
            "Process/DisperserTorque": max(0.0, torque + (self.noise(0.4) if torque > 1.0 else 0.0)),
            "Process/SlurryTemperature": self._temperature.value + self.noise(0.05),
            "Process/JacketTemperature": self.number("JacketTemperature")
            + 0.04 * (self._temperature.value - 20.0)
            + self.noise(0.05),
            "Process/Viscosity": self._viscosity + self.noise(0.02),
            "Process/Pressure": max(0.0, self._pressure.value + self.noise(0.0005)),
            "Process/FillMass": self._mass,
            "Process/SolidContent": self.number("SolidContent") + self.noise(0.02) if self._mass > 1.0 else 0.0,
            "Process/ParticleSize": 9.0 + 60.0 * (1.0 - self._dispersion),
            "Process/Step": 1 + int(self.cycle.progress * steps * 0.999) if self.cycle.running else 0,
            "Process/ScaleReadings": [self._mass * share for share in self._cells],
            "Process/LidClosed": self.cycle.mode is not Mode.IDLE,
            "Process/MotorCurrent": max(0.0, torque * 0.5),
        }

    def process_alarms(self) -> Sequence[Alarm]:
        if self._temperature.value > 45.0:
            return (Alarm("SlurryTemperatureHigh", 600, f"{self.name}: slurry is {self._temperature.value:.0f} °C"),)
        return ()
