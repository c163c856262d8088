"""load_recipe: the example of the design loads, and each kind of fault is named without repeating a value."""

from pathlib import Path

import pytest

from gateway.documents import load_recipe
from gateway.errors import ConfigurationError
from gateway.plant.equipment_class import TagType
from gateway.plant.values import DataType
from gateway.recipes.recipe import (
    Capability,
    ChangeRequest,
    Classification,
    EquipmentRequirements,
    Header,
    Interlock,
    Limits,
    MasterRecipe,
    Parameter,
    Parity,
    Procedure,
    ProcessOutput,
    SiteOverlay,
)
from tests.unit.documents.sound_plant import line_of

RECIPE = """\
kind: MasterRecipe
header:                       # ISA-88 header
  id: cell-formation
  version: 3.2.0              # immutable once submitted
  supersedes: 3.1.4
  product: E63
  classification: {export: KR-NCT, confidentiality: secret}
  change: {request: CR-118, reason: "…", evidence: ["sha256:…"]}
equipment_requirements:
  class: formation-charger
  capabilities: [{name: channels, min: 96}]
  firmware: ">=4.1,<5"
  handshake: [method, mailbox]        # 'direct' needs a waiver
formula:
  parameters:
    - {name: cc_current, type: Float, unit: A, value: 12.5, limits: {low: 10, high: 14},
       parity: {class: tolerance, abs: 0.05}, critical: true}
    - {name: chiller_setpoint, type: Float, unit: degC, value: 25,
       parity: {class: localized, bound: [22, 28], basis: altitude}}
  process_outputs:                    # for matching
    - {name: ocv, unit: V, lsl: 3.60, usl: 3.70, margin: 0.01}
interlocks:
  - {tag: State/Mode, in: [Idle, Stopped]}
procedure: {ref: plc-resident, id: FORM_A, digest: "sha256:…"}
---
kind: SiteOverlay
site: plant-b
recipe: cell-formation@3.2.0
localize: {chiller_setpoint: 26}
waivers: [W-17]
"""


def write(directory: Path, text: str) -> Path:
    """The text as a file."""
    path = directory / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def parameter(text: str) -> str:
    """The recipe with one parameter only, which is written so."""
    start, end = RECIPE.index("    - {name: cc_current"), RECIPE.index("  process_outputs:")
    return f"{RECIPE[:start]}    - {text}\n{RECIPE[end:]}"


def test_the_example_of_the_design_loads(tmp_path: Path) -> None:
    assert load_recipe(write(tmp_path, RECIPE)) == [
        MasterRecipe(
            header=Header(
                id="cell-formation",
                version="3.2.0",
                product="E63",
                supersedes="3.1.4",
                classification=Classification("KR-NCT", "secret"),
                change=ChangeRequest("CR-118", "…", ("sha256:…",)),
            ),
            equipment_requirements=EquipmentRequirements(
                "formation-charger", (Capability("channels", 96),), ">=4.1,<5", ("method", "mailbox")
            ),
            parameters=(
                Parameter(
                    "cc_current", TagType(DataType.FLOAT), 12.5, "A", Limits(10, 14), Parity("tolerance", 0.05), critical=True
                ),
                Parameter(
                    "chiller_setpoint",
                    TagType(DataType.FLOAT),
                    25.0,
                    "degC",
                    parity=Parity("localized", bound=(22.0, 28.0), basis="altitude"),
                ),
            ),
            process_outputs=(ProcessOutput("ocv", "V", 3.6, 3.7, 0.01),),
            interlocks=(Interlock("State/Mode", ("Idle", "Stopped")),),
            procedure=Procedure("plc-resident", "FORM_A", "sha256:…"),
        ),
        SiteOverlay("plant-b", "cell-formation", "3.2.0", {"chiller_setpoint": 26}, ("W-17",)),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{name: a, type: Boolean, value: true}", True),
        ("{name: a, type: Int16, value: -5}", -5),
        ("{name: a, type: UInt64, value: 18446744073709551615}", 2**64 - 1),
        ("{name: a, type: String, value: 'x'}", "x"),
        ("{name: a, type: 'Double[]', value: [1, 2.5]}", (1.0, 2.5)),
        ("{name: a, type: Double, value: 1}", 1.0),
    ],
)
def test_a_value_has_the_python_type_of_its_declared_type(tmp_path: Path, text: str, value: object) -> None:
    recipe = load_recipe(write(tmp_path, parameter(text)))[0]
    assert isinstance(recipe, MasterRecipe)
    got = recipe.parameters[0].value
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{name: a, type: Boolean, value: 77001}", "must be true or false"),
        ("{name: a, type: Int16, value: 77001}", "does not fit into Int16, which holds -32768 to 32767"),
        ("{name: a, type: Int32, value: 77001.5}", "must be a whole number"),
        ("{name: a, type: Float, value: '77001'}", "must be a finite number"),
        ("{name: a, type: Float, value: 7.7001e39}", "does not fit into Float"),
        ("{name: a, type: Double, value: .nan}", "must be a finite number"),
        ("{name: a, type: String, value: 77001}", "must be text in quotes"),
        ("{name: a, type: Float, value: [77001]}", "must be a single value"),
        ("{name: a, type: 'Float[]', value: 77001}", "must be a list"),
        ("{name: a, type: Float, value: {a: 77001}}", "must be a number, true or false, a text, or a list of these"),
        ("{name: a, type: Guid, value: '77001'}", "a recipe cannot carry the type Guid"),
        ("{name: a, type: Float, value: 77001, limits: {low: 1, high: 2}}", "outside its own limits"),
        ("{name: a, type: Float, value: 1, limits: {low: 77001, high: 2}}", "low must be below high"),
        ("{name: a, type: Float, value: 1, limits: {}}", "must have low, high or both"),
        ("{name: a, type: Float, value: 1, parity: {class: localized, bound: [77001, 77002]}}", "outside its own parity bound"),
        ("{name: a, type: Float, value: 1, parity: {class: localized, bound: [77001]}}", "must be two numbers, [low, high]"),
        ("{name: a, type: Float, value: 1, parity: {class: bounded, bound: [77001, 1]}}", "low must be below high"),
        ("{name: a, type: Float, value: 1, parity: {class: bounded}}", "class bounded needs bound"),
        ("{name: a, type: Float, value: 1, parity: {class: tolerance}}", "class tolerance needs abs, rel or both"),
        ("{name: a, type: Float, value: 1, parity: {class: exact, abs: 77001}}", "belong to class tolerance, not exact"),
        ("{name: a, type: Float, value: 1, parity: {class: exact, bound: [1, 77001]}}", "belongs to class bounded or localized"),
        ("{name: a, type: Float, value: 1, parity: {class: same}}", "must be 'exact', 'tolerance'"),
        ("{name: a, type: String, value: x, unit: mm}", "only a number has a unit"),
        ("{name: a, type: Float}", "missing"),
    ],
)
def test_a_wrong_parameter_is_named_without_its_value(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, parameter(text))
    with pytest.raises(ConfigurationError) as caught:
        load_recipe(path)
    (complaint,) = caught.value.complaints
    assert complaint.startswith(f"{path}:16: formula.parameters[0]")
    assert words in complaint
    assert "7700" not in complaint.replace("true or false", "")
    assert "7.7" not in complaint


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("version: 3.2.0 ", "version: 3.2 ", "header.version", "write three numbers"),
        ("version: 3.2.0 ", "version: v3.2.0 ", "header.version", "write three numbers"),
        ("confidentiality: secret", "confidentiality: secrt", "header.classification.confidentiality", "did you mean 'secret'?"),
        ('evidence: ["sha256:…"]', 'evidence: ["md5:1"]', "header.change.evidence[0]", "is no digest"),
        ('">=4.1,<5"', '"4.x"', "equipment_requirements.firmware", "is no firmware range"),
        ("[method, mailbox]", "[method, mail]", "equipment_requirements.handshake[1]", "did you mean 'mailbox'?"),
        ("[method, mailbox]", "[]", "equipment_requirements.handshake", "must not be empty"),
        ("lsl: 3.60", "lsl: 3.80", "formula.process_outputs[0]", "lsl must be below usl"),
        ("in: [Idle, Stopped]", "in: []", "interlocks[0].in", "must not be empty"),
        ("in: [Idle, Stopped]", "in: [[Idle]]", "interlocks[0].in[0]", "must be a number, true or false, or a text"),
        ("cell-formation@3.2.0", "cell-formation@3", "recipe", "write ID@VERSION"),
        ("waivers: [W-17]", "waivers: [W-17, W-17]", "waivers", "repeats a value"),
        ("localize:", "localise:", "localise", "did you mean 'localize'?"),
        ("kind: SiteOverlay", "kind: Overlay", "kind", "write 'kind: MasterRecipe or SiteOverlay'"),
    ],
)
def test_a_fault_is_named_by_line_and_field(tmp_path: Path, old: str, new: str, field: str, words: str) -> None:
    text = RECIPE.replace(old, new)
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load_recipe(path)
    assert [
        item for item in caught.value.complaints if item.startswith(f"{path}:{line_of(text, new)}: {field}: ") and words in item
    ]


def test_a_version_comes_after_what_it_supersedes(tmp_path: Path) -> None:
    path = write(tmp_path, RECIPE.replace("supersedes: 3.1.4", "supersedes: 3.10.0"))
    with pytest.raises(ConfigurationError, match=r"version 3\.2\.0 does not come after 3\.10\.0"):
        load_recipe(path)


def test_a_parameter_is_listed_once(tmp_path: Path) -> None:
    text = RECIPE.replace("name: chiller_setpoint", "name: cc_current")
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load_recipe(path)
    assert caught.value.complaints == (
        f"{path}:18: formula.parameters[1].name: 'cc_current' is listed already above; remove one of the two",
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml:1: cannot be read: No such file or directory"):
        load_recipe(tmp_path / "absent.yaml")
