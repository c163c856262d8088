"""From a document to its model: every fault of every field, in plain words, with file, line and field.

What is sound in a faulty document is kept where that is possible (a faulty field gives way to its default or a stand-in, a
list loses its faulty entries), so that cross-checks find their faults in the same run.
"""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.documents.fields import PARTIAL, Part
from gateway.documents.source import Complaint, Document, Loc, Located, Place

M = TypeVar("M", bound=Part)

_WORDS: Final = {
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "list_type": "must be a list; write each entry on its own line behind '- '",
    "dict_type": "must be a mapping; write 'field: value' lines below it",
    "model_type": "must be a mapping; write 'field: value' lines below it",
    "string_too_short": "must not be empty",
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or which words are known, or that there are none."""
    choices = list(known)
    close = get_close_matches(word, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known here: {', '.join(sorted(choices))}" if choices else "none is known here"


def check_kind(document: Document, kinds: Sequence[str]) -> Complaint | None:
    """What is wrong with the document's kind, given the kinds its file may hold."""
    place = Place(document)
    if not isinstance(document.data, dict):
        return place.complain(f"the document must be a mapping that begins with 'kind: {kinds[0]}'")
    kind = document.data.get("kind")
    if kind in kinds:
        return None
    wanted = " or ".join(kinds)
    if kind is None:
        return place.at("kind").complain(f"missing; write 'kind: {wanted}'")
    written = f"'{kind}'" if isinstance(kind, str) else "this"
    return place.at("kind").complain(f"{written} does not belong in this file; write 'kind: {wanted}', or move the document")


def validate(model: type[M], document: Document) -> tuple[M | None, list[Complaint]]:
    """The document as `model`, without faulty fields and entries; None when too little of it is sound. And every complaint."""
    data = document.data
    complaints: list[Complaint] = []
    while True:
        try:
            return model.model_validate(data, context=PARTIAL if complaints else None), complaints
        except ValidationError as error:
            errors = error.errors(include_url=False)
        if not complaints:
            complaints = [_complaint(model, document, item) for item in errors]
            errors = [item for item in errors if item["type"] != "missing"]  # a stand-in may do
        data = _without(data, [_faulty(data, item) for item in errors])
        if data is None:
            return None, complaints


def _faulty(data: Any, error: ErrorDetails) -> Loc:
    """What has to go for the error to go: the faulty field or entry, or the mapping that misses one. Counted in `data`."""
    found: Loc = ()
    for step in error["loc"]:
        if _has(data, step):
            data = data[step]
            found = (*found, step)
    return found


class _Gone:
    """Stands in a list for a dropped entry, so that the others keep their indices while dropping goes on."""


def _without(data: Any, faulty: Sequence[Loc]) -> Any:
    """A copy of `data` without the places in `faulty`; None when all of it has to go."""
    if () in faulty:
        return None
    copy = _copy(data)
    for loc in faulty:
        parent = copy
        for step in loc[:-1]:
            parent = parent[step] if _has(parent, step) else _Gone
        if _has(parent, loc[-1]):
            if isinstance(parent, list):
                parent[int(loc[-1])] = _Gone
            else:
                del parent[loc[-1]]
    return _compact(copy)


def _has(parent: Any, step: str | int) -> bool:
    if isinstance(parent, list):
        return isinstance(step, int) and step < len(parent)
    return isinstance(parent, dict) and step in parent


def _copy(data: Any) -> Any:
    if isinstance(data, Located):
        copy = Located({key: _copy(value) for key, value in data.items()})
        copy.place = data.place
        return copy
    return [_copy(item) for item in data] if isinstance(data, list) else data


def _compact(data: Any) -> Any:
    if isinstance(data, list):
        return [_compact(item) for item in data if item is not _Gone]
    if isinstance(data, dict):
        for key, value in data.items():
            data[key] = _compact(value)
    return data


def _complaint(model: type[Part], document: Document, error: ErrorDetails) -> Complaint:
    kind, loc = error["type"], tuple(error["loc"])
    if kind == "missing":
        place = Place(document, (*document.known(loc[:-1]), loc[-1]))
        return place.complain("missing; write it here, see docs/configuration.md")
    place = Place(document, document.known(loc))
    return place.complain(_text(model, place, error))


def _text(model: type[Part], place: Place, error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "fault":
        return str(context["text"])
    if kind == "extra_forbidden":
        return f"unknown field; {did_you_mean(str(place.loc[-1]), _fields(model, place.loc[:-1]))}"
    if kind == "literal_error":
        expected = str(context["expected"])
        written = error["input"]
        choices = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
        hint = did_you_mean(written, choices) if isinstance(written, str) and len(choices) > 1 else ""
        return f"must be {expected}" + (f"; {hint}" if hint.startswith("did") else "")
    if kind in _WORDS:
        return _WORDS[kind] + _hint(kind, error["input"])
    if kind in ("greater_than", "less_than_equal"):
        return f"must be {'above' if kind == 'greater_than' else 'at most'} {context.get('gt', context.get('le')):g}"
    if kind == "string_pattern_mismatch":
        return f"must look like {context['pattern']}"
    return str(error["msg"])


def _hint(kind: str, value: Any) -> str:
    if value is None:
        return "; nothing is written here"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "; put it in quotes"
    if kind == "bool_type" and str(value).lower() in ("yes", "no", "on", "off"):
        return f", not {value}"
    return ""


def _fields(model: type[BaseModel], loc: Loc) -> list[str]:
    """Names of the fields that the mapping at `loc` may have."""
    models = [model]
    for step in loc:
        annotations = [
            field.annotation for item in models for name, field in item.model_fields.items() if step == (field.alias or name)
        ]
        if annotations:
            models = [found for annotation in annotations for found in _models(annotation)]
    return [field.alias or name for item in models for name, field in item.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
