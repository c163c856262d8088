"""config/ describes the fake plant exactly: the same endpoints, equipment, tags, names, units and recipe parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fake_plc.equipment.kinds import KINDS
from fake_plc.plant_table import PLANT, EndpointSpec, EquipmentSpec, sites
from fake_plc.signals import Signal

CONFIG = Path(__file__).parents[3] / "config"
PORT_BASE = 48400


def load(path: str) -> Any:
    return yaml.safe_load((CONFIG / path).read_text(encoding="utf-8"))


def seconds(text: str) -> float:
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


def expected_tag(signal: Signal) -> dict[str, Any]:
    found: dict[str, Any] = {"path": signal.path, "type": signal.type, "guidance": signal.guidance}
    if signal.unit:
        found["unit"] = signal.unit
    if signal.range is not None:
        found["range"] = {"low": signal.range.low, "high": signal.range.high}
    if signal.deadband is not None:
        found["deadband"] = {"absolute": signal.deadband}
    if signal.percent_deadband is not None:
        found["deadband"] = {"percent": signal.percent_deadband}
    if signal.history:
        found["history"] = True
    if signal.optional:
        found["optional"] = True
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_classes(kind: str) -> None:
    machine, document = KINDS[kind], load(f"classes/{kind}.yaml")
    assert (document["kind"], document["class"], document["version"]) == ("EquipmentClass", kind, machine.version)
    wanted = [signal for signal in machine.signals() if not signal.extra]
    for tag, signal in zip(document["tags"], wanted, strict=True):
        assert seconds(tag.pop("sampling")) == signal.period
        silence = tag.pop("max_silence", None)
        assert (seconds(silence) if silence else None) == signal.max_silence
        assert tag == expected_tag(signal)
    assert (document["batch"], document["state"], document["recipe"]["block"]) == ("Batch/Id", "State/Mode", "Recipe")
    for entry, parameter in zip(document["recipe"]["parameters"], machine.parameters, strict=True):
        assert (entry["name"], entry["node"], entry["type"]) == (parameter.name, parameter.node, parameter.type)
        assert entry.get("unit", "") == parameter.unit
        bounds = parameter.range
        assert entry.get("range") == ({"low": bounds.low, "high": bounds.high} if bounds else None)


def check_endpoint(entry: dict[str, Any], spec: EndpointSpec) -> None:
    assert entry["url"] == f"opc.tcp://127.0.0.1:{PORT_BASE + spec.port_offset}"
    mode = "None" if spec.policy == "None" else "SignAndEncrypt"
    assert entry["security"] == {"policy": spec.policy, "mode": mode}
    secret = {"user": spec.user, "password": {"env": spec.password_variable}}
    assert entry["credentials"] == (secret if spec.user else "anonymous")


def check_equipment(entry: dict[str, Any], spec: EndpointSpec, equipment: EquipmentSpec) -> None:
    assert entry["class"] == equipment.kind
    assert entry["root"] == {"namespace": spec.namespace, "path": equipment.root}
    assert entry["handshake"] == equipment.handshake
    assert entry.get("rename", {}) == dict(equipment.rename)
    scaling = {
        path: {"type": s.type, "unit": s.unit, "scale": s.scale, "offset": s.offset} for path, s in equipment.scaling.items()
    }
    assert entry.get("tags", {}) == scaling


@pytest.mark.parametrize("site", sites())
def test_sites(site: str) -> None:
    document = load(f"sites/{site}.yaml")
    specs = {spec.name: spec for spec in PLANT if spec.site == site}
    assert document["site"] == site
    assert {entry["name"] for entry in document["endpoints"]} == set(specs)
    for entry in document["endpoints"]:
        check_endpoint(entry, specs[entry["name"]])
    entries = [entry for line in document["lines"] for entry in line["equipment"]]
    found = {(entry["endpoint"], entry["name"]): entry for entry in entries}
    assert len(found) == len(entries)
    wanted = {(spec.name, e.name): (spec, e) for spec in specs.values() for e in spec.equipment}
    assert set(found) == set(wanted)
    for key, entry in found.items():
        check_equipment(entry, *wanted[key])


def test_recipes_fit_the_machines() -> None:
    recipes = [load(f"recipes/{path.name}") for path in sorted((CONFIG / "recipes").glob("*.yaml"))]
    assert len(recipes) >= 2
    for recipe in recipes:
        machine = KINDS[recipe["equipment_requirements"]["class"]]
        given = {entry["name"]: entry for entry in recipe["formula"]["parameters"]}
        assert set(given) == {parameter.name for parameter in machine.parameters}
        for parameter in machine.parameters:
            entry = given[parameter.name]
            assert (entry["type"], entry.get("unit", "")) == (parameter.type, parameter.unit)
            if parameter.range is not None:
                assert parameter.range.low <= entry["value"] <= parameter.range.high


def test_every_child_site_has_an_overlay() -> None:
    overlays = [load(f"overlays/{path.name}") for path in (CONFIG / "overlays").glob("*.yaml")]
    assert {overlay["site"] for overlay in overlays} == set(sites()) - {"ochang"}
    for overlay in overlays:
        identity, _, version = overlay["recipe"].partition("@")
        header = load(f"recipes/{identity}.yaml")["header"]
        assert (header["id"], header["version"]) == (identity, version)
