"""The JSON Schemas for editors: committed ones are current, and they agree with what is accepted."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from gateway.documents import schemas, write_schemas
from tests.unit.documents.sound_plant import FILES
from tests.unit.documents.test_load_recipe import RECIPE

ROOT = Path(__file__).parents[3]


def property_names(schema: Any) -> set[str]:
    """Every property that the schema or a part of it names."""
    found: set[str] = set()
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            found |= set(schema["properties"])
        found |= {name for value in schema.values() for name in property_names(value)}
    elif isinstance(schema, list):
        found |= {name for value in schema for name in property_names(value)}
    return found


def test_the_committed_schemas_are_current(tmp_path: Path) -> None:
    for path in write_schemas(tmp_path):
        committed = ROOT / "config" / "schemas" / path.name
        assert committed.read_text("utf-8") == path.read_text("utf-8"), "run `make schemas` and commit what it wrote"


@pytest.mark.parametrize("kind", schemas())
def test_each_is_a_valid_schema_that_allows_no_unknown_field(kind: str) -> None:
    schema = schemas()[kind]
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["kind"]["const"] == kind


@pytest.mark.parametrize(
    "document", [*map(yaml.safe_load, FILES.values()), *yaml.safe_load_all(RECIPE)], ids=lambda item: item["kind"]
)
def test_sound_documents_satisfy_their_schema(document: Any) -> None:
    assert [error.message for error in Draft202012Validator(schemas()[document["kind"]]).iter_errors(document)] == []


@pytest.mark.parametrize("kind", schemas())
def test_every_field_is_in_the_documentation(kind: str) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    section = text[text.index(f"## {kind}\n") :]
    section = section[: section.find("\n## ", 3)]
    assert {name for name in property_names(schemas()[kind]) if f"`{name}`" not in section} == set()


@pytest.mark.parametrize("file", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_names_the_schema_of_its_kind_and_satisfies_it(file: Path) -> None:
    text = file.read_text("utf-8")
    named = text.partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    document = yaml.safe_load(text)
    assert (file.parent / named).resolve() == ROOT / "config" / "schemas" / f"{document['kind']}.json"
    assert [error.message for error in Draft202012Validator(schemas()[document["kind"]]).iter_errors(document)] == []
