"""The table of the plant, and how sites show values otherwise."""

from __future__ import annotations

import pytest

from fake_plc.equipment.kinds import KINDS
from fake_plc.errors import EndpointRefused, FaultRefused
from fake_plc.faults import FAULTS, parse_arguments, parse_parameter
from fake_plc.plant import passwords
from fake_plc.plant_table import PLANT, SIMULATION_NAMESPACE, Scaling, endpoints_of, renamed, sites
from fake_plc.signals import UNECE_CODES, Parameter, Range, Signal, unit_id
from fake_plc.wire_values import converter, site_range, translate

TEMPERATURE = Signal("Oven/T", "Double", "", unit="degC", range=Range(0, 250), digits=1)


def test_the_plant_is_as_large_as_promised() -> None:
    assert sites() == ("ochang", "wroclaw", "michigan", "nanjing")
    assert len(PLANT) >= 8
    tags = sum(not s.extra for endpoint in PLANT for e in endpoint.equipment for s in KINDS[e.kind].signals())
    assert tags >= 1000
    assert {e.handshake for endpoint in PLANT for e in endpoint.equipment} == {"method", "mailbox", "direct"}
    assert len({endpoint.port_offset for endpoint in PLANT}) == len(PLANT)


def test_sites_differ_in_the_order_of_namespaces() -> None:
    orders = {tuple(endpoint.namespaces.index(uri) for uri in (endpoint.namespace, SIMULATION_NAMESPACE)) for endpoint in PLANT}
    assert len(orders) > 3


def test_every_unit_and_rename_is_known() -> None:
    for endpoint in PLANT:
        for equipment in endpoint.equipment:
            kind = KINDS[equipment.kind]
            paths = [signal.path for signal in kind.signals()]
            assert {s.unit for s in kind.signals()} | {p.unit for p in kind.parameters} <= {"", *UNECE_CODES}
            assert set(equipment.scaling) <= set(paths)
            shown = [renamed(path, equipment.rename) for path in paths]
            assert len(shown) == len(set(shown))


def test_unknown_site() -> None:
    with pytest.raises(KeyError):
        endpoints_of("atlantis")


def test_the_longest_rename_wins() -> None:
    rename = {"Process": "Proces", "Process/CoatWeight": "Proces/Gramatura", "State/Mode": "Tryb"}
    assert renamed("Process/CoatWeight", rename) == "Proces/Gramatura"
    assert renamed("Process/CoatWeightSetpoint", rename) == "Proces/CoatWeightSetpoint"
    assert renamed("State/Mode", rename) == "Tryb"
    assert renamed("Batch/Id", rename) == "Batch/Id"


def test_missing_passwords_are_named_all_at_once() -> None:
    with pytest.raises(EndpointRefused, match=r"OCHANG_PASSWORD.*WROCLAW_PASSWORD.*NANJING_PASSWORD"):
        passwords(PLANT, {})


def test_scaled_fahrenheit() -> None:
    scaling = Scaling("Int16", "degF", 0.1)
    convert = converter(TEMPERATURE, scaling, "en-US")
    assert convert(100.0) == 2120
    assert convert(5000.0) == 32767
    assert site_range(TEMPERATURE, scaling) == Range(320.0, 4820.0)
    assert converter(TEMPERATURE, Scaling("Float", "degF"), "en-US")(37.77) == 100.0


def test_values_take_the_sensor_resolution_and_the_type_bounds() -> None:
    assert converter(TEMPERATURE, None, "en-US")(99.96) == 100.0
    assert converter(Signal("a", "UInt16", ""), None, "en-US")(70000.4) == 65535
    assert converter(Signal("a", "Byte", ""), None, "en-US")(-1) == 0


def test_panel_texts_are_translated() -> None:
    assert translate("Running", "pl-PL") == "Praca"
    assert translate("Running", "en-US") == "Running"


def test_unit_ids_are_made_of_the_common_code() -> None:
    assert unit_id("degC") == 0x43454C
    assert unit_id("furlong") == -1


def test_fault_arguments() -> None:
    assert parse_arguments(FAULTS["silence"], {}) == {"seconds": 10.0}
    assert parse_arguments(FAULTS["small-limits"], {"operations": "5"}) == {"operations": 5}
    with pytest.raises(FaultRefused, match="no argument speed; it takes seconds"):
        parse_arguments(FAULTS["silence"], {"speed": 1})
    with pytest.raises(FaultRefused, match="tag= is missing"):
        parse_arguments(FAULTS["bad-quality"], {})
    with pytest.raises(FaultRefused, match="seconds=soon is not a Double"):
        parse_arguments(FAULTS["silence"], {"seconds": "soon"})


@pytest.mark.parametrize(
    ("type_name", "text", "value"), [("Boolean", "True", True), ("Float", "1.5", 1.5), ("UInt16", "7", 7), ("String", "x", "x")]
)
def test_parameters_from_text(type_name: str, text: str, value: object) -> None:
    assert parse_parameter(Parameter("p", "P", type_name, 0), text) == value  # type: ignore[arg-type]


def test_malformed_parameter() -> None:
    with pytest.raises(FaultRefused):
        parse_parameter(Parameter("p", "P", "Float", 0.0), "fast")
