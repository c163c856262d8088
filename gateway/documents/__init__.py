"""YAML files → domain objects; every complaint names file, line and field."""

from gateway.documents.plant import load_plant
from gateway.documents.recipes import load_recipe, parse_recipes
from gateway.documents.schemas import schemas, write_schemas

__all__ = ["load_plant", "load_recipe", "parse_recipes", "schemas", "write_schemas"]
