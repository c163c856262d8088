"""The twin over HTTP: honest statuses, both forms of time, masked values, pages."""

import math

import httpx
import pytest

from gateway.plant.values import DataType, Flag
from tests.fakes.services import COATER, NOW, SECOND, SPEED, WEIGHT, Paper, hole, sample


async def test_current_gives_value_status_and_both_forms_of_time(viewer: httpx.AsyncClient) -> None:
    body = (await viewer.get("/api/v1/twin/current", params={"pattern": WEIGHT})).json()
    assert body["now"] == "2027-01-15T08:00:00.000Z"
    assert body["now_ns"] == NOW
    assert body["next"] is None
    (reading,) = body["readings"]
    assert reading["path"] == WEIGHT
    assert reading["unit"] == "g/m2"
    assert reading["sample"]["value"] == 120.5
    assert reading["sample"]["value_type"] == "DOUBLE"
    assert reading["sample"]["source_time"] == "2027-01-15T07:59:59.000Z"
    assert reading["sample"]["source_time_ns"] == NOW - SECOND
    assert reading["sample"]["received_time"] == "2027-01-15T07:59:59.001Z"
    assert reading["status"] == {"code": 0, "name": "Good", "severity": "good", "overflow": False}


async def test_an_outage_degrades_the_status_but_not_what_was_stored(paper: Paper, viewer: httpx.AsyncClient) -> None:
    paper.twin.holes.append((WEIGHT, hole(NOW - 5 * SECOND)))
    (reading,) = (await viewer.get("/api/v1/twin/current", params={"pattern": WEIGHT})).json()["readings"]
    assert reading["status"]["name"] == "UncertainNoCommunicationLastUsableValue"
    assert reading["sample"]["status"]["name"] == "Good"
    assert reading["gap"]["open"]
    assert reading["gap"]["reason"] == "disconnected"


async def test_a_masked_value_is_shown_to_operators_only(viewer: httpx.AsyncClient, operator: httpx.AsyncClient) -> None:
    routes = [
        ("/api/v1/twin/current", {"pattern": SPEED}),
        ("/api/v1/twin/as-of", {"pattern": SPEED, "at": "now"}),
        ("/api/v1/twin/history", {"path": SPEED}),
        ("/api/v1/why", {"path": SPEED}),
    ]
    for route, query in routes:
        hidden, shown = await viewer.get(route, params=query), await operator.get(route, params=query)
        assert hidden.status_code == shown.status_code == 200
        assert '"masked": true' in hidden.text or '"masked":true' in hidden.text, route
        assert "42.0" not in hidden.text, route
        assert "42.0" in shown.text, route
    unmasked = await viewer.get("/api/v1/twin/current", params={"pattern": WEIGHT})
    assert "120.5" in unmasked.text


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (math.nan, DataType.DOUBLE, "NaN"),
        (-math.inf, DataType.FLOAT, "-Infinity"),
        (b"\x00\xff", DataType.BYTESTRING, "AP8="),
        ([1, 2], DataType.INT32, [1, 2]),
        ("żółty", DataType.STRING, "żółty"),
        (2**63, DataType.UINT64, 2**63),
        (None, DataType.NULL, None),
    ],
)
async def test_any_value_is_json(
    paper: Paper, viewer: httpx.AsyncClient, value: object, kind: DataType, expected: object
) -> None:
    paper.twin.samples[WEIGHT] = [sample(value, type=kind)]
    (reading,) = (await viewer.get("/api/v1/twin/current", params={"pattern": WEIGHT})).json()["readings"]
    assert reading["sample"]["value"] == expected
    assert reading["sample"]["value_type"] == kind.name


async def test_a_tag_that_never_had_a_value_is_waiting(paper: Paper, viewer: httpx.AsyncClient) -> None:
    paper.twin.samples.clear()
    (reading,) = (await viewer.get("/api/v1/twin/current", params={"pattern": WEIGHT})).json()["readings"]
    assert reading["sample"] is None
    assert reading["status"]["name"] == "BadWaitingForInitialData"


async def test_pages_follow_one_another(viewer: httpx.AsyncClient) -> None:
    first = (await viewer.get("/api/v1/twin/current", params={"limit": 1})).json()
    second = (await viewer.get("/api/v1/twin/current", params={"limit": 1, "after": first["next"]})).json()
    assert [first["readings"][0]["path"], second["readings"][0]["path"]] == [WEIGHT, SPEED]
    assert second["next"] is None


async def test_as_of_reads_the_past(paper: Paper, viewer: httpx.AsyncClient) -> None:
    paper.twin.samples[WEIGHT] = [sample(1.0, at=NOW - 100 * SECOND), sample(2.0, at=NOW - 10 * SECOND)]
    for at in ("-50s", "2027-01-15T07:59:10Z", "2027-01-15T08:59:10+01:00", str(NOW - 50 * SECOND)):
        body = (await viewer.get("/api/v1/twin/as-of", params={"pattern": WEIGHT, "at": at})).json()
        assert body["at_ns"] == NOW - 50 * SECOND
        assert body["readings"][0]["sample"]["value"] == 1.0


async def test_history_has_samples_gaps_and_says_when_it_was_cut(paper: Paper, viewer: httpx.AsyncClient) -> None:
    flagged = sample(3.0, at=NOW - 3 * SECOND, status=0x480)
    paper.twin.samples[WEIGHT] = [sample(float(n), at=NOW - n * SECOND) for n in range(9, 3, -1)] + [flagged]
    paper.twin.holes.append((WEIGHT, hole(NOW - 5 * SECOND, NOW - 4 * SECOND)))
    query = {"path": WEIGHT, "start": "-1m", "limit": "100"}
    body = (await viewer.get("/api/v1/twin/history", params=query)).json()
    assert [entry["value"] for entry in body["samples"]] == [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0]
    assert body["samples"][-1]["status"]["overflow"]
    assert body["complete"]
    assert body["gaps"][0]["end_ns"] == NOW - 4 * SECOND
    assert not (await viewer.get("/api/v1/twin/history", params={**query, "limit": "2"})).json()["complete"]


async def test_flags_are_named(paper: Paper, viewer: httpx.AsyncClient) -> None:
    plain = sample(1.0)
    paper.twin.samples[WEIGHT] = [
        type(plain)(1.0, plain.type, 0, NOW - 1, NOW - 1, NOW, Flag.SOURCE_TIME_ABSENT | Flag.BACKFILLED)
    ]
    (reading,) = (await viewer.get("/api/v1/twin/current", params={"pattern": WEIGHT})).json()["readings"]
    assert reading["sample"]["flags"] == ["source_time_absent", "backfilled"]


async def test_history_of_an_unknown_tag_is_not_found(viewer: httpx.AsyncClient) -> None:
    response = await viewer.get("/api/v1/twin/history", params={"path": f"{COATER}/Nothing"})
    assert response.status_code == 404
    assert f"{COATER}/Nothing" in response.json()["detail"]


async def test_gaps_name_where_and_why(paper: Paper, viewer: httpx.AsyncClient) -> None:
    paper.twin.holes.append(("wroclaw/electrode-plc", hole(NOW - 7200 * SECOND, NOW - 7100 * SECOND)))
    (gap,) = (await viewer.get("/api/v1/twin/gaps")).json()["gaps"]
    assert (gap["where"], gap["reason"], gap["open"]) == ("wroclaw/electrode-plc", "disconnected", False)


async def test_verify_shows_findings_and_accounts(paper: Paper, viewer: httpx.AsyncClient) -> None:
    body = (await viewer.get("/api/v1/twin/verify")).json()
    assert body["sound"]
    assert body["accounts"][0] == {"endpoint": "wroclaw/electrode-plc", "stored": 90, "rejected": {"duplicate": 7, "poison": 1}}
    paper.twin.unsound.append("block 7: its checksum differs")
    assert not (await viewer.get("/api/v1/twin/verify")).json()["sound"]
