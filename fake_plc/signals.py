"""What a piece of equipment shows: its signals, its recipe parameters, and the units both are measured in."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

TypeName = Literal[
    "Boolean",
    "SByte",
    "Byte",
    "Int16",
    "UInt16",
    "Int32",
    "UInt32",
    "Int64",
    "UInt64",
    "Float",
    "Double",
    "String",
    "DateTime",
    "Guid",
    "ByteString",
    "LocalizedText",
    "Float[]",
    "Float[][]",
    "Enumeration",
    "Structure",
]
"""OPC UA built-in type of a signal; ``Enumeration`` is an Int32 on the wire, ``[]`` one dimension, ``[][]`` two."""

PlainValue = (
    bool
    | int
    | float
    | str
    | bytes
    | datetime
    | uuid.UUID
    | Sequence[float]
    | Sequence[Sequence[float]]
    | Mapping[str, "PlainValue"]
)
"""A process value before it is put into an OPC UA type."""

MODES = ("Idle", "Starting", "Running", "Stopping", "Faulted")
"""``State/Mode``: the names of 0, 1, 2 …"""

UNECE_CODES: Mapping[str, str] = {
    "%": "P1",
    "1/min": "C94",
    "A": "AMP",
    "Ah": "AMH",
    "Pa": "PAL",
    "Pa.s": "C65",
    "V": "VLT",
    "bar": "BAR",
    "degC": "CEL",
    "degF": "FAH",
    "g/m2": "GM",
    "h": "HUR",
    "kN": "B47",
    "kW": "KWT",
    "kWh": "KWH",
    "kg": "KGM",
    "kg/h": "E93",
    "m": "MTR",
    "m/min": "2X",
    "m/s": "MTS",
    "m3/h": "MQH",
    "mOhm": "E45",
    "mV": "2Z",
    "min": "MIN",
    "mm": "MMT",
    "mm/s": "C16",
    "ms": "C26",
    "rpm": "RPM",
    "s": "SEC",
    "um": "4H",
    "N": "NEW",
    "N.m": "NU",
    "1/h": "H10",
    "W": "WTT",
}
"""UNECE Rec. 20 common codes (OPC 10000-8, 5.6.3: EUInformation.UnitId is made of the code's characters)."""


def unit_id(unit: str) -> int:
    """EUInformation.UnitId of ``unit``; -1 (OPC 10000-8: no identifier) for one that has no common code here."""
    code = UNECE_CODES.get(unit)
    if code is None:
        return -1
    value = 0
    for character in code:
        value = (value << 8) | ord(character)
    return value


@dataclass(frozen=True)
class Range:
    """EURange, in the signal's unit."""

    low: float
    high: float


@dataclass(frozen=True)
class Signal:
    """One variable of an equipment class.

    ``path`` is the class's browse path below the equipment's root, '/'-separated. ``period`` is the time in seconds between two
    samples of the controller. ``digits`` is the resolution of the sensor (decimal places). ``extra`` marks a
    variable that this fake machine has although its class does not ask for it.
    """

    path: str
    type: TypeName
    guidance: str
    unit: str = ""
    range: Range | None = None
    period: float = 1.0
    digits: int = 2
    deadband: float | None = None
    percent_deadband: float | None = None
    max_silence: float | None = None
    history: bool = False
    optional: bool = False
    extra: bool = False


@dataclass(frozen=True)
class Parameter:
    """One recipe parameter: ``name`` in recipes, ``node`` below Recipe/Active and Recipe/Staging; ``default`` in ``unit``."""

    name: str
    node: str
    type: Literal["Boolean", "Int16", "UInt16", "Int32", "UInt32", "Float", "Double", "String"]
    default: bool | int | float | str
    unit: str = ""
    range: Range | None = None


def analog(
    path: str,
    unit: str,
    low: float,
    high: float,
    guidance: str,
    *,
    type: TypeName = "Double",
    period: float = 1.0,
    digits: int = 2,
    deadband: float | None = None,
    percent: float | None = None,
    history: bool = False,
    optional: bool = False,
) -> Signal:
    """A measured value with a unit and an EURange."""
    return Signal(
        path,
        type,
        guidance,
        unit=unit,
        range=Range(low, high),
        period=period,
        digits=digits,
        deadband=deadband,
        percent_deadband=percent,
        history=history,
        optional=optional,
    )
