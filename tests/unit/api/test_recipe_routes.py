"""Recipes over HTTP: requests are recorded under the caller's name and key, and values are shown to those who may see them."""

from typing import Any

import httpx
import pytest

from gateway.errors import ConfigurationError, RequestRefused, Unreachable
from gateway.recipes.journal import Quarantine
from tests.fakes.services import COATER, NOW, Paper, control_recipe

from .test_gate_and_problems import problem

FILE: dict[str, Any] = {"document": "kind: MasterRecipe\n", "filename": "coat.yaml", "target": COATER}
KEY = {"Idempotency-Key": "once"}


async def test_validate_is_for_everyone(paper: Paper, viewer: httpx.AsyncClient) -> None:
    body = (await viewer.post("/api/v1/recipes/validate", json={"document": "x"})).json()
    assert (body["valid"], body["recipe"], body["targets"][0]["rendered_digest"]) == (True, "coat@1.0.0", "sha256:rendered")
    paper.pushes.complaints = ("coat_speed: above the class's range",)
    body = (await viewer.post("/api/v1/recipes/validate", json=FILE)).json()
    assert (body["valid"], body["targets"][0]["complaints"]) == (False, ["coat_speed: above the class's range"])


async def test_a_malformed_document_lists_every_complaint(paper: Paper, viewer: httpx.AsyncClient) -> None:
    paper.pushes.failure = ConfigurationError(["coat.yaml:1: kind: missing", "coat.yaml:2: header: missing"])
    assert len(problem(await viewer.post("/api/v1/recipes/validate", json=FILE), 422, "configuration")["errors"]) == 2  # type: ignore[arg-type]


async def test_diff_shows_values_to_operators(paper: Paper, operator: httpx.AsyncClient) -> None:
    body = (await operator.post("/api/v1/recipes/diff", json=FILE)).json()
    assert not body["already_active"]
    assert body["rows"] == [
        {"parameter": "coat_speed", "unit": "m/min", "active": 42.0, "wanted": 45.5, "same": False, "critical": True}
    ]
    paper.pushes.failure = Unreachable("wroclaw/electrode-plc: connection refused")
    problem(await operator.post("/api/v1/recipes/diff", json=FILE), 502, "equipment")


async def test_a_push_is_recorded_once_under_its_key(paper: Paper, operator: httpx.AsyncClient) -> None:
    first = await operator.post("/api/v1/pushes", json=FILE, headers=KEY)
    assert first.status_code == 202
    assert first.headers["location"] == "/api/v1/pushes/1"
    again = await operator.post("/api/v1/pushes", json=FILE, headers=KEY)
    other = await operator.post("/api/v1/pushes", json=FILE, headers={"Idempotency-Key": "twice"})
    assert [answer.json()["id"] for answer in (first, again, other)] == [1, 1, 2]
    assert paper.pushes.submitted[0] == ("kind: MasterRecipe\n", "coat.yaml", COATER, "olga", "once")


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": " "}])
async def test_a_push_needs_a_key(operator: httpx.AsyncClient, headers: dict[str, str]) -> None:
    problem(await operator.post("/api/v1/pushes", json=FILE, headers=headers), 400, "bad-request")


@pytest.mark.parametrize("change", [{"target": ""}, {"document": 3}, {"filename": ""}, {"extra": 1}])
async def test_a_push_needs_all_it_needs(operator: httpx.AsyncClient, change: dict[str, Any]) -> None:
    problem(await operator.post("/api/v1/pushes", json={**FILE, **change}, headers=KEY), 422, "invalid")


async def test_a_refused_push_says_why(paper: Paper, operator: httpx.AsyncClient) -> None:
    paper.pushes.failure = RequestRefused("coater-1 is quarantined")
    assert "quarantined" in str(problem(await operator.post("/api/v1/pushes", json=FILE, headers=KEY), 409, "refused")["detail"])


async def test_one_push_shows_its_journal_and_values_only_to_operators(
    paper: Paper, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    await operator.post("/api/v1/pushes", json=FILE, headers=KEY)
    shown = (await operator.get("/api/v1/pushes/1")).json()
    assert shown["parameters"] == [{"name": "coat_speed", "unit": "m/min", "value": 45.5, "critical": True}]
    assert shown["steps"][0]["values"] == {"coat_speed": 42.0}
    assert [step["state"] for step in shown["steps"]] == ["Planned", "Leased", "CommitSent"]
    hidden = await viewer.get("/api/v1/pushes/1")
    assert (hidden.json()["outcome"], hidden.json()["values_shown"]) == ("Confirmed", False)
    assert "45.5" not in hidden.text
    assert "42.0" not in hidden.text


async def test_a_public_recipe_is_shown_to_all(paper: Paper, operator: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    paper.pushes.control = control_recipe("public")
    await operator.post("/api/v1/pushes", json=FILE, headers=KEY)
    assert (await viewer.get("/api/v1/pushes/1")).json()["parameters"][0]["value"] == 45.5


async def test_pushes_are_listed(paper: Paper, operator: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    assert (await viewer.get("/api/v1/pushes")).json() == {"pushes": []}
    await operator.post("/api/v1/pushes", json=FILE, headers=KEY)
    (listed,) = (await viewer.get("/api/v1/pushes", params={"pattern": "wroclaw"})).json()["pushes"]
    assert (listed["recipe"], listed["equipment"], listed["requested_by"]) == ("coat@1.0.0", COATER, "olga")
    assert (await viewer.get("/api/v1/pushes", params={"pattern": "ochang"})).json() == {"pushes": []}


@pytest.mark.parametrize(
    ("id", "status", "code"), [("7", 404, "not-found"), ("x", 422, "invalid"), ("0", 422, "invalid"), ("9" * 30, 422, "invalid")]
)
async def test_no_such_push(viewer: httpx.AsyncClient, id: str, status: int, code: str) -> None:
    problem(await viewer.get(f"/api/v1/pushes/{id}"), status, code)


async def test_a_quarantine_is_shown_and_released_by_name(
    paper: Paper, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    paper.pushes.blocked.append(Quarantine(COATER, 1, NOW, "restoring failed"))
    (shown,) = (await viewer.get("/api/v1/quarantines")).json()["quarantines"]
    assert (shown["equipment"], shown["reason"], shown["since_ns"]) == (COATER, "restoring failed", NOW)
    request = {"equipment": COATER, "reason": "values checked at the panel"}
    assert (await operator.post("/api/v1/quarantines/release", json=request)).json() == {"released": COATER}
    assert paper.pushes.released == [(COATER, "olga", "values checked at the panel")]
    other = {**request, "equipment": "nowhere"}
    problem(await operator.post("/api/v1/quarantines/release", json=other), 404, "not-found")
