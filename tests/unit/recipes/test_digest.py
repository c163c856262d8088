"""Digests: equal for equal recipes however they are written, different for different ones; values in wire types."""

import hashlib
import math
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plant.equipment_class import TagType, parse_type
from gateway.plant.values import INTEGERS
from gateway.recipes import wire
from gateway.recipes.digest import digest, master_digest
from gateway.recipes.recipe import Interlock, Parameter
from tests.unit.recipes.scenario import control_recipe, master

FLOAT, DOUBLE = parse_type("Float"), parse_type("Double")
TYPES = [parse_type(name) for name in ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64")]


def test_the_digest_is_sha256_over_canonical_json() -> None:
    expected = hashlib.sha256('{"a":1,"b":"ü","c":1e+30}'.encode()).hexdigest()
    assert digest({"c": 1e30, "b": "ü", "a": 1.0}) == f"sha256:{expected}"


@given(st.permutations(master().parameters))
def test_the_order_of_parameters_does_not_matter(parameters: list[Parameter]) -> None:
    shuffled = master(parameters=tuple(parameters))
    assert master_digest(shuffled) == master_digest(master())
    assert control_recipe("method", parameters=tuple(parameters)).rendered_digest == control_recipe("method").rendered_digest


def test_the_order_of_conditions_does_not_matter() -> None:
    one = master(interlocks=(Interlock("State/Mode", ("Idle", "Stopped")), Interlock("Recipe/Active/Passes", (1, 2))))
    other = master(interlocks=(Interlock("Recipe/Active/Passes", (2, 1)), Interlock("State/Mode", ("Stopped", "Idle"))))
    assert master_digest(one) == master_digest(other)


def test_every_part_of_a_recipe_counts() -> None:
    recipe = master()
    speed, *rest = recipe.parameters
    others = [
        replace(recipe, header=replace(recipe.header, version="1.2.1")),
        replace(recipe, header=replace(recipe.header, product="E64")),
        replace(recipe, interlocks=()),
        replace(recipe, equipment_requirements=replace(recipe.equipment_requirements, firmware=">=1")),
        replace(recipe, parameters=(replace(speed, value=28.6), *rest)),
        replace(recipe, parameters=(replace(speed, critical=False), *rest)),
        replace(recipe, parameters=tuple(rest)),
    ]
    assert len({master_digest(item) for item in [recipe, *others]}) == len(others) + 1


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_counts_as_it_is_on_the_wire(value: float) -> None:
    """A decimal and its 32-bit rounding are the same Float, so they have the same digest."""
    written = float(str(np.float32(value)))
    assert wire.cast(FLOAT, written) == wire.cast(FLOAT, value) == value
    documents = [digest({"v": wire.to_json(FLOAT, wire.cast(FLOAT, item))}) for item in (written, value)]
    assert documents[0] == documents[1]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_casting_is_idempotent_and_same_is_bitwise(value: float) -> None:
    assert wire.same(DOUBLE, wire.cast(DOUBLE, value), value + 0.0)
    neighbour = math.nextafter(value, math.inf)
    if math.isfinite(neighbour) and value != 0:
        assert not wire.same(DOUBLE, value, neighbour)


@given(st.sampled_from(TYPES), st.integers(-(2**65), 2**65))
def test_integers_fit_or_are_refused(type: TagType, value: int) -> None:
    low, high = INTEGERS[type.base]
    if low <= value <= high:
        cast = wire.cast(type, value)
        assert cast == value
        assert wire.from_json(type, wire.to_json(type, cast)) == value
        digest({"v": wire.to_json(type, cast)})  # 64-bit integers as strings: JSON numbers are doubles
    else:
        with pytest.raises(ValueError, match="does not fit"):
            wire.cast(type, value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_what_is_not_finite_as_a_float_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        wire.cast(FLOAT, value)


def test_a_negative_zero_is_a_zero() -> None:
    cast = wire.cast(FLOAT, -0.0)
    assert isinstance(cast, float)
    assert struct.pack("<f", cast) == b"\0\0\0\0"


@given(st.one_of(st.floats(), st.integers(), st.booleans(), st.text(max_size=5), st.none(), st.binary(max_size=3)))
def test_any_value_as_read_survives_the_ledger_or_is_no_value(value: object) -> None:
    """A snapshot may hold NaN; it must come back bit by bit, or not be taken for a value at all."""
    for name in ("Double", "Int64", "Boolean", "String"):
        type = parse_type(name)
        read = wire.as_read(type, value)
        if read is not None:
            assert wire.same(type, wire.from_json(type, wire.to_json(type, read)), value)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(1.0, 1), (1.0, None), (1.0, "1"), (1, True), (1, 1.0), (True, 1), ("a", b"a"), ((1,), (1, 1)), ((1,), 1)],
)
def test_another_python_type_is_another_value(ours: wire.WireValue, theirs: object) -> None:
    names = {float: "Double", int: "Int32", bool: "Boolean", str: "String", tuple: "Int32[]"}
    assert not wire.same(parse_type(names[type(ours)]), ours, theirs)
