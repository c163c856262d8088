"""The table of status codes against the one of an OPC UA library, and how codes are spelled."""

from asyncua.ua import StatusCodes

from gateway.plant.status_names import STATUS_NAMES, describe, name, overflowed


def test_the_table_is_the_standard_one() -> None:
    standard = {code: text for text, code in vars(StatusCodes).items() if isinstance(code, int)}
    assert standard == STATUS_NAMES


def test_info_bits_do_not_hide_the_name() -> None:
    assert name(0x0000_0480) == "Good"
    assert describe(0x8031_0000) == "BadNoCommunication (0x80310000)"
    assert describe(0x0000_0480) == "Good (0x00000480, values before this one were lost in the server's queue)"


def test_overflow_needs_its_info_type() -> None:
    assert overflowed(0x480)
    assert overflowed(0x4080_0480)
    assert not overflowed(0x080)
    assert not overflowed(0x400)
    assert not overflowed(0xC80)


def test_an_unknown_code_keeps_its_severity() -> None:
    assert name(0x8FFF_0000) == "BadCode0x8FFF0000"
    assert name(0x4FFF_0000) == "UncertainCode0x4FFF0000"
    assert name(0x0FFF_0000) == "GoodCode0x0FFF0000"
