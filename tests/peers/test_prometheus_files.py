"""What deploy/ gives to Prometheus and Grafana is understood there."""

import json
from pathlib import Path

import pytest
import yaml

from tests.peers.prometheus import promtool

pytestmark = pytest.mark.peer("prometheus")

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules" / "gateway.rules.yml"
RULE_TESTS = DEPLOY / "prometheus" / "rules" / "gateway.rules.test.yml"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))


def test_configuration_and_rules_are_sound() -> None:
    """Prometheus would start with them."""
    promtool("check", "config", str(DEPLOY / "prometheus" / "prometheus.yml"))


def test_alerts_fire_when_they_should() -> None:
    """The rules' own tests."""
    promtool("test", "rules", str(RULE_TESTS))


def test_every_alert_has_a_test_that_expects_it() -> None:
    """An alert that no test has seen firing may never fire."""
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    tests = [one for case in yaml.safe_load(RULE_TESTS.read_text())["tests"] for one in case.get("alert_rule_test", ())]
    assert alerts - {one["alertname"] for one in tests if one["exp_alerts"]} == set()


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_parses(dashboard: Path, tmp_path: Path) -> None:
    """Each query, as a recording rule, passes promtool; Grafana's variables stand for what it would put there."""
    panels = json.loads(dashboard.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert queries
    rules = [{"record": f"query_{number}", "expr": text.replace("$__range", "1h")} for number, text in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))
