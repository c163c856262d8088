"""Unit conversion: known pairs are right, and every conversion can be taken back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant import units
from gateway.plant.units import conversion, convertible, misspelt

UNITS = sorted({unit for start in ("degC", "bar", "mm", "kg", "g/m2", "m/min", "A", "V", "W", "Wh", "Ah", "s", "%", "rpm", "Hz")
                for unit in convertible(start)})  # fmt: skip


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (212, "degF", "degC", 100),
        (-40, "degF", "degC", -40),
        (25, "degC", "K", 298.15),
        (14.503773773, "psi", "bar", 1),
        (1, "bar", "kPa", 100),
        (1, "in", "mm", 25.4),
        (1, "mil", "um", 25.4),
        (100, "ft/min", "m/min", 30.48),
        (50, "mm/s", "m/min", 3),
        (1, "lb", "g", 453.59237),
        (12.5, "mg/cm2", "g/m2", 125),
        (1, "kWh", "Wh", 1000),
        (50, "%", "1", 0.5),
        (1500, "mPa.s", "Pa.s", 1.5),
        (2, "mohm", "ohm", 0.002),
        (90, "min", "h", 1.5),
        (1, "N/mm", "kN/m", 1),
        (1, "gal/min", "L/min", 3.785411784),
    ],
)
def test_known_pairs(value: float, source: str, target: str, expected: float) -> None:
    factor, offset = conversion(source, target)
    assert value * factor + offset == pytest.approx(expected, rel=1e-9)


@given(data=st.data(), source=st.sampled_from(UNITS), value=st.floats(-1e6, 1e6))
def test_a_conversion_can_be_taken_back(data: st.DataObject, source: str, value: float) -> None:
    target = data.draw(st.sampled_from(convertible(source)))
    there, back = conversion(source, target), conversion(target, source)
    assert (value * there[0] + there[1]) * back[0] + back[1] == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(data=st.data(), source=st.sampled_from(UNITS), value=st.floats(-1e6, 1e6))
def test_the_way_over_a_third_unit_is_the_same(data: st.DataObject, source: str, value: float) -> None:
    middle, target = data.draw(st.sampled_from(convertible(source))), data.draw(st.sampled_from(convertible(source)))
    first, second, direct = conversion(source, middle), conversion(middle, target), conversion(source, target)
    expected = value * direct[0] + direct[1]
    assert (value * first[0] + first[1]) * second[0] + second[1] == pytest.approx(expected, rel=1e-9, abs=1e-6 * direct[0])


def test_a_unit_converts_to_itself_exactly_also_one_of_the_plants_own() -> None:
    assert conversion("degF", "degF") == (1.0, 0.0)
    assert conversion("sheets", "sheets") == (1.0, 0.0)


def test_what_does_not_convert_is_refused_with_what_would() -> None:
    with pytest.raises(ValueError, match=r"bar does not convert to degC; use one of K, degC, degF"):
        conversion("bar", "degC")
    with pytest.raises(ValueError, match=r"mm does not convert to sheets; use one of sheets"):
        conversion("mm", "sheets")


def test_common_misspellings_are_recognised_and_nothing_else() -> None:
    assert [misspelt(unit) for unit in ("°C", "degc", "µm", "RPM", "sheets", "degC")] == ["degC", "degC", "um", "rpm", None, None]
    assert all(misspelt(unit) is None for unit in UNITS)
    assert all(right in convertible(right) for right in units.MISSPELT.values())
