"""Commands that ask the daemon: what they print, and how they end."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.exit_codes import ExitCode, GatewayAnswer, exit_code_of
from gateway.errors import NotFound
from gateway.mirror.report import EndpointState
from tests.fakes.services import COATER, NOW, REPORT, SECOND, SPEED, WEIGHT, Paper, hole, sample

from .conftest import Run

LINE = "wroclaw/electrode/line-1"


def test_twin_get_shows_value_unit_status_and_age(run: Run, data_dir: Path) -> None:
    result = run("twin", "get", "--data-dir", str(data_dir))
    assert result.code == ExitCode.OK
    (weight,) = (line for line in result.out.splitlines() if WEIGHT in line)
    for word in ("120.5", "g/m2", "Good", "1.0 s"):
        assert word in weight


def test_twin_get_as_json_is_the_apis_answer(run: Run, data_dir: Path) -> None:
    document = run("twin", "get", WEIGHT, "--json", "--data-dir", str(data_dir)).json
    assert document["now_ns"] == NOW
    assert document["readings"][0]["sample"]["value"] == 120.5


def test_a_viewer_sees_masked_values_masked(run: Run, data_dir: Path) -> None:
    result = run("twin", "get", SPEED, "--data-dir", str(data_dir), "--token-file", str(data_dir / "viewer.token"))
    assert "(masked)" in result.out
    assert "42" not in result.out
    assert "42" in run("twin", "get", SPEED, "--data-dir", str(data_dir)).out


def test_all_pages_are_fetched(run: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.twin._PAGE", 1)
    document = run("twin", "get", "--json", "--data-dir", str(data_dir)).json
    assert [reading["path"] for reading in document["readings"]] == [WEIGHT, SPEED]
    assert "next" not in document


def test_nothing_matches_is_not_found(run: Run, data_dir: Path) -> None:
    result = run("twin", "get", "nowhere", "--data-dir", str(data_dir))
    assert (result.code, result.out) == (ExitCode.NOT_FOUND, "")
    assert "No tags match 'nowhere'" in result.err


def test_status_tells_of_items_that_are_not_monitored(run: Run, data_dir: Path, paper: Paper) -> None:
    paper.mirror.shown = [replace(REPORT, items_rejected=3)]
    result = run("status", "--data-dir", str(data_dir))
    assert (result.code, "wroclaw/electrode-plc: 3 items not monitored: 'gateway check" in result.out) == (ExitCode.OK, True)


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        (f"{COATER}/Process/CoatWieght", f"Did you mean '{WEIGHT}'?"),
        ("wroclaw/electrode/line-1/coater-11", f"Did you mean '{COATER}'?"),
        ("*/coater-1", "'*/coater-1/**' matches 2 tags"),
        ("*/stacker-*", "Wildcards must fit the whole path"),
        ("xyz", "'gateway twin get' lists all"),
    ],
)
def test_a_mistyped_pattern_gets_a_hint(run: Run, data_dir: Path, pattern: str, hint: str) -> None:
    result = run("twin", "get", pattern, "--data-dir", str(data_dir))
    assert (result.code, f"No tags match '{pattern}'." in result.err) == (ExitCode.NOT_FOUND, True)
    assert hint in result.err


def test_a_token_file_that_cannot_be_used_is_the_stores_fault() -> None:
    assert exit_code_of(GatewayAnswer("the token file is damaged", "unavailable")) == ExitCode.STORE
    assert exit_code_of(NotFound("no node 'ns=9;s=x'")) == ExitCode.NOT_FOUND


def test_twin_as_of_reads_the_past(run: Run, data_dir: Path, paper: Paper) -> None:
    paper.twin.samples[WEIGHT] = [sample(1.25, at=NOW - 100 * SECOND), sample(2.5, at=NOW - 10 * SECOND)]
    result = run("twin", "as-of", WEIGHT, "--at", "-50s", "--data-dir", str(data_dir))
    assert "as of 2027-01-15T07:59:10.000Z" in result.out
    assert "1.25" in result.out
    assert "50.0 s" in result.out


def test_twin_history_shows_gaps_in_their_place_and_says_when_it_is_cut(run: Run, data_dir: Path, paper: Paper) -> None:
    paper.twin.samples[WEIGHT] = [sample(1.25, at=NOW - 9 * SECOND), sample(2.5, at=NOW - 3 * SECOND)]
    paper.twin.holes.append((WEIGHT, hole(NOW - 5 * SECOND, NOW - 4 * SECOND)))
    lines = run("twin", "history", WEIGHT, "--start", "-1m", "--data-dir", str(data_dir)).out.splitlines()
    order = [next(n for n, line in enumerate(lines) if word in line) for word in ("1.25", "disconnected", "2.5 ")]
    assert order == sorted(order)
    cut = run("twin", "history", WEIGHT, "--limit", "1", "--data-dir", str(data_dir))
    assert "--start 2027-01-15T07:59:51.000Z" in cut.err
    document = run("twin", "history", WEIGHT, "--json", "--data-dir", str(data_dir)).json
    assert len(document["samples"]) == 2


def test_twin_gaps_and_verify(run: Run, data_dir: Path, paper: Paper) -> None:
    assert "No gaps." in run("twin", "gaps", "--data-dir", str(data_dir)).out
    paper.twin.holes.append(("wroclaw/electrode-plc", hole(NOW - SECOND)))
    assert "disconnected" in run("twin", "gaps", "--data-dir", str(data_dir)).out
    sound = run("twin", "verify", "--data-dir", str(data_dir))
    assert (sound.code, "The twin is sound." in sound.out) == (ExitCode.OK, True)
    paper.twin.unsound.append("block 7: its checksum differs")
    unsound = run("twin", "verify", "--data-dir", str(data_dir))
    assert (unsound.code, "block 7" in unsound.out) == (ExitCode.NEGATIVE, True)


def test_status_tells_cause_and_cure_and_fails_when_something_is_down(run: Run, data_dir: Path, paper: Paper) -> None:
    assert run("status", "--data-dir", str(data_dir)).code == ExitCode.OK
    paper.mirror.shown = [replace(REPORT, state=EndpointState.AUTH_FAILED, reason="Set WROCLAW_SECRET.")]
    result = run("status", "--data-dir", str(data_dir))
    assert result.code == ExitCode.NEGATIVE
    assert "auth_failed" in result.out
    assert "Set WROCLAW_SECRET." in result.out
    nowhere = run("status", "nowhere", "--data-dir", str(data_dir))
    assert (nowhere.code, nowhere.out, "there are wroclaw/electrode-plc" in nowhere.err) == (ExitCode.NOT_FOUND, "", True)


def test_why_walks_the_chain(run: Run, data_dir: Path, paper: Paper) -> None:
    sound = run("why", WEIGHT, "--data-dir", str(data_dir))
    assert sound.code == ExitCode.OK
    for word in (
        "Sound from the endpoint",
        "Prozess/Flaechengewicht",
        "500 ms given, queue 20",
        "120.5 g/m2",
        "Check the slot die.",
    ):
        assert word in sound.out
    paper.twin.samples[WEIGHT] = [sample(1.0, status=0x808C0000)]
    broken = run("why", WEIGHT, "--data-dir", str(data_dir))
    assert broken.code == ExitCode.NEGATIVE
    assert "BadSensorFailure (0x808C0000)" in broken.out
    assert run("why", WEIGHT, "--json", "--data-dir", str(data_dir)).json["sound"] is False
    wrong = run("why", f"{COATER}/Process/CoatWieght", "--data-dir", str(data_dir))
    assert (wrong.code, f"did you mean '{WEIGHT}'?" in wrong.err) == (ExitCode.NOT_FOUND, True)


def test_why_of_a_place_lists_its_tags(run: Run, data_dir: Path) -> None:
    result = run("why", COATER, "--data-dir", str(data_dir))
    assert result.code == ExitCode.NOT_FOUND
    assert f"'{COATER}' is no tag: name one of those below it:\n  {WEIGHT}\n  {SPEED}" in result.err
    assert "There is no equipment" in run("why", "nowhere", "--data-dir", str(data_dir)).err


def test_support_bundle_writes_a_new_file(run: Run, data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "bundle.zip"
    arguments = ("support-bundle", LINE, "--around", "-1m", "--out", str(target), "--data-dir", str(data_dir))
    assert run(*arguments, "--json").json["file"] == str(target)
    assert "history.csv" in zipfile.ZipFile(target).namelist()
    again = run(*arguments)
    assert (again.code, "exists" in again.err) == (ExitCode.REFUSED, True)
    assert run("support-bundle", "nowhere", "--data-dir", str(data_dir)).code == ExitCode.NOT_FOUND


def test_markup_in_what_the_plant_says_is_not_markup(run: Run, data_dir: Path, paper: Paper) -> None:
    paper.mirror.shown = [replace(REPORT, state=EndpointState.CONFIG_ERROR, reason="[bold]x[/nonsense]")]
    assert "[bold]x[/nonsense]" in run("status", "--data-dir", str(data_dir)).out
    paper.twin.samples[WEIGHT] = [sample("[red]text[/]")]
    assert "[red]text[/]" in run("twin", "get", WEIGHT, "--data-dir", str(data_dir)).out


class TestWhereTheGatewayIs:
    """Address and token: from options, the environment, or a data directory."""

    def test_the_environment_may_name_it(self, run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GATEWAY_URL", url)
        monkeypatch.setenv("GATEWAY_TOKEN", "operator-token")
        assert run("twin", "get").code == ExitCode.OK

    def test_a_demo_here_is_found(self, run: Run, data_dir: Path, tmp_path: Path) -> None:
        shutil.copytree(data_dir, tmp_path / "demo-data")
        assert run("twin", "get").code == ExitCode.OK

    def test_nobody_said_where(self, run: Run) -> None:
        result = run("twin", "get")
        assert result.code == ExitCode.UNREACHABLE
        assert "--url" in result.err
        assert "--data-dir" in result.err

    def test_nobody_is_there(self, run: Run) -> None:
        result = run("twin", "get", "--url", "http://127.0.0.1:1")
        assert result.code == ExitCode.UNREACHABLE
        assert "gateway demo" in result.err

    @pytest.mark.parametrize("address", ["127.0.0.1:8080", "nonsense", "http://", "ftp://x", "http://[", ""])
    def test_an_address_that_is_none(self, run: Run, address: str) -> None:
        result = run("twin", "get", "--url", address)
        assert result.code == ExitCode.UNREACHABLE
        assert "Traceback" not in result.err

    def test_a_data_directory_in_which_none_runs(self, run: Run, tmp_path: Path) -> None:
        result = run("twin", "get", "--data-dir", str(tmp_path))
        assert (result.code, str(tmp_path) in result.err) == (ExitCode.UNREACHABLE, True)

    def test_a_damaged_address_file(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "gateway.json").write_text("{")
        assert run("twin", "get", "--data-dir", str(tmp_path)).code == ExitCode.CONFIGURATION

    def test_without_a_token(self, run: Run, url: str) -> None:
        result = run("twin", "get", "--url", url)
        assert result.code == ExitCode.REFUSED
        assert "--token-file" in result.err

    @pytest.mark.parametrize(
        ("content", "code"), [("wrong", ExitCode.REFUSED), ("", ExitCode.REFUSED), ("a b", ExitCode.REFUSED)]
    )
    def test_with_a_wrong_token(self, run: Run, url: str, tmp_path: Path, content: str, code: ExitCode) -> None:
        (tmp_path / "token").write_text(content)
        assert run("twin", "get", "--url", url, "--token-file", str(tmp_path / "token")).code == code

    def test_with_a_token_file_that_is_not_there(self, run: Run, url: str) -> None:
        result = run("twin", "get", "--url", url, "--token-file", "absent")
        assert (result.code, "absent" in result.err) == (ExitCode.CONFIGURATION, True)

    def test_a_viewer_is_refused_what_acts(self, run: Run, data_dir: Path) -> None:
        result = run("support-bundle", LINE, "--data-dir", str(data_dir), "--token-file", str(data_dir / "viewer.token"))
        assert (result.code, "operator" in result.err) == (ExitCode.REFUSED, True)

    def test_a_wrong_time_is_a_usage_error(self, run: Run, data_dir: Path) -> None:
        result = run("twin", "as-of", "--at", "yesterday", "--data-dir", str(data_dir))
        assert (result.code, "ISO 8601" in result.err) == (ExitCode.USAGE, True)


def test_a_token_is_made_and_used(run: Run, tmp_path: Path) -> None:
    made = run("token", "create", "olga", "--role", "operator", "--data-dir", str(tmp_path), "--json").json
    assert (made["role"], made["token"][:4]) == ("operator", "mfg_")
    again = run("token", "create", "olga", "--data-dir", str(tmp_path))
    assert (again.code, "olga" in again.err) == (ExitCode.REFUSED, True)
    file = tmp_path / "olga.token"
    assert run("token", "create", "olga", "--replace", "--data-dir", str(tmp_path), "--out", str(file)).code == ExitCode.OK
    assert (file.stat().st_mode & 0o777, file.read_text()[:4]) == (0o600, "mfg_")
    assert len(json.loads((tmp_path / "tokens.json").read_text())["tokens"]) == 1
    assert run("token", "create", "x", "--data-dir", str(tmp_path / "absent")).code == ExitCode.REFUSED


class TestOnATerminal:
    """Where a person looks, at 80 columns."""

    @pytest.fixture(autouse=True)
    def _terminal(self, monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
        monkeypatch.setattr("gateway.cli.output.on_terminal", lambda: True)
        for module in ("output", "twin", "readings"):
            monkeypatch.setattr(f"gateway.cli.{module}.on_terminal", lambda: True)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr("gateway.cli.output._PIPED_WIDTH", 80)
        monkeypatch.setattr("time.time_ns", lambda: NOW)
        monkeypatch.setenv("GATEWAY_DATA_DIR", str(data_dir))

    def test_times_are_told_to_the_second(self, run: Run, paper: Paper) -> None:
        assert "as of 07:59:10" in run("twin", "as-of", WEIGHT, "--at", "-50s").out
        paper.twin.samples[WEIGHT] = [sample(1.25, at=NOW - 9 * SECOND)]
        paper.twin.holes.append((WEIGHT, hole(NOW - 5 * SECOND, NOW - 4 * SECOND)))
        told = run("twin", "history", WEIGHT, "--start", "-1m").out
        assert ("07:59:51" in told, "until 07:59:56" in told, "07:59:51.000" in told) == (True, True, False)
        assert "07:59:51.000Z" in run("twin", "history", WEIGHT, "--start", "-1m", "--json").out

    def test_the_place_is_said_once(self, run: Run) -> None:
        lines = run("twin", "get").out.splitlines()
        assert lines[0] == COATER
        assert lines[2].startswith("Process/CoatWeight")
        assert all(len(line) <= 80 for line in lines)

    def test_no_time_of_a_gap_is_folded(self, run: Run, paper: Paper) -> None:
        paper.twin.holes += [(WEIGHT, hole(NOW - 90_000 * SECOND, NOW - 80_000 * SECOND)), (SPEED, hole(NOW - SECOND))]
        told = run("twin", "gaps", "--start", "-3d").out
        assert "from 2027-01-14 07:00:00 to 2027-01-14 09:46:40 (2.8 h) UTC  disconnected" in told
        assert "from 07:59:59 lasts UTC  disconnected" in told
