"""Translating what asyncua and the socket raise into the gateway's own errors, in one place."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from asyncua import ua
from asyncua.common.utils import NotEnoughData, ServiceError

from gateway.errors import (
    AuthenticationFailed,
    CertificateUntrusted,
    ConnectionLost,
    DecodingFailed,
    EquipmentError,
    SecurityRefused,
    ServiceFault,
    Unreachable,
)  # fmt: skip
from gateway.plant.status_names import describe

_WHO = {ua.StatusCodes.BadIdentityTokenRejected, ua.StatusCodes.BadIdentityTokenInvalid, ua.StatusCodes.BadUserAccessDenied}
_CERTIFICATE = {
    ua.StatusCodes.BadSecurityChecksFailed, ua.StatusCodes.BadCertificateUntrusted, ua.StatusCodes.BadCertificateInvalid,
    ua.StatusCodes.BadCertificateTimeInvalid, ua.StatusCodes.BadCertificateUriInvalid, ua.StatusCodes.BadCertificateUseNotAllowed,
    ua.StatusCodes.BadCertificateChainIncomplete, ua.StatusCodes.BadCertificateHostNameInvalid,
    ua.StatusCodes.BadCertificateRevocationUnknown, ua.StatusCodes.BadCertificateRevoked,
}  # fmt: skip
_POLICY = {ua.StatusCodes.BadSecurityPolicyRejected, ua.StatusCodes.BadSecurityModeRejected}
_ENDED = {
    ua.StatusCodes.BadSessionIdInvalid, ua.StatusCodes.BadSessionClosed, ua.StatusCodes.BadSessionNotActivated,
    ua.StatusCodes.BadSecureChannelIdInvalid, ua.StatusCodes.BadSecureChannelClosed, ua.StatusCodes.BadConnectionClosed,
    ua.StatusCodes.BadServerHalted, ua.StatusCodes.BadShutdown, ua.StatusCodes.BadSecureChannelTokenUnknown,
}  # fmt: skip


def translated(status: int, what: str) -> EquipmentError:
    """The error for a bad service result."""
    text = f"{what}: the server answered {describe(status)}"
    if status in _WHO:
        return AuthenticationFailed(f"{text}; check the user and password of this endpoint, and the user's rights on the server")
    if status in _CERTIFICATE:
        return CertificateUntrusted(f"{text}; let the server trust our certificate ('gateway pki list' shows its file)")
    if status in _POLICY:
        return SecurityRefused(f"{text}; 'gateway probe' lists what the server offers")
    if status in _ENDED:
        return ConnectionLost(text)
    return ServiceFault(text, status)


def _silent(what: str, reason: str, *, connecting: bool) -> EquipmentError:
    if connecting:
        return Unreachable(f"{what}: {reason}; check that it runs, that host and port are right, and that no firewall is between")
    return ConnectionLost(f"{what}: {reason}")


def _reason(fault: OSError) -> str:
    """What the system calls it; asyncio puts words of its own in `strerror` ("Connect call failed ('10.1.2.3', 4840)")."""
    if isinstance(fault, socket.gaierror):
        return f"the host name cannot be resolved ({fault.strerror})"
    if fault.errno is not None and fault.errno > 0:
        return os.strerror(fault.errno)
    return fault.strerror or str(fault) or "the connection was closed"


@contextmanager
def border(what: str, *, connecting: bool = False) -> Iterator[None]:
    """Run a call to asyncua; whatever it raises leaves as an `EquipmentError` that begins with `what`."""
    try:
        yield
    except EquipmentError:
        raise
    except ua.UaStatusCodeError as fault:
        raise translated(int(fault.code), what) from fault
    except ServiceError as fault:
        raise translated(int(fault.code), what) from fault
    except TimeoutError as fault:
        raise _silent(what, "no answer in time", connecting=connecting) from fault
    except OSError as fault:
        raise _silent(what, _reason(fault), connecting=connecting) from fault
    except (NotEnoughData, ValueError, IndexError, KeyError, TypeError) as fault:
        # asyncua's decoder raises these on an answer that is not what the specification says
        raise DecodingFailed(f"{what}: the answer cannot be read ({type(fault).__name__}: {fault})") from fault
    except ua.UaError as fault:
        raise ConnectionLost(f"{what}: {fault}") from fault
