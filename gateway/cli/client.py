"""The command line's side of the HTTP API: where the daemon is, with which token, and its answers."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from gateway.cli.exit_codes import GatewayAnswer, GatewayUnreachable
from gateway.cli.options import ADDRESS_FILE, data_directory
from gateway.errors import ConfigurationError, RequestRefused

TOKEN_FILE: Final = "operator.token"  # noqa: S105 -- a file's name


class Client:
    """Asks one daemon. Every method raises GatewayUnreachable or GatewayAnswer when there is no good answer."""

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            # A proxy from the environment must not stand between us and a daemon on this machine.
            local = urlsplit(self.url).hostname in {"localhost", "127.0.0.1", "::1"}
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s, trust_env=not local)
        except (httpx.InvalidURL, ValueError) as error:
            raise GatewayUnreachable(f"'{url}' is no address of a gateway: write it as http://HOST:PORT") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def get(self, route: str, /, **query: Any) -> Any:
        """The JSON answer to GET `/api/v1` + route. Queries of None are left out."""
        return self._ask("GET", f"/api/v1{route}", params=_given(query)).json()

    def post(self, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON answer to POST `/api/v1` + path."""
        return self._ask("POST", f"/api/v1{path}", json=dict(body or {}), headers=dict(headers or {})).json()

    def download(self, route: str, /, **query: Any) -> bytes:
        """The bytes of GET `/api/v1` + route."""
        return self._ask("GET", f"/api/v1{route}", params=_given(query)).content

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise GatewayUnreachable(f"The gateway at {self.url} does not answer in time; look at its log.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GatewayUnreachable(
                f"No gateway answers at {self.url} ({error}). Start one with 'gateway run' or 'gateway demo', or give --url."
            ) from error
        if response.is_success:
            return response
        raise _answer(response)


def connect(url: str | None, data_dir: Path | None, token_file: Path | None, *, timeout_s: float = 30.0) -> Client:
    """The client for the daemon that the options name, or that runs in the data directory, or in a usual place here.

    Raises:
        GatewayUnreachable: no daemon runs there.
        ConfigurationError: a named file cannot be read.
    """
    directory = data_directory(data_dir)
    if url is None:
        url = _address(directory)
    token = os.environ.get("GATEWAY_TOKEN") or None
    if token_file is not None:
        token = _read_token(token_file)
    elif token is None and (directory / TOKEN_FILE).exists():
        token = _read_token(directory / TOKEN_FILE)
    return Client(url, token, timeout_s)


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn a file that cannot be read into one clear sentence."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot read {what}: {error.strerror or error}"]) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError([f"{path}: this is no {what}: {error}"]) from error


def _address(directory: Path) -> str:
    file = directory / ADDRESS_FILE
    if not file.exists():
        raise GatewayUnreachable(
            f"No gateway runs in {directory} (there is no {file}). Start it, or give --url http://HOST:PORT or --data-dir DIR"
            " (or set GATEWAY_URL or GATEWAY_DATA_DIR)."
        )
    with reading(file, "gateway's address"):
        return str(json.loads(file.read_text("utf-8"))["url"])


def _read_token(path: Path) -> str:
    with reading(path, "token file"):
        token = path.read_text("utf-8").strip()
    if not token or not token.isascii() or len(token.split()) != 1:
        raise RequestRefused(f"{path} holds no token: it must hold one line, as 'gateway token create' prints it")
    return token


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in query.items() if value is not None}


def _answer(response: httpx.Response) -> GatewayAnswer:
    """The error for a problem document, or for whatever else answered."""
    try:
        problem = response.json()
        code = str(problem["type"]).rpartition(":")[2]
        message = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return GatewayAnswer(
            f"{response.request.url} answered {response.status_code}, and not as a gateway does: is this the right address?",
            "foreign",
        )
    if code == "unauthenticated":
        message += " Give it with --token-file, GATEWAY_TOKEN_FILE, GATEWAY_TOKEN or --data-dir."
    return GatewayAnswer(message, code)
