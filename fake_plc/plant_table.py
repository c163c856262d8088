"""Which machines the fake plant has, behind which endpoints, and how each site differs from the mother.

``config/`` describes the same plant to the gateway; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fake_plc.signals import TypeName

Profile = Literal["method", "mailbox", "direct"]
NodeIdStyle = Literal["dotted", "numeric", "quoted"]
Policy = Literal["None", "Basic256Sha256", "Aes256Sha256RsaPss"]


@dataclass(frozen=True)
class Scaling:
    """A signal that a site shows otherwise: ``value in unit = raw * scale + offset``, raw in ``type``."""

    type: TypeName
    unit: str
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class EquipmentSpec:
    """One machine. ``root`` is the browse path below Objects; ``rename`` maps a class path, or a leading part of one, to the site's."""

    name: str
    kind: str
    root: str
    handshake: Profile
    rename: Mapping[str, str] = field(default_factory=dict)
    scaling: Mapping[str, Scaling] = field(default_factory=dict)


@dataclass(frozen=True)
class EndpointSpec:
    """One OPC UA server. It listens at port base + ``port_offset``; ``namespaces`` are those after the server's own, in order."""

    site: str
    name: str
    port_offset: int
    policy: Policy
    namespace: str
    namespaces: tuple[str, ...]
    node_ids: NodeIdStyle
    locale: str
    equipment: tuple[EquipmentSpec, ...]
    user: str | None = None
    password_variable: str | None = None

    @property
    def key(self) -> str:
        """``site.name``, unique in the plant."""
        return f"{self.site}.{self.name}"

    @property
    def application_uri(self) -> str:
        """The server's application URI, also in its certificate."""
        return f"urn:acme:{self.site}:{self.name}:plc"


SIMULATION_NAMESPACE = "urn:fake-plc:simulation"
_DI = "http://opcfoundation.org/UA/DI/"
_VENDOR = "urn:plc-vendor:types"


def _endpoint(
    site: str, name: str, port: int, policy: Policy, order: str, node_ids: NodeIdStyle, locale: str, secret: str | None,
    *equipment: EquipmentSpec,
) -> EndpointSpec:  # fmt: skip
    own = f"urn:acme:{site}:{name.removesuffix('-plc')}"
    uris = {"o": own, "s": SIMULATION_NAMESPACE, "d": _DI, "v": _VENDOR}
    return EndpointSpec(
        site=site, name=name, port_offset=port, policy=policy, namespace=own, namespaces=tuple(uris[letter] for letter in order),
        node_ids=node_ids, locale=locale, equipment=equipment,
        user="gateway" if secret else None, password_variable=secret,
    )  # fmt: skip


PLANT: tuple[EndpointSpec, ...] = (
    _endpoint(
        "ochang", "electrode-plc", 1, "Basic256Sha256", "os", "dotted", "ko-KR", "OCHANG_PASSWORD",
        EquipmentSpec("coater-1", "coater", "Line1/Coater1", "method"),
    ),
)  # fmt: skip


def endpoints_of(site: str) -> tuple[EndpointSpec, ...]:
    """The endpoints of ``site``. KeyError if the plant has no such site."""
    found = tuple(endpoint for endpoint in PLANT if endpoint.site == site)
    if not found:
        raise KeyError(site)
    return found


def sites() -> tuple[str, ...]:
    """The names of all sites, the mother first."""
    return tuple(dict.fromkeys(endpoint.site for endpoint in PLANT))


def renamed(path: str, rename: Mapping[str, str]) -> str:
    """The site's path of the class path ``path``: the longest leading part found in ``rename`` is replaced."""
    parts = path.split("/")
    for length in range(len(parts), 0, -1):
        replacement = rename.get("/".join(parts[:length]))
        if replacement is not None:
            return "/".join([replacement, *parts[length:]])
    return path
