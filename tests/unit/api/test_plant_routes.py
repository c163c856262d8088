"""Plant, health, control and diagnosis over HTTP."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.api.why import Evidence, explain
from gateway.mirror.report import EndpointState, Finding
from gateway.plant.ports import Reading
from tests.fakes.services import COATER, NOW, PLANT, REPORT, SECOND, SPEED, WEIGHT, Paper, hole, item, log_record, sample

from .conftest import Ask

LINE = "wroclaw/electrode/line-1"
FAULT = Finding(COATER, "Process/CoatWeight", "fault", "the server has Float, the class Double", "Correct the class or the PLC.")


async def test_health_and_metrics_need_no_token(paper: Paper, ask: Ask) -> None:
    client = ask(None)
    assert (await client.get("/livez")).text == "ok\n"
    assert (await client.get("/readyz")).json() == {"ready": True, "version": "0.1.0", "reasons": []}
    metrics = await client.get("/metrics")
    assert metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "gateway_up 1" in metrics.text
    paper.is_ready = (False, ["the store is full"])
    response = await client.get("/readyz")
    assert (response.status_code, response.json()["reasons"]) == (503, ["the store is full"])


async def test_sites_mark_the_mother(viewer: httpx.AsyncClient) -> None:
    body = (await viewer.get("/api/v1/sites")).json()
    (site,) = body["sites"]
    assert (site["site"], site["mother"], site["lines"][0]["path"]) == ("wroclaw", False, LINE)


async def test_endpoints_show_an_account_that_adds_up(viewer: httpx.AsyncClient) -> None:
    (endpoint,) = (await viewer.get("/api/v1/endpoints")).json()["endpoints"]
    assert endpoint["received"] == endpoint["stored"] + sum(endpoint["rejected"].values()) + endpoint["in_flight"]
    assert endpoint["state"] == "connected"
    assert endpoint["since"] == "2027-01-15T07:59:00.000Z"
    assert endpoint["since_ns"] == NOW - 60 * SECOND
    assert (await viewer.get("/api/v1/endpoints", params={"pattern": "ochang"})).json()["endpoints"] == []


async def test_equipment_and_conformance_show_findings(paper: Paper, viewer: httpx.AsyncClient) -> None:
    assert (await viewer.get("/api/v1/conformance")).json() == {"conforms": True, "equipment": [COATER], "findings": []}
    paper.mirror.found.append(FAULT)
    body = (await viewer.get("/api/v1/conformance", params={"pattern": "wroclaw"})).json()
    assert (body["conforms"], body["findings"][0]["cure"]) == (False, FAULT.cure)
    (equipment,) = (await viewer.get("/api/v1/equipment")).json()["equipment"]
    assert equipment["findings"][0]["problem"] == FAULT.problem
    assert (await viewer.get("/api/v1/conformance", params={"pattern": "nowhere"})).status_code == 404


async def test_tags_carry_their_items(viewer: httpx.AsyncClient) -> None:
    tags = {tag["path"]: tag for tag in (await viewer.get("/api/v1/tags")).json()["tags"]}
    assert tags[WEIGHT]["item"]["sampling_revised_ms"] == 500.0
    assert tags[SPEED]["item"] is None
    assert tags[SPEED]["masked"]


async def test_no_answer_shows_a_credential(paper: Paper, operator: httpx.AsyncClient) -> None:
    for path in ("/api/v1/sites", "/api/v1/endpoints", "/api/v1/equipment", "/api/v1/why?path=" + WEIGHT):
        text = (await operator.get(path)).text
        assert "gateway-user" not in text
        assert "WROCLAW_PASSWORD" not in text


async def test_reload_and_backup(paper: Paper, operator: httpx.AsyncClient) -> None:
    assert (await operator.post("/api/v1/reload")).json()["kept"] == ["wroclaw/electrode-plc"]
    assert paper.reloads == 1
    assert (await operator.post("/api/v1/backup", json={"target": "/backups/1"})).status_code == 200
    assert paper.backups == [Path("/backups/1")]
    refused = await operator.post("/api/v1/backup", json={"target": "backups"})
    assert (refused.status_code, refused.json()["type"].endswith(":refused")) == (409, True)


async def test_why_a_sound_tag_is_sound(viewer: httpx.AsyncClient) -> None:
    body = (await viewer.get("/api/v1/why", params={"path": WEIGHT})).json()
    assert body["sound"]
    assert [link["what"] for link in body["chain"]] == ["endpoint", "node", "item", "value", "freshness", "gaps", "clock"]
    assert body["site_path"] == "Prozess/Flaechengewicht"
    assert body["guidance"] == "Check the slot die."
    assert body["endpoint"]["configured"]["identity"] == "user"


@pytest.mark.parametrize(
    ("change", "broken", "words"),
    [
        (
            lambda p: p.mirror.shown.__setitem__(
                0, replace(REPORT, state=EndpointState.CERT_UNTRUSTED, reason="Run 'gateway pki trust'.")
            ),
            "endpoint",
            ["is not trusted", "Run 'gateway pki trust'."],
        ),
        (lambda p: p.mirror.shown.clear(), "endpoint", ["does not know", "gateway reload"]),
        (
            lambda p: p.mirror.watched.__setitem__(0, item(state="missing", node=None, status=0x806F0000)),
            "node",
            ["has no 'Prozess/Flaechengewicht'", "'Process/CoatWeight' in the class", "under 'rename'"],
        ),
        (lambda p: p.mirror.found.append(FAULT), "node", ["does not conform", FAULT.cure]),
        (
            lambda p: p.mirror.watched.__setitem__(0, item(state="rejected", status=0x80340000)),
            "item",
            ["BadNodeIdUnknown", "It is tried again"],
        ),
        (lambda p: p.twin.samples.clear(), "value", ["No value was ever stored"]),
        (
            lambda p: p.twin.samples.__setitem__(WEIGHT, [sample(1.0, status=0x808C0000)]),
            "value",
            ["BadSensorFailure", "look at the equipment"],
        ),
        (
            lambda p: p.twin.samples.__setitem__(WEIGHT, [sample(1.0, at=NOW - 60 * SECOND)]),
            "freshness",
            ["Silent for 60", "allows 10 s"],
        ),
        (
            lambda p: p.mirror.shown.__setitem__(0, replace(REPORT, clock_offset_s=-7.5)),
            "clock",
            ["7.5 s behind ours", "NTP", "opc.tcp://127.0.0.1:48411"],
        ),
        (
            lambda p: p.mirror.shown.__setitem__(0, replace(REPORT, clock_offset_s=99.3)),
            "clock",
            ["99.3 s ahead of ours", "Set the clock"],
        ),
        (lambda p: p.twin.holes.append(("x", hole(NOW - SECOND))), None, []),
    ],
)
async def test_why_names_the_first_broken_link_and_its_cure(
    paper: Paper, viewer: httpx.AsyncClient, change: object, broken: str | None, words: list[str]
) -> None:
    assert callable(change)
    change(paper)
    body = (await viewer.get("/api/v1/why", params={"path": WEIGHT})).json()
    found = next((link["what"] for link in body["chain"] if not link["sound"]), None)
    assert found == broken
    for word in words:
        assert word in body["verdict"]


async def test_why_knows_a_value_from_the_future() -> None:
    chain = {link.what: link for link in explain(evidence(source_time=NOW + 100 * SECOND, offset=None))}
    assert chain["value"].says.endswith("100.0 s ahead.")
    assert chain["clock"].says == "The last value's source time is 100.0 s ahead of our clock."
    assert "NTP" in chain["clock"].cure
    near = {link.what: link for link in explain(evidence(source_time=NOW + 4 * SECOND, offset=None))}
    assert (near["clock"].sound, near["clock"].says.startswith("No time lies ahead")) == (True, True)


def evidence(*, source_time: int, offset: float | None) -> Evidence:
    """A coater's weight with a value of that time."""
    (equipment,) = PLANT.equipment()
    (endpoint,) = PLANT.endpoints()
    reading = Reading(WEIGHT, "g/m2", "Double", sample(1.0, at=source_time), 0, None)
    report = replace(REPORT, clock_offset_s=offset)
    return Evidence(NOW, equipment, equipment.equipment_class.tags[0], endpoint, report, item(), reading, (), ())


async def test_what_follows_from_a_broken_link_says_so_and_guidance_is_no_cure(paper: Paper, viewer: httpx.AsyncClient) -> None:
    paper.mirror.shown = [replace(REPORT, state=EndpointState.AUTH_FAILED, reason="Set WROCLAW_SECRET.", clock_offset_s=None)]
    paper.mirror.watched = [item(state="offline", reason="not connected")]
    paper.twin.samples[WEIGHT] = [sample(1.0, at=NOW - 60 * SECOND, status=0x808C0000)]
    body = (await viewer.get("/api/v1/why", params={"path": WEIGHT})).json()
    broken = {link["what"]: link["cure"] for link in body["chain"] if not link["sound"]}
    assert list(broken) == ["endpoint", "item", "value", "freshness"]
    assert broken.pop("endpoint") == "Set WROCLAW_SECRET."
    assert set(broken.values()) == {"Follows from: endpoint."}
    assert body["guidance"] == "Check the slot die."
    assert "Check the slot die." not in body["verdict"]


async def test_why_shows_a_lasting_gap(paper: Paper, viewer: httpx.AsyncClient) -> None:
    paper.twin.holes.append((WEIGHT, replace(hole(NOW - SECOND), detail="the cable is out.")))
    chain = {link["what"]: link for link in (await viewer.get("/api/v1/why", params={"path": WEIGHT})).json()["chain"]}
    assert "A gap lasts since 2027-01-15T07:59:59.000Z: disconnected: the cable is out." in chain["gaps"]["says"]
    assert "the server sent it as Good" in chain["value"]["says"]


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (f"{COATER}/Process/CoatWieght", f"did you mean '{WEIGHT}'?"),
        ("wroclaw/electrode/line-1/coater-2/Process/CoatWeight", f"did you mean '{COATER}'?"),
        ("nowhere", f"There is no equipment 'nowhere': a path is SITE/AREA/LINE/EQUIPMENT/TAG, and the lines are {LINE}."),
    ],
)
async def test_why_helps_with_a_wrong_path(viewer: httpx.AsyncClient, path: str, hint: str) -> None:
    response = await viewer.get("/api/v1/why", params={"path": path})
    assert response.status_code == 404
    assert hint in response.json()["detail"]


async def test_the_support_bundle_has_everything_and_no_secret(paper: Paper, operator: httpx.AsyncClient) -> None:
    paper.twin.holes.append((WEIGHT, hole(NOW - 5 * SECOND)))
    response = await operator.get("/api/v1/support-bundle", params={"line": LINE, "around": "now", "minutes": 1})
    assert response.headers["content-type"] == "application/zip"
    assert "support-wroclaw_electrode_line-1-2027-01-15T080000Z.zip" in response.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert all(name in files["README.txt"] for name in files if name != "README.txt")
    manifest = json.loads(files["manifest.json"])
    assert (manifest["line"], manifest["samples"], manifest["masked"]) == (LINE, 2, [SPEED])
    assert json.loads(files["endpoints.json"])[0]["durable_account"]["stored"] == 90
    assert "120.5" in files["history.csv"]
    assert json.loads(files["gaps.json"])[0]["where"] == WEIGHT
    assert json.loads(files["logs.jsonl"].splitlines()[0])["event"] == "started"
    everything = "".join(files.values())
    for secret in ("42.0", "gateway-user", "WROCLAW_PASSWORD"):
        assert secret not in everything


async def test_the_support_bundle_tells_what_happened_in_the_interval_and_nothing_from_outside(
    paper: Paper, operator: httpx.AsyncClient
) -> None:
    await paper.pushes.submit("…", "coat.yaml", COATER, "olga", "key")
    place = {"site": "wroclaw", "endpoint": "electrode-plc"}
    paper.log = [
        log_record("endpoint state", 120 * SECOND, **place, state="connecting", reason=""),
        log_record("endpoint state", 30 * SECOND, **place, state="degraded", reason="no keep-alive"),
        log_record("endpoint state", 29 * SECOND, site="wroclaw", endpoint="formation-plc", state="connected", reason=""),
        {"event": "without a time"},
    ]
    response = await operator.get("/api/v1/support-bundle", params={"line": LINE, "minutes": 1})
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    events = json.loads(archive.read("events.json"))
    assert [(each["time"], each["endpoint"], each["state"], each["reason"]) for each in events["endpoint_states"]] == [
        ("2027-01-15T07:59:30.000Z", "wroclaw/electrode-plc", "degraded", "no keep-alive")
    ]
    (push,) = events["pushes"]
    assert (push["recipe"], push["equipment"], push["requested_by"]) == ("coat@1.0.0", COATER, "olga")
    assert [step["state"] for step in push["steps"]] == ["Planned", "Leased"]
    assert all("values" not in step for step in push["steps"])
    assert len(archive.read("logs.jsonl").splitlines()) == 2
    logs = json.loads(archive.read("manifest.json"))["logs"]
    assert (logs["start"], logs["end"]) == ("2027-01-15T07:59:00.000Z", "2027-01-15T08:01:00.000Z")
    assert (logs["records"], logs["held_since"]) == (2, "2027-01-15T07:58:00.000Z")
    earlier = await operator.get("/api/v1/support-bundle", params={"line": LINE, "around": "-10m", "minutes": 1})
    assert json.loads(zipfile.ZipFile(io.BytesIO(earlier.content)).read("events.json")) == {"pushes": [], "endpoint_states": []}


async def test_the_support_bundle_of_an_unknown_line_lists_the_lines(operator: httpx.AsyncClient) -> None:
    response = await operator.get("/api/v1/support-bundle", params={"line": "wroclaw/electrode/line-9"})
    assert response.status_code == 404
    assert LINE in response.json()["detail"]
