"""Engineering units and their affine conversions: `value_in_to = value_in_from · factor + offset`.

A unit the table does not know is allowed, since plants have their own; it converts to itself only. Common misspellings
of known units are recognised, so that `°C` does not pass as a plant's own unit.
"""

from typing import Final

# Dimension → unit → (factor, offset) to the dimension's first unit. Factors are exact by definition where one exists.
_INCH: Final = 0.0254
_FOOT: Final = 0.3048
_POUND: Final = 0.45359237
_GRAVITY: Final = 9.80665
_TABLE: Final[dict[str, dict[str, tuple[float, float]]]] = {
    "temperature": {"K": (1, 0), "degC": (1, 273.15), "degF": (5 / 9, 459.67 * 5 / 9)},
    "temperature difference": {"delta_K": (1, 0), "delta_degC": (1, 0), "delta_degF": (5 / 9, 0)},
    "pressure": {
        "Pa": (1, 0), "hPa": (100, 0), "kPa": (1e3, 0), "MPa": (1e6, 0), "mbar": (100, 0), "bar": (1e5, 0),
        "psi": (_POUND * _GRAVITY / _INCH**2, 0), "atm": (101325, 0), "Torr": (101325 / 760, 0), "mmHg": (133.322387415, 0),
    },
    "length": {
        "m": (1, 0), "km": (1e3, 0), "cm": (1e-2, 0), "mm": (1e-3, 0), "um": (1e-6, 0), "nm": (1e-9, 0),
        "in": (_INCH, 0), "ft": (_FOOT, 0), "mil": (_INCH / 1000, 0), "yd": (3 * _FOOT, 0),
    },
    "area": {"m2": (1, 0), "cm2": (1e-4, 0), "mm2": (1e-6, 0), "in2": (_INCH**2, 0), "ft2": (_FOOT**2, 0)},
    "volume": {"m3": (1, 0), "L": (1e-3, 0), "mL": (1e-6, 0), "cm3": (1e-6, 0), "uL": (1e-9, 0), "gal": (231 * _INCH**3, 0)},
    "speed": {
        "m/s": (1, 0), "m/min": (1 / 60, 0), "m/h": (1 / 3600, 0), "mm/s": (1e-3, 0), "mm/min": (1e-3 / 60, 0),
        "cm/s": (1e-2, 0), "um/s": (1e-6, 0), "km/h": (1 / 3.6, 0), "ft/min": (_FOOT / 60, 0), "ft/s": (_FOOT, 0),
        "in/s": (_INCH, 0), "in/min": (_INCH / 60, 0),
    },
    "acceleration": {"m/s2": (1, 0), "mm/s2": (1e-3, 0), "gn": (_GRAVITY, 0)},
    "mass": {"kg": (1, 0), "t": (1e3, 0), "g": (1e-3, 0), "mg": (1e-6, 0), "ug": (1e-9, 0),
             "lb": (_POUND, 0), "oz": (_POUND / 16, 0)},
    "mass per area": {
        "kg/m2": (1, 0), "g/m2": (1e-3, 0), "mg/cm2": (1e-2, 0), "g/cm2": (10, 0), "oz/ft2": (_POUND / 16 / _FOOT**2, 0),
        "lb/ft2": (_POUND / _FOOT**2, 0),
    },
    "density": {"kg/m3": (1, 0), "g/cm3": (1e3, 0), "g/mL": (1e3, 0), "kg/L": (1e3, 0),
                "g/L": (1, 0), "lb/ft3": (_POUND / _FOOT**3, 0)},
    "time": {
        "s": (1, 0), "ms": (1e-3, 0), "us": (1e-6, 0), "ns": (1e-9, 0), "min": (60, 0), "h": (3600, 0), "d": (86400, 0),
    },
    "rotation": {"rpm": (1, 0), "1/min": (1, 0), "1/s": (60, 0), "rps": (60, 0)},
    "frequency": {"Hz": (1, 0), "kHz": (1e3, 0), "MHz": (1e6, 0)},
    "angle": {"deg": (1, 0), "rad": (180 / 3.141592653589793, 0)},
    "volume flow": {
        "L/min": (1, 0), "L/h": (1 / 60, 0), "L/s": (60, 0), "mL/min": (1e-3, 0), "m3/h": (1000 / 60, 0), "m3/min": (1e3, 0),
        "m3/s": (6e4, 0), "gal/min": (231 * _INCH**3 * 1e3, 0), "ft3/min": (_FOOT**3 * 1e3, 0),
    },
    "mass flow": {"kg/h": (1, 0), "kg/min": (60, 0), "kg/s": (3600, 0), "g/min": (0.06, 0), "g/s": (3.6, 0), "lb/h": (_POUND, 0)},
    "viscosity": {"Pa.s": (1, 0), "mPa.s": (1e-3, 0), "cP": (1e-3, 0), "P": (0.1, 0)},
    "force": {"N": (1, 0), "kN": (1e3, 0), "mN": (1e-3, 0), "kgf": (_GRAVITY, 0), "lbf": (_POUND * _GRAVITY, 0)},
    "line force": {"kN/m": (1, 0), "N/m": (1e-3, 0), "N/mm": (1, 0), "kgf/cm": (_GRAVITY / 10, 0),
                   "lbf/in": (_POUND * _GRAVITY / _INCH / 1e3, 0)},
    "torque": {"N.m": (1, 0), "kN.m": (1e3, 0), "mN.m": (1e-3, 0), "lbf.ft": (_POUND * _GRAVITY * _FOOT, 0)},
    "current": {"A": (1, 0), "kA": (1e3, 0), "mA": (1e-3, 0), "uA": (1e-6, 0)},
    "voltage": {"V": (1, 0), "kV": (1e3, 0), "mV": (1e-3, 0), "uV": (1e-6, 0)},
    "resistance": {"ohm": (1, 0), "mohm": (1e-3, 0), "uohm": (1e-6, 0), "kohm": (1e3, 0), "Mohm": (1e6, 0)},
    "power": {"W": (1, 0), "mW": (1e-3, 0), "kW": (1e3, 0), "MW": (1e6, 0)},
    "apparent power": {"VA": (1, 0), "kVA": (1e3, 0)},
    "energy": {"J": (1, 0), "kJ": (1e3, 0), "MJ": (1e6, 0), "Wh": (3600, 0), "kWh": (3.6e6, 0), "MWh": (3.6e9, 0)},
    "charge": {"Ah": (1, 0), "mAh": (1e-3, 0), "C": (1 / 3600, 0)},
    "fraction": {"1": (1, 0), "%": (1e-2, 0), "permille": (1e-3, 0), "ppm": (1e-6, 0), "ppb": (1e-9, 0)},
    "number": {"count": (1, 0), "pcs": (1, 0)},
    "rate": {"pcs/min": (1, 0), "pcs/h": (1 / 60, 0), "1/h": (1 / 60, 0)},
    "conductivity": {"S/m": (1, 0), "mS/cm": (0.1, 0), "uS/cm": (1e-4, 0)},
    "sound level": {"dB": (1, 0)},
}  # fmt: skip

_DIMENSION: Final = {unit: units for units in _TABLE.values() for unit in units}

MISSPELT: Final = {
    "°C": "degC", "℃": "degC", "Celsius": "degC", "celsius": "degC", "deg C": "degC", "°F": "degF", "℉": "degF",
    "Fahrenheit": "degF", "fahrenheit": "degF", "deg F": "degF", "°K": "K", "Kelvin": "K", "kelvin": "K", "µm": "um", "μm": "um",
    "micron": "um", "microns": "um", "\u2126": "ohm", "\u03a9": "ohm", "mΩ": "mohm", "inch": "in", "percent": "%", "pct": "%",
    "g/m²": "g/m2", "g/m^2": "g/m2", "gsm": "g/m2", "mg/cm²": "mg/cm2", "mg/cm^2": "mg/cm2", "m²": "m2", "m³": "m3",
    "m^2": "m2", "m^3": "m3", "g/cm³": "g/cm3", "kg/m³": "kg/m3", "m³/h": "m3/h", "sec": "s", "seconds": "s", "second": "s",
    "minutes": "min", "minute": "min", "hours": "h", "hour": "h", "hr": "h", "l/min": "L/min", "l": "L", "ml": "mL",
    "mPas": "mPa.s",
    "mPa·s": "mPa.s", "mPa*s": "mPa.s", "Nm": "N.m", "N·m": "N.m", "RPM": "rpm", "r/min": "rpm", "PSI": "psi", "fpm": "ft/min",
    "lbs": "lb", "µS/cm": "uS/cm",
}  # fmt: skip
_FOLDED: Final = {
    folded: next(unit for unit in _DIMENSION if unit.casefold() == folded)
    for folded in {unit.casefold() for unit in _DIMENSION}
    if sum(unit.casefold() == folded for unit in _DIMENSION) == 1
}


def misspelt(unit: str) -> str | None:
    """The table's spelling where `unit` is a common other way to write it (`°C`, `degc`); None when it is fine or unknown."""
    if unit in _DIMENSION:
        return None
    return MISSPELT.get(unit) or _FOLDED.get(unit.casefold())


def convertible(unit: str) -> tuple[str, ...]:
    """The units `unit` converts to, itself included."""
    return tuple(_DIMENSION.get(unit, {unit: (1, 0)}))


def conversion(source: str, target: str) -> tuple[float, float]:
    """(factor, offset) such that a value in `target` is the value in `source` · factor + offset.

    Raises:
        ValueError: they do not measure the same; the message names the units that would do.
    """
    if source == target:
        return 1.0, 0.0
    units = _DIMENSION.get(target, {})
    if source not in units:
        raise ValueError(f"{source} does not convert to {target}; use one of {', '.join(convertible(target))}")
    (source_factor, source_offset), (target_factor, target_offset) = units[source], units[target]
    return source_factor / target_factor, (source_offset - target_offset) / target_factor
