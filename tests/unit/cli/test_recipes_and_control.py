"""Recipes, reload, backup: what is sent to the daemon, what is printed, how it ends."""

import json
from pathlib import Path

import pytest

from gateway.cli.exit_codes import ExitCode
from gateway.cli.recipe import _compared, _step_text
from gateway.errors import ConfigurationError, RequestRefused, StoreFull
from gateway.recipes.journal import Outcome, Quarantine
from tests.fakes.services import COATER, NOW, Paper

from .conftest import Run


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.recipe._LOOK_S", 0.01)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A recipe file; what it says is the daemon's to judge."""
    path = tmp_path / "coat.yaml"
    path.write_text("kind: MasterRecipe\n")
    return str(path)


def test_validate(run: Run, data_dir: Path, paper: Paper, file: str) -> None:
    sound = run("recipe", "validate", file, "--data-dir", str(data_dir))
    assert (sound.code, "coat@1.0.0" in sound.out, "firmware is not checked" in sound.out) == (ExitCode.OK, True, True)
    paper.pushes.complaints = ("coat_speed: above the class's range",)
    wrong = run("recipe", "validate", file, "--data-dir", str(data_dir))
    assert (wrong.code, "above the class's range" in wrong.out) == (ExitCode.NEGATIVE, True)
    assert run("recipe", "validate", file, "--json", "--data-dir", str(data_dir)).json["valid"] is False
    paper.pushes.failure = ConfigurationError(["coat.yaml:1: kind: missing", "coat.yaml:2: header: missing"])
    faulty = run("recipe", "validate", file, "--data-dir", str(data_dir))
    assert (faulty.code, faulty.err.count("coat.yaml:")) == (ExitCode.CONFIGURATION, 2)


def test_a_recipe_file_that_is_none(run: Run, data_dir: Path, tmp_path: Path) -> None:
    absent = run("recipe", "validate", "absent.yaml", "--data-dir", str(data_dir))
    assert (absent.code, "absent.yaml" in absent.err) == (ExitCode.CONFIGURATION, True)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert run("recipe", "validate", "binary.yaml", "--data-dir", str(data_dir)).code == ExitCode.CONFIGURATION
    assert run("recipe", "validate", str(tmp_path), "--data-dir", str(data_dir)).code == ExitCode.CONFIGURATION


def test_diff(run: Run, data_dir: Path, file: str) -> None:
    result = run("recipe", "diff", file, "--to", COATER, "--data-dir", str(data_dir))
    assert result.code == ExitCode.NEGATIVE
    for word in ("coat_speed", " 42 ", "45.5", "differs"):
        assert word in result.out


def test_push_follows_the_journal_to_its_end(run: Run, data_dir: Path, paper: Paper, file: str) -> None:
    result = run("recipe", "push", file, "--to", COATER, "--data-dir", str(data_dir))
    assert result.code == ExitCode.OK
    places = [result.out.index(state) for state in ("Planned", "Leased", "CommitSent", "Push 1 ended Confirmed.")]
    assert places == sorted(places)
    assert result.out.count("CommitSent") == 1
    text, filename, target, by, key = paper.pushes.submitted[0]
    assert (text, filename, target, by) == ("kind: MasterRecipe\n", "coat.yaml", COATER, "olga")
    assert len(key) == 36


@pytest.mark.parametrize("end", [end for end in Outcome if end not in (Outcome.CONFIRMED, Outcome.NO_OP)])
def test_a_push_that_ends_otherwise_is_a_negative_outcome(
    run: Run, data_dir: Path, paper: Paper, file: str, end: Outcome
) -> None:
    paper.pushes.ends = end
    result = run("recipe", "push", file, "--to", COATER, "--data-dir", str(data_dir))
    assert (result.code, f"ended {end.value}" in result.out) == (ExitCode.NEGATIVE, True)


def test_a_push_on_a_terminal_has_one_line_a_step(run: Run, data_dir: Path, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("output", "recipe"):
        monkeypatch.setattr(f"gateway.cli.{module}.on_terminal", lambda: True)
    monkeypatch.setattr("time.time_ns", lambda: NOW)
    monkeypatch.setattr("gateway.cli.output._PIPED_WIDTH", 80)
    told = run("recipe", "push", file, "--to", COATER, "--data-dir", str(data_dir))
    assert (told.code, told.err) == (ExitCode.OK, "")
    lines = [line for line in told.out.splitlines() if line.startswith("08:00:0")]
    assert [line.split()[1] for line in lines] == ["Planned", "Leased", "CommitSent", "Confirmed"]
    listed = run("recipe", "status", "--data-dir", str(data_dir)).out
    assert f"   1  Confirmed  {COATER}" in listed
    assert "coat@1.0.0, asked for by olga at 08:00:00" in listed


def test_steps_and_values_in_plain_words() -> None:
    step = {"time": "2027-01-15T08:00:00.000Z", "time_ns": NOW, "state": "Preflight"}
    told = str(
        _step_text({**step, "detail": {"waits_for": ["the coater must be Idle", "it is not ready"], "left": 0.07999999821}})
    )
    assert told.endswith("waits for the coater must be Idle; it is not ready, left 0.08")
    assert str(_step_text({**step, "detail": {"critical": True, "by": ""}})).endswith("critical true, by —")
    near = {"active": 1.00000001, "wanted": 1.00000002, "same": False}
    assert _compared(near) == ("1.00000001", "1.00000002")
    assert _compared({"active": None, "wanted": 0.07999999821, "same": False}) == ("cannot be read", "0.08")


def test_push_without_waiting_and_with_a_key(run: Run, data_dir: Path, paper: Paper, file: str) -> None:
    arguments = ("recipe", "push", file, "--to", COATER, "--no-wait", "--key", "mine", "--json", "--data-dir", str(data_dir))
    first, second = run(*arguments), run(*arguments)
    assert (first.code, first.json["id"], second.json["id"]) == (ExitCode.OK, 1, 1)
    assert len(paper.pushes.submitted) == 1


def test_push_gives_up_following_but_not_the_push(run: Run, data_dir: Path, paper: Paper, file: str) -> None:
    paper.pushes.looks = -10_000
    result = run("recipe", "push", file, "--to", COATER, "--timeout", "1", "--data-dir", str(data_dir))
    assert result.code == ExitCode.NEGATIVE
    assert "it goes on. Follow it with 'gateway recipe status 1'" in result.out


def test_a_refused_push_says_why(run: Run, data_dir: Path, paper: Paper, file: str) -> None:
    paper.pushes.failure = RequestRefused(f"{COATER} is quarantined since push 1")
    result = run("recipe", "push", file, "--to", COATER, "--data-dir", str(data_dir))
    assert (result.code, "quarantined" in result.err) == (ExitCode.REFUSED, True)
    paper.pushes.failure = StoreFull("No space left for the ledger; free some.")
    assert run("recipe", "push", file, "--to", COATER, "--data-dir", str(data_dir)).code == ExitCode.STORE


def test_no_gateway_is_asked_again_under_the_same_key(run: Run, file: str) -> None:
    result = run("recipe", "push", file, "--to", COATER, "--key", "mine", "--url", "http://127.0.0.1:1")
    assert (result.code, "--key mine" in result.err) == (ExitCode.UNREACHABLE, True)


def test_status_of_one_push_and_of_all(run: Run, data_dir: Path, file: str) -> None:
    assert "No pushes." in run("recipe", "status", "--data-dir", str(data_dir)).out
    run("recipe", "push", file, "--to", COATER, "--data-dir", str(data_dir))
    listed = run("recipe", "status", "--data-dir", str(data_dir))
    assert (listed.code, COATER in listed.out, "Confirmed" in listed.out) == (ExitCode.OK, True, True)
    one = run("recipe", "status", "1", "--data-dir", str(data_dir))
    assert (one.code, "coat_speed" in one.out, "45.5" in one.out) == (ExitCode.OK, True, True)
    viewer = run("recipe", "status", "1", "--data-dir", str(data_dir), "--token-file", str(data_dir / "viewer.token"))
    assert ("confidential" in viewer.out, "45.5" in viewer.out) == (True, False)
    assert run("recipe", "status", "9", "--data-dir", str(data_dir)).code == ExitCode.NOT_FOUND


def test_quarantines_are_listed_and_released(run: Run, data_dir: Path, paper: Paper) -> None:
    assert "No equipment is quarantined." in run("recipe", "quarantines", "--data-dir", str(data_dir)).out
    paper.pushes.blocked.append(Quarantine(COATER, 1, NOW, "restoring failed"))
    assert "restoring failed" in run("recipe", "quarantines", "--data-dir", str(data_dir)).out
    assert run("recipe", "release", COATER, "--reason", "looked at it", "--data-dir", str(data_dir)).code == ExitCode.OK
    assert paper.pushes.released == [(COATER, "olga", "looked at it")]
    assert run("recipe", "release", "nowhere", "--reason", "looked", "--data-dir", str(data_dir)).code == ExitCode.NOT_FOUND


def test_a_release_needs_a_reason_in_words(run: Run, data_dir: Path, paper: Paper) -> None:
    result = run("recipe", "release", COATER, "--reason", "x ", "--data-dir", str(data_dir))
    assert (result.code, "in a few words what was found" in " ".join(result.err.split())) == (ExitCode.USAGE, True)
    assert paper.pushes.released == []


def test_reload_says_what_changed(run: Run, data_dir: Path, paper: Paper) -> None:
    assert "kept: 1 endpoint\n" in run("reload", "--data-dir", str(data_dir)).out
    assert run("reload", "--json", "--data-dir", str(data_dir)).json["kept"] == ["wroclaw/electrode-plc"]
    paper.reload_failure = ConfigurationError(["plant.yaml:3: mother: no such site"])
    result = run("reload", "--data-dir", str(data_dir))
    assert (result.code, result.err.strip()) == (ExitCode.CONFIGURATION, "plant.yaml:3: mother: no such site")


def test_backup_sends_an_absolute_path(run: Run, data_dir: Path, paper: Paper, tmp_path: Path) -> None:
    result = run("backup", "here", "--data-dir", str(data_dir), "--json")
    assert (result.code, paper.backups) == (ExitCode.OK, [tmp_path / "here"])
    assert json.loads(result.out)["files"][0]["name"] == "twin.db"
    told = run("backup", "here", "--data-dir", str(data_dir)).out
    assert f"twin.db  9 bytes\n  sha256 {'0' * 64}\nThe backup is in here." in told
