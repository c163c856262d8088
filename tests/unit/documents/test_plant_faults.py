"""Each kind of fault in a plant's files is named by file, line and field, with the cure."""

from pathlib import Path

import pytest

from tests.unit.documents.sound_plant import changed, line_of, plant_complaints

P, C, S = "plant.yaml", "classes/coater.yaml", "sites/wroclaw.yaml"
COATER_1 = "lines[0].equipment[0]"
OVEN = COATER_1 + ".tags.Process/OvenTemperature"

# file, text to replace, replacement, marker in the replaced file that the complaint's line holds, field, words of the complaint
FAULTS = [
    # --- the text itself
    (P, "enterprise:", "\tenterprise:", "\tenterprise", "", "a tab indents this line"),
    (P, "mirror: {outage", "mirror: outage: {", "mirror", "", "a second ': ' in one line"),
    (P, "mother: wroclaw", "mother: 'wroclaw", "", "", "not valid YAML"),
    (P, "mother: wroclaw", "mother: *wroclaw", "mother", "", "repeats nothing"),
    (P, "mother: wroclaw", "mother: wroclaw\nmother: ochang", "mother: ochang", "mother", "written twice, first in line 3"),
    (P, "mother: wroclaw", "mother: !!python/name:os.system wroclaw", "mother", "", "not allowed; remove it"),
    (P, "mirror: {outage", "mirror: {<<: {}, outage", "mirror", "<<", "merge keys"),
    (P, "mirror: {outage", "mirror: {[a]: 1, outage", "mirror", "", "a field's name must be plain text"),
    # --- fields
    (P, "kind: Plant", "kind: Plnt", "kind", "kind", "does not belong in this file; write 'kind: Plant'"),
    (P, "kind: Plant\n", "", "enterprise", "kind", "missing"),
    (P, "enterprise: acme-cells\n", "", "kind", "enterprise", "missing"),
    (P, "mother: wroclaw", "mother: ochang", "mother", "mother", "no site 'ochang' in sites/; known here: wroclaw"),
    (P, "mother: wroclaw", "mother: wroclw", "mother", "mother", "did you mean 'wroclaw'?"),
    (P, "mother: wroclaw", "mother: 7", "mother", "mother", "put it in quotes"),
    (P, "grace: 60s", "grace: 60", "mirror", "mirror.grace", "a duration needs a unit"),
    (P, "grace: 60s", "grace: 60sec", "mirror", "mirror.grace", "is no duration"),
    (P, "grace: 60s", "grace: 0s", "mirror", "mirror.grace", "longer than zero"),
    (P, "grace: 60s", "grce: 60s", "mirror", "mirror.grce", "unknown field; did you mean 'grace'?"),
    (P, "mirror: {outage_cover: 10s, grace: 60s, publishing: 500ms}", "mirror: 10s", "mirror", "mirror", "must be a mapping"),
    # --- classes
    (C, "version: 1.0.0", "version: 1.0", "version", "version", "is no version; write three numbers"),
    (C, "class: coater", "class: my coater", "class: my", "class", "is no name"),
    (C, "type: Double\n    unit: g/m2", "type: Doubel\n    unit: g/m2", "Doubel", "tags[0].type", "unknown type 'Doubel'"),
    (C, "unit: g/m2", "unit: g/m²", "g/m²", "tags[0].unit", "write g/m2"),
    (C, "{low: 0, high: 400}", "{low: 400, high: 0}", "400, high", "tags[0].range", "low 400 is not below high 0"),
    (C, "{low: 0, high: 400}", "{low: 0, high: .inf}", ".inf", "tags[0].range.high", "must be a finite number"),
    (C, "{low: 0, high: 400}", "{low: 0}", "{low: 0}", "tags[0].range.high", "missing"),
    (C, "{absolute: 0.05}", "{absolute: 0.05, percent: 1}", "absolute", "tags[0].deadband", "write one of them"),
    (C, "{absolute: 0.05}", "{absolute: 0}", "absolute", "tags[0].deadband.absolute", "must be above 0"),
    (C, "    range: {low: 0, high: 200}\n", "", "percent", "tags[1].deadband", "add 'range'"),
    (
        C,
        "type: String}",
        "type: String, deadband: {absolute: 1}}",
        "Batch/Id, type",
        "tags[3].deadband",
        "only a number has a deadband",
    ),
    (C, "type: String}", "type: String, unit: mm}", "Batch/Id, type", "tags[3].unit", "only a number has a unit"),
    (
        C,
        "type: Enumeration}",
        "type: Enumeration, range: {low: 0, high: 4}}",
        "Mode, type",
        "tags[4].range",
        "only a number has a range",
    ),
    (C, "max_silence: 10s", "max_silence: 500ms", "max_silence", "tags[0].max_silence", "not longer than the sampling"),
    (C, "history: true", "history: yes", "history", "tags[0].history", "must be true or false, not yes"),
    (C, "path: Batch/Id,", "path: Process//Id,", "Process//Id", "tags[3].path", "is no browse path"),
    (C, "path: Batch/Id,", "path: 'Batch/[x]',", "Batch/[x]", "tags[3].path", "wildcards"),
    (
        C,
        "path: Process/OvenTemperature",
        "path: Process/CoatWeight",
        "  - path: Process/CoatWeight\n    type: Double\n    unit: degC",
        "tags[1].path",
        "listed twice",
    ),
    (C, "path: Process/Zones", "path: Recipe/Sts/BootId", "Recipe/Sts/BootId", "tags[2].path", "comes with the recipe block"),
    (
        C,
        "batch: Batch/Id",
        "batch: Batch/Identity",
        "batch: ",
        "batch",
        "the class has no tag 'Batch/Identity'; did you mean 'Batch/Id'?",
    ),
    (C, "state: State/Mode", "state: Mode", "state: ", "state", "the class has no tag 'Mode'"),
    (C, "name: oven", "name: coat_speed", "node: Oven", "recipe.parameters[1].name", "used by a parameter above"),
    (C, "node: Oven", "node: CoatSpeed", "name: oven", "recipe.parameters[1].node", "used by a parameter above"),
    (
        C,
        "node: Oven, type: Int16",
        "node: Oven, type: Int16, range: {low: 0, high: 99999}",
        "99999",
        "recipe.parameters[1].range",
        "Int16 holds -32768 to 32767",
    ),
    (C, "writable: true", "writable: false", "writable", "recipe.parameters[0].writable", "a recipe parameter is writable"),
    (C, "{low: 1, high: 80}", "{low: 80, high: 1}", "writable", "recipe.parameters[0].range", "not below"),
    # --- sites
    (
        S,
        "class: coater",
        "class: coatr",
        "coatr",
        COATER_1 + ".class",
        "no equipment class 'coatr' in classes/; did you mean 'coater'?",
    ),
    (S, "endpoint: electrode-plc", "endpoint: plc", "endpoint: plc", COATER_1 + ".endpoint", "the site has no endpoint 'plc'"),
    (S, "url: opc.tcp://127.0.0.1:48411", "url: http://127.0.0.1", "url", "endpoints[0].url", "is no OPC UA address"),
    (S, "127.0.0.1:48411", "127.0.0.1:999999", "url", "endpoints[0].url", "is no OPC UA address"),
    (S, "127.0.0.1:48411", "me:secret@127.0.0.1", "url", "endpoints[0].url", "use the field 'credentials'"),
    (
        S,
        "policy: Basic256Sha256",
        "policy: None",
        "policy",
        "endpoints[0].security",
        "policy None does not go with mode SignAndEncrypt",
    ),
    (
        S,
        "mode: SignAndEncrypt",
        "mode: None",
        "policy",
        "endpoints[0].security",
        "policy Basic256Sha256 does not go with mode None",
    ),
    (S, "policy: Basic256Sha256", "policy: Basic256", "policy", "endpoints[0].security.policy", "must be 'Basic256Sha256'"),
    (S, "mode: SignAndEncrypt", "mode: SignEncrypt", "policy", "endpoints[0].security.mode", "did you mean 'SignAndEncrypt'?"),
    (
        S,
        "password: {env: WROCLAW_PASSWORD}",
        "password: hunter2",
        "hunter2",
        "endpoints[0].credentials.password",
        "a secret in clear",
    ),
    (
        S,
        "password: {env: WROCLAW_PASSWORD}",
        "password: 12345",
        "12345",
        "endpoints[0].credentials.password",
        "a secret in clear",
    ),
    (
        S,
        "{env: WROCLAW_PASSWORD}",
        "{env: A, file: b}",
        "env: A",
        "endpoints[0].credentials.password",
        "either {env: NAME} or {file: PATH}",
    ),
    (
        S,
        "credentials: {user: gateway, password: {env: WROCLAW_PASSWORD}}",
        "credentials: gateway",
        "credentials",
        "endpoints[0].credentials",
        "write credentials: anonymous",
    ),
    (
        S,
        "max_nodes_per_read: 100",
        "max_nodes_per_read: 0",
        "max_nodes",
        "endpoints[0].limits.max_nodes_per_read",
        "must be above 0",
    ),
    (S, "role: child-line", "role: childline", "role", "lines[0].role", "did you mean 'child-line'?"),
    (S, "capacity: 1", "capacity: one", "capacity", "lines[0].capacity", "must be a number"),
    (S, "country: PL", "country: Poland", "country", "country", "must look like"),
    (S, "handshake: mailbox", "handshake: mail", "handshake", COATER_1 + ".handshake", "must be 'method', 'mailbox' or 'direct'"),
    (
        S,
        '{namespace: "urn:acme:wroclaw:electrode", path: Line1/Beschichter1}',
        "{node: 'ns=2;s=Coater1'}",
        "ns=2",
        COATER_1 + ".root",
        "an index is not stable",
    ),
    (S, '"urn:acme:wroclaw:electrode", path', '"2", path', "root", COATER_1 + ".root", "the namespace is no URI"),
    (S, ", path: Line1/Beschichter1}", "}", "root", COATER_1 + ".root", "write {namespace:"),
    (S, ", path: Line1/Beschichter1}", ", path: A, node: 'nsu=urn:a;s=b'}", "root", COATER_1 + ".root", "node stands alone"),
    (
        S,
        "Process/CoatWeight: Prozess",
        "Process/CoatWait: Prozess",
        "rename",
        COATER_1 + ".rename.Process/CoatWait",
        "has nothing at 'Process/CoatWait'; did you mean 'Process/CoatWeight'?",
    ),
    (S, "Prozess/Flaechengewicht", "Prozess/Zones", "rename", COATER_1 + ".rename.Process", "both land on 'Prozess/Zones'"),
    (
        S,
        "          Process/OvenTemperature:",
        "          Process/Oven:",
        "  Process/Oven:",
        COATER_1 + ".tags.Process/Oven",
        "has no tag 'Process/Oven'",
    ),
    (S, "unit: degF", "unit: bar", "unit: bar", OVEN + ".unit", "bar does not convert to degC; use one of K, degC, degF"),
    (S, "scale: 0.1", "scale: 0", "scale", OVEN + ".scale", "every value the same"),
    (S, "type: Int16", "type: String", "String", OVEN + ".type", "only numbers convert"),
    (S, "type: Int16", "type: 'Int16[]'", "Int16", OVEN + ".type", "an array and a single"),
    (
        S,
        "          Process/OvenTemperature: {type: Int16,",
        "          Batch/Id: {",
        "Batch/Id",
        COATER_1 + ".tags.Batch/Id.unit",
        "only a number has a unit",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "marker", "field", "words"), FAULTS)
def test_a_fault_is_named_by_file_line_and_field(
    tmp_path: Path, file: str, old: str, new: str, marker: str, field: str, words: str
) -> None:
    files = changed(file, old, new)
    found = plant_complaints(tmp_path, files)
    where = f"{file}:{line_of(files[file], marker)}: " if marker else f"{file}:"
    matching = [text for text in found if text.startswith(where) and words in text]
    assert matching, found
    if field:
        assert matching[0].removeprefix(where).startswith(f"{field}: "), matching
    assert "hunter2" not in "".join(found)
    assert "12345" not in "".join(found)
