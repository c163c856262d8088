"""The machines without OPC UA: deterministic, complete, and driven by their recipes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from fake_plc.equipment.kinds import KINDS
from fake_plc.equipment.machine import Machine
from fake_plc.process import Lag, Mode, Tally, Wear

START = datetime(2026, 1, 1, tzinfo=UTC)


def machine(kind: str, seed: int = 1) -> Machine:
    return KINDS[kind]("unit-1", random.Random(seed))


def advance(subject: Machine, seconds: float, *, hold: bool = False) -> None:
    for tick in range(int(seconds / 0.5)):
        subject.step(0.5, START + timedelta(seconds=tick * 0.5), hold=hold)


def mode_of(subject: Machine) -> Mode:
    return subject.cycle.mode


def until(subject: Machine, mode: Mode) -> None:
    for tick in range(2000):
        if subject.cycle.mode is mode:
            return
        subject.step(0.5, START + timedelta(seconds=tick * 0.5))
    raise AssertionError(f"{subject.kind} never became {mode.name}")


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_and_ticks_give_equal_values(kind: str) -> None:
    one, two, other = machine(kind), machine(kind), machine(kind, seed=2)
    for subject in (one, two, other):
        advance(subject, 90)
    first = one.values()
    assert first == two.values()
    assert first != other.values()


@pytest.mark.parametrize("kind", KINDS)
def test_every_signal_has_a_value_and_guidance(kind: str) -> None:
    subject = machine(kind)
    paths = [signal.path for signal in subject.signals()]
    assert len(paths) == len(set(paths))
    for mode in (Mode.IDLE, Mode.RUNNING, Mode.STOPPING):
        until(subject, mode)
        assert set(subject.values()) == set(paths)
    assert all(signal.guidance for signal in subject.signals())
    assert 5 <= len(subject.parameters) <= 12


@pytest.mark.parametrize("kind", KINDS)
def test_values_stay_in_their_ranges(kind: str) -> None:
    subject = machine(kind)
    for _ in range(400):
        subject.step(0.5, START)
        values = subject.values()
        for signal in subject.signals():
            value = values[signal.path]
            if signal.range is not None and isinstance(value, (int, float)):
                assert signal.range.low <= value <= signal.range.high, signal.path


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_runs_and_leaves_a_summary(kind: str) -> None:
    subject = machine(kind)
    until(subject, Mode.RUNNING)
    batch = subject.cycle.batch_id
    until(subject, Mode.IDLE)
    summary = subject.values()["Batch/Summary"]
    assert isinstance(summary, dict)
    assert summary["BatchId"] == batch
    assert summary["Produced"] > 0


def test_a_held_machine_does_not_begin_a_batch() -> None:
    subject = machine("coater")
    advance(subject, 200, hold=True)
    assert mode_of(subject) is Mode.IDLE
    advance(subject, 1)
    assert mode_of(subject) is Mode.STARTING


def test_start_stop_and_reset() -> None:
    subject = machine("coater")
    cycle = subject.cycle
    assert cycle.start()
    advance(subject, 0.5)
    assert mode_of(subject) is Mode.STARTING
    assert not cycle.start()
    assert cycle.stop()
    advance(subject, 200)
    assert mode_of(subject) is Mode.IDLE
    cycle.fault()
    assert not cycle.stop()
    assert cycle.reset()
    assert not cycle.reset()


@pytest.mark.parametrize(
    ("kind", "parameter", "value", "signal"),
    [
        ("mixer", "SolidContent", 74.0, "Process/Viscosity"),
        ("coater", "CoatWeight", 240.0, "Process/CoatWeight"),
        ("calender", "LineLoad", 1500.0, "Process/Thickness"),
        ("stacker", "CycleTime", 2.0, "Process/StackRate"),
        ("formation-charger", "CcCurrent", 6.0, "Channel/01/Current"),
    ],
)
def test_outputs_follow_the_recipe(kind: str, parameter: str, value: float, signal: str) -> None:
    usual, changed = machine(kind), machine(kind)
    changed.recipe[parameter] = value
    for subject in (usual, changed):
        until(subject, Mode.RUNNING)
        advance(subject, 10)
    before, after = usual.values()[signal], changed.values()[signal]
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert abs(after - before) > 0.05 * abs(before)


def test_alarms_come_from_the_process() -> None:
    subject = machine("coater")
    until(subject, Mode.RUNNING)
    advance(subject, 20)
    assert [alarm.name for alarm in subject.alarms()] == []
    subject.recipe["OvenZone2"] = 60.0
    assert "OvenZone2High" in [alarm.name for alarm in subject.alarms()]
    subject.cycle.fault()
    assert "Tripped" in [alarm.name for alarm in subject.alarms()]


def test_lag_reaches_its_target() -> None:
    lag = Lag(0.0, 10.0)
    assert lag.step(100.0, 10.0) == pytest.approx(63.2, abs=0.1)
    assert lag.step(100.0, 1000.0) == pytest.approx(100.0)


def test_wear_ends_in_a_replacement() -> None:
    wear = Wear(1.0, random.Random(1))
    wear.step(1.0, 3600.0)
    assert wear.value == 0.0
    assert wear.replacements == 1


def test_tally_is_mean_and_spread() -> None:
    tally = Tally()
    for value in (1.0, 2.0, 3.0, 4.0):
        tally.add(value)
    assert (tally.count, tally.mean) == (4, 2.5)
    assert tally.sigma == pytest.approx(1.29099, abs=1e-5)
