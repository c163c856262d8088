"""YAML files → domain objects; every complaint names file, line and field."""

from gateway.documents.plant import load_plant

__all__ = ["load_plant"]
