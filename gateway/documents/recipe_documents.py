"""The documents of a recipe, as written: MasterRecipe and SiteOverlay. Messages here never repeat a value: it may be secret."""

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.documents.classes import is_numeric
from gateway.documents.fields import ClassPath, Distinct, Filled, Name, Number, Part, Text, TypeName, Unit, Version, fault
from gateway.documents.plant_documents import Handshake
from gateway.plant.equipment_class import TagType
from gateway.plant.values import INTEGERS, DataType

_DIGEST: Final = re.compile(r"sha256:\S+\Z")
_FIRMWARE: Final = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*\d+(\.\d+)*(\s*,\s*(>=|<=|==|!=|>|<)\s*\d+(\.\d+)*)*\s*\Z")
_REFERENCE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)@((0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8}))\Z")


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _DIGEST.match(value):
        raise fault("is no digest; write 'sha256:' and the digest behind it, in quotes")
    return value


def _firmware(value: Any) -> str:
    if not isinstance(value, str) or not _FIRMWARE.match(value):
        raise fault('is no firmware range; write comparisons with commas between them, in quotes, such as ">=4.1,<5"')
    return value


def _reference(value: Any) -> str:
    if not isinstance(value, str) or not _REFERENCE.match(value):
        raise fault("names no recipe; write ID@VERSION, such as cell-formation@3.2.0")
    return value


def _value(value: Any) -> Any:
    entries = value if isinstance(value, list) else [value]
    if not all(isinstance(entry, bool | int | float | str) for entry in entries):
        raise fault("must be a number, true or false, a text, or a list of these")
    return value


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise fault("must be a number, true or false, or a text")
    return value


def _interval(value: Any) -> Any:
    if not isinstance(value, list) or len(value) != 2 or not all(_is_number(entry) for entry in value):
        raise fault("must be two numbers, [low, high]")
    if value[0] >= value[1]:
        raise fault("low must be below high; swap or mend them")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


_VALUE_SCHEMA: Final = {
    "anyOf": [
        {"type": ["number", "boolean", "string"]},
        {"type": "array", "items": {"type": ["number", "boolean", "string"]}},
    ]
}
Value = Annotated[Any, BeforeValidator(_value), WithJsonSchema(_VALUE_SCHEMA)]
Scalar = Annotated[Any, BeforeValidator(_scalar), WithJsonSchema({"type": ["number", "boolean", "string"]})]
Digest = Annotated[str, BeforeValidator(_digest), WithJsonSchema({"type": "string", "pattern": r"^sha256:\S+$"})]
Firmware = Annotated[str, BeforeValidator(_firmware), WithJsonSchema({"type": "string", "examples": [">=4.1,<5"]})]
Reference = Annotated[str, BeforeValidator(_reference), WithJsonSchema({"type": "string", "pattern": "^[^@]+@[^@]+$"})]
_PAIR: Final = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
Interval = Annotated[list[Any], BeforeValidator(_interval), WithJsonSchema(_PAIR)]


class ClassificationPart(Part):
    """Who may have the recipe."""

    export: Text | None = Field(default=None, description="Export control code; a site needs the entitlement.")
    confidentiality: Literal["public", "internal", "confidential", "secret"] = "internal"


class ChangePart(Part):
    """Why this version exists."""

    request: Text = Field(description="Number of the change request.")
    reason: Annotated[str, Field(strict=True)] = ""
    evidence: list[Digest] = Field(default=[], description="Digests of what supports the change.")


class HeaderPart(Part):
    """What the recipe is (ISA-88 header)."""

    id: Name
    version: Version = Field(description="Never changes once submitted.")
    supersedes: Version | None = Field(default=None, description="The version this one replaces.")
    product: Text
    classification: ClassificationPart = ClassificationPart()
    change: ChangePart | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.supersedes is not None and _numbers(self.supersedes) >= _numbers(self.version):
            raise fault(f"version {self.version} does not come after {self.supersedes}, which it supersedes; raise the version")
        return self


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


class CapabilityPart(Part):
    """Something the equipment must have at least `min` of."""

    name: Name
    min: Number


class RequirementsPart(Part):
    """What equipment must be to take the recipe."""

    class_name: Name = Field(alias="class", description="Its equipment class.")
    capabilities: list[CapabilityPart] = Field(default=[])
    firmware: Firmware | None = None
    handshake: Filled[Handshake] | None = Field(default=None, description="Handshake profiles that will do; any if left out.")


class LimitsPart(Part):
    """What the value may never leave, in the parameter's unit."""

    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is None and self.high is None:
            raise fault("must have low, high or both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise fault("low must be below high; swap or mend them")
        return self


class ParityPart(Part):
    """How a line's value is compared with the mother's."""

    parity_class: Literal["exact", "tolerance", "bounded", "localized", "derived", "observed", "excluded"] = Field(
        alias="class", description="tolerance: within max(abs, rel·|target|); localized: an overlay's value inside bound."
    )
    abs: Annotated[Number, Field(gt=0)] | None = None
    rel: Annotated[Number, Field(gt=0)] | None = None
    bound: Interval | None = None
    basis: Text | None = Field(default=None, description="Why places differ.")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        chosen = self.parity_class
        if chosen == "tolerance" and self.abs is None and self.rel is None:
            raise fault("class tolerance needs abs, rel or both")
        if chosen != "tolerance" and (self.abs is not None or self.rel is not None):
            raise fault(f"abs and rel belong to class tolerance, not {chosen}; remove them or change the class")
        if chosen in ("bounded", "localized") and self.bound is None:
            raise fault(f"class {chosen} needs bound: [low, high]")
        if chosen not in ("bounded", "localized") and self.bound is not None:
            raise fault(f"bound belongs to class bounded or localized, not {chosen}; remove it or change the class")
        return self


class ParameterPart(Part):
    """One process input of the formula."""

    name: Name = Field(description="A recipe parameter of the equipment class.")
    type: TypeName
    unit: Unit | None = None
    value: Value
    limits: LimitsPart | None = None
    parity: ParityPart | None = Field(default=None, description="exact if left out.")
    critical: bool = False

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        wrong = misfit(self.type, self.value)
        if wrong is not None:
            raise fault(wrong)
        numbers = self.value if isinstance(self.value, list) else [self.value]
        if not is_numeric(self.type):
            if self.unit is not None or self.limits is not None or (self.parity is not None and self.parity.abs is not None):
                raise fault(f"only a number has a unit, limits or a tolerance, and the type is {self.type}; remove them")
            return self
        low = self.limits.low if self.limits is not None else None
        high = self.limits.high if self.limits is not None else None
        if any((low is not None and entry < low) or (high is not None and entry > high) for entry in numbers):
            raise fault("the value is outside its own limits; mend one of them")
        bound = self.parity.bound if self.parity is not None else None
        if bound is not None and any(not bound[0] <= entry <= bound[1] for entry in numbers):
            raise fault("the value is outside its own parity bound; mend one of them")
        return self


class OutputPart(Part):
    """A result to be matched between lines."""

    name: Name
    unit: Unit | None = None
    lsl: Number | None = Field(default=None, description="Lower specification limit.")
    usl: Number | None = Field(default=None, description="Upper specification limit.")
    margin: Annotated[Number, Field(gt=0)] | None = Field(default=None, description="Equivalence margin of the mean, in `unit`.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lsl is not None and self.usl is not None and self.lsl >= self.usl:
            raise fault("lsl must be below usl; swap or mend them")
        return self


class FormulaPart(Part):
    """Process inputs and outputs (ISA-88 formula)."""

    parameters: Filled[ParameterPart]
    process_outputs: list[OutputPart] = Field(default=[])


class InterlockPart(Part):
    """A condition for a push."""

    tag: ClassPath = Field(description="Class path of the tag.")
    allowed: Filled[Scalar] = Field(alias="in", description="The tag must hold one of these.")


class ProcedurePart(Part):
    """Which procedure runs the formula."""

    ref: Text = Field(description="`plc-resident`: the PLC holds it.")
    id: Text
    digest: Digest | None = None


class MasterRecipeDocument(Part):
    """A recipe as the mother factory writes it, independent of any line."""

    kind: Literal["MasterRecipe"]
    header: HeaderPart
    equipment_requirements: RequirementsPart
    formula: FormulaPart
    interlocks: list[InterlockPart] = Field(default=[])
    procedure: ProcedurePart | None = None


class SiteOverlayDocument(Part):
    """How one site adapts one version of a master recipe."""

    kind: Literal["SiteOverlay"]
    site: Name
    recipe: Reference = Field(description="ID@VERSION of the master recipe.")
    localize: dict[Name, Value] = Field(default={}, description="Values of parameters whose parity class is `localized`.")
    waivers: Distinct[Text] = Field(default=[], description="Ids of waivers that apply.")


def misfit(declared: TagType, value: Any) -> str | None:
    """Why `value` cannot travel as the declared type without change, or None. Never repeats the value."""
    if declared.array != isinstance(value, list):
        return f"the value must be {'a list' if declared.array else 'a single value'}, for the type is {declared}"
    for entry in value if isinstance(value, list) else [value]:
        wrong = _misfit(declared, entry)
        if wrong is not None:
            return wrong
    return None


def _misfit(declared: TagType, entry: Any) -> str | None:
    base = declared.base
    if base is DataType.BOOLEAN:
        return None if isinstance(entry, bool) else "the value must be true or false, for the type is Boolean"
    if base is DataType.STRING:
        return None if isinstance(entry, str) else "the value must be text in quotes, for the type is String"
    if base in INTEGERS:
        if not isinstance(entry, int) or isinstance(entry, bool):
            return f"the value must be a whole number, for the type is {declared}"
        low, high = INTEGERS[base]
        return None if low <= entry <= high else f"the value does not fit into {declared}, which holds {low} to {high}"
    if base in (DataType.FLOAT, DataType.DOUBLE):
        if not _is_number(entry):
            return f"the value must be a finite number, for the type is {declared}"
        largest = 3.4028234663852886e38 if base is DataType.FLOAT else 1.7976931348623157e308
        return None if abs(entry) <= largest else f"the value does not fit into {declared}"
    return f"a recipe cannot carry the type {declared}; use a number, Boolean or String"
