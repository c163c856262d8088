"""Recipe files → master recipes and site overlays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.documents.recipe_documents import (
    HeaderPart,
    LimitsPart,
    MasterRecipeDocument,
    ParameterPart,
    ParityPart,
    RequirementsPart,
    SiteOverlayDocument,
)
from gateway.documents.source import Complaint, Document, parse_documents, read_documents
from gateway.documents.validation import check_kind, validate
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
    ParameterValue,
    Parity,
    Procedure,
    ProcessOutput,
    SiteOverlay,
)


def load_recipe(path: Path) -> list[MasterRecipe | SiteOverlay]:
    """Every MasterRecipe and SiteOverlay of one file, in file order.

    Raises:
        ConfigurationError: with every complaint, each `file:line: field: what is wrong; how to mend it`. No complaint
            repeats a recipe value.
    """
    return _load(*read_documents(path))


def parse_recipes(text: str, filename: str) -> list[MasterRecipe | SiteOverlay]:
    """The same for the text of a file that came another way, as over the HTTP API; complaints name `filename`.

    Raises:
        ConfigurationError: as `load_recipe`.
    """
    return _load(*parse_documents(text, filename))


def _load(documents: Sequence[Document], complaints: list[Complaint]) -> list[MasterRecipe | SiteOverlay]:
    loaded: list[MasterRecipe | SiteOverlay] = []
    for document in documents:
        wrong = check_kind(document, ["MasterRecipe", "SiteOverlay"])
        if wrong is not None:
            complaints.append(wrong)
        elif document.data["kind"] == "MasterRecipe":
            recipe, found = validate(MasterRecipeDocument, document)
            complaints += found
            if recipe is not None:
                complaints += _repeated(recipe.formula.parameters) + _repeated(recipe.formula.process_outputs)
                loaded.append(_master(recipe))
        else:
            overlay, found = validate(SiteOverlayDocument, document)
            complaints += found
            if overlay is not None:
                loaded.append(_overlay(overlay))
    if complaints:
        raise ConfigurationError([str(complaint) for complaint in sorted(set(complaints))])
    return loaded


def _repeated(parts: Sequence[Any]) -> list[Complaint]:
    names = [part.name for part in parts]
    return [
        part.at("name").complain(f"'{part.name}' is listed already above; remove one of the two")
        for index, part in enumerate(parts)
        if part.name in names[:index]
    ]


def _master(part: MasterRecipeDocument) -> MasterRecipe:
    return MasterRecipe(
        header=_header(part.header),
        equipment_requirements=_requirements(part.equipment_requirements),
        parameters=tuple(map(_parameter, part.formula.parameters)),
        process_outputs=tuple(
            ProcessOutput(item.name, item.unit, item.lsl, item.usl, item.margin) for item in part.formula.process_outputs
        ),
        interlocks=tuple(Interlock(item.tag, tuple(item.allowed)) for item in part.interlocks),
        procedure=Procedure(part.procedure.ref, part.procedure.id, part.procedure.digest) if part.procedure is not None else None,
    )


def _header(part: HeaderPart) -> Header:
    change = part.change
    return Header(
        id=part.id,
        version=part.version,
        product=part.product,
        supersedes=part.supersedes,
        classification=Classification(part.classification.export, part.classification.confidentiality),
        change=ChangeRequest(change.request, change.reason, tuple(change.evidence)) if change is not None else None,
    )


def _requirements(part: RequirementsPart) -> EquipmentRequirements:
    capabilities = tuple(Capability(item.name, item.min) for item in part.capabilities)
    return EquipmentRequirements(part.class_name, capabilities, part.firmware, tuple(part.handshake or ()))


def _parameter(part: ParameterPart) -> Parameter:
    return Parameter(
        name=part.name,
        type=part.type,
        value=_typed(part.type, part.value),
        unit=part.unit,
        limits=_limits(part.limits),
        parity=_parity(part.parity),
        critical=part.critical,
    )


def _limits(part: LimitsPart | None) -> Limits:
    return Limits(part.low, part.high) if part is not None else Limits()


def _parity(part: ParityPart | None) -> Parity:
    if part is None:
        return Parity()
    bound = (float(part.bound[0]), float(part.bound[1])) if part.bound is not None else None
    return Parity(part.parity_class, part.abs or 0.0, part.rel or 0.0, bound, part.basis)


def _typed(declared: TagType, value: Any) -> ParameterValue:
    """The value in the Python type of its declared type: `25` written for a Float is 25.0."""
    if declared.base in (DataType.FLOAT, DataType.DOUBLE):
        return tuple(map(float, value)) if isinstance(value, list) else float(value)
    return _value(value)


def _value(value: Any) -> ParameterValue:
    return tuple(value) if isinstance(value, list) else value


def _overlay(part: SiteOverlayDocument) -> SiteOverlay:
    recipe_id, version = part.recipe.rsplit("@", 1)
    return SiteOverlay(
        site=part.site,
        recipe_id=recipe_id,
        recipe_version=version,
        localize={name: _value(value) for name, value in part.localize.items()},
        waivers=tuple(part.waivers),
    )
