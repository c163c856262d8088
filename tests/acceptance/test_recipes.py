"""Recipes go into lines of every handshake through the command line and the daemon: checked, verified, journaled, or refused."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import until
from tests.acceptance.conftest import MakeGateway, StandingPlant
from tests.acceptance.daemon import Gateway

METHOD, MAILBOX = "ochang/electrode/line-1/coater-1", "wroclaw/electrode/line-1/coater-1"
DIRECT = "michigan/formation/line-1/charger-1"
PLACES = [
    pytest.param("electrode-coating", METHOD, "method", id="method"),
    pytest.param("electrode-coating", MAILBOX, "mailbox", id="mailbox"),
    pytest.param("cell-formation", DIRECT, "direct", id="direct"),
]
PUSH_S = 100.0


@pytest.fixture(scope="module")
def gateway(lasting_gateway_on: MakeGateway) -> Gateway:
    """A gateway on sites of all three handshakes; its recipe for chargers may go in directly."""
    made = lasting_gateway_on("ochang", "wroclaw", "michigan", started=False)
    formation = recipe(made, "cell-formation")
    formation.write_text(formation.read_text().replace("[method, mailbox]", "[method, mailbox, direct]"))
    made.start()
    made.until_flowing()
    return made


def recipe(gateway: Gateway, name: str) -> Path:
    """A recipe file of the configuration."""
    return gateway.config / "recipes" / f"{name}.yaml"


def push(gateway: Gateway, file: Path, target: str, *options: str) -> dict[str, Any]:
    """`gateway recipe push`, which ends 0; its document."""
    done = gateway.say("recipe", "push", str(file), "--to", target, "--json", *options, limit=PUSH_S).ended(0)
    document: dict[str, Any] = done.json
    return document


def held(gateway: Gateway, target: str) -> dict[str, Any]:
    """What the twin says the equipment holds, by node."""
    readings = gateway.ask("/twin/current", pattern=f"{target}/Recipe/Active")["readings"]
    return {each["path"].rpartition("/")[2]: each["sample"]["value"] for each in readings}


@pytest.mark.parametrize(("name", "target", "handshake"), PLACES)
def test_a_recipe_is_compared_pushed_and_then_a_no_op(gateway: Gateway, name: str, target: str, handshake: str) -> None:
    file = recipe(gateway, name)
    valid = gateway.say("recipe", "validate", str(file), "--to", target, "--json").ended(0).json
    assert [each["equipment"] for each in valid["targets"] if each["renders"]] == [target]
    before = gateway.say("recipe", "diff", str(file), "--to", target, "--json").ended(1).json
    assert not before["already_active"]
    assert not all(row["same"] for row in before["rows"])

    done = push(gateway, file, target, "--wait")
    assert (done["outcome"], done["handshake"], done["requested_by"]) == ("Confirmed", handshake, "ann")
    after = gateway.say("recipe", "diff", str(file), "--to", target, "--json").ended(0).json
    assert after["already_active"]
    assert all(row["same"] for row in after["rows"])
    wanted = {row["wanted"] for row in after["rows"] if isinstance(row["wanted"], float)}
    until(lambda: wanted <= set(held(gateway, target).values()), within=10, what=lambda: (wanted, held(gateway, target)))

    again = push(gateway, file, target)
    assert (again["outcome"], again["id"]) == ("NoOp", done["id"] + 1)

    told = gateway.say("recipe", "status", str(done["id"])).ended(0).out
    for state in ("Planned", "Preflight", "Snapshot", "CommitSent", "Confirmed"):
        assert state in told
    journal = gateway.say("recipe", "status", str(done["id"]), "--json").ended(0).json
    assert [step["number"] for step in journal["steps"]] == list(range(1, len(journal["steps"]) + 1))
    listed = gateway.say("recipe", "status", "--at", target, "--json").ended(0).json["pushes"]
    assert [(each["id"], each["outcome"]) for each in listed] == [(again["id"], "NoOp"), (done["id"], "Confirmed")]


def test_the_same_key_never_makes_a_second_push(gateway: Gateway) -> None:
    file, target = recipe(gateway, "slurry-mixing"), "ochang/electrode/line-1/mixer-1"
    first = push(gateway, file, target, "--key", "shift-3")
    second = push(gateway, file, target, "--key", "shift-3")
    assert (second["id"], second["outcome"]) == (first["id"], "Confirmed")


def test_a_local_edit_is_seen_and_put_right(gateway: Gateway, standing_plant: StandingPlant) -> None:
    file, target = recipe(gateway, "electrode-coating"), METHOD
    push(gateway, file, target)
    standing_plant.site("ochang").fault(
        "ochang.electrode-plc", "local-edit", equipment="coater-1", parameter="CoatSpeed", value=31
    )
    until(lambda: held(gateway, target)["CoatSpeed"] == 31.0, within=10, what=lambda: held(gateway, target))
    differing = gateway.say("recipe", "diff", str(file), "--to", target, "--json").ended(1).json
    assert [(row["parameter"], row["active"]) for row in differing["rows"] if not row["same"]] == [("coat_speed", 31.0)]
    assert push(gateway, file, target)["outcome"] == "Confirmed"  # although the controller's digest still says it is active
    until(lambda: held(gateway, target)["CoatSpeed"] == 28.0, within=10, what=lambda: held(gateway, target))


def test_a_local_edit_while_it_is_pushed_undoes_the_push(gateway: Gateway, standing_plant: StandingPlant) -> None:
    target, plcs = "wroclaw/electrode/line-1/mixer-1", standing_plant.site("wroclaw")
    plcs.fault("wroclaw.electrode-plc", "slow-commit", equipment="mixer-1", seconds=4)
    try:
        file = recipe(gateway, "slurry-mixing")
        handed = gateway.say("recipe", "push", str(file), "--to", target, "--no-wait", "--json").ended(0).json
        assert handed["outcome"] is None
        route = f"/pushes/{handed['id']}"
        until(lambda: gateway.ask(route)["state"] == "CommitSent", within=PUSH_S, what=lambda: gateway.ask(route))
        plcs.fault("wroclaw.electrode-plc", "local-edit", equipment="mixer-1", parameter="PlanetSpeed", value=27)
        until(lambda: gateway.ask(route)["outcome"], within=PUSH_S, what=lambda: gateway.ask(route))
        told = gateway.say("recipe", "status", str(handed["id"]), "--json").ended(1).json
        assert (told["outcome"], told["reason"]) == ("RolledBack", "a parameter was edited locally during the push")
        assert "CancelSent" in [step["state"] for step in told["steps"]]
    finally:
        plcs.fault("wroclaw.electrode-plc", "clear")


def test_what_is_outside_the_class_is_refused_with_every_complaint_and_nothing_is_written(gateway: Gateway) -> None:
    before, pushes = held(gateway, MAILBOX), gateway.ask("/pushes")["pushes"]
    text = recipe(gateway, "electrode-coating").read_text()
    for sound, wrong in (
        ("value: 28.0, limits: {low: 20, high: 40}", "value: 99.0, limits: {low: 20, high: 120}"),
        ("value: 183.5, limits: {low: 170, high: 195}", "value: 900.0, limits: {low: 170, high: 950}"),
    ):
        assert sound in text
        text = text.replace(sound, wrong)
    bad = gateway.root / "bad.yaml"
    bad.write_text(text)
    complaints = gateway.say("recipe", "validate", str(bad), "--to", MAILBOX, "--json").ended(1).json["targets"][0]["complaints"]
    assert {each.split(":")[0] for each in complaints} == {"coat_speed", "coat_weight"}
    said = gateway.say("recipe", "push", str(bad), "--to", MAILBOX).ended(4)
    for complaint in complaints:
        assert complaint in said.words
    assert "900" not in said.words  # a recipe's values are in no message
    assert gateway.ask("/pushes")["pushes"] == pushes
    assert held(gateway, MAILBOX) == before


def test_what_cannot_be_pushed_says_why(gateway: Gateway) -> None:
    coating = str(recipe(gateway, "electrode-coating"))
    said = gateway.say("recipe", "push", coating, "--to", DIRECT).ended(4)
    assert f"{DIRECT} has no equipment of class coater" in said.words
    broken = gateway.root / "broken.yaml"
    broken.write_text(Path(coating).read_text().replace("value: Al-15", "value: 15").replace("version: 2.0.1", "version: two"))
    said = gateway.say("recipe", "push", str(broken), "--to", METHOD).ended(5)
    assert said.words.count("broken.yaml:") >= 2
    said = gateway.say("recipe", "push", str(gateway.root / "none.yaml"), "--to", METHOD).ended(5)
    assert "none.yaml: cannot read recipe file: No such file or directory" in said.words
    gateway.say("recipe", "status", "9999").ended(6)


def test_without_a_token_nothing_is_pushed(gateway: Gateway, tmp_path: Path) -> None:
    pushes = gateway.ask("/pushes")["pushes"]
    bare = {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_URL": gateway.url}
    said = gateway.say("recipe", "push", str(recipe(gateway, "electrode-coating")), "--to", METHOD, environment=bare).ended(4)
    assert "Authorization: Bearer" in said.words
    assert gateway.ask("/pushes")["pushes"] == pushes


def test_recipe_values_are_for_operators_and_in_no_log_and_no_metric(gateway: Gateway, tmp_path: Path) -> None:
    push(gateway, recipe(gateway, "electrode-coating"), METHOD)
    token = tmp_path / "viewer.token"
    gateway.say("token", "create", "val", "--out", str(token)).ended(0)
    viewer = {"GATEWAY_TOKEN_FILE": str(token)}
    seen = gateway.say("twin", "get", f"{METHOD}/Recipe/Active", "--json", environment=viewer).ended(0).json["readings"]
    assert len(seen) >= 10
    assert {(each["sample"]["masked"], each["sample"]["value"]) for each in seen} == {(True, None)}
    past = gateway.say("twin", "history", f"{METHOD}/Recipe/Active/CoatWeight", "--json", environment=viewer).ended(0).json
    assert {each["value"] for each in past["samples"]} == {None}
    (latest, *_) = gateway.ask("/pushes", pattern=METHOD)["pushes"]
    told = gateway.say("recipe", "status", str(latest["id"]), "--json", environment=viewer).ended(0).json
    assert (told["values_shown"], told["parameters"]) == (False, [])
    assert all("values" not in step for step in told["steps"])
    assert "183.5" not in gateway.log.read_text()


def test_pushes_are_counted_by_outcome(gateway: Gateway) -> None:
    counted = {
        (labels["site"], labels["outcome"]): value for labels, value in gateway.scrape().samples["gateway_push_total"] if value
    }
    pushes = gateway.ask("/pushes")["pushes"]
    for site in ("ochang", "wroclaw", "michigan"):
        for outcome in ("Confirmed", "NoOp", "RolledBack"):
            ended = [each for each in pushes if each["equipment"].startswith(site) and each["outcome"] == outcome]
            assert counted.get((site, outcome), 0) == len(ended)
    assert counted["wroclaw", "RolledBack"] == 1
