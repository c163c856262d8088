"""Whatever is wrong gets an error that names the cause and the cure, and disturbs nothing else."""

import re
import shutil
import urllib.parse
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import Kit, MakeGateway, StandingPlant, prepared
from tests.acceptance.daemon import Gateway, gone_afterwards
from tests.acceptance.plant import PASSWORDS
from tests.peers.process import free_port

WRONG = "pw-wrong-on-purpose"
COATER = "nanjing/electrode/line-1/coater-1"
SOUND = "michigan/cell-plc"


@pytest.fixture(scope="module")
def troubled(lasting_gateway_on: MakeGateway, kit: Kit) -> Gateway:
    """A gateway with a trouble at every endpoint but one."""
    gateway = lasting_gateway_on("nanjing", "michigan", configured=["nanjing", "michigan", "wroclaw", "ochang"], started=False)
    untrusted = (kit.plc_pki / "michigan.electrode-plc" / "cert.der").read_bytes()
    for shown in (gateway.data / "pki" / "trusted").glob("*.der"):
        if shown.read_bytes() == untrusted:
            shown.unlink()
    gateway.environment["NANJING_PASSWORD"] = WRONG
    del gateway.environment["WROCLAW_PASSWORD"]
    site = gateway.config / "sites" / "nanjing.yaml"
    text, found = site.read_text(), "path: L1/C1}\n        handshake: method\n        rename:\n"
    assert found in text
    site.write_text(text.replace(found, f"{found}          Process/CoatWeight: PV/Gone\n"))
    ochang = gateway.config / "sites" / "ochang.yaml"
    ochang.write_text(re.sub(r"(url: opc.tcp://127.0.0.1:)\d+", rf"\g<1>{free_port()}", ochang.read_text()))
    gateway.start()
    gateway.until_flowing(SOUND)
    return gateway


def state_of(gateway: Gateway, key: str, state: str) -> str:
    """The reason that an endpoint gives for its state."""
    reason = gateway.until_state(state, key, within=10)[key]["reason"]
    assert isinstance(reason, str)
    return reason


def test_unreachable_endpoint(troubled: Gateway) -> None:
    reason = state_of(troubled, "ochang/formation-plc", "connecting")
    for words in ("opc.tcp://127.0.0.1:", "Connection refused", "check that it runs", "host and port"):
        assert words in reason
    url = reason.split(": ")[0]
    assert "Connection refused; check that it runs" in troubled.say("probe", url).ended(3).words


def test_wrong_password(troubled: Gateway) -> None:
    reason = state_of(troubled, "nanjing/formation-plc", "auth_failed")
    for words in ("BadUserAccessDenied", "as gateway", "check the user and password of this endpoint"):
        assert words in reason
    said = troubled.say("status").ended(1)
    assert reason in " ".join(said.out.split())
    assert WRONG not in said.out + said.err + troubled.log.read_text()


def test_untrusted_certificate_is_cured_by_the_command_that_the_message_names(troubled: Gateway) -> None:
    key = "michigan/electrode-plc"
    reason = state_of(troubled, key, "cert_untrusted")
    assert "compare it with the one on the equipment" in reason
    command = reason.rpartition("gateway ")[2].split()
    assert command == ["pki", "trust", key]
    listed = {item["role"]: item for item in troubled.say("pki", "list", "--json").ended(0).json if item["file"].count(key[:8])}
    assert listed["rejected"]["fingerprint"] in reason
    troubled.say(*command).ended(0)
    troubled.until_state("connected", key, within=45)


def test_password_variable_that_is_not_set(troubled: Gateway) -> None:
    reason = state_of(troubled, "wroclaw/formation-plc", "config_error")
    assert "the environment variable WROCLAW_PASSWORD is not set; set it, or use 'file'" in reason


def test_a_node_that_is_missing_costs_the_others_nothing(troubled: Gateway) -> None:
    reason = state_of(troubled, "nanjing/cell-plc", "degraded")
    assert f"1 items are not monitored: {COATER}/Process/CoatWeight (BadNoMatch" in reason
    assert "gateway why" in reason
    document = troubled.ask("/conformance", pattern=COATER)
    (finding,) = [each for each in document["findings"] if each["severity"] == "fault"]
    assert not document["conforms"]
    assert (finding["tag"], "PV/Gone" in finding["problem"], "'rename'" in finding["cure"]) == ("Process/CoatWeight", True, True)
    why = troubled.say("why", f"{COATER}/Process/CoatWeight", "--json").ended(1).json
    assert "PV/Gone" in why["verdict"]
    assert "'rename'" in why["verdict"]
    others = troubled.ask("/twin/current", pattern=f"{COATER}/Process")["readings"]
    good = {each["path"].rpartition("/")[2] for each in others if each["status"]["severity"] == "good"}
    assert good >= {"LineSpeed", "WebTension"}


def test_check_online_tells_the_same_before_anything_runs(troubled: Gateway) -> None:
    said = troubled.say("check", "--online", "--json").ended(1)
    problems = {each["endpoint"]: each["problem"] for each in said.json["online"]}
    assert problems[SOUND] == ""
    assert "WROCLAW_PASSWORD" in problems["wroclaw/electrode-plc"]
    assert "Connection refused" in problems["ochang/assembly-plc"]
    assert "password" in problems["nanjing/formation-plc"]
    (cell,) = [each for each in said.json["online"] if each["endpoint"] == "nanjing/cell-plc"]
    assert [finding["tag"] for finding in cell["findings"] if finding["severity"] == "fault"] == ["Process/CoatWeight"]
    assert said.words == ""
    assert WRONG not in said.out


def test_second_gateway_on_the_same_data_directory(troubled: Gateway) -> None:
    assert troubled.process is not None
    said = troubled.say("run", "--port", "0").ended(7)
    assert f"{troubled.data} is in use by the gateway with process id {troubled.process.pid}; stop that one" in said.words
    assert "choose another directory" in said.words
    assert troubled.endpoints()[SOUND]["state"] == "connected"
    assert (troubled.data / "gateway.json").exists()


def test_http_port_in_use(troubled: Gateway, kit: Kit, tmp_path: Path) -> None:
    shutil.copytree(kit.data, tmp_path / "data")
    port = urllib.parse.urlsplit(troubled.url).port
    said = troubled.say("run", "--port", str(port), "--data-dir", str(tmp_path / "data")).ended(5)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --port" in said.words


def test_no_certificate_of_our_own(troubled: Gateway, tmp_path: Path) -> None:
    said = troubled.say("run", "--port", "0", "--data-dir", str(tmp_path / "data")).ended(5)
    assert "we have no certificate; make one with 'gateway pki init'" in said.words
    troubled.say("pki", "init", "--data-dir", str(tmp_path / "data")).ended(0)


def test_who_asks_without_a_token_or_with_a_wrong_one(troubled: Gateway, tmp_path: Path) -> None:
    bare = {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_URL": troubled.url}
    said = troubled.say("twin", "get", environment=bare).ended(4)
    assert "'gateway token create' makes a token. Give it with --token-file" in said.words
    said = troubled.say("twin", "get", environment={**bare, "GATEWAY_TOKEN": "mfg_guessed"}).ended(4)
    assert "does not know this token" in said.words
    for route in ("endpoints", "twin/current", "pushes", "support-bundle?line=a/b/c", "no-such-route"):
        answer = httpx.get(f"{troubled.url}/api/v1/{route}", trust_env=False)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), route
    for route in ("pushes", "reload", "backup", "quarantines/release"):
        assert httpx.post(f"{troubled.url}/api/v1/{route}", json={}, trust_env=False).status_code == 401, route


def test_a_viewer_reads_and_does_not_act(troubled: Gateway, tmp_path: Path) -> None:
    token = tmp_path / "viewer.token"
    troubled.say("token", "create", "vic", "--out", str(token)).ended(0)
    viewer = {"GATEWAY_TOKEN_FILE": str(token)}
    troubled.say("twin", "get", f"{COATER}/State", environment=viewer).ended(0)
    recipe = str(troubled.config / "recipes" / "electrode-coating.yaml")
    for command in (("recipe", "push", recipe, "--to", COATER), ("reload",), ("backup", str(tmp_path / "b"))):
        said = troubled.say(*command, environment=viewer).ended(4)
        assert "'vic' is a viewer; this needs a token with the role operator" in said.words
    assert troubled.ask("/pushes")["pushes"] == []


@pytest.fixture
def faulty(kit: Kit, standing_plant: StandingPlant, tmp_path: Path) -> Gateway:
    """A gateway whose files a test spoils."""
    return prepared(tmp_path / "gateway", kit, ["nanjing"], standing_plant.base)


def spoil(file: Path, old: str, new: str) -> int:
    """Replace the last occurrence of a text; gives its line number."""
    before, found, after = file.read_text().rpartition(old)
    assert found
    file.write_text(before + new + after)
    return before.count("\n") + 1


def test_every_fault_of_every_file_is_told_at_once(faulty: Gateway) -> None:
    faulty.say("check").ended(0)
    site, coater = faulty.config / "sites" / "nanjing.yaml", faulty.config / "classes" / "coater.yaml"
    lines = {
        "unit": spoil(coater, "unit: m/min", "unit: [m/min]"),
        "sampling": spoil(coater, "sampling: 60s", "sampling: often"),
        "handshake": spoil(site, "handshake: method", "handshake: shake"),
    }
    said = faulty.say("check").ended(5)
    for field, line in lines.items():
        file = site if field == "handshake" else coater
        assert any(f"{file.name}:{line}: " in each and field in each for each in said.err.splitlines()), (field, said.err)
    assert f"{len(lines)} faults" in said.words
    with gone_afterwards(faulty):
        assert faulty.launch().wait(30) == 5
    for field, line in lines.items():
        assert f":{line}: " in faulty.last_words(), field


def test_a_file_that_is_no_yaml(faulty: Gateway) -> None:
    line = spoil(faulty.config / "sites" / "nanjing.yaml", "    security: {policy: None,", "    security: }policy: None,")
    said = faulty.say("check").ended(5)
    assert f"nanjing.yaml:{line}: " in said.words


def test_duplicate_path(faulty: Gateway) -> None:
    line = spoil(faulty.config / "sites" / "nanjing.yaml", "name: coater-1", "name: mixer-1")
    said = faulty.say("check").ended(5)
    assert f"nanjing.yaml:{line}: " in said.words
    assert "nanjing/electrode/line-1/mixer-1" in said.words or "'mixer-1'" in said.words


def test_no_command_shows_a_traceback(troubled: Gateway) -> None:
    """All of the above came as sentences."""
    assert "Traceback" not in troubled.log.read_text()
    assert not [value for value in PASSWORDS.values() if value in troubled.log.read_text()]
    troubled.scrape().check_account()
