"""Master recipes and site overlays as data (ISA-88: header, formula, equipment requirements, procedure reference).

Nothing here checks or decides: `gateway.documents.load_recipe` builds these objects from files and has refused what is
malformed. Numbers are in the unit written beside them; a value has the Python type of its declared OPC UA type
(bool, int, float, str, or a tuple of one of these for an array).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gateway.plant.equipment_class import TagType

Scalar: TypeAlias = bool | int | float | str
ParameterValue: TypeAlias = Scalar | tuple[Scalar, ...]
ParityClass: TypeAlias = Literal["exact", "tolerance", "bounded", "localized", "derived", "observed", "excluded"]
HandshakeProfile: TypeAlias = Literal["method", "mailbox", "direct"]


@dataclass(frozen=True, slots=True)
class Classification:
    """Who may have the recipe: an export control code (such as `KR-NCT`) and a degree of confidentiality."""

    export: str | None = None
    confidentiality: Literal["public", "internal", "confidential", "secret"] = "internal"


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """Why this version exists. `evidence` holds digests such as `sha256:…`."""

    request: str
    reason: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """What the recipe is. `version` and `supersedes` are MAJOR.MINOR.PATCH; a version never changes once submitted."""

    id: str
    version: str
    product: str
    supersedes: str | None = None
    classification: Classification = Classification()
    change: ChangeRequest | None = None

    @property
    def name(self) -> str:
        """`id@version`, how overlays, campaigns and people refer to the recipe."""
        return f"{self.id}@{self.version}"


@dataclass(frozen=True, slots=True)
class Capability:
    """Something the equipment must have at least `min` of, such as channels."""

    name: str
    min: float


@dataclass(frozen=True, slots=True)
class EquipmentRequirements:
    """What equipment must be to take the recipe. Empty `handshake`: any profile; `direct` needs a waiver all the same."""

    equipment_class: str
    capabilities: tuple[Capability, ...] = ()
    firmware: str | None = None  #: comma-joined comparisons such as `>=4.1,<5`
    handshake: tuple[HandshakeProfile, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """A closed interval a parameter's value may never leave, in the parameter's unit; None is open on that side."""

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Parity:
    """How a line's value is compared with the mother's.

    `tolerance`: within max(`absolute`, `relative` · |target|); `bounded` and `localized`: inside `bound` (low, high), for
    `localized` with an overlay's value as the target; `basis` says why places differ.
    """

    parity_class: ParityClass = "exact"
    absolute: float = 0.0
    relative: float = 0.0
    bound: tuple[float, float] | None = None
    basis: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One process input of the formula. `name` is the name of a recipe parameter of the equipment class."""

    name: str
    type: TagType
    value: ParameterValue
    unit: str | None = None
    limits: Limits = Limits()
    parity: Parity = Parity()
    critical: bool = False


@dataclass(frozen=True, slots=True)
class ProcessOutput:
    """A result to be matched between lines: specification limits and the equivalence margin, in `unit`."""

    name: str
    unit: str | None = None
    lsl: float | None = None
    usl: float | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Interlock:
    """A condition for a push: the tag at class path `tag` must hold one of `allowed` (state names or plain values)."""

    tag: str
    allowed: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Procedure:
    """Which procedure runs the formula. `ref` is `plc-resident`: the PLC holds it under `id`; `digest` proves which."""

    ref: str
    id: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class MasterRecipe:
    """A recipe as the mother factory wrote it, independent of any line."""

    header: Header
    equipment_requirements: EquipmentRequirements
    parameters: tuple[Parameter, ...]
    process_outputs: tuple[ProcessOutput, ...] = ()
    interlocks: tuple[Interlock, ...] = ()
    procedure: Procedure | None = None

    def parameter(self, name: str) -> Parameter | None:
        """The parameter called `name`, or None."""
        return next((item for item in self.parameters if item.name == name), None)


@dataclass(frozen=True, slots=True)
class SiteOverlay:
    """How one site adapts one version of a master recipe: values of `localized` parameters, and waivers by id.

    An overlay does not know the parameters' types: a whole number may be written for a Float.
    """

    site: str
    recipe_id: str
    recipe_version: str
    localize: Mapping[str, ParameterValue] = field(default_factory=dict)
    waivers: tuple[str, ...] = ()
