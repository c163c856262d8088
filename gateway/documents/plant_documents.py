"""The documents that describe a plant, as written: Plant, EquipmentClass and Site. Cross-checks are in `classes` and `sites`."""

import re
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.documents.fields import (
    BrowsePath,
    ClassPath,
    Duration,
    Filled,
    Name,
    Number,
    Part,
    RangePart,
    Text,
    TypeName,
    Unit,
    Version,
    fault,
)
from gateway.documents.source import Place

Handshake = Literal["method", "mailbox", "direct"]
_POLICIES: Final = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
_NODE: Final = re.compile(r"nsu=[^;]+;[isgb]=.+\Z")


class MirrorPart(Part):
    """Plant-wide defaults of the mirror."""

    outage_cover: Duration = Field(default=10.0, description="How long a server-side queue must hold what we could not fetch.")
    grace: Duration = Field(
        default=60.0, description="How long a value stays uncertain after a loss of communication before it is bad."
    )
    publishing: Duration = Field(default=0.5, description="Publishing interval of endpoints that give none.")


class PlantDocument(Part):
    """The enterprise and its defaults."""

    kind: Literal["Plant"]
    enterprise: Name = Field(description="Name of the enterprise (ISA-95).")
    mother: Name = Field(description="Name of the mother site.")
    mirror: MirrorPart = MirrorPart()

    @classmethod
    def stand_ins(cls, place: Place) -> dict[str, Any]:
        return {"enterprise": "unknown"}


class DeadbandPart(Part):
    """A data change filter: exactly one of the two (OPC 10000-4, 7.22.2)."""

    absolute: Annotated[Number, Field(gt=0)] | None = Field(default=None, description="In the unit the server sends.")
    percent: Annotated[Number, Field(gt=0, le=100)] | None = Field(
        default=None, description="Of the tag's EURange; needs `range`."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.absolute is None) == (self.percent is None):
            raise fault("a deadband is either {absolute: …} or {percent: …}; write one of them")
        return self


class TagPart(Part):
    """One variable that every piece of equipment of the class has."""

    path: ClassPath = Field(description="Browse path below the equipment's root.")
    type: TypeName = Field(description="OPC UA built-in type, `Enumeration` or `Structure`; `[]` behind it for an array.")
    unit: Unit | None = Field(default=None, description="The class's unit; the twin holds this.")
    range: RangePart | None = Field(default=None, description="Where values belong, in `unit`.")
    sampling: Duration = Field(default=1.0, description="Sampling interval asked of the server.")
    deadband: DeadbandPart | None = Field(default=None, description="Changes smaller than this are not sent.")
    max_silence: Duration | None = Field(default=None, description="Silence longer than this means trouble.")
    history: bool = Field(default=False, description="The server is expected to keep history (HistoryRead).")
    optional: bool = Field(default=False, description="A site without the tag is reported, but it is not a fault.")
    guidance: Text | None = Field(default=None, description="What an operator should know or do about this tag.")

    @classmethod
    def stand_ins(cls, place: Place) -> dict[str, Any]:
        return {"type": "Double"}


def _writable(value: Any) -> Any:
    if value is False:
        raise fault("a recipe parameter is writable; list a variable that is not among 'tags' instead")
    return value


class RecipeParameterPart(Part):
    """One parameter of the class's recipe block."""

    name: Name = Field(description="The name recipes use.")
    node: Name = Field(description="Browse name of the variable in `Active` and `Staging`.")
    type: TypeName = Field(description="OPC UA built-in type.")
    unit: Unit | None = Field(default=None, description="Unit of the value in the recipe and in the equipment.")
    range: RangePart | None = Field(default=None, description="What the equipment takes, in `unit`.")
    writable: Annotated[Literal[True], BeforeValidator(_writable)] = Field(default=True, description="May be left out.")

    @classmethod
    def stand_ins(cls, place: Place) -> dict[str, Any]:
        return {"type": "Double"}


class RecipeBlockPart(Part):
    """Where the class keeps its recipe, and the parameters it takes."""

    block: ClassPath = Field(default="Recipe", description="Browse path of the recipe block below the equipment's root.")
    parameters: Filled[RecipeParameterPart]


class EquipmentClassDocument(Part):
    """What all equipment of one kind must offer."""

    kind: Literal["EquipmentClass"]
    name: Name = Field(alias="class", description="Name of the class.")
    version: Version
    description: Text = Field(description="What it is, in a few words.")
    tags: Filled[TagPart]
    batch: ClassPath | None = Field(default=None, description="Path of the tag that names the running batch.")
    state: ClassPath | None = Field(default=None, description="Path of the machine state tag.")
    recipe: RecipeBlockPart | None = None

    @classmethod
    def stand_ins(cls, place: Place) -> dict[str, Any]:
        return {"version": "0.0.0", "description": "unknown", "tags": []}


class SecurityPart(Part):
    """What we insist on; nothing weaker is ever tried instead (OPC 10000-7)."""

    policy: Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss", "None"] = "Basic256Sha256"
    mode: Literal["SignAndEncrypt", "Sign", "None"] = "SignAndEncrypt"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.policy == "None") != (self.mode == "None"):
            raise fault(
                f"policy {self.policy} does not go with mode {self.mode}; write {{policy: None, mode: None}} for no security, "
                f"or mode SignAndEncrypt with {' or '.join(_POLICIES)}"
            )
        return self


class SecretPart(Part):
    """A credential by reference: an environment variable or a file, never the secret itself."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        default=None, description="Environment variable."
    )
    file: Text | None = Field(default=None, description="Absolute path, or relative to the configuration directory.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise fault("write either {env: NAME} or {file: PATH}")
        return self


def _by_reference(value: Any) -> Any:
    if not isinstance(value, dict):
        raise fault(
            "a secret in clear has no place in a plant file; write password: {env: NAME} or {file: PATH}, and change the secret"
        )
    return value


class CredentialsPart(Part):
    """User name and password."""

    user: Text
    password: Annotated[SecretPart, BeforeValidator(_by_reference)]


def _anonymous(value: Any) -> Any:
    if value == "anonymous":
        return None
    if not isinstance(value, dict):
        raise fault("write credentials: anonymous, or {user: NAME, password: {env: NAME}}")
    return value


def _url(value: Any) -> str:
    example = "write opc.tcp://HOST:PORT, such as opc.tcp://10.1.2.3:4840"
    if not isinstance(value, str) or not value.startswith("opc.tcp://"):
        raise fault(f"is no OPC UA address; {example}")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise fault(f"is no OPC UA address; {example}") from error
    if "@" in parts.netloc:
        raise fault("a user or password in the address is refused; use the field 'credentials'")
    if not host or port == 0 or not value.isprintable() or " " in value:
        raise fault(f"is no OPC UA address; {example}")
    return value


class LimitsPart(Part):
    """Operation limits that win over what the server reports."""

    max_monitored_items_per_call: Annotated[int, Field(gt=0)] | None = None
    max_nodes_per_read: Annotated[int, Field(gt=0)] | None = None
    max_nodes_per_write: Annotated[int, Field(gt=0)] | None = None
    max_nodes_per_translate: Annotated[int, Field(gt=0)] | None = None


def _allow_anonymous(schema: dict[str, Any]) -> None:
    """Editors must accept what `_anonymous` accepts."""
    schema["anyOf"] = [{"const": "anonymous"}, *(choice for choice in schema["anyOf"] if choice != {"type": "null"})]


class EndpointPart(Part):
    """One OPC UA server of a site."""

    name: Name = Field(description="How equipment and metrics refer to it.")
    url: Annotated[str, BeforeValidator(_url), WithJsonSchema({"type": "string", "pattern": "^opc\\.tcp://[^@]+$"})]
    security: SecurityPart = SecurityPart()
    credentials: Annotated[CredentialsPart | None, BeforeValidator(_anonymous)] = Field(
        default=None,
        description="`anonymous`, or a user name with a password by reference.",
        json_schema_extra=_allow_anonymous,
    )
    limits: LimitsPart = LimitsPart()
    publishing: Duration | None = Field(default=None, description="Publishing interval; the plant's default if left out.")
    enabled: bool = Field(default=True, description="false: known, but not connected to.")

    @classmethod
    def stand_ins(cls, place: Place) -> dict[str, Any]:
        return {"url": "opc.tcp://unknown"}


class RootPart(Part):
    """The equipment's root: `namespace` with `path` (below Objects), or `node`."""

    namespace: Text | None = Field(default=None, description="Namespace URI of every name in `path`.")
    path: BrowsePath | None = Field(default=None, description="Browse path below Objects.")
    node: Text | None = Field(default=None, description="NodeId with its namespace URI: `nsu=URI;s=NAME`.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.node is None and (self.namespace is None or self.path is None):
            raise fault('write {namespace: "URI", path: A/B}, or {node: "nsu=URI;s=NAME"}')
        if self.node is not None and (self.namespace is not None or self.path is not None):
            raise fault("node stands alone; leave namespace and path out, or write these two without node")
        if self.node is not None and not _NODE.match(self.node):
            raise fault(
                'the node is no NodeId with a namespace URI (an index is not stable); write "nsu=URI;s=NAME" or nsu=URI;i=7'
            )
        if self.namespace is not None and (self.namespace.isdigit() or not self.namespace.isprintable() or " " in self.namespace):
            raise fault("the namespace is no URI (an index is not stable); write one such as urn:acme:wroclaw:electrode")
        return self


class MeasurePart(Part):
    """How a site measures a tag otherwise: engineering value = raw · scale + offset, in `unit`."""

    type: TypeName | None = Field(default=None, description="The type on this server; the class's if left out.")
    unit: Unit | None = Field(default=None, description="Unit after scale and offset; the class's if left out.")
    scale: Number = 1.0
    offset: Number = 0.0


class EquipmentPart(Part):
    """One piece of equipment."""

    name: Name
    class_name: Name = Field(alias="class", description="Its equipment class.")
    endpoint: Name = Field(description="The endpoint of this site that serves it.")
    root: RootPart
    handshake: Handshake | None = Field(default=None, description="How it takes recipes; left out: it takes none.")
    rename: dict[ClassPath, BrowsePath] = Field(
        default={}, description="Class path, or a leading part of one → the path here; the longest match wins."
    )
    tags: dict[ClassPath, MeasurePart] = Field(default={}, description="Tags this site measures otherwise, by class path.")

    @classmethod
    def stand_ins(cls, place: Place) -> dict[str, Any]:
        return {"root": {"node": f"nsu=unknown;s={place.field}"}}


class LinePart(Part):
    """A work centre (ISA-95)."""

    area: Name
    line: Name
    role: Literal["mother-line", "canary", "child-line"] = "child-line"
    capacity: Annotated[Number, Field(gt=0)] = Field(default=1.0, description="Relative share of the plant's capacity.")
    equipment: Filled[EquipmentPart]


class SiteDocument(Part):
    """A place that makes the product."""

    kind: Literal["Site"]
    site: Name = Field(description="Name of the site.")
    name: Text | None = Field(default=None, description="How people call it; the site's name if left out.")
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = Field(default=None, description="ISO 3166 code, such as PL.")
    locale: Annotated[str, Field(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = Field(
        default=None, description="BCP 47 tag, such as pl-PL."
    )
    endpoints: Filled[EndpointPart]
    lines: Filled[LinePart]

    @classmethod
    def stand_ins(cls, place: Place) -> dict[str, Any]:
        return {"endpoints": [], "lines": []}
