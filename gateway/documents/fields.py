"""The vocabulary of all documents: the base of every model, and the types of their fields with plain-worded complaints."""

import re
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gateway.documents.source import Document, Located, Place
from gateway.plant.equipment_class import TYPE_NAMES, TagType, parse_type
from gateway.plant.hierarchy import is_name
from gateway.plant.units import misspelt

PARTIAL: Final = "partial"  #: validation context: faulty fields and entries have been taken out
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)\Z")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_VERSION: Final = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\Z")
_TYPE_PATTERN: Final = "^(" + "|".join([*TYPE_NAMES, "Enumeration"]) + r")(\[\])?$"


def fault(text: str) -> PydanticCustomError:
    """A complaint about one field, to raise inside a validator. `text` says what is wrong and how to mend it."""
    return PydanticCustomError("fault", "{text}", {"text": text})


class Part(BaseModel):
    """A mapping of a document. Unknown fields are faults, nothing is converted silently, and it knows where it stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=False)
    _place: Place = PrivateAttr(default_factory=lambda: Place(Document("", lines={(): 1})))

    @model_validator(mode="wrap")
    @classmethod
    def _keep_place(cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if not isinstance(data, Located):
            return handler(data)
        part = handler({**cls.stand_ins(data.place), **data} if info.context == PARTIAL else data)
        part._place = data.place
        return part

    @classmethod
    def stand_ins(cls, place: Place) -> dict[str, Any]:
        """Harmless values for required fields that were faulty, so that the rest of the part is still checked."""
        return {}

    def at(self, *steps: str | int) -> Place:
        """The place of a field below this part, by the name it has in the file."""
        return self._place.at(*steps)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise fault(f'must be text; put it in quotes: "{value}"' if isinstance(value, int | float) else "must be text")
    return value


def _name(value: Any) -> str:
    text = _text(value)
    if not is_name(text):
        raise fault(
            "is no name; begin with a letter A-Z or a digit, then letters, digits, '-', '_' or '.', without spaces or '/'"
        )
    return text


def _path(value: Any) -> str:
    text = _text(value)
    for step in text.split("/"):
        if not step or step != step.strip() or not step.isprintable():
            raise fault("is no browse path; write browse names with one '/' between them, such as Process/CoatWeight")
    return text


def _class_path(value: Any) -> str:
    text = _path(value)
    if any(char in "*?[]" for char in text):
        raise fault("a class's browse path holds no '*', '?', '[' or ']', which are wildcards in queries of the twin")
    return text


def duration(text: str) -> float:
    """Seconds of a duration such as `250ms`, `10s`, `5m`, `24h` or `7d`.

    Raises:
        ValueError: it is not written so, or it is zero.
    """
    found = _DURATION.match(text)
    if found is None:
        raise ValueError("is no duration; write a number and ms, s, m, h or d, such as 500ms or 10s")
    seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds == 0:
        raise ValueError("must be longer than zero")
    return seconds


def _duration(value: Any) -> float:
    if isinstance(value, int | float):
        raise fault("a duration needs a unit; write ms, s, m, h or d behind the number, such as 500ms or 10s")
    try:
        return duration(_text(value))
    except ValueError as error:
        raise fault(str(error)) from error


def _type(value: Any) -> TagType:
    try:
        return parse_type(_text(value))
    except ValueError as error:
        raise fault(str(error)) from error


def _unit(value: Any) -> str:
    text = str(value) if value == 1 and not isinstance(value, bool) else _text(value)
    if not text or text != text.strip() or not text.isprintable():
        raise fault("a unit is a short text without spaces around it, such as degC; leave the field out where there is none")
    right = misspelt(text)
    if right is not None:
        raise fault(f"unknown unit '{text}'; write {right}")
    return text


def _version(value: Any) -> str:
    if isinstance(value, int | float):
        raise fault("is no version; write three numbers with dots, such as 1.0.0")
    if not _VERSION.match(_text(value)):
        raise fault("is no version; write three numbers with dots, such as 1.0.0")
    return str(value)


_T = TypeVar("_T")


def _filled(values: list[_T], info: ValidationInfo) -> list[_T]:
    if not values and info.context != PARTIAL:
        raise fault("must not be empty; write at least one entry")
    return values


def _distinct(values: list[_T]) -> list[_T]:
    if len(set(values)) < len(values):
        raise fault("repeats a value; each counts once")
    return values


#: Lists of plain values that do not repeat.
Distinct = Annotated[list[_T], AfterValidator(_distinct)]
#: Lists that need an entry, except where what is sound of a faulty document is looked at.
Filled = Annotated[list[_T], AfterValidator(_filled), Field(json_schema_extra={"minItems": 1})]
_NAME_SCHEMA: Final = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$"}
Name = Annotated[str, BeforeValidator(_name), WithJsonSchema(_NAME_SCHEMA)]
Text = Annotated[str, BeforeValidator(_text), Field(min_length=1), WithJsonSchema({"type": "string", "minLength": 1})]
BrowsePath = Annotated[str, BeforeValidator(_path), WithJsonSchema({"type": "string", "pattern": "^[^/]+(/[^/]+)*$"})]
ClassPath = Annotated[
    str, BeforeValidator(_class_path), WithJsonSchema({"type": "string", "pattern": r"^[^/*?\[\]]+(/[^/*?\[\]]+)*$"})
]
Duration = Annotated[
    float, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"})
]
TypeName = Annotated[TagType, BeforeValidator(_type), WithJsonSchema({"type": "string", "pattern": _TYPE_PATTERN})]
Unit = Annotated[
    str, BeforeValidator(_unit), WithJsonSchema({"type": ["string", "integer"], "examples": ["degC", "mm", "g/m2", "%"]})
]
Version = Annotated[str, BeforeValidator(_version), WithJsonSchema({"type": "string", "pattern": r"^\d+\.\d+\.\d+$"})]
Number = FiniteFloat


class RangePart(Part):
    """A closed interval in the unit of what it bounds."""

    low: Number
    high: Number

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise fault(f"low {self.low:g} is not below high {self.high:g}; swap or mend them")
        return self
