"""The gate before `/api/v1`: nobody without a token gets past it, whichever routes lie behind."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.problems import Problem, problem_response
from gateway.api.services import Tokens
from gateway.api.tokens import Identity
from gateway.errors import GatewayError

GUARDED: Final = "/api/"


class Gate:
    """ASGI middleware: checks `Authorization: Bearer …` of everything below `/api/` and notes who asks."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app, self._tokens = app, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 401."""
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        try:
            identity = self._identity(scope)
        except Problem as problem:
            response = problem_response(
                problem.status, problem.code, problem.detail, instance=scope["path"], headers={"WWW-Authenticate": "Bearer"}
            )
            await response(scope, receive, send)
            return
        scope.setdefault("state", {})["identity"] = identity
        await self._app(scope, receive, send)

    def _identity(self, scope: Scope) -> Identity:
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
        scheme, _, bearer = header.partition(" ")
        if scheme.lower() != "bearer" or not bearer.strip():
            raise Problem(
                HTTPStatus.UNAUTHORIZED, "This needs 'Authorization: Bearer <token>'; 'gateway token create' makes a token."
            )
        try:
            identity = self._tokens.check(bearer.strip())
        except GatewayError as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        if identity is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "The gateway does not know this token; 'gateway token create' makes one.",
            )
        return identity


def caller(request: Request) -> Identity:
    """Who asks, as the gate found out."""
    identity: Any = request.state.identity
    assert isinstance(identity, Identity)
    return identity


def acting_caller(who: Annotated[Identity, Depends(caller)]) -> Identity:
    """Who asks, if they may act.

    Raises:
        Problem: 403, the token is a viewer's.
    """
    if not who.acts:
        raise Problem(HTTPStatus.FORBIDDEN, f"'{who.name}' is a viewer; this needs a token with the role operator.")
    return who


Caller = Annotated[Identity, Depends(caller)]
Operator = Annotated[Identity, Depends(acting_caller)]
