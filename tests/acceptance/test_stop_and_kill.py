"""The daemon ends, in good order or by SIGKILL at any moment, and goes on: nothing acknowledged is lost, the stop is a gap."""

import os
import random
import time

from tests.acceptance.commands import until
from tests.acceptance.conftest import MakeGateway
from tests.acceptance.daemon import Gateway, now

#: `make chaos` asks for more.
KILLS = int(os.environ.get("CHAOS_KILLS", "4"))
TAG = "nanjing/electrode/line-1/coater-1/State/Heartbeat"


def the_gap_around(gateway: Gateway, path: str, earliest: int, latest: int) -> dict[str, object]:
    """The one gap of a tag that covers an interval (ns) in which the gateway was certainly down."""
    found = gateway.say("twin", "history", path, "--start", "-10m", "--json").ended(0).json
    (gap,) = [gap for gap in found["gaps"] if gap["start_ns"] <= earliest and (gap["end_ns"] or 2**63) >= latest]
    assert not [sample for sample in found["samples"] if earliest < sample["received_time_ns"] < latest]
    return dict(gap)


def test_sigterm_ends_it_in_good_order_and_it_goes_on(gateway_on: MakeGateway) -> None:
    gateway = gateway_on("nanjing")
    last = gateway.scrape()
    last.check_account()
    assert gateway.stop() == 0
    stopped = now()
    assert not (gateway.data / "gateway.json").exists()
    assert "No gateway runs in" in gateway.say("twin", "verify").ended(3).words

    gateway.start()
    began = now()
    held = gateway.verified()
    for key, count in last.by_endpoint("gateway_values_stored_total").items():
        assert held[key] >= count
    gateway.until_flowing()
    gap = the_gap_around(gateway, TAG, stopped, began)
    assert (gap["reason"], gap["detail"], gap["open"]) == ("gateway_stopped", "the gateway was stopped", False)
    assert gateway.reading(TAG)["status"]["severity"] == "good"
    assert gateway.verified()["nanjing/cell-plc"] > held["nanjing/cell-plc"]


def test_sigterm_while_it_connects_ends_it_too(gateway_on: MakeGateway) -> None:
    """Its endpoints are in the middle of dialling, subscribing or storing the first values."""
    gateway = gateway_on("nanjing", started=False)
    dice = random.Random()
    for _ in range(3):
        gateway.start()
        moment = time.monotonic() + dice.uniform(0.0, 0.4)
        until(lambda due=moment: time.monotonic() >= due, within=5, what="the moment")  # type: ignore[misc]
        assert gateway.stop() == 0
    assert not gateway.logged("values are lost that were never acknowledged")
    gateway.start()
    gateway.verified()


def test_sigkill_at_any_moment_loses_nothing_acknowledged(gateway_on: MakeGateway) -> None:
    gateway = gateway_on("nanjing")
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    print(f"seed {seed}")  # pytest shows it when the test fails
    before = dict.fromkeys(gateway.endpoints(), 0)  # what the twin held when this run of the daemon began
    for _ in range(KILLS):
        moment = time.monotonic() + dice.uniform(0.0, 2.5)
        last = gateway.scrape()
        while time.monotonic() < moment:
            last = gateway.scrape()
            last.check_account()
        gateway.kill()
        killed = now()

        gateway.start()
        began = now()
        gap = the_gap_around(gateway, TAG, killed, began)
        assert gap["reason"] == "gateway_stopped"
        fresh = stored(gateway)
        held = gateway.verified()
        for key, count in last.by_endpoint("gateway_values_stored_total").items():
            assert held[key] >= before[key] + count + fresh[key], key
        fresh = stored(gateway)
        before = {key: held[key] - fresh[key] for key in held}  # no more than that: what came while it was counted is left out
        if dice.random() < 0.7:  # else it is killed while it connects
            gateway.until_flowing()
            until(lambda: gateway.reading(TAG)["status"]["severity"] == "good", within=10, what=lambda: gateway.reading(TAG))
    gateway.until_flowing()
    gateway.verified()


def stored(gateway: Gateway) -> dict[str, int]:
    """What this run of the daemon says it has stored, by endpoint."""
    return {key: int(count) for key, count in gateway.scrape().by_endpoint("gateway_values_stored_total").items()}
