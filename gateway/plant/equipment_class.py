"""Equipment classes: what all equipment of one kind offers, and how one site's equipment answers to its class."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.plant.hierarchy import EquipmentPath
from gateway.plant.values import DataType


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval in the unit of what it bounds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Deadband:
    """A data change filter (OPC 10000-4, 7.22.2): `kind` is "absolute" (engineering unit) or "percent" (of EURange)."""

    kind: str
    value: float


@dataclass(frozen=True, slots=True)
class TagType:
    """The declared type of a tag: built-in type, and whether it is an array, an enumeration or a structure."""

    base: DataType
    array: bool = False
    enumeration: bool = False

    def __str__(self) -> str:
        name = "Enumeration" if self.enumeration else _NAMES[self.base]
        return f"{name}[]" if self.array else name


_NAMES = {
    DataType.BOOLEAN: "Boolean",
    DataType.SBYTE: "SByte",
    DataType.BYTE: "Byte",
    DataType.INT16: "Int16",
    DataType.UINT16: "UInt16",
    DataType.INT32: "Int32",
    DataType.UINT32: "UInt32",
    DataType.INT64: "Int64",
    DataType.UINT64: "UInt64",
    DataType.FLOAT: "Float",
    DataType.DOUBLE: "Double",
    DataType.STRING: "String",
    DataType.DATETIME: "DateTime",
    DataType.GUID: "Guid",
    DataType.BYTESTRING: "ByteString",
    DataType.LOCALIZEDTEXT: "LocalizedText",
    DataType.EXTENSIONOBJECT: "Structure",
}
TYPE_NAMES = {name: base for base, name in _NAMES.items()}


def parse_type(text: str) -> TagType:
    """Read a declared type: `Double`, `Float[]`, `Enumeration` (Int32 on the wire, OPC 10000-3, 8.14), `Structure`.

    Raises:
        ValueError: no such type.
    """
    name, array = (text[:-2], True) if text.endswith("[]") else (text, False)
    if name == "Enumeration":
        return TagType(DataType.INT32, array, enumeration=True)
    if name not in TYPE_NAMES:
        raise ValueError(
            f"unknown type '{text}'; use one of {', '.join(TYPE_NAMES)}, Enumeration, each also with [] for an array"
        )
    return TagType(TYPE_NAMES[name], array)


@dataclass(frozen=True, slots=True)
class Tag:
    """One variable that every piece of equipment of the class has. `path` is the browse path below its root."""

    path: str
    type: TagType
    unit: str | None = None
    range: Range | None = None
    sampling_ms: float = 1000.0
    deadband: Deadband | None = None
    max_silence_s: float | None = None
    history: bool = False
    optional: bool = False
    guidance: str | None = None


@dataclass(frozen=True, slots=True)
class RecipeParameter:
    """One parameter of the class's recipe block: live at `<block>/Active/<node>`, staged at `<block>/Staging/<node>`."""

    name: str
    node: str
    type: TagType
    unit: str | None = None
    range: Range | None = None


@dataclass(frozen=True, slots=True)
class RecipeBlock:
    """Where the class keeps its recipe, and the parameters it takes (docs/handshake.md)."""

    block: str
    parameters: tuple[RecipeParameter, ...]


@dataclass(frozen=True, slots=True)
class EquipmentClass:
    """What all equipment of one kind must offer. `tags` includes the recipe's active parameters (`<block>/Active/…`)."""

    name: str
    version: str
    description: str
    tags: tuple[Tag, ...]
    batch: str | None = None  #: path of the tag that names the running batch
    state: str | None = None  #: path of the machine state tag
    recipe: RecipeBlock | None = None

    def tag(self, path: str) -> Tag | None:
        """The tag at `path`, or None."""
        return next((tag for tag in self.tags if tag.path == path), None)

    def holds_recipe(self, path: str) -> bool:
        """True for a tag that shows a recipe's parameter as it is active."""
        return self.recipe is not None and path.startswith(f"{self.recipe.block}/Active/")


@dataclass(frozen=True, slots=True)
class SiteMeasure:
    """How a site measures a tag where it differs: engineering value = raw · scale + offset, in `unit`."""

    type: TagType
    unit: str | None
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class RootNode:
    """The equipment's root on its server: a browse path below Objects in `namespace`, or a NodeId `nsu=…;s=…`."""

    namespace: str | None
    path: str | None
    node: str | None


@dataclass(frozen=True, slots=True)
class Equipment:
    """One piece of equipment at one site, of one class, behind one endpoint."""

    path: EquipmentPath
    equipment_class: EquipmentClass
    endpoint: str
    root: RootNode
    handshake: str | None = None  #: "method", "mailbox" or "direct"
    rename: Mapping[str, str] = field(default_factory=dict)  #: class path (or a leading part) → the site's path
    measures: Mapping[str, SiteMeasure] = field(default_factory=dict)  #: by class path

    def site_path(self, class_path: str) -> str:
        """The browse path on this site's server; the longest renamed leading part wins."""
        steps = class_path.split("/")
        for end in range(len(steps), 0, -1):
            renamed = self.rename.get("/".join(steps[:end]))
            if renamed is not None:
                return "/".join([renamed, *steps[end:]])
        return class_path

    def twin_path(self, class_path: str) -> str:
        """The tag's path in the twin."""
        return f"{self.path}/{class_path}"


@dataclass(frozen=True, slots=True)
class Secret:
    """A credential by reference: the name of an environment variable, or a file. Never the secret itself."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to the server. Anonymous when `user` is None."""

    user: str | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class LimitOverride:
    """Per-endpoint operation limits that win over what the server reports; None leaves the server's word."""

    max_monitored_items_per_call: int | None = None
    max_nodes_per_read: int | None = None
    max_nodes_per_write: int | None = None
    max_nodes_per_translate: int | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One OPC UA server of a site and how to talk to it. `policy` and `mode` as in OPC 10000-7, such as
    `Basic256Sha256` and `SignAndEncrypt`; nothing weaker is ever tried instead."""

    site: str
    name: str
    url: str
    policy: str = "Basic256Sha256"
    mode: str = "SignAndEncrypt"
    credentials: Credentials = Credentials()
    limits: LimitOverride = LimitOverride()
    publishing_ms: float = 500.0
    enabled: bool = True
    locale: str | None = None  #: in which the server should speak; the site's

    @property
    def key(self) -> str:
        """`site/endpoint`, unique in the plant."""
        return f"{self.site}/{self.name}"


@dataclass(frozen=True, slots=True)
class Line:
    """A work centre of a site. `role` is "mother-line", "canary" or "child-line"; `capacity` a relative share."""

    site: str
    area: str
    line: str
    role: str
    capacity: float
    equipment: tuple[Equipment, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """A place that makes the product."""

    name: str
    title: str
    country: str | None
    locale: str | None
    endpoints: tuple[Endpoint, ...]
    lines: tuple[Line, ...]

    def equipment_of(self, endpoint: str) -> tuple[Equipment, ...]:
        """The equipment behind one endpoint, in file order."""
        return tuple(item for line in self.lines for item in line.equipment if item.endpoint == endpoint)


@dataclass(frozen=True, slots=True)
class MirrorDefaults:
    """Plant-wide defaults of the mirror, in seconds."""

    outage_cover_s: float = 10.0  #: how long a server-side queue must hold what we could not fetch
    grace_s: float = 60.0  #: how long a value stays Uncertain after a loss of communication before it is Bad


@dataclass(frozen=True, slots=True)
class Plant:
    """The enterprise: a mother site, its child sites, and the classes their equipment answers to."""

    enterprise: str
    mother: str
    mirror: MirrorDefaults
    classes: Mapping[str, EquipmentClass]
    sites: tuple[Site, ...]

    def equipment(self) -> tuple[Equipment, ...]:
        """All equipment of all sites."""
        return tuple(item for site in self.sites for line in site.lines for item in line.equipment)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """All endpoints of all sites."""
        return tuple(endpoint for site in self.sites for endpoint in site.endpoints)
