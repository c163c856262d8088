"""The example configuration loads, satisfies the editors' schemas, and its recipes speak of its own classes and sites."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from gateway.documents import load_plant, load_recipe, schemas
from gateway.recipes.recipe import MasterRecipe, SiteOverlay

CONFIG = Path(__file__).parents[3] / "config"
DOCUMENTS = [
    (path.name, document) for path in sorted(CONFIG.rglob("*.yaml")) for document in yaml.safe_load_all(path.read_text("utf-8"))
]


def test_it_is_as_large_as_promised() -> None:
    plant = load_plant(CONFIG)
    assert plant.mother == "ochang"
    assert {site.name for site in plant.sites} == {"ochang", "wroclaw", "michigan", "nanjing"}
    assert len(plant.endpoints()) >= 8
    assert sum(len(item.equipment_class.tags) for item in plant.equipment()) >= 1000


@pytest.mark.parametrize("path", sorted(CONFIG.glob("recipes/*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_names_parameters_of_its_class_in_their_types_and_units(path: Path) -> None:
    classes = load_plant(CONFIG).classes
    for recipe in load_recipe(path):
        assert isinstance(recipe, MasterRecipe)
        block = classes[recipe.equipment_requirements.equipment_class].recipe
        assert block is not None
        offered = {item.name: (item.type, item.unit) for item in block.parameters}
        assert {item.name: (item.type, item.unit) for item in recipe.parameters}.items() <= offered.items()


@pytest.mark.parametrize("path", sorted(CONFIG.glob("overlays/*.yaml")), ids=lambda path: path.stem)
def test_an_overlay_adapts_localized_parameters_of_a_recipe_at_a_site_of_the_plant(path: Path) -> None:
    sites = {site.name for site in load_plant(CONFIG).sites}
    recipes = {
        item.header.name: item
        for file in CONFIG.glob("recipes/*.yaml")
        for item in load_recipe(file)
        if isinstance(item, MasterRecipe)
    }
    for overlay in load_recipe(path):
        assert isinstance(overlay, SiteOverlay)
        assert overlay.site in sites
        recipe = recipes[f"{overlay.recipe_id}@{overlay.recipe_version}"]
        localized = {item.name for item in recipe.parameters if item.parity.parity_class == "localized"}
        assert set(overlay.localize) <= localized


@pytest.mark.parametrize(("name", "document"), DOCUMENTS, ids=[name for name, _ in DOCUMENTS])
def test_it_satisfies_the_schemas(name: str, document: Any) -> None:
    assert [error.message for error in Draft202012Validator(schemas()[document["kind"]]).iter_errors(document)] == [], name
