"""Arbitrary text and arbitrary YAML never raise anything but ConfigurationError, with either YAML parser."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.documents import load_plant, load_recipe, source
from gateway.errors import ConfigurationError
from tests.unit.documents.sound_plant import FILES, write
from tests.unit.documents.test_load_recipe import RECIPE

FUZZ = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["10s", "Double", "Float[]", "coater", "Process/CoatWeight", "Plant", "1.0.0", "degC", "anonymous", "None"])
)  # fmt: skip
KEYS = st.text(max_size=5) | st.sampled_from(
    ["kind", "class", "tags", "path", "type", "range", "low", "high", "recipe", "parameters"]
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both YAML parsers: libyaml, and the one in Python where it is not built in."""
    if request.param == "python":
        monkeypatch.setattr(source, "LOADER", yaml.SafeLoader)


def complaints(load: Callable[[Path], object], path: Path) -> tuple[str, ...]:
    """What `load` complains about, after checking that each complaint has the promised form."""
    found: tuple[str, ...] = ()
    try:
        load(path)
    except ConfigurationError as error:
        found = error.complaints
    assert all(text.isprintable() and re.match(rf"{re.escape(str(path))}[^:]*:[0-9]+: ", text) for text in found), found
    return found


def put(data: Any, path: list[Any], value: Any) -> None:
    """Replace what is at `path` in nested lists and mappings."""
    for step in path[:-1]:
        data = data[step]
    data[path[-1]] = value


def spots(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested lists and mappings."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return ([path] if path else []) + [spot for key, value in inner for spot in spots(value, (*path, key))]


@FUZZ
@given(text=st.text(st.characters(codec="utf-8"), max_size=60) | st.text("ab:-[]{}&*!|>'\"#%@,? \n\t0.", max_size=40))
def test_any_text(tmp_path: Path, text: str) -> None:
    assert complaints(load_plant, write(tmp_path, {**FILES, "plant.yaml": text}))


@FUZZ
@given(raw=st.binary(max_size=60))
def test_any_bytes(tmp_path: Path, raw: bytes) -> None:
    write(tmp_path, FILES)
    (tmp_path / "plant.yaml").write_bytes(raw)
    assert complaints(load_plant, tmp_path)


@FUZZ
@given(data=st.data(), file=st.sampled_from(sorted(FILES)), value=VALUES)
def test_any_value_anywhere_in_a_plant(tmp_path: Path, data: st.DataObject, file: str, value: Any) -> None:
    document = yaml.safe_load(FILES[file])
    put(document, list(data.draw(st.sampled_from(spots(document)))), value)
    complaints(load_plant, write(tmp_path, {**FILES, file: yaml.safe_dump(document, allow_unicode=True)}))


@FUZZ
@given(data=st.data(), value=VALUES)
def test_any_value_anywhere_in_a_recipe(tmp_path: Path, data: st.DataObject, value: Any) -> None:
    documents = list(yaml.safe_load_all(RECIPE))
    put(documents, list(data.draw(st.sampled_from(spots(documents)))), value)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump_all(documents, allow_unicode=True), encoding="utf-8")
    complaints(load_recipe, path)
