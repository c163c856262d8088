"""Nobody passes without a token, a viewer does not act, and every error has the one shape."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gateway.api.app import LARGEST_BODY, create_app
from gateway.api.problems import _ERRORS, _HTTP_CODES
from gateway.errors import ConfigurationError, StoreFull, StoreUnreadable
from tests.fakes.services import WEIGHT, Paper

from .conftest import Ask

ROUTES = [
    (method.upper(), path)
    for path, operations in create_app(Paper().services()).openapi()["paths"].items()
    for method in operations
]
GUARDED = [(method, path) for method, path in ROUTES if path.startswith("/api/")]
#: Routes that change nothing although they take a body.
READING_POSTS = {"/api/v1/recipes/validate"}


def problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The problem document of a response, checked for its shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert body["type"] == f"urn:mother-factory-gateway:problem:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["instance"]
    return body


def test_all_routes_but_health_and_metrics_are_below_the_gate() -> None:
    assert {path for _, path in ROUTES} - {path for _, path in GUARDED} == {"/livez", "/readyz", "/metrics"}


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("bearer", [None, "unknown", "mfg_" + "x" * 43])
async def test_every_api_route_needs_a_token(ask: Ask, method: str, path: str, bearer: str | None) -> None:
    response = await ask(bearer).request(method, path)
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), [(m, p) for m, p in GUARDED if m != "GET" and p not in READING_POSTS])
async def test_a_viewer_does_not_act(viewer: httpx.AsyncClient, method: str, path: str) -> None:
    body = problem(await viewer.request(method, path, json={}), 403, "forbidden")
    assert "operator" in str(body["detail"])


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer ", "operator-token", "\u00ff"])
async def test_a_malformed_authorization_is_no_token(ask: Ask, header: str) -> None:
    problem(await ask(None).get("/api/v1/sites", headers=[(b"Authorization", header.encode("latin-1"))]), 401, "unauthenticated")


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/", "/api/v1/sites/"])
async def test_an_unknown_address_is_a_problem(viewer: httpx.AsyncClient, path: str) -> None:
    problem(await viewer.get(path), 404, "not-found")


async def test_an_unknown_address_outside_the_api_is_a_problem_too(ask: Ask) -> None:
    problem(await ask(None).get("/nothing"), 404, "not-found")


async def test_a_wrong_method_is_a_problem(viewer: httpx.AsyncClient) -> None:
    problem(await viewer.delete("/api/v1/sites"), 405, "method-not-allowed")


async def test_a_missing_parameter_names_its_field(viewer: httpx.AsyncClient) -> None:
    body = problem(await viewer.get("/api/v1/twin/history"), 422, "invalid")
    assert body["errors"] == [{"field": "query.path", "detail": "Field required"}]


async def test_an_invalid_body_is_not_echoed(operator: httpx.AsyncClient) -> None:
    response = await operator.post("/api/v1/backup", json={"target": "/b", "secret-recipe": 42.4242})
    assert "42.4242" not in response.text
    problem(response, 422, "invalid")


async def test_a_large_body_is_refused(operator: httpx.AsyncClient) -> None:
    response = await operator.post("/api/v1/backup", content=b'{"target": "' + b"x" * LARGEST_BODY + b'"}')
    problem(response, 413, "too-large")


async def test_a_large_body_without_a_length_is_refused(operator: httpx.AsyncClient) -> None:
    async def chunks() -> object:
        for _ in range(40):
            yield b"x" * (LARGEST_BODY // 32)

    headers = {"Content-Type": "application/json"}
    response = await operator.post("/api/v1/backup", content=chunks(), headers=headers)  # type: ignore[arg-type]
    problem(response, 413, "too-large")


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (StoreUnreadable("The twin is damaged; restore a backup."), 503, "store"),
        (StoreFull("No space left; free some."), 507, "store-full"),
    ],
)
async def test_a_gateway_error_says_what_it_says(
    paper: Paper, viewer: httpx.AsyncClient, failure: Exception, status: int, code: str
) -> None:
    paper.twin.failure = failure
    assert problem(await viewer.get("/api/v1/twin/current"), status, code)["detail"] == str(failure)


async def test_an_unexpected_error_hides_its_text(paper: Paper, viewer: httpx.AsyncClient) -> None:
    paper.twin.failure = RuntimeError("value 42.4242 of the recipe")
    response = await viewer.get("/api/v1/twin/current")
    problem(response, 500, "internal")
    assert "42.4242" not in response.text


async def test_complaints_of_a_configuration_are_listed(paper: Paper, operator: httpx.AsyncClient) -> None:
    paper.reload_failure = ConfigurationError(["plant.yaml:3: mother: no such site", "sites/a.yaml:1: site: missing"])
    body = problem(await operator.post("/api/v1/reload"), 422, "configuration")
    assert [fault["detail"] for fault in body["errors"]] == list(paper.reload_failure.complaints)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "at", ["yesterday", "2027-01-15T08:00:00", "-5 apples", "99999999999999999999999", "1960-01-01T00:00:00Z"]
)
async def test_a_wrong_time_says_how_to_write_one(viewer: httpx.AsyncClient, at: str) -> None:
    body = problem(await viewer.get("/api/v1/twin/as-of", params={"at": at}), 422, "invalid")
    assert str(body["detail"]).startswith("at: ")


async def test_start_must_lie_before_end(viewer: httpx.AsyncClient) -> None:
    query = {"path": WEIGHT, "start": "now", "end": "-1h"}
    problem(await viewer.get("/api/v1/twin/history", params=query), 422, "invalid")


async def test_openapi_describes_every_route(viewer: httpx.AsyncClient, ask: Callable[[None], httpx.AsyncClient]) -> None:
    problem(await ask(None).get("/api/v1/openapi.json"), 401, "unauthenticated")
    described = json.loads((await viewer.get("/api/v1/openapi.json")).text)
    assert set(described["paths"]) == {path for _, path in ROUTES}
    for path in described["paths"].values():
        assert all(operation["description"] for operation in path.values())


def test_every_problem_code_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[a-z`, -]+`) \| (\d{3}) \|", page, re.MULTILINE)
    documented = {(code, int(status)) for codes, status in rows for code in re.findall(r"`([a-z-]+)`", codes)}
    raised = {(code, int(status)) for _, status, code in _ERRORS}
    found = {(code, status) for status, code in _HTTP_CODES.items()}
    assert documented == raised | found


def test_every_route_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(GET|POST) ([^`?]+)", page, re.MULTILINE))
    assert documented == set(ROUTES)
