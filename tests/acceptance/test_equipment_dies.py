"""A controller's process is killed and comes back: its endpoints heal by themselves; the twin never shows a flat good line."""

from tests.acceptance.commands import until
from tests.acceptance.conftest import MakeWorld
from tests.acceptance.daemon import now

KEY, TAG = "nanjing/cell-plc", "nanjing/electrode/line-1/coater-1/State/Heartbeat"
UNCERTAIN, BAD = "UncertainNoCommunicationLastUsableValue", "BadNoCommunication"


def test_a_killed_controller_shows_as_an_outage_and_heals_by_itself(world: MakeWorld) -> None:
    made = world("nanjing", grace="3s")
    gateway, plc = made.gateway, made.plcs["nanjing"]
    gateway.start()
    gateway.until_flowing()

    def becomes(status: str) -> dict[str, object]:
        return until(
            lambda: reading if (reading := gateway.reading(TAG))["status"]["name"] == status else {},
            within=20, what=lambda: gateway.reading(TAG),
        )  # fmt: skip

    plc.kill()
    uncertain = becomes(UNCERTAIN)
    early = now()
    last = gateway.reading(TAG)["sample"]
    bad = becomes(BAD)
    late = now()
    for degraded in (uncertain, bad):
        assert degraded["sample"] == last  # the value and its times are what was last heard
        assert isinstance(degraded["gap"], dict)
        assert degraded["gap"]["reason"] == "disconnected"
    state, reason = gateway.states()[KEY]
    assert state == "connecting"
    assert "127.0.0.1" in reason

    broken = gateway.say("why", TAG, "--json").ended(1).json
    assert KEY in broken["verdict"]
    assert next(link["what"] for link in broken["chain"] if not link["sound"]) == "endpoint"
    said = gateway.say("status").ended(1)
    assert "connecting" in said.out

    plc.launch()
    plc.listen()
    gateway.until_state("connected", KEY, within=45)
    until(lambda: gateway.reading(TAG)["status"]["severity"] == "good", within=10, what=lambda: gateway.reading(TAG))
    for moment, status in ((early, UNCERTAIN), (late, BAD)):
        past = gateway.say("twin", "as-of", "--at", str(moment), TAG, "--json").ended(0).json
        (then,) = past["readings"]
        assert then["status"]["name"] == status
    (gap,) = [gap for gap in gateway.gaps(TAG) if gap["reason"] == "disconnected"]
    assert gap["start_ns"] < early < late < gap["end_ns"]
    report = gateway.endpoints()[KEY]
    assert (report["sessions_created"], report["reconnects"]) == (2, 1)
    gateway.verified()
    gateway.scrape().check_account()
