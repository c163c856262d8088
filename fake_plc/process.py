"""Small physics shared by all machines: lags, noise, wear, and the batch cycle. Pure and deterministic.

All of it advances by ``dt`` seconds of process time; the same seed and the same number of steps give the same values.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from enum import IntEnum


class Mode(IntEnum):
    """``State/Mode``."""

    IDLE = 0
    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    FAULTED = 4


class Lag:
    """A first-order lag: ``value`` follows a target with time constant ``tau`` (seconds)."""

    def __init__(self, value: float, tau: float) -> None:
        self.value = value
        self.tau = tau

    def step(self, target: float, dt: float) -> float:
        """Advance by ``dt`` seconds towards ``target`` and return the new value."""
        self.value += (target - self.value) * (1.0 - math.exp(-dt / self.tau))
        return self.value


class Wear:
    """Wear from 0 (new) to 1 (worn out) over ``life`` hours of running; a worn part is replaced at 1."""

    def __init__(self, life: float, rng: random.Random) -> None:
        self._life_seconds = life * 3600.0
        self.value = rng.uniform(0.0, 0.6)
        self.replacements = 0

    def step(self, load: float, dt: float) -> float:
        """Advance by ``dt`` seconds at ``load`` (0 … about 1) and return the wear."""
        self.value += load * dt / self._life_seconds
        if self.value >= 1.0:
            self.value = 0.0
            self.replacements += 1
        return self.value


@dataclass(frozen=True)
class CycleTimes:
    """Seconds of process time in each phase of a batch."""

    idle: float
    starting: float
    running: float
    stopping: float


class BatchCycle:
    """Idle → Starting → Running → Stopping → Idle, for ever, until stopped or faulted."""

    def __init__(self, times: CycleTimes, prefix: str, rng: random.Random) -> None:
        self._times = times
        self._prefix = prefix
        self._remaining = rng.uniform(0.3, 1.0) * times.idle
        self._wanted = True
        self.mode = Mode.IDLE
        self.count = 0
        self.elapsed = 0.0
        self.just_started = False
        self.just_finished = False

    @property
    def batch_id(self) -> str:
        """Identity of the present batch, or of the last one while Idle; empty before the first."""
        return f"{self._prefix}-{self.count:06d}" if self.count else ""

    @property
    def running(self) -> bool:
        """Whether the machine makes product."""
        return self.mode is Mode.RUNNING

    @property
    def progress(self) -> float:
        """Share of the running phase that is done, 0 to 1."""
        return min(1.0, self.elapsed / self._times.running) if self.running else 0.0

    def step(self, dt: float, *, hold: bool) -> None:
        """Advance by ``dt`` seconds. ``hold`` keeps an idle machine from beginning its next batch."""
        self.just_started = self.just_finished = False
        if self.mode is Mode.FAULTED:
            return
        if self.mode is Mode.RUNNING:
            self.elapsed += dt
        self._remaining -= dt
        if self._remaining > 0:
            return
        if self.mode is Mode.IDLE:
            if self._wanted and not hold:
                self.count += 1
                self.elapsed = 0.0
                self.just_started = True
                self._enter(Mode.STARTING, self._times.starting)
        elif self.mode is Mode.STARTING:
            self._enter(Mode.RUNNING, self._times.running)
        elif self.mode is Mode.RUNNING:
            self._enter(Mode.STOPPING, self._times.stopping)
        else:
            self.just_finished = True
            self._enter(Mode.IDLE, self._times.idle)

    def start(self) -> bool:
        """The Start method: allow batches and begin one now; False while Faulted or not Idle."""
        if self.mode is not Mode.IDLE:
            return False
        self._wanted = True
        self._remaining = 0.0
        return True

    def stop(self) -> bool:
        """The Stop method: end the present batch and stay Idle; False while Faulted."""
        if self.mode is Mode.FAULTED:
            return False
        self._wanted = False
        if self.mode in (Mode.STARTING, Mode.RUNNING):
            self._enter(Mode.STOPPING, self._times.stopping)
        return True

    def fault(self) -> None:
        """The machine trips; the batch is lost."""
        self.mode = Mode.FAULTED

    def reset(self) -> bool:
        """The Reset method: acknowledge a fault; False if there is none."""
        if self.mode is not Mode.FAULTED:
            return False
        self._enter(Mode.IDLE, self._times.idle)
        return True

    def _enter(self, mode: Mode, seconds: float) -> None:
        self.mode = mode
        self._remaining = seconds


class Tally:
    """Running count, mean and standard deviation of a quality measure within one batch (Welford)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._m2 = 0.0

    @property
    def sigma(self) -> float:
        """Sample standard deviation; 0 with fewer than two values."""
        return math.sqrt(self._m2 / (self.count - 1)) if self.count > 1 else 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self._m2 += delta * (value - self.mean)
