"""One session with one server: dialled in a single attempt, closed cleanly, never reconnected behind anybody's back."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from asyncua import Client, ua
from asyncua.client.ua_client import UaClientState

from gateway.errors import CertificateUntrusted, ConnectionLost, EquipmentError, SecurityRefused, ServiceFault
from gateway.opcua.border import border
from gateway.opcua.nodes import Namespaces
from gateway.opcua.pki import Pki, expiry_ns, fingerprint, leaf
from gateway.opcua.security import MODES, POLICIES, choose
from gateway.plant.equipment_class import Endpoint, LimitOverride
from gateway.plant.ports import OperationLimits, ServerFacts

SESSION_TIMEOUT_MS: Final = 60_000  #: a killed gateway must not hold one of a PLC's few sessions for longer
_CHANNEL_LIFETIME_MS: Final = 600_000
_RENEW_AT: Final = 0.75  #: of the channel's lifetime (OPC 10000-4, 5.5.2)
_CLOSING_S: Final = 3.0  #: a server that does not answer a goodbye does not get more

_TOO_MUCH: Final = {
    ua.StatusCodes.BadTooManyOperations, ua.StatusCodes.BadEncodingLimitsExceeded, ua.StatusCodes.BadRequestTooLarge,
    ua.StatusCodes.BadResponseTooLarge, ua.StatusCodes.BadTcpMessageTooLarge,
}  # fmt: skip

#: What is read when a session begins, in the order of `_facts`.
_FACT_NODES: Final = (
    ua.ObjectIds.Server_NamespaceArray,
    ua.ObjectIds.Server_ServerStatus_BuildInfo_ProductName,
    ua.ObjectIds.Server_ServerStatus_BuildInfo_SoftwareVersion,
    ua.ObjectIds.Server_ServerStatus_CurrentTime,
    ua.ObjectIds.Server_ServiceLevel,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerMethodCall,
    ua.ObjectIds.Server_ServerCapabilities_MaxMonitoredItemsPerSubscription,
)

#: What may change while a session lives, in the order of `refresh`.
_REFRESHED: Final = (
    ua.ObjectIds.Server_NamespaceArray,
    ua.ObjectIds.Server_ServerStatus_CurrentTime,
    ua.ObjectIds.Server_ServiceLevel,
)

# It warns of every refusal; they are ours to report, with their cure, once and not at each attempt.
logging.getLogger("asyncua.client.ua_client").setLevel(logging.ERROR)

Item = TypeVar("Item")
Result = TypeVar("Result")


class UaSession:
    """An activated session. `send` is the raw way for the hot path; `services` are asyncua's, for everything else."""

    def __init__(self, client: Client, endpoint: Endpoint, timeout: float) -> None:
        self._client = client
        self.endpoint = endpoint
        self.timeout = timeout
        self.services = client.uaclient.session
        self.namespaces = Namespaces(())
        self.facts = ServerFacts("", "", (), OperationLimits(), None, None, None)

    async def send(self, request: object, timeout: float) -> bytes:
        """Send a request and return the response body. `timeout` in seconds; 0 waits for ever (PublishRequest).

        Raises:
            ServiceFault: the service as a whole was refused.
            ConnectionLost: the connection or the session has ended.
        """
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionLost(f"{self.endpoint.url}: the connection is closed")
        with border(f"{self.endpoint.url}: {type(request).__name__}"):
            answer = await protocol.send_request(request, timeout)
            return answer.read(len(answer))

    async def chunked(
        self, what: str, items: Sequence[Item], limit: int | None, call: Callable[[list[Item]], Awaitable[Sequence[Result]]]
    ) -> list[Result]:
        """Call a service over `items` in chunks; a chunk that is too much for the server is halved, down to one.

        Raises:
            ServiceFault: the service refuses even a single item.
        """
        results: list[Result] = []
        size = min(limit or len(items), len(items)) or 1
        while len(results) < len(items):
            part = list(items[len(results) : len(results) + size])
            try:
                with border(f"{self.endpoint.url}: {what}"):
                    answer = await call(part) or []  # asyncua gives None for a null array
            except ServiceFault as fault:
                if fault.status not in _TOO_MUCH or size == 1:
                    raise
                size = max(size // 2, 1)
                continue
            if len(answer) != len(part):
                raise ConnectionLost(f"{self.endpoint.url}: {what} answered {len(answer)} results for {len(part)} items")
            results += answer
        return results

    async def read_attributes(self, wanted: Sequence[tuple[ua.NodeId, ua.AttributeIds]]) -> list[ua.DataValue]:
        """Read attributes of nodes, in chunks the server takes."""

        async def call(part: list[tuple[ua.NodeId, ua.AttributeIds]]) -> Sequence[ua.DataValue]:
            request = ua.ReadParameters(
                TimestampsToReturn=ua.TimestampsToReturn.Source,
                NodesToRead=[ua.ReadValueId(node, attribute) for node, attribute in part],
            )
            return await self.services.read(request)

        return await self.chunked("Read", wanted, self.facts.limits.nodes_per_read, call)

    async def lost(self) -> None:
        """Return when the transport has closed."""
        async with self._client.subscribe_state() as states:
            while self._client.state is UaClientState.CONNECTED:
                await states.next_change()

    async def keep_channel(self) -> None:
        """Renew the secure channel for as long as the session lives."""
        while True:
            await asyncio.sleep(self._client.secure_channel_timeout * _RENEW_AT / 1000)
            with border(f"{self.endpoint.url}: renewing the secure channel"):
                await self._client.open_secure_channel(renew=True)
                self._client.uaclient.revolve_security_token()

    async def refresh(self) -> float:
        """Read clock, service level and namespaces anew; the round trip in seconds.

        Raises:
            ConnectionLost: the namespaces are others than at the session's begin: no NodeId can be trusted any more.
        """
        wanted = [(ua.NodeId(number, 0), ua.AttributeIds.Value) for number in _REFRESHED]
        asked, began = time.time(), time.monotonic()
        answers = await self.read_attributes(wanted)
        took = time.monotonic() - began
        uris, clock, level = (answer.Value.Value if answer.StatusCode.is_good() else None for answer in answers)
        if isinstance(uris, list) and tuple(uris) != self.facts.namespaces:
            raise ConnectionLost(f"{self.endpoint.url}: the server's namespaces changed; every node must be found again")
        offset = clock.replace(tzinfo=UTC).timestamp() - (asked + took / 2) if isinstance(clock, datetime) else None
        self.facts = replace(self.facts, clock_offset_s=offset, service_level=level)
        return took

    async def learn(self, certificate: bytes | None) -> None:
        """Read what the server says of itself: namespaces, limits, clock, service level."""
        self.facts = ServerFacts("", "", (), _override(OperationLimits(), self.endpoint.limits), None, None, None)
        wanted = [(ua.NodeId(number, 0), ua.AttributeIds.Value) for number in _FACT_NODES]
        asked = time.time()
        answers = await self.read_attributes(wanted)
        values: list[Any] = [answer.Value.Value if answer.StatusCode.is_good() else None for answer in answers]
        if not isinstance(values[0], list):
            raise ConnectionLost(f"{self.endpoint.url}: the server's NamespaceArray cannot be read")
        middle = (asked + time.time()) / 2
        clock = values[3].replace(tzinfo=UTC).timestamp() - middle if isinstance(values[3], datetime) else None
        limits = OperationLimits(
            monitored_items_per_call=values[5] or None, nodes_per_read=values[6] or None, nodes_per_write=values[7] or None,
            nodes_per_translate=values[8] or None, nodes_per_browse=values[9] or None, nodes_per_method_call=values[10] or None,
            monitored_items_per_subscription=values[11] or None,
        )  # fmt: skip
        self.namespaces = Namespaces(values[0])
        self.facts = ServerFacts(
            product=values[1] or "", software_version=values[2] or "", namespaces=tuple(values[0]),
            limits=_override(limits, self.endpoint.limits), service_level=values[4], clock_offset_s=clock,
            certificate_expires=expiry_ns(certificate) if certificate else None,
        )  # fmt: skip


def _override(limits: OperationLimits, by: LimitOverride) -> OperationLimits:
    """The site file's word wins over the server's: some report limits at which they crawl."""
    return OperationLimits(
        monitored_items_per_call=by.max_monitored_items_per_call or limits.monitored_items_per_call,
        nodes_per_read=by.max_nodes_per_read or limits.nodes_per_read,
        nodes_per_write=by.max_nodes_per_write or limits.nodes_per_write,
        nodes_per_translate=by.max_nodes_per_translate or limits.nodes_per_translate,
        nodes_per_browse=limits.nodes_per_browse,
        nodes_per_method_call=limits.nodes_per_method_call,
        monitored_items_per_subscription=limits.monitored_items_per_subscription,
    )


async def offers(url: str, timeout: float) -> list[ua.EndpointDescription]:
    """What a server offers, asked without security (GetEndpoints, OPC 10000-4, 5.4.4).

    Raises:
        Unreachable: nobody answers there.
    """
    with border(f"{url}: asking for its endpoints", connecting=True):
        offered: list[ua.EndpointDescription] = await Client(url, timeout=timeout).connect_and_get_server_endpoints()
    return offered


async def _secure(client: Client, endpoint: Endpoint, pki: Pki, timeout: float) -> bytes:
    """Choose the endpoint, check the server's certificate against our trust list, set up the client; returns the certificate."""
    chosen = choose(await offers(endpoint.url, timeout), endpoint.policy, endpoint.mode, endpoint.url)
    certificate = leaf(bytes(chosen.ServerCertificate or b""))
    if not certificate:
        raise SecurityRefused(f"{endpoint.url} offers {endpoint.policy} without a certificate")
    try:
        expires = expiry_ns(certificate)
    except ValueError as fault:
        raise CertificateUntrusted(f"{endpoint.url}: what the server shows is no certificate; repair it on the server") from fault
    if not pki.is_trusted(certificate):
        kept = pki.reject(endpoint.key, certificate)
        raise CertificateUntrusted(
            f"{endpoint.url} shows a certificate we do not trust (SHA-256 {fingerprint(certificate)}, kept in {kept}); "
            f"compare it with the one on the equipment, then: gateway pki trust {endpoint.key}"
        )
    if expires < time.time_ns():
        raise CertificateUntrusted(
            f"{endpoint.url}: the server's certificate has expired; renew it on the server, then trust the new one"
        )
    if expiry_ns(pki.own()) < time.time_ns():
        raise CertificateUntrusted("our own certificate has expired: gateway pki renew, then let the servers trust the new one")
    client.application_uri = pki.application_uri()
    with border(f"{endpoint.url}: loading our certificate", connecting=True):
        await client.set_security(
            POLICIES[endpoint.policy], str(pki.certificate_file), str(pki.key_file),
            server_certificate=certificate, mode=MODES[endpoint.mode],
        )  # fmt: skip
    return certificate


@asynccontextmanager
async def dial(endpoint: Endpoint, pki: Pki, password: str | None, timeout: float = 10.0) -> AsyncIterator[UaSession]:
    """Connect, check certificates, create and activate a session; one attempt. Closes it on the way out.

    Raises:
        EquipmentError: the kind says what failed (`gateway.errors`).
    """
    client = Client(endpoint.url, timeout=timeout)
    client.name = client.description = "Mother Factory gateway"
    client.session_timeout = SESSION_TIMEOUT_MS
    client.secure_channel_timeout = _CHANNEL_LIFETIME_MS
    client.set_locale([endpoint.locale, "en"] if endpoint.locale else ["en"])
    certificate = await _secure(client, endpoint, pki, timeout) if endpoint.policy != "None" else None
    try:
        await _open(client, endpoint, password)
        session = UaSession(client, endpoint, timeout)
        await session.learn(certificate)
        renewing = asyncio.create_task(session.keep_channel(), name=f"channel {endpoint.key}")
        try:
            yield session
        finally:
            renewing.cancel()
            # A failed renewal has shown itself as a lost connection already; our own cancellation must pass.
            await asyncio.gather(renewing, return_exceptions=True)
    finally:
        await _close(client)


async def _open(client: Client, endpoint: Endpoint, password: str | None) -> None:
    where = endpoint.url
    try:
        with border(f"{where}: opening a secure channel", connecting=True):
            await client.connect_sessionless()
    except EquipmentError as fault:
        if (
            endpoint.policy != "None"
            and isinstance(fault.__cause__, ConnectionError)
            and not isinstance(fault.__cause__, ConnectionRefusedError)
        ):
            raise CertificateUntrusted(
                f"{where}: the server closed the connection while the secure channel was opened; most servers do so when they "
                "do not trust our certificate: let the server trust it ('gateway pki list' shows its file)"
            ) from fault
        raise
    with border(f"{where}: creating a session", connecting=True):
        await client.create_session()
    user = endpoint.credentials.user
    if user is not None and password and endpoint.policy == "None":
        token = client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri
        if not token or token.endswith("#None"):
            raise SecurityRefused(
                f"{where}: the password of '{user}' would travel in clear; use a secured endpoint, or 'credentials: anonymous'"
            )
    with border(f"{where}: activating the session as {user or 'anonymous'}", connecting=True):
        await client.activate_session(username=user, password=password)


async def _close(client: Client) -> None:
    """Say goodbye where somebody is there to hear it; drop the socket in any case."""
    try:
        with contextlib.suppress(Exception):  # closing: the server may be gone, half open or in the middle of its own end
            if client.state is UaClientState.CONNECTED:
                async with asyncio.timeout(_CLOSING_S):
                    await client.close_session()
                    await client.close_secure_channel()
    finally:
        client.disconnect_socket()
