"""load_plant: sound files become the plant, and each kind of fault is named by file, line and field."""

from pathlib import Path

import pytest

from gateway.documents import load_plant
from gateway.errors import ConfigurationError
from gateway.plant.equipment_class import (
    Credentials,
    Deadband,
    LimitOverride,
    MirrorDefaults,
    Range,
    RecipeParameter,
    RootNode,
    Secret,
    SiteMeasure,
    Tag,
    TagType,
    parse_type,
)
from gateway.plant.values import DataType
from tests.unit.documents.sound_plant import COATER, FILES, PLANT, SECOND_COATER, WROCLAW, changed, plant_complaints, write


def test_a_sound_configuration_becomes_the_plant(tmp_path: Path) -> None:
    plant = load_plant(write(tmp_path, FILES))
    assert (plant.enterprise, plant.mother, plant.mirror) == ("acme-cells", "wroclaw", MirrorDefaults(10.0, 60.0))

    coater = plant.classes["coater"]
    assert coater.tag("Process/CoatWeight") == Tag(
        path="Process/CoatWeight",
        type=TagType(DataType.DOUBLE),
        unit="g/m2",
        range=Range(0, 400),
        sampling_ms=500.0,
        deadband=Deadband("absolute", 0.05),
        max_silence_s=10.0,
        history=True,
    )
    assert coater.tag("Process/Zones") == Tag("Process/Zones", TagType(DataType.FLOAT, array=True), unit="degC")
    assert (coater.batch, coater.state) == ("Batch/Id", "State/Mode")
    assert coater.recipe is not None
    assert coater.recipe.parameters[0] == RecipeParameter(
        "coat_speed", "CoatSpeed", TagType(DataType.FLOAT), "m/min", Range(1, 80)
    )

    (endpoint,) = plant.endpoints()
    assert (endpoint.key, endpoint.policy, endpoint.mode) == ("wroclaw/electrode-plc", "Basic256Sha256", "SignAndEncrypt")
    assert endpoint.credentials == Credentials("gateway", Secret(env="WROCLAW_PASSWORD"))
    assert endpoint.limits == LimitOverride(max_monitored_items_per_call=100, max_nodes_per_read=100)
    assert endpoint.publishing_ms == 250.0

    (equipment,) = plant.equipment()
    assert str(equipment.path) == "wroclaw/electrode/line-1/coater-1"
    assert equipment.equipment_class is coater
    assert equipment.root == RootNode("urn:acme:wroclaw:electrode", "Line1/Beschichter1", None)
    assert equipment.site_path("Process/CoatWeight") == "Prozess/Flaechengewicht"
    assert equipment.site_path("Process/OvenTemperature") == "Prozess/OvenTemperature"
    assert equipment.measures == {"Process/OvenTemperature": SiteMeasure(TagType(DataType.INT16), "degF", 0.1, 0.0)}


def test_the_recipe_block_brings_its_tags(tmp_path: Path) -> None:
    coater = load_plant(write(tmp_path, FILES)).classes["coater"]
    block = {
        tag.path: (str(tag.type), tag.unit, tag.sampling_ms, tag.optional)
        for tag in coater.tags
        if tag.path.startswith("Recipe/")
    }
    assert block == {
        "Recipe/Active/CoatSpeed": ("Float", "m/min", 1000.0, False),
        "Recipe/Active/Oven": ("Int16", "degC", 1000.0, False),
        "Recipe/Sts/ActiveDigest": ("String", None, 1000.0, False),
        "Recipe/Sts/ChangeCounter": ("UInt32", None, 1000.0, False),
        "Recipe/Sts/BootId": ("UInt32", None, 1000.0, False),
        "Recipe/Sts/ActiveTxId": ("UInt32", None, 1000.0, True),
        "Recipe/Sts/State": ("Int32", None, 1000.0, True),
    }


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    site = WROCLAW
    for line in ("security", "credentials", "limits", "publishing"):
        start = site.index(f"    {line}:")
        site = site[:start] + site[site.index("\n", start) + 1 :]
    plant = load_plant(write(tmp_path, {**FILES, "plant.yaml": PLANT.replace("500ms", "2s"), "sites/wroclaw.yaml": site}))
    (endpoint,) = plant.endpoints()
    assert (endpoint.policy, endpoint.mode, endpoint.enabled) == ("Basic256Sha256", "SignAndEncrypt", True)
    assert endpoint.credentials == Credentials()
    assert endpoint.publishing_ms == 2000.0


def test_a_relative_secret_file_is_in_the_configuration_directory(tmp_path: Path) -> None:
    plant = load_plant(write(tmp_path, changed("sites/wroclaw.yaml", "{env: WROCLAW_PASSWORD}", "{file: secrets/plc}")))
    assert plant.endpoints()[0].credentials.password == Secret(file=str(tmp_path / "secrets/plc"))


def test_a_folder_may_hold_several_documents_in_one_file_and_yml_files(tmp_path: Path) -> None:
    files = {
        "plant.yaml": PLANT,
        "classes/all.yml": COATER + "---\n" + COATER.replace("class: coater", "class: second"),
        "sites/wroclaw.yaml": "---\n" + WROCLAW + "---\n",
    }
    assert set(load_plant(write(tmp_path, files)).classes) == {"coater", "second"}


def test_anchors_and_aliases_repeat_what_is_written(tmp_path: Path) -> None:
    shared = "class: coater, endpoint: electrode-plc"
    new = f"      - {{name: coater-1, {shared}, root: {{node: 'nsu=urn:a;s=1'}}, rename: &names {{Process: P}}}}\n"
    new += f"      - {{name: coater-2, {shared}, root: {{node: 'nsu=urn:a;s=2'}}, rename: *names}}\n"
    start = WROCLAW.index("      - name: coater-1")
    plant = load_plant(write(tmp_path, {**FILES, "sites/wroclaw.yaml": WROCLAW[:start] + new}))
    assert [item.site_path("Process/Zones") for item in plant.equipment()] == ["P/Zones", "P/Zones"]


def test_words_that_old_yaml_takes_for_booleans_are_text(tmp_path: Path) -> None:
    plant = load_plant(write(tmp_path, changed("sites/wroclaw.yaml", "country: PL", "country: NO")))
    assert plant.sites[0].country == "NO"


P, C, S = "plant.yaml", "classes/coater.yaml", "sites/wroclaw.yaml"

#: Nine lines that mean a thousand million values.
BOMB = b"a: &a [1,1,1,1,1,1,1,1,1,1]\n" + b"".join(
    b"%c: &%c [%s]\n" % (97 + n, 97 + n, b",".join([b"*%c" % (96 + n)] * 10)) for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("name: coater-2", "name: coater-1", "lines[0].equipment[1].name", "exists already on this line"),
        ("Line1/Beschichter2", "Line1/Beschichter1", "lines[0].equipment[1].root", "'coater-1' has the same root"),
    ],
)
def test_two_pieces_of_equipment_do_not_share_a_name_or_a_root(
    tmp_path: Path, old: str, new: str, field: str, words: str
) -> None:
    site = WROCLAW + SECOND_COATER.replace(old, new)
    (found,) = plant_complaints(tmp_path, {**FILES, S: site})
    assert found.startswith(
        f"{S}:{len(WROCLAW.splitlines()) + SECOND_COATER[: SECOND_COATER.index(old)].count(chr(10)) + 1}: {field}: "
    )
    assert words in found


def test_endpoints_lines_sites_and_classes_have_names_of_their_own(tmp_path: Path) -> None:
    lines = WROCLAW[WROCLAW.index("  - area") :]
    doubled = WROCLAW.replace("lines:\n", "  - {name: electrode-plc, url: 'opc.tcp://b'}\nlines:\n") + lines.replace(
        "Beschichter1", "B2"
    )
    files = {**FILES, S: doubled, "sites/zweite.yaml": WROCLAW, "classes/zweite.yaml": COATER}
    found = plant_complaints(tmp_path, files)
    assert [text.split(": ")[1] for text in found] == ["class", "endpoints[1].name", "lines[1].line", "site"]
    assert found[0] == (
        f"classes/zweite.yaml:2: class: class 'coater' exists already, in {tmp_path}/classes/coater.yaml:2; choose another name"
    )


def test_ten_faults_over_three_files_are_reported_at_once(tmp_path: Path) -> None:
    files = {
        P: PLANT.replace("60s", "60").replace("wroclaw", "ochang").replace("kind: Plant", "kind: Plant\ncolour: red"),
        C: COATER.replace("type: Double\n    unit: g/m2", "type: Doubel\n    unit: g/m2")
        .replace("type: String", "type: String, deadband: {absolute: 1}")
        .replace("state: State/Mode", "state: State/Mod"),
        S: WROCLAW.replace("{env: WROCLAW_PASSWORD}", "hunter2")
        .replace("endpoint: electrode-plc", "endpoint: plc")
        .replace("role: child-line", "rolle: child-line")
        .replace("opc.tcp:", "tcp:"),
    }
    assert [text.split(": ")[0] + " " + text.split(": ")[1] for text in plant_complaints(tmp_path, files)] == [
        "classes/coater.yaml:7 tags[0].type",
        "classes/coater.yaml:20 tags[3].deadband",
        "classes/coater.yaml:23 state",
        "plant.yaml:2 colour",
        "plant.yaml:4 mother",
        "plant.yaml:5 mirror.grace",
        "sites/wroclaw.yaml:8 endpoints[0].url",
        "sites/wroclaw.yaml:10 endpoints[0].credentials.password",
        "sites/wroclaw.yaml:16 lines[0].rolle",
        "sites/wroclaw.yaml:21 lines[0].equipment[0].endpoint",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type: Enumeration", "type: Enum"),
        ("kind: EquipmentClass", "kind: EquipmentKlass"),
        ("batch: Batch/Id", "\tbatch: Batch/Id"),
        ("tags:", "tagz:"),
    ],
)
def test_a_faulty_class_is_not_complained_about_in_the_sites_that_use_it(tmp_path: Path, old: str, new: str) -> None:
    found = plant_complaints(tmp_path, changed(C, old, new))
    assert {text.split(":")[0] for text in found} == {C}


@pytest.mark.parametrize(
    ("file", "old", "new", "field"), [(C, "tags:", "tagz:", "tags"), (S, "endpoints:", "endpointz:", "endpoints")]
)
def test_a_misspelt_list_is_not_complained_about_where_it_is_referred_to(
    tmp_path: Path, file: str, old: str, new: str, field: str
) -> None:
    files = {**FILES, file: FILES[file].replace(f"\n{old}", f"\n{new}")}
    assert sorted(text.split(": ")[1] for text in plant_complaints(tmp_path, files)) == [field, new[:-1]]


def test_an_unreadable_mother_site_is_complained_about_once(tmp_path: Path) -> None:
    (found,) = plant_complaints(tmp_path, changed(S, "site: wroclaw", "\tsite: wroclaw"))
    assert found.startswith(f"{S}:2: a tab indents this line")


def test_several_faults_of_one_entry_are_reported_at_once(tmp_path: Path) -> None:
    start = WROCLAW.index("        class: coater")
    site = WROCLAW[:start] + "        class: coatr\n        endpoint: plc\n        root: 7\n        handshake: mail\n"
    assert [text.split(": ")[1] for text in plant_complaints(tmp_path, {**FILES, S: site})] == [
        f"lines[0].equipment[0].{field}" for field in ("class", "endpoint", "root", "handshake")
    ]


def test_missing_places_are_named(tmp_path: Path) -> None:
    assert plant_complaints(tmp_path / "absent", {}) == [
        f"{tmp_path}/absent:1: no such directory; name the one that holds plant.yaml, classes/ and sites/"
    ]
    assert [text.split(": ")[0] for text in plant_complaints(tmp_path, {})] == ["classes:1", "plant.yaml:1", "sites:1"]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "the file is empty"),
        (b"# only a comment\n", 1, "the file is empty"),
        (b"kind: Plant\nmother: Wroc\xb3aw\n", 2, "byte 0xb3 is not UTF-8"),
        (b"kind: Plant\nmother: a\x01b\n", 2, "is not allowed in YAML"),
        (b"- a\n- b\n", 1, "must be a mapping that begins with 'kind: Plant'"),
        (b"kind: " + b"[" * 100_000, 1, "nested deeper than"),
        (BOMB, 1, "more than 200000 values"),
        (b"a: &a [*a]\n", 1, "repeats nothing"),
        (b"#" * 5_000_000, 1, "larger than 4 MiB"),
    ],
)
def test_hostile_and_unreadable_files_are_refused(tmp_path: Path, content: bytes, line: int, words: str) -> None:
    write(tmp_path, FILES)
    (tmp_path / P).write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_plant(tmp_path)
    assert any(text.startswith(f"{tmp_path}/{P}:{line}: ") and words in text for text in caught.value.complaints), caught.value


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    (tmp_path / P).write_bytes(b"\xef\xbb\xbf" + PLANT.encode())
    assert load_plant(tmp_path).mother == "wroclaw"


def test_every_type_name_is_read() -> None:
    for name in ("Boolean", "Float[]", "Enumeration", "Structure", "LocalizedText"):
        assert str(parse_type(name)) == name
