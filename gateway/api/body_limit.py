"""A limit on request bodies, announced or not, so that no caller can fill the daemon's memory."""

from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import problem_response

_DETAIL: Final = "The request is larger than the gateway takes: at most {limit} bytes."


class BodyLimit:
    """ASGI middleware: answers 413 to a body of more than `limit` bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by the announced length, else count while the body is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        detail = _DETAIL.format(limit=self._limit)
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not announced.isdigit() or int(announced[:20]) > self._limit:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            await problem_response(status, "too-large", detail, instance=scope["path"])(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            return message

        await self._app(scope, counted, send)
