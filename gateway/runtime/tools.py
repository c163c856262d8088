"""What the command line does without a running daemon: probe, browse, check, certificates."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from gateway.documents import load_plant
from gateway.errors import ConfigurationError, EquipmentError, GatewayError
from gateway.mirror.conformance import judge_equipment
from gateway.mirror.items import Item, items_of
from gateway.mirror.report import Finding
from gateway.opcua.equipment import UaDialer, UaEquipment
from gateway.opcua.pki import CertificateFacts, Pki
from gateway.opcua.prober import BrowsedNode, Offer, browse_below, offers_of, test_filters
from gateway.plant.equipment_class import Credentials, Endpoint, Plant, Secret
from gateway.plant.ports import ServerFacts
from gateway.runtime.surroundings import read_secret

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Probe:
    """What a server offers, and a site file to begin with."""

    url: str
    offers: Sequence[Offer]
    facts: ServerFacts | None
    filters: dict[str, bool | None] = field(default_factory=dict)
    history: bool | None = None
    problem: str = ""  #: why no session could be opened, when none could
    site_file: str = ""


@dataclass(frozen=True, slots=True)
class EndpointCheck:
    """One endpoint checked online."""

    endpoint: str
    url: str
    problem: str  #: empty when a session could be opened
    items: int
    findings: Sequence[Finding]


def configured_endpoint(name_or_url: str, config_dir: Path | None) -> Endpoint:
    """The endpoint `site/name` of the configuration, or a bare one for a URL (anonymous, Sign&Encrypt).

    Raises:
        ConfigurationError: neither.
    """
    if name_or_url.startswith("opc.tcp://"):
        return Endpoint(site="new-site", name="plc-1", url=name_or_url)
    if config_dir is not None:
        plant = load_plant(config_dir)
        for endpoint in plant.endpoints():
            if endpoint.key == name_or_url:
                return endpoint
        known = ", ".join(endpoint.key for endpoint in plant.endpoints())
        raise ConfigurationError(
            [f"endpoint '{name_or_url}' is not in {config_dir}; there are: {known}; or give a URL opc.tcp://host:port"]
        )
    raise ConfigurationError([f"'{name_or_url}' is no URL: write opc.tcp://host:port"])


def with_access(
    endpoint: Endpoint, *, policy: str | None, mode: str | None, user: str | None, password_env: str | None
) -> Endpoint:
    """The endpoint with another way in, for trying things out."""
    credentials = endpoint.credentials
    if user is not None:
        credentials = Credentials(user, Secret(env=password_env) if password_env else None)
    return Endpoint(
        endpoint.site,
        endpoint.name,
        endpoint.url,
        policy or endpoint.policy,
        mode or ("None" if policy == "None" else endpoint.mode),
        credentials,
        endpoint.limits,
        endpoint.publishing_ms,
        locale=endpoint.locale,
    )


def probe_endpoint(endpoint: Endpoint, pki_dir: Path, timeout: float = 10.0) -> Probe:
    """Ask a server what it offers: policies, limits, filters, history; and write a site file to begin with.

    Raises:
        Unreachable: nobody answers there.
    """
    return asyncio.run(_probe(endpoint, pki_dir, timeout))


async def _probe(endpoint: Endpoint, pki_dir: Path, timeout: float) -> Probe:
    offered = await offers_of(endpoint.url, timeout)
    try:
        async with UaDialer(Pki(pki_dir), read_secret, timeout).dial(endpoint) as session:
            filters, history = await test_filters(session)
            roots = await browse_below(session, None, depth=2)
            return Probe(
                endpoint.url, offered, session.facts, filters, history, "", _site_file(endpoint, offered, session.facts, roots)
            )
    except (EquipmentError, ConfigurationError) as fault:
        return Probe(endpoint.url, offered, None, problem=str(fault), site_file=_site_file(endpoint, offered, None, ()))


def browse_endpoint(endpoint: Endpoint, pki_dir: Path, below: str | None, depth: int, timeout: float = 10.0) -> list[BrowsedNode]:
    """The nodes below `below` (a NodeId `nsu=…;…`, or None for Objects), down to `depth` levels.

    Raises:
        EquipmentError: no session could be opened, or there is no such node.
    """

    async def work() -> list[BrowsedNode]:
        async with UaDialer(Pki(pki_dir), read_secret, timeout).dial(endpoint) as session:
            return await browse_below(session, below, depth)

    return asyncio.run(work())


def check_online(
    config_dir: Path, pki_dir: Path, timeout: float = 10.0, *, checked: Callable[[EndpointCheck], None] = lambda _: None
) -> list[EndpointCheck]:
    """Open a session with every enabled endpoint and hold its equipment against its classes; nothing is subscribed or written.

    `checked` is told of each endpoint as soon as it is done.

    Raises:
        ConfigurationError: the files are wrong.
    """
    plant = load_plant(config_dir)

    async def work() -> list[EndpointCheck]:
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(endpoint: Endpoint) -> EndpointCheck:
            async with limit:
                done = await _check(plant, endpoint, pki_dir, timeout)
            checked(done)
            return done

        return await asyncio.gather(*(one(endpoint) for endpoint in plant.endpoints() if endpoint.enabled))

    return asyncio.run(work())


async def _check(plant: Plant, endpoint: Endpoint, pki_dir: Path, timeout: float) -> EndpointCheck:
    items = items_of(plant, endpoint)
    try:
        async with UaDialer(Pki(pki_dir), read_secret, timeout).dial(endpoint) as session:
            findings = await _findings(session, items)
    except GatewayError as fault:
        return EndpointCheck(endpoint.key, endpoint.url, str(fault), len(items), ())
    return EndpointCheck(endpoint.key, endpoint.url, "", len(items), findings)


async def _findings(session: UaEquipment, items: Sequence[Item]) -> list[Finding]:
    findings: list[Finding] = []
    for path in dict.fromkeys(item.equipment.path for item in items):
        rows = [item for item in items if item.equipment.path == path]
        found = await session.resolve(rows[0].equipment.root, [item.site_path for item in rows])
        facts = iter(await session.inspect([node for node in found if isinstance(node, str)]))
        findings += judge_equipment(
            [
                (item, next(facts), 0) if isinstance(node, str) else (item, None, node)
                for item, node in zip(rows, found, strict=True)
            ]
        )
    return findings


def _credentials(given: Credentials) -> str:
    """As they were used for the probe; a variable to set where none was named."""
    secret = given.password or Secret(env="NEW_SITE_PASSWORD")
    where = f"file: {Path(secret.file).resolve()}" if secret.file else f"env: {secret.env}"
    return f"{{user: {given.user or 'gateway'}, password: {{{where}}}}}"


def _roots(nodes: Sequence[BrowsedNode]) -> list[tuple[str, str]]:
    """Candidates for roots of equipment, as (namespace, path below Objects).

    They are the objects inside a top folder, or a top object that has none inside.
    """
    roots: list[tuple[str, str]] = []
    for top in (node for node in nodes if node.depth == 0 and node.kind == "Object" and node.namespace):
        after = nodes[nodes.index(top) + 1 :]
        inside = [node for node in takewhile(lambda node: node.depth > 0, after) if node.kind == "Object" and node.namespace]
        roots += [(node.namespace, f"{top.name}/{node.name}") for node in inside] or [(top.namespace, top.name)]
    return roots


def _site_file(endpoint: Endpoint, offered: Sequence[Offer], facts: ServerFacts | None, nodes: Sequence[BrowsedNode]) -> str:
    """A site file to begin with: the strongest security offered, the server's limits, its top nodes as candidates for roots."""
    best = offered[0] if offered else None
    lines = [
        "kind: Site",
        f"site: {endpoint.site}",
        "name: New site",
        "endpoints:",
        f"  - name: {endpoint.name}",
        f"    url: {endpoint.url}",
    ]
    if best is not None:
        lines.append(f"    security: {{policy: {best.policy}, mode: {best.mode}}}")
        if "UserName" in best.users:
            lines.append(f"    credentials: {_credentials(endpoint.credentials)}")
        else:
            lines.append("    credentials: anonymous")
    if facts is not None and facts.limits.monitored_items_per_call:
        lines.append("    # what the server says it takes in one call; lower it here if it crawls:")
        lines.append(f"    # limits: {{max_monitored_items_per_call: {facts.limits.monitored_items_per_call}}}")
    lines += ["lines:", "  - area: area-1", "    line: line-1", "    role: child-line"]
    candidates = _roots(nodes)
    lines.append("    equipment:" if candidates else "    equipment: []   # choose roots with 'gateway browse'")
    for number, (namespace, path) in enumerate(candidates, 1):
        lines += [
            f"      - name: equipment-{number}",
            "        class: CLASS   # one of config/classes",
            f"        endpoint: {endpoint.name}",
            f'        root: {{namespace: "{namespace}", path: "{path}"}}',
        ]
    return "\n".join(lines) + "\n"


def pki_init(pki_dir: Path, host: str | None) -> list[CertificateFacts]:
    """Make our certificate (see `Pki.create`)."""
    pki = Pki(pki_dir)
    pki.create(host)
    return pki.list()


def pki_list(pki_dir: Path) -> list[CertificateFacts]:
    """All certificates we hold."""
    return Pki(pki_dir).list()


def pki_trust(pki_dir: Path, what: str) -> CertificateFacts:
    """Trust a certificate by file or by the name of a rejected one (see `Pki.trust`)."""
    return Pki(pki_dir).trust(what)


def pki_renew(pki_dir: Path) -> list[CertificateFacts]:
    """Replace our certificate (see `Pki.renew`)."""
    pki = Pki(pki_dir)
    pki.renew()
    return pki.list()


def as_json(thing: Any) -> Any:
    """Plain data of a result, for `--json`."""
    return asdict(thing)
