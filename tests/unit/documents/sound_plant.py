"""A small sound configuration as text, and ways to break it."""

from pathlib import Path

import pytest

from gateway.documents import load_plant
from gateway.errors import ConfigurationError

PLANT = """\
kind: Plant
enterprise: acme-cells
mother: wroclaw
mirror: {outage_cover: 10s, grace: 60s, publishing: 500ms}
"""

COATER = """\
kind: EquipmentClass
class: coater
version: 1.0.0
description: Slot-die electrode coater
tags:
  - path: Process/CoatWeight
    type: Double
    unit: g/m2
    range: {low: 0, high: 400}
    sampling: 500ms
    deadband: {absolute: 0.05}
    max_silence: 10s
    history: true
  - path: Process/OvenTemperature
    type: Double
    unit: degC
    range: {low: 0, high: 200}
    deadband: {percent: 1.0}
  - {path: Process/Zones, type: 'Float[]', unit: degC}
  - {path: Batch/Id, type: String}
  - {path: State/Mode, type: Enumeration}
batch: Batch/Id
state: State/Mode
recipe:
  block: Recipe
  parameters:
    - {name: coat_speed, node: CoatSpeed, type: Float, unit: m/min, range: {low: 1, high: 80}, writable: true}
    - {name: oven, node: Oven, type: Int16, unit: degC}
"""

WROCLAW = """\
kind: Site
site: wroclaw
name: Wrocław
country: PL
locale: pl-PL
endpoints:
  - name: electrode-plc
    url: opc.tcp://127.0.0.1:48411
    security: {policy: Basic256Sha256, mode: SignAndEncrypt}
    credentials: {user: gateway, password: {env: WROCLAW_PASSWORD}}
    limits: {max_monitored_items_per_call: 100, max_nodes_per_read: 100}
    publishing: 250ms
lines:
  - area: electrode
    line: line-1
    role: child-line
    capacity: 1
    equipment:
      - name: coater-1
        class: coater
        endpoint: electrode-plc
        root: {namespace: "urn:acme:wroclaw:electrode", path: Line1/Beschichter1}
        handshake: mailbox
        rename: {Process/CoatWeight: Prozess/Flaechengewicht, Process: Prozess}
        tags:
          Process/OvenTemperature: {type: Int16, unit: degF, scale: 0.1, offset: 0}
"""

SECOND_COATER = """\
      - name: coater-2
        class: coater
        endpoint: electrode-plc
        root: {namespace: "urn:acme:wroclaw:electrode", path: Line1/Beschichter2}
"""

FILES = {"plant.yaml": PLANT, "classes/coater.yaml": COATER, "sites/wroclaw.yaml": WROCLAW}


def write(directory: Path, files: dict[str, str]) -> Path:
    """Lay the files out below `directory`."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory


def changed(file: str, old: str, new: str) -> dict[str, str]:
    """All files, with `old` replaced by `new` in one of them."""
    assert FILES[file].count(old) == 1, f"{old!r} must occur once in {file}"
    return {**FILES, file: FILES[file].replace(old, new)}


def line_of(text: str, marker: str) -> int:
    """The line (from 1) on which `marker` first stands."""
    return text[: text.index(marker)].count("\n") + 1


def plant_complaints(directory: Path, files: dict[str, str]) -> list[str]:
    """What load_plant says of the files, with paths relative to the directory."""
    with pytest.raises(ConfigurationError) as caught:
        load_plant(write(directory, files))
    return [text.removeprefix(f"{directory}/") for text in caught.value.complaints]
