"""Stacker: electrodes and separator are folded into cell stacks."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from fake_plc.equipment.machine import Alarm, Machine
from fake_plc.process import CycleTimes, Lag, Wear
from fake_plc.signals import Parameter, PlainValue, Range, Signal, analog

GRIPPERS = 4


class Stacker(Machine):
    """Alignment worsens with speed and with worn grippers; the camera rejects what is off."""

    kind: ClassVar[str] = "stacker"
    description: ClassVar[str] = "Z-fold cell stacker with vision inspection"
    times: ClassVar[CycleTimes] = CycleTimes(idle=12.0, starting=2.0, running=34.0, stopping=2.0)
    power: ClassVar[float] = 18.0
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("cycle_time", "CycleTime", "Float", 0.9, "s", Range(0.3, 5)),
        Parameter("layers", "Layers", "UInt16", 28, "", Range(2, 120)),
        Parameter("separator_tension", "SeparatorTension", "Float", 6.0, "N", Range(1, 30)),
        Parameter("gripper_vacuum", "GripperVacuum", "Float", 0.6, "bar", Range(0.2, 0.95)),
        Parameter("alignment_limit", "AlignmentLimit", "Double", 0.25, "mm", Range(0.05, 1)),
        Parameter("heat_press_temperature", "HeatPressTemperature", "Float", 85.0, "degC", Range(40, 140)),
        Parameter("heat_press_time", "HeatPressTime", "Float", 4.0, "s", Range(0.5, 20)),
        Parameter("reject_enabled", "RejectEnabled", "Boolean", True),
    )
    process_signals: ClassVar[tuple[Signal, ...]] = (
        analog(
            "Process/StackRate",
            "1/h",
            0,
            10000,
            "Stacks per hour, averaged over a minute.",
            type="Float",
            digits=1,
            deadband=1.0,
            history=True,
        ),
        Signal("Process/Layer", "UInt16", "Layer being laid now.", range=Range(0, 200), period=0.5),
        analog(
            "Process/AlignmentX",
            "mm",
            -2,
            2,
            "Offset of the last electrode along the fold. Growing spread: clean the grippers.",
            period=0.5,
            digits=4,
            deadband=0.005,
            history=True,
        ),
        analog(
            "Process/AlignmentY",
            "mm",
            -2,
            2,
            "Offset of the last electrode across the fold.",
            period=0.5,
            digits=4,
            deadband=0.005,
            history=True,
        ),
        analog(
            "Process/SeparatorTension",
            "N",
            0,
            40,
            "Tension of the separator. Below 2 N it wrinkles.",
            type="Float",
            deadband=0.05,
        ),
        analog("Process/StackThickness", "mm", 0, 40, "Thickness of the last stack.", type="Float", digits=3, deadband=0.005),
        analog("Process/HeatPressTemperature", "degC", 0, 180, "Plates of the heat press.", digits=1, deadband=0.1),
        analog("Process/HeatPressForce", "kN", 0, 60, "Force of the heat press.", type="Float", deadband=0.05),
        *(
            analog(
                f"Gripper/{g}/Vacuum",
                "bar",
                0,
                1,
                f"Vacuum of gripper {g}. Below 0.4 bar it drops electrodes: change the cup.",
                type="Float",
                digits=3,
                deadband=0.005,
            )
            for g in range(1, GRIPPERS + 1)
        ),
        *(
            Signal(f"Gripper/{g}/Cycles", "UInt64", f"Cycles of gripper {g}; the cup lasts two million.", period=2.0)
            for g in range(1, GRIPPERS + 1)
        ),
        Signal("Process/StacksGood", "UInt32", "Good stacks in this batch."),
        Signal(
            "Process/StacksRejected", "UInt32", "Rejected stacks in this batch. Above 2 % stop and look at the camera pictures."
        ),
        analog("Process/Offsets", "mm", -2, 2, "Offsets of the last eight electrodes.", type="Float[]", period=2.0),
        Signal("Process/LastStackId", "String", "Identity of the last stack, as engraved."),
        analog(
            "Vision/Brightness",
            "%",
            0,
            100,
            "Light of the camera. Below 60 % clean the window.",
            type="Byte",
            digits=0,
            deadband=1.0,
        ),
    )

    def __init__(self, name: str, rng: random.Random) -> None:
        super().__init__(name, rng)
        self._rate = Lag(0.0, 8.0)
        self._press = Lag(60.0, 20.0)
        self._tension = Lag(0.0, 1.0)
        self._cups = Wear(300.0, rng)
        self._offsets = [0.0] * 8
        self._across = 0.0
        self._layers = 0.0
        self._good = self._bad = self._stacks = 0
        self._cycles = rng.randrange(100_000, 900_000)
        self._thickness = 0.0

    @property
    def wear(self) -> float:
        return self._cups.value

    def step_process(self, dt: float) -> None:
        running = self.cycle.running
        if self.cycle.just_started:
            self._good = self._bad = 0
        layers, seconds = self.number("Layers"), self.number("CycleTime")
        self._rate.step(3600.0 / (layers * seconds / 10.0) if running else 0.0, dt)
        self._press.step(self.number("HeatPressTemperature"), dt)
        self._tension.step(self.number("SeparatorTension") if running else 0.0, dt)
        self._cups.step(1.0 if running else 0.0, dt)
        if not running:
            return
        spread = 0.04 * (0.9 / seconds) * (1.0 + 2.0 * self._cups.value)
        self._offsets = [*self._offsets[1:], self.noise(spread)]
        self._across = self.noise(spread)
        self._layers += 10.0 * dt / seconds
        self._cycles += max(1, int(2.0 * dt / seconds))
        while self._layers >= layers:
            self._layers -= layers
            self._finish_stack(spread)

    def _finish_stack(self, spread: float) -> None:
        self._stacks += 1
        self._thickness = self.number("Layers") * 0.34 + self.noise(0.01)
        worst = abs(self.noise(spread)) * 2.0
        self.tally.add(worst)
        if bool(self.recipe["RejectEnabled"]) and worst > self.number("AlignmentLimit"):
            self._bad += 1
        else:
            self._good += 1

    def process_values(self) -> Mapping[str, PlainValue]:
        found: dict[str, PlainValue] = {
            "Process/StackRate": self._rate.value,
            "Process/Layer": self._layers,
            "Process/AlignmentX": self._offsets[-1],
            "Process/AlignmentY": self._across,
            "Process/SeparatorTension": max(0.0, self._tension.value + self.noise(0.02)),
            "Process/StackThickness": self._thickness,
            "Process/HeatPressTemperature": self._press.value + self.noise(0.1),
            "Process/HeatPressForce": 22.0 + self.noise(0.03) if self.cycle.running else 0.0,
            "Process/StacksGood": self._good,
            "Process/StacksRejected": self._bad,
            "Process/Offsets": list(self._offsets),
            "Process/LastStackId": f"{self.name}-{self._stacks:08d}" if self._stacks else "",
            "Vision/Brightness": 88 - 20.0 * self._cups.value,
        }
        for gripper in range(1, GRIPPERS + 1):
            leak = 0.15 * self._cups.value * (gripper / GRIPPERS)
            found[f"Gripper/{gripper}/Vacuum"] = self.number("GripperVacuum") - leak + self.noise(0.002)
            found[f"Gripper/{gripper}/Cycles"] = self._cycles + 1000 * gripper
        return found

    def process_alarms(self) -> Sequence[Alarm]:
        made = self._good + self._bad
        if made > 20 and self._bad / made > 0.02:
            return (Alarm("RejectRateHigh", 500, f"{self.name}: {self._bad} of {made} stacks rejected"),)
        return ()
