"""Every setting and route has its line in the docs; every metric that something asks for exists."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.api.app import create_app
from gateway.settings import Settings
from tests.docs.repository import ROOT, anchors, name_of, pages, read, tracked
from tests.fakes.services import Paper

_METRIC = re.compile(r"\b(?:gateway|process)_[a-z0-9_]+\b")
_SETTING = re.compile(r"\bGATEWAY_[A-Z_]+\b")
#: Environment variables of the command line alone, which the daemon does not read.
_CLIENT_VARIABLES = {"GATEWAY_URL", "GATEWAY_TOKEN", "GATEWAY_TOKEN_FILE"}
#: What Compose reads to fill in its own file.
_COMPOSE_VARIABLES = {"GATEWAY_CONFIG"}

RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(read("deploy/prometheus/rules/gateway.rules.yml"))["groups"] for rule in group["rules"]
]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return f"GATEWAY_{field.upper()}"


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    """docs/operations.md has a row for it."""
    assert f"| `{variable(field)}` |" in read("docs/operations.md")


@pytest.mark.parametrize(
    "path", [path for path in tracked() if path in pages() or name_of(path).startswith("deploy/")], ids=name_of
)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    """A setting that was renamed is renamed in the docs, the unit and the container too."""
    known = {variable(field) for field in Settings.model_fields} | _CLIENT_VARIABLES | _COMPOSE_VARIABLES
    assert set(_SETTING.findall(path.read_text())) - known == set()


def routes() -> Iterator[str]:
    """Every route, as `METHOD /path`."""
    for path, operations in create_app(Paper().services()).openapi()["paths"].items():
        for method in operations:
            yield f"{method.upper()} {path}"


def test_every_route_is_in_the_api_description() -> None:
    """Which is where the next test finds them: one that hides from it would hide from the docs."""
    assert len(list(routes())) > 10
    assert "include_in_schema" not in "".join(path.read_text() for path in (ROOT / "gateway" / "api").rglob("*.py"))


@pytest.mark.parametrize("route", sorted(routes()))
def test_every_route_is_documented(route: str) -> None:
    """docs/api.md names method and path."""
    assert re.search(rf"`{re.escape(route)}[`?]", read("docs/api.md"))


def documented_metrics() -> set[str]:
    """Names in docs/metrics.md, with the series that a histogram has."""
    names = set(re.findall(r"^\| `([a-z0-9_]+)` \|", read("docs/metrics.md"), re.MULTILINE))
    histograms = set(re.findall(r"^\| `([a-z0-9_]+)` \| histogram", read("docs/metrics.md"), re.MULTILINE))
    return names | {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_exist_and_says_what_to_do(rule: dict[str, Any]) -> None:
    """Its runbook is a section of the docs that bears its name."""
    assert set(_METRIC.findall(rule["expr"])) - documented_metrics() == set()
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    assert anchor in anchors(ROOT / page)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_for_metrics_that_exist(dashboard: Path) -> None:
    """In its panels and in its variables."""
    document = json.loads(dashboard.read_text())
    asked = [target["expr"] for panel in document["panels"] for target in panel.get("targets", ())]
    asked += [each["query"]["query"] for each in document["templating"]["list"]]
    assert {name for query in asked for name in _METRIC.findall(query)} - documented_metrics() == set()


def test_every_alert_section_belongs_to_an_alert() -> None:
    """The runbook keeps no alert that is gone."""
    sections = set(re.findall(r"^#+ (Gateway[A-Z]\w+)$", read("docs/operations.md"), re.MULTILINE))
    assert sections == {rule["alert"] for rule in RULES}
