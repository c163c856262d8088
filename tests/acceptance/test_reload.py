"""The configuration is read again, by SIGHUP and by command: what did not change goes on, faulty files change nothing."""

import signal
from typing import Any

from tests.acceptance.commands import until
from tests.acceptance.conftest import MakeGateway, StandingPlant
from tests.acceptance.daemon import Gateway
from tests.acceptance.plant import add_site

KEPT = ("nanjing/cell-plc", "nanjing/formation-plc")
ADDED = ("michigan/electrode-plc", "michigan/cell-plc")
TAG = "michigan/electrode/line-1/coater-1/State/Heartbeat"


def undisturbed(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """All reports, after checking that the endpoints that stay have their first session and subscriptions still."""
    found = gateway.endpoints()
    for key in KEPT:
        assert (found[key]["state"], found[key]["sessions_created"], found[key]["reconnects"]) == ("connected", 1, 0)
    return found


def test_a_site_comes_and_goes_and_a_faulty_file_changes_nothing(gateway_on: MakeGateway, standing_plant: StandingPlant) -> None:
    gateway = gateway_on("nanjing", "michigan", configured=["nanjing"])
    subscriptions = {key: each["subscriptions_created"] for key, each in undisturbed(gateway).items()}
    assert set(subscriptions) == set(KEPT)

    file = add_site(gateway.config, "michigan", standing_plant.base)
    gateway.signal(signal.SIGHUP)
    until(lambda: set(gateway.endpoints()) == {*KEPT, *ADDED}, within=10, what=gateway.states)
    gateway.until_flowing()
    undisturbed(gateway)

    sound = file.read_text()
    lines = sound.splitlines(keepends=True)
    number = next(number for number, line in enumerate(lines, 1) if "role: child-line" in line)
    file.write_text("".join([*lines[: number - 1], lines[number - 1].replace("child-line", "grandchild"), *lines[number:]]))
    refused = gateway.say("reload").ended(5)
    assert f"sites/michigan.yaml:{number}: " in refused.words
    assert "role" in refused.words
    gateway.signal(signal.SIGHUP)
    event = "configuration not reloaded; the old one stays in force"
    (record,) = until(lambda: gateway.logged(event), within=10, what=gateway.last_words)
    assert f"sites/michigan.yaml:{number}: " in record["reason"]
    assert set(undisturbed(gateway)) == {*KEPT, *ADDED}

    file.write_text(sound.replace("name: Holland, Michigan", "name: Holland"))  # nothing that an endpoint would notice
    same = gateway.say("reload", "--json").ended(0).json
    assert {what: set(keys) for what, keys in same.items()} == {
        "added": set(), "changed": set(), "removed": set(), "kept": {*KEPT, *ADDED},
    }  # fmt: skip
    assert [site["site"] for site in gateway.ask("/sites")["sites"]] == ["michigan", "nanjing"]
    assert list(gateway.endpoints()) == [*ADDED, *KEPT]  # in the plant's order, however they came
    file.unlink()
    for overlay in (gateway.config / "overlays").glob("michigan-*.yaml"):
        overlay.unlink()
    assert set(gateway.say("reload", "--json").ended(0).json["removed"]) == set(ADDED)
    found = undisturbed(gateway)
    assert {key: each["subscriptions_created"] for key, each in found.items()} == subscriptions
    assert gateway.reading(TAG)["gap"]["reason"] == "gateway_stopped"  # its history stays, and says that nobody looks any more
    gateway.verified()
    gateway.scrape().check_account()
