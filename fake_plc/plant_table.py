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
Policy = Literal["None", "Basic256Sha256", "Aes256_Sha256_RsaPss"]


@dataclass(frozen=True)
class Scaling:
    """A signal that a site shows otherwise: ``value in unit = raw * scale + offset``, raw in ``type``."""

    type: TypeName
    unit: str
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class EquipmentSpec:
    """A machine. ``root`` is the browse path below Objects; ``rename`` maps a class path, or a leading part, to the site's."""

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


_POLISH: Mapping[str, str] = {
    "State": "Stan",
    "State/Mode": "Stan/Tryb",
    "Batch": "Partia",
    "Process": "Proces",
    "Diagnostics": "Diagnostyka",
    "Maintenance": "Utrzymanie",
}
_POLISH_COATER: Mapping[str, str] = {
    **_POLISH,
    "Process/CoatWeight": "Proces/Gramatura",
    "Process/WebTension": "Proces/NaciągWstęgi",
    "Oven": "Suszarka",
}
_POLISH_CHARGER: Mapping[str, str] = {
    **_POLISH,
    "Channel": "Kanał",
    "Chiller": "Chłodzenie",
    "Process/MeanVoltage": "Proces/NapięcieŚrednie",
}
_FLAT: Mapping[str, str] = {"Process": "PV", "State": "Status", "Batch": "Lot", "Maintenance/Wear": "PV/Wear"}


def _fahrenheit(*paths: str) -> dict[str, Scaling]:
    """Temperatures in tenths of a degree Fahrenheit, as the old I/O cards give them."""
    return {path: Scaling("Int16", "degF", 0.1, 0.0) for path in paths}


_CABINET = "Diagnostics/CabinetTemperature"
_US_MIXER = _fahrenheit(_CABINET, "Process/SlurryTemperature", "Process/JacketTemperature")
_US_COATER = {
    **_fahrenheit(_CABINET, *(f"Oven/Zone{zone}/Temperature" for zone in range(1, 5))),
    "Process/SlurryTemperature": Scaling("Float", "degF"),
}
_US_CALENDER = _fahrenheit(_CABINET, "Roll/UpperTemperature", "Roll/LowerTemperature")
_US_STACKER = _fahrenheit(_CABINET, "Process/HeatPressTemperature")
_US_CHARGER = {
    **_fahrenheit(_CABINET, *(f"Channel/{channel:02d}/Temperature" for channel in range(1, 17))),
    "Chiller/SupplyTemperature": Scaling("Float", "degF"),
    "Chiller/ReturnTemperature": Scaling("Float", "degF"),
}

PLANT: tuple[EndpointSpec, ...] = (
    _endpoint(
        "ochang", "electrode-plc", 1, "Basic256Sha256", "os", "dotted", "ko-KR", "OCHANG_PASSWORD",
        EquipmentSpec("mixer-1", "mixer", "Line1/Mixer1", "method"),
        EquipmentSpec("coater-1", "coater", "Line1/Coater1", "method"),
        EquipmentSpec("calender-1", "calender", "Line1/Calender1", "method"),
    ),
    _endpoint(
        "ochang", "assembly-plc", 2, "Basic256Sha256", "os", "dotted", "ko-KR", "OCHANG_PASSWORD",
        EquipmentSpec("stacker-1", "stacker", "Line1/Stacker1", "method"),
        EquipmentSpec("stacker-2", "stacker", "Line1/Stacker2", "method"),
    ),
    _endpoint(
        "ochang", "formation-plc", 3, "Basic256Sha256", "vos", "dotted", "ko-KR", "OCHANG_PASSWORD",
        EquipmentSpec("charger-1", "formation-charger", "Line1/Charger1", "method"),
        EquipmentSpec("charger-2", "formation-charger", "Line1/Charger2", "method"),
    ),
    _endpoint(
        "wroclaw", "electrode-plc", 11, "Aes256_Sha256_RsaPss", "dsvo", "numeric", "pl-PL", "WROCLAW_PASSWORD",
        EquipmentSpec("mixer-1", "mixer", "Linia1/Mieszalnik1", "mailbox", rename=_POLISH),
        EquipmentSpec("coater-1", "coater", "Linia1/Powlekarka1", "mailbox", rename=_POLISH_COATER),
        EquipmentSpec("calender-1", "calender", "Linia1/Kalander1", "mailbox", rename=_POLISH),
    ),
    _endpoint(
        "wroclaw", "formation-plc", 12, "Aes256_Sha256_RsaPss", "sdo", "numeric", "pl-PL", "WROCLAW_PASSWORD",
        EquipmentSpec("charger-1", "formation-charger", "Linia1/Formowanie/Stanowisko1", "mailbox", rename=_POLISH_CHARGER),
        EquipmentSpec("charger-2", "formation-charger", "Linia1/Formowanie/Stanowisko2", "mailbox", rename=_POLISH_CHARGER),
    ),
    _endpoint(
        "michigan", "electrode-plc", 21, "Basic256Sha256", "svod", "quoted", "en-US", None,
        EquipmentSpec("mixer-1", "mixer", "Line 1/DB_Mixer1", "mailbox", scaling=_US_MIXER),
        EquipmentSpec("coater-1", "coater", "Line 1/DB_Coater1", "mailbox", scaling=_US_COATER),
        EquipmentSpec("calender-1", "calender", "Line 1/DB_Calender1", "mailbox", scaling=_US_CALENDER),
    ),
    _endpoint(
        "michigan", "cell-plc", 22, "Basic256Sha256", "vdos", "quoted", "en-US", None,
        EquipmentSpec("stacker-1", "stacker", "Line 1/DB_Stacker1", "direct", scaling=_US_STACKER),
        EquipmentSpec("charger-1", "formation-charger", "Line 1/DB_Charger1", "direct", scaling=_US_CHARGER),
    ),
    _endpoint(
        "nanjing", "cell-plc", 31, "None", "dos", "dotted", "zh-CN", None,
        EquipmentSpec("mixer-1", "mixer", "L1/M1", "method", rename=_FLAT),
        EquipmentSpec("coater-1", "coater", "L1/C1", "method", rename=_FLAT),
        EquipmentSpec("stacker-1", "stacker", "L1/S1", "method", rename=_FLAT),
    ),
    _endpoint(
        "nanjing", "formation-plc", 32, "Basic256Sha256", "vsod", "numeric", "zh-CN", "NANJING_PASSWORD",
        EquipmentSpec("charger-1", "formation-charger", "L1/F1", "method"),
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
