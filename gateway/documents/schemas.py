"""JSON Schemas of every kind of document, for editors that check and complete YAML while it is typed."""

import json
from pathlib import Path
from typing import Any, Final

from gateway.documents.fields import Part
from gateway.documents.plant_documents import EquipmentClassDocument, PlantDocument, SiteDocument
from gateway.documents.recipe_documents import MasterRecipeDocument, SiteOverlayDocument

KINDS: Final[dict[str, type[Part]]] = {
    "Plant": PlantDocument,
    "EquipmentClass": EquipmentClassDocument,
    "Site": SiteDocument,
    "MasterRecipe": MasterRecipeDocument,
    "SiteOverlay": SiteOverlayDocument,
}


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (draft 2020-12) of every kind, by its name."""
    return {kind: _schema(model) for kind, model in KINDS.items()}


def _schema(model: type[Part]) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(by_alias=True)}


def write_schemas(directory: Path) -> list[Path]:
    """Write `<Kind>.json` for every kind into `directory`, and say which files. The same model gives the same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, schema in schemas().items():
        path = directory / f"{kind}.json"
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written
