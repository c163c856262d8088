"""Endpoints of the fake plant on free ports, and clients of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, Node, ua
from asyncua.crypto import security_policies

from fake_plc.endpoint import Endpoint, EndpointOptions
from fake_plc.pki import ClientTrust, server_identity
from fake_plc.plant_table import PLANT, EndpointSpec, EquipmentSpec

PASSWORD = "only-for-tests"
CLIENT_URI = "urn:test:client"
POLICIES = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}


async def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until ``condition()`` (or the coroutine it returns) is true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        if loop.time() > deadline:
            raise AssertionError("the condition did not come true in time")
        await asyncio.sleep(0.05)


@dataclass
class Lab:
    """Starts endpoints and connects to them."""

    pki: Path
    options: EndpointOptions

    @asynccontextmanager
    async def running(self, spec: EndpointSpec) -> AsyncIterator[Endpoint]:
        """One endpoint."""
        endpoint = Endpoint(spec, self.options, PASSWORD if spec.user else None)
        await endpoint.start()
        try:
            yield endpoint
        finally:
            await endpoint.stop()

    async def client(self, endpoint: Endpoint, *, password: str = PASSWORD, name: str = "client") -> Client:
        """A client configured for ``endpoint``, not yet connected."""
        client = Client(endpoint.url, timeout=5, auto_reconnect=False)
        client.application_uri = CLIENT_URI
        spec = endpoint.spec
        if spec.policy != "None":
            identity = server_identity(self.pki, name, CLIENT_URI, "127.0.0.1")
            server = self.pki / spec.key / "cert.der"
            await client.set_security(POLICIES[spec.policy], identity.certificate, identity.key, server_certificate=server)
        if spec.user:
            client.set_user(spec.user)
            client.set_password(password)
        return client

    @asynccontextmanager
    async def connected(self, spec: EndpointSpec) -> AsyncIterator[tuple[Endpoint, Client]]:
        """One endpoint and a client of it."""
        async with self.running(spec) as endpoint, await self.client(endpoint) as client:
            yield endpoint, client


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, made once."""
    return tmp_path_factory.mktemp("pki")


@pytest.fixture
def lab(pki: Path) -> Lab:
    """A lab that trusts its own client."""
    identity = server_identity(pki, "client", CLIENT_URI, "127.0.0.1")
    options = EndpointOptions("127.0.0.1", 0, 1, 1.0, pki, ClientTrust((identity.certificate,)))
    return Lab(pki, options)


def spec_of(key: str) -> EndpointSpec:
    """An endpoint of the plant."""
    return next(spec for spec in PLANT if spec.key == key)


async def node_at(client: Client, endpoint: Endpoint, equipment: EquipmentSpec, path: str) -> Node:
    """The node at the site's ``path`` below the equipment's root."""
    index = await client.get_namespace_index(endpoint.spec.namespace)
    names = [*equipment.root.split("/"), *path.split("/")]
    return await client.nodes.objects.get_child([f"{index}:{name}" for name in names])


async def write(nodes: Sequence[tuple[Node, Any, ua.VariantType]], client: Client) -> list[ua.StatusCode]:
    """Write values alone, in exact types; the status of each."""
    params = ua.WriteParameters()
    for node, value, kind in nodes:
        item = ua.WriteValue()
        item.NodeId, item.AttributeId = node.nodeid, ua.AttributeIds.Value
        item.Value = ua.DataValue(ua.Variant(value, kind))
        params.NodesToWrite.append(item)
    return list(await client.uaclient.write(params))
