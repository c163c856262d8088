"""The gateway's own path against a server that nobody here wrote: Sign&Encrypt, browse, mirror, write and read back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import AuthenticationFailed, CertificateUntrusted, SecurityRefused
from gateway.mirror.report import EndpointState
from gateway.mirror.service import Mirror
from gateway.opcua.equipment import UaDialer, UaEquipment
from gateway.opcua.pki import Pki
from gateway.opcua.prober import browse_below, offers_of
from gateway.plant.equipment_class import (
    Credentials,
    Endpoint,
    Equipment,
    EquipmentClass,
    Line,
    MirrorDefaults,
    Plant,
    RootNode,
    Secret,
    Site,
    Tag,
    TagType,
    parse_type,
)
from gateway.plant.hierarchy import EquipmentPath
from gateway.plant.ports import TypedValue
from gateway.plant.values import DataType
from gateway.runtime.surroundings import SystemClock
from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import SqliteTwin, open_twin
from tests.peers.node_opcua import NodeOpcuaServer, node_opcua_server
from tests.peers.waiting import until

pytestmark = pytest.mark.peer("node")


def der(pem_or_der: Path, directory: Path) -> Path:
    """The certificate in DER form."""
    data = pem_or_der.read_bytes()
    certificate = x509.load_pem_x509_certificate(data) if data.startswith(b"-----") else x509.load_der_x509_certificate(data)
    path = directory / "server.der"
    path.write_bytes(certificate.public_bytes(Encoding.DER))
    return path


def plant_of(server: NodeOpcuaServer) -> Plant:
    """One press whose class has every changing tag of the server."""
    tags = tuple(Tag(tag.path, parse_type(tag.type), sampling_ms=100.0) for tag in server.changing)
    press = EquipmentClass("press", "1.0.0", "A press", tags)
    endpoint = Endpoint(
        "peer", "press-plc", server.url, credentials=Credentials(server.user, Secret(env="unused")), publishing_ms=200.0
    )
    root = RootNode(server.namespace, server.root, None)
    equipment = Equipment(EquipmentPath("peer", "hall", "line-1", "press-1"), press, "press-plc", root)
    site = Site("peer", "Peer", None, None, (endpoint,), (Line("peer", "hall", "line-1", "child-line", 1.0, (equipment,)),))
    return Plant("acme", "peer", MirrorDefaults(), {"press": press}, (site,))


@asynccontextmanager
async def served(tmp_path: Path) -> AsyncIterator[tuple[NodeOpcuaServer, Pki]]:
    """The server, and a PKI of ours on both sides' trust lists."""
    pki = Pki(tmp_path / "pki")
    pki.create("localhost")
    async with node_opcua_server(tmp_path / "server", trust=[pki.certificate_file]) as server:
        pki.trust(str(der(server.certificate, tmp_path)))
        yield server, pki


def dialer(server: NodeOpcuaServer, pki: Pki, password: str | None = None) -> UaDialer:
    return UaDialer(pki, lambda _: password or server.password)


async def test_mirrors_over_a_hundred_changing_items(tmp_path: Path) -> None:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        server, pki = await stack.enter_async_context(served(tmp_path))
        data = stack.enter_context(claim(tmp_path / "data", ballast_bytes=0))
        twin = await stack.enter_async_context(open_twin(data, clock))
        plant = plant_of(server)
        assert len(plant.equipment()[0].equipment_class.tags) >= 100
        async with Mirror.start(plant, twin, dialer(server, pki), clock) as mirror:

            async def flowing() -> bool:
                (report,) = mirror.reports()
                return report.state is EndpointState.CONNECTED and report.stored > 30 * len(server.changing)

            await until(flowing, deadline_s=40, what=lambda: str(mirror.reports()))
            assert mirror.findings() == []
            assert {item.state for item in mirror.items("")} == {"reporting"}
        (report,) = mirror.reports()
        assert report.received == report.stored + sum(report.rejected.values())
        assert report.in_flight == 0
        await every_counter_is_whole(twin, server)
        assert await twin.verify() == []


async def every_counter_is_whole(twin: SqliteTwin, server: NodeOpcuaServer) -> None:
    """Every Int32 item counts ticks: what is stored only ever grows, and belongs to its source time."""
    counters = [tag.path for tag in server.changing if tag.type == "Int32"]
    assert counters
    for path in counters:
        history = await twin.history(f"peer/hall/line-1/press-1/{path}", start=0, end=time.time_ns(), limit=100_000)
        values = [sample.value for sample in history.samples]
        assert len(values) > 10
        assert values == sorted(set(values)), path
        assert {sample.type for sample in history.samples} == {DataType.INT32}


async def test_writes_a_value_in_its_exact_type_and_reads_it_back(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, pki):
        (endpoint,) = plant_of(server).endpoints()
        async with dialer(server, pki).dial(endpoint) as session:
            root = RootNode(server.namespace, server.root, None)
            nodes = await session.resolve(root, [tag.path for tag in server.writable])
            wanted = {"Double": 12.5, "Float": 1.5, "Int32": -7, "UInt16": 65535, "Boolean": True, "String": "E63"}
            writes = [
                (node, TypedValue(parse_type(tag.type), wanted[tag.type]))
                for tag, node in zip(server.writable, nodes, strict=True)
                if tag.type in wanted and isinstance(node, str)
            ]
            assert len(writes) >= 3
            assert await session.write(writes) == [0] * len(writes)
            got = await session.read([node for node, _ in writes])
            assert [outcome.value for outcome in got] == [value.value for _, value in writes]
            (refused,) = await session.write([(writes[0][0], TypedValue(TagType(DataType.STRING), "no number"))])
            assert refused >> 31 == 1


async def test_browses_and_probes(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, pki):
        (best, *_) = await offers_of(server.url, 10.0)
        assert (best.policy, best.mode, best.supported) == ("Basic256Sha256", "SignAndEncrypt", True)
        (endpoint,) = plant_of(server).endpoints()
        async with dialer(server, pki).dial(endpoint) as session:
            assert isinstance(session, UaEquipment)
            names = {node.name for node in await browse_below(session, None, depth=5)}
            assert {tag.path.split("/")[-1] for tag in server.changing} <= names
            assert server.namespace in session.facts.namespaces


async def test_every_way_in_that_is_wrong_is_told_apart(tmp_path: Path) -> None:
    async with served(tmp_path) as (server, pki):
        (endpoint,) = plant_of(server).endpoints()
        with pytest.raises(AuthenticationFailed, match="password"):
            async with dialer(server, pki, password="wrong").dial(endpoint):
                pass
        stranger = Pki(tmp_path / "stranger")
        stranger.create("localhost")
        with pytest.raises(CertificateUntrusted, match="gateway pki trust peer/press-plc"):
            async with dialer(server, stranger).dial(endpoint):
                pass
        stranger.trust("peer/press-plc")
        with pytest.raises(CertificateUntrusted, match="trust"):
            async with asyncio.timeout(20), dialer(server, stranger).dial(endpoint):
                pass
        plain = Endpoint(endpoint.site, endpoint.name, endpoint.url, "None", "None")
        with pytest.raises(SecurityRefused):
            async with dialer(server, pki).dial(plain):
                pass
