"""One shape for everything that goes wrong: RFC 9457 problem details, `application/problem+json`.

`type` is `urn:mother-factory-gateway:problem:<code>`; docs/api.md lists the codes. `errors` holds single faults where there are
several. A message of `gateway.errors` says what, where and how to mend it, and becomes `detail`; any other error is
logged and answered without its text, because that might hold what the caller may not see.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway import errors

_log = structlog.get_logger(__name__)
URN: Final = "urn:mother-factory-gateway:problem:"

#: Which problem a gateway error is to the caller; the first that fits.
_ERRORS: Final[tuple[tuple[type[errors.GatewayError], HTTPStatus, str], ...]] = (
    (errors.NotFound, HTTPStatus.NOT_FOUND, "not-found"),
    (errors.RequestRefused, HTTPStatus.CONFLICT, "refused"),
    (errors.ConfigurationError, HTTPStatus.UNPROCESSABLE_ENTITY, "configuration"),
    (errors.StoreFull, HTTPStatus.INSUFFICIENT_STORAGE, "store-full"),
    (errors.StoreError, HTTPStatus.SERVICE_UNAVAILABLE, "store"),
    (errors.EquipmentError, HTTPStatus.BAD_GATEWAY, "equipment"),
    (errors.GatewayError, HTTPStatus.INTERNAL_SERVER_ERROR, "internal"),
)
#: Codes of problems that the HTTP layer itself finds, by status.
_HTTP_CODES: Final = {
    400: "bad-request", 401: "unauthenticated", 403: "forbidden", 404: "not-found",
    405: "method-not-allowed", 413: "too-large", 422: "invalid", 500: "internal", 503: "unavailable",
}  # fmt: skip


class Problem(Exception):
    """Raised by a route: answered as a problem document."""

    def __init__(self, status: HTTPStatus, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.code = code or _HTTP_CODES[status]


def problem_response(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    instance: str,
    faults: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """One problem document. `faults` become its `errors`."""
    body: dict[str, Any] = {
        "type": URN + code,
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "instance": instance,
    }
    if faults:
        body["errors"] = list(faults)
    return JSONResponse(body, status, headers=dict(headers or {}), media_type="application/problem+json")


async def _on_problem(request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    headers = {"WWW-Authenticate": "Bearer"} if problem.status is HTTPStatus.UNAUTHORIZED else None
    return problem_response(problem.status, problem.code, problem.detail, instance=request.url.path, headers=headers)


async def _on_gateway_error(request: Request, error: Exception) -> JSONResponse:
    status, code = next((status, code) for kind, status, code in _ERRORS if isinstance(error, kind))
    faults = [{"detail": line} for line in error.complaints] if isinstance(error, errors.ConfigurationError) else []
    return problem_response(status, code, str(error), instance=request.url.path, faults=faults)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = error.detail if error.detail != status.phrase else _DETAILS.get(int(status), status.description)
    code = _HTTP_CODES.get(int(status), "http")
    return problem_response(status, code, detail, instance=request.url.path, headers=error.headers)


_DETAILS: Final = {
    404: "There is nothing under this address; docs/api.md lists the routes.",
    405: "This address does not take this method; docs/api.md lists the routes.",
}


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The 'input' of a fault is left out: it may be a recipe.
    faults = [{"field": ".".join(map(str, fault["loc"])), "detail": fault["msg"]} for fault in error.errors()]
    detail = "; ".join(f"{fault['field']}: {fault['detail']}" for fault in faults)
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, instance=request.url.path, faults=faults)


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("request failed", method=request.method, path=request.url.path, error=type(error).__name__)
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "The gateway failed on this request; its log says why.",
        instance=request.url.path,
    )


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(errors.GatewayError, _on_gateway_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_unexpected)
