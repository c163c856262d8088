"""Every error the gateway raises, in one tree. Expected outcomes (a refusal, a bad status) are return values instead.

GatewayError
├── ConfigurationError        a document or a setting is wrong; carries every complaint, not the first one
├── EquipmentError            the border to equipment (gateway.opcua translates into these)
│   ├── Unreachable             no TCP connection, no answer, or the name does not resolve
│   ├── SecurityRefused         the server offers no endpoint with the policy and mode we insist on
│   ├── CertificateUntrusted    we do not trust the server's certificate, or it does not trust ours
│   ├── AuthenticationFailed    the server refused the user
│   ├── ConnectionLost          the connection or the session ended while in use
│   ├── ServiceFault            the server answered a request with a bad service result
│   └── DecodingFailed          bytes that are not what OPC 10000-6 says
├── StoreError                the twin store or the ledger
│   ├── StoreInUse              another gateway holds the data directory
│   ├── StoreFull               no space left on the device
│   ├── StoreUnreadable         corrupt, or written by a newer version
│   └── NotFound                nothing under that path or id
└── RequestRefused            what the caller asks cannot be done; says why and how to mend it
"""

from collections.abc import Sequence


class GatewayError(Exception):
    """Root of the tree. `str(error)` is one sentence or two: what, where, and how to mend it."""


class ConfigurationError(GatewayError):
    """One or more documents or settings are wrong.

    `complaints` lists each fault as one line `file:line: field: what is wrong and how to mend it`.
    """

    def __init__(self, complaints: Sequence[str]) -> None:
        super().__init__("\n".join(complaints))
        self.complaints = tuple(complaints)


class EquipmentError(GatewayError):
    """Something failed between us and a piece of equipment."""


class Unreachable(EquipmentError):
    """No connection: refused, timed out, or the host name is unknown."""


class SecurityRefused(EquipmentError):
    """The server does not offer the security we insist on. There is no silent downgrade."""


class CertificateUntrusted(EquipmentError):
    """A certificate was not trusted by the side that received it."""


class AuthenticationFailed(EquipmentError):
    """The server refused the user identity."""


class ConnectionLost(EquipmentError):
    """The connection, secure channel or session ended while it was in use."""


class ServiceFault(EquipmentError):
    """A service answered with a bad result. `status` is the OPC UA StatusCode (OPC 10000-4, 7.39)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class DecodingFailed(EquipmentError):
    """Bytes from the wire do not follow OPC 10000-6."""


class StoreError(GatewayError):
    """The twin store or the ledger failed."""


class StoreInUse(StoreError):
    """Another process holds the data directory."""


class StoreFull(StoreError):
    """The device has no space left. Nothing of the refused commit was stored."""


class StoreUnreadable(StoreError):
    """The file is corrupt, no database of ours, or written by a newer version of the gateway."""


class NotFound(StoreError):
    """Nothing is stored under that path or id."""


class RequestRefused(GatewayError):
    """The request is understood and cannot be done; the message says why and how to mend it."""
