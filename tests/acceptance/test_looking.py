"""What a person asks of a running gateway, and of a server before it is mirrored; and copies of what it holds."""

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import until
from tests.acceptance.conftest import MakeGateway, StandingPlant
from tests.acceptance.daemon import Gateway, gone_afterwards, now
from tests.acceptance.plant import PASSWORDS

LINE = "nanjing/formation/line-1"
TAG = f"{LINE}/charger-1/Process/MeanVoltage"
PULSE = f"{LINE}/charger-1/State/Heartbeat"
FAHRENHEIT = "michigan/electrode/line-1/coater-1/Oven/Zone1/Temperature"


@pytest.fixture(scope="module")
def gateway(lasting_gateway_on: MakeGateway) -> Gateway:
    """A gateway on two sites."""
    return lasting_gateway_on("nanjing", "michigan")


def test_why_explains_a_tag_from_the_endpoint_to_the_stored_value(gateway: Gateway) -> None:
    told = gateway.say("why", TAG).ended(0).out
    for words in ("Sound from the endpoint to the stored value", "sampling", "source time", "guidance", "nsu=urn:acme:nanjing"):
        assert words in told
    document = gateway.say("why", TAG, "--json").ended(0).json
    links = [link["what"] for link in document["chain"]]
    assert links[0] == "endpoint"
    assert {"node", "item", "value", "freshness", "gaps"} <= set(links)
    assert document["guidance"]
    near = gateway.say("why", f"{TAG}s").ended(6)
    assert f"did you mean '{TAG}'?" in near.words


def test_why_names_a_bad_sensor(gateway: Gateway, standing_plant: StandingPlant) -> None:
    plcs = standing_plant.site("nanjing")
    plcs.fault("nanjing.formation-plc", "bad-quality", tag="charger-1/Process/MeanVoltage", status="BadSensorFailure")
    try:
        until(lambda: gateway.reading(TAG)["status"]["severity"] == "bad", within=10, what=lambda: gateway.reading(TAG))
        told = gateway.say("why", TAG, "--json").ended(1).json
        assert "BadSensorFailure" in told["verdict"]
        assert [link["what"] for link in told["chain"] if not link["sound"]] == ["value"]
    finally:
        plcs.fault("nanjing.formation-plc", "clear")
    until(lambda: gateway.reading(TAG)["status"]["severity"] == "good", within=10, what=lambda: gateway.reading(TAG))


def test_the_twin_now_then_and_over_a_time(gateway: Gateway) -> None:
    readings = gateway.say("twin", "get", "--json").ended(0).json["readings"]
    sites = {each["path"].split("/")[0] for each in readings}
    assert sites == {"nanjing", "michigan"}
    assert len(readings) > 500
    found = gateway.say("twin", "get", "*/*/*/charger-1/Process/MeanVoltage").ended(0).out
    assert found.count("Good") == 2
    gateway.say("twin", "get", "nowhere/**").ended(6)

    moment = now()
    current = gateway.reading(PULSE)["sample"]
    until(
        lambda: gateway.reading(PULSE)["sample"]["source_time_ns"] > moment, within=10, what=lambda: gateway.reading(PULSE)
    )  # it has changed since
    (then,) = gateway.say("twin", "as-of", "--at", str(moment), PULSE, "--json").ended(0).json["readings"]
    assert then["sample"]["source_time_ns"] <= moment
    assert then["sample"]["source_time_ns"] >= current["source_time_ns"]
    history = gateway.say("twin", "history", PULSE, "--start", "-10m", "--json").ended(0).json
    times = [sample["source_time_ns"] for sample in history["samples"]]
    assert times == sorted(times)
    assert {current["source_time_ns"], then["sample"]["source_time_ns"]} <= set(times)
    before = gateway.say("twin", "as-of", "--at", "2020-01-01T00:00:00Z", PULSE, "--json").ended(0).json["readings"]
    assert [each["sample"] for each in before] == [None]
    gateway.say("twin", "as-of", "--at", "yesterday-ish", PULSE).ended(2)


def test_a_site_that_measures_otherwise_reads_in_the_class_s_unit(gateway: Gateway) -> None:
    reading = gateway.reading(FAHRENHEIT)
    assert reading["unit"] == "degC"
    assert 10 < reading["sample"]["value"] < 160


def test_check_online_of_sound_equipment(gateway: Gateway) -> None:
    said = gateway.say("check", "--online", "--json").ended(0)
    assert [each["problem"] for each in said.json["online"]] == [""] * 4
    assert not [finding for each in said.json["online"] for finding in each["findings"] if finding["severity"] == "fault"]


def test_probe_tells_what_a_server_offers_and_begins_a_site_file(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "new-site.yaml"
    said = gateway.say("probe", "nanjing/formation-plc", "--json", "--out", str(file)).ended(0).json
    assert [(offer["policy"], offer["mode"], offer["supported"]) for offer in said["offers"]] == [
        ("Basic256Sha256", "SignAndEncrypt", True)
    ]
    assert said["facts"]["limits"]["monitored_items_per_call"] == 1000
    assert said["filters"] == {"absolute": True, "percent": True}
    assert said["history"] is True
    assert "urn:acme:nanjing:formation" in file.read_text()
    config = tmp_path / "config"  # with the class that a person chooses it is a site file
    shutil.copytree(gateway.config, config)
    (config / "sites" / "nanjing.yaml").write_text(file.read_text().replace("CLASS ", "formation-charger "))
    plant = config / "plant.yaml"
    plant.write_text(plant.read_text().replace("mother: nanjing", "mother: michigan"))
    for overlay in (config / "overlays").glob("nanjing-*.yaml"):
        overlay.unlink()
    gateway.say("check", "--config", str(config)).ended(0)


def test_browse_shows_the_address_space(gateway: Gateway) -> None:
    nodes = gateway.say("browse", "nanjing/cell-plc", "--depth", "3", "--json").ended(0).json
    (line,) = [node for node in nodes if (node["name"], node["namespace"]) == ("L1", "urn:acme:nanjing:cell")]
    below = gateway.say("browse", "nanjing/cell-plc", "--below", line["node"], "--depth", "3").ended(0).out
    for name in ("C1", "PV", "CoatWeight"):
        assert name in below


def secrets(gateway: Gateway) -> list[str]:
    """What must not leave the gateway's machine."""
    return [gateway.token, *PASSWORDS.values(), "PRIVATE KEY"]


def test_a_support_bundle_contains_what_it_says_and_no_secret(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    gateway.say("support-bundle", LINE, "--around", "-1m", "--minutes", "5", "--out", str(file)).ended(0)
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name).decode() for name in archive.namelist()}
    promised = {line.split()[0] for line in content["README.txt"].splitlines() if ".json" in line or ".csv" in line}
    assert promised | {"README.txt"} == set(content)
    documents = {name: json.loads(text) for name, text in content.items() if name.endswith(".json")}
    assert documents["manifest.json"]["line"] == LINE
    assert [each["endpoint"] for each in documents["endpoints.json"]] == ["formation-plc"]
    tags = {each["path"] for each in documents["current.json"]}
    assert TAG in tags
    assert all(path.startswith(f"{LINE}/") for path in tags)
    rows = list(csv.DictReader(io.StringIO(content["history.csv"])))
    assert len(rows) == documents["manifest.json"]["samples"] > 100
    assert all(json.loads(line)["event"] for line in content["logs.jsonl"].splitlines())
    for name, text in content.items():
        for secret in secrets(gateway):
            assert secret not in text, name
    recipe = [each for each in documents["current.json"] if "/Recipe/Active/" in each["path"]]
    assert len(recipe) >= 8
    assert {each["sample"]["value"] for each in recipe} == {None}  # a bundle travels: nobody sees a recipe in it
    assert {row["value"] for row in rows if "/Recipe/Active/" in row["path"]} == {"(masked)"}
    assert f"{file} exists" in gateway.say("support-bundle", LINE, "--out", str(file)).ended(4).words


def test_a_backup_of_the_live_twin_is_put_back_and_is_sound(gateway: Gateway, tmp_path: Path) -> None:
    before = gateway.verified()
    made = gateway.say("backup", str(tmp_path / "backup"), "--json").ended(0).json
    assert {file["name"] for file in made["files"]} == {"twin.db", "ledger.db"}
    assert "is not empty" in gateway.say("backup", str(tmp_path / "backup")).ended(4).words
    assert gateway.say("restore", str(tmp_path / "backup"), "--data-dir", str(gateway.data)).code in (4, 7)

    other = Gateway(tmp_path)
    shutil.copytree(gateway.config, other.config)
    other.say("restore", str(tmp_path / "backup"), "--data-dir", str(other.data)).ended(0)
    for name in ("pki", "tokens.json", "operator.token"):
        source = gateway.data / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, other.data / name)
    with gone_afterwards(other):
        other.start()
        held = other.verified()
        assert all(held[key] >= before[key] for key in before)
        history = other.say("twin", "history", TAG, "--start", "-10m", "--json").ended(0).json
        assert history["samples"]
        assert other.stop() == 0
    spoilt = tmp_path / "backup" / "twin.db"
    spoilt.write_bytes(spoilt.read_bytes()[:-4096])
    refused = gateway.say("restore", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "third")).ended(7)
    assert "twin.db" in refused.words
    assert not (tmp_path / "third" / "twin.db").exists()


def test_every_command_that_prints_data_prints_json(gateway: Gateway) -> None:
    for command in (("status",), ("twin", "gaps"), ("twin", "verify"), ("pki", "list"), ("recipe", "quarantines")):
        document: Any = gateway.say(*command, "--json").ended(0).json
        assert isinstance(document, dict | list)
