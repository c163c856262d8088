"""Exit codes that scripts can use; docs/cli.md lists them."""

from enum import IntEnum
from typing import Final

from gateway import errors


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    NEGATIVE = 1  #: the command did its work and the answer is no: faults found, a push not confirmed
    USAGE = 2  #: the command line is wrong
    UNREACHABLE = 3  #: the gateway, or the endpoint, does not answer
    REFUSED = 4  #: no token, a wrong one, a viewer's, an untrusted certificate, or the state does not allow it
    CONFIGURATION = 5  #: a document or a setting is wrong
    NOT_FOUND = 6  #: nothing under that path or id
    STORE = 7  #: the data directory is in use, full or damaged


#: The first that fits.
_ERRORS: Final[tuple[tuple[type[errors.GatewayError], ExitCode], ...]] = (
    (errors.ConfigurationError, ExitCode.CONFIGURATION),
    (errors.NotFound, ExitCode.NOT_FOUND),
    (errors.StoreError, ExitCode.STORE),
    (errors.RequestRefused, ExitCode.REFUSED),
    (errors.AuthenticationFailed, ExitCode.REFUSED),
    (errors.CertificateUntrusted, ExitCode.REFUSED),
    (errors.SecurityRefused, ExitCode.REFUSED),
    (errors.EquipmentError, ExitCode.UNREACHABLE),
)


def exit_code_of(error: errors.GatewayError) -> ExitCode:
    """The exit code for an error of the gateway's tree."""
    if isinstance(error, GatewayAnswer):
        return _PROBLEMS.get(error.code, ExitCode.NEGATIVE)
    return next((code for kind, code in _ERRORS if isinstance(error, kind)), ExitCode.NEGATIVE)


class GatewayAnswer(errors.GatewayError):
    """The daemon answered with a problem document. `code` is the last part of its type (docs/api.md)."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class GatewayUnreachable(errors.Unreachable):
    """The daemon does not answer, or nobody said where it is."""


_PROBLEMS: Final = {
    "unauthenticated": ExitCode.REFUSED,
    "forbidden": ExitCode.REFUSED,
    "refused": ExitCode.REFUSED,
    "not-found": ExitCode.NOT_FOUND,
    "invalid": ExitCode.USAGE,
    "bad-request": ExitCode.USAGE,
    "too-large": ExitCode.USAGE,
    "configuration": ExitCode.CONFIGURATION,
    "store": ExitCode.STORE,
    "unavailable": ExitCode.STORE,
    "store-full": ExitCode.STORE,
    "equipment": ExitCode.UNREACHABLE,
}
