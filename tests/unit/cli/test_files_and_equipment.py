"""Commands that need no daemon: configuration, certificates, copies of the store; and how the command line itself behaves."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli.exit_codes import ExitCode
from gateway.cli.options import data_directory
from gateway.runtime import tools
from gateway.store.sqlite.directory import claim

from .conftest import Run

EXAMPLE = Path(__file__).parents[3] / "config"
NOBODY = "opc.tcp://127.0.0.1:1"


def test_check_counts_what_the_example_plant_has(run: Run) -> None:
    result = run("check", "--config", str(EXAMPLE), "--json")
    assert result.code == ExitCode.OK, result.err
    assert result.json["sites"] == 4
    assert result.json["endpoints"] >= 8
    assert result.json["tags"] >= 1000
    assert "The files are sound: 4 sites" in run("check", "--config", str(EXAMPLE)).out


@pytest.mark.parametrize(
    ("problems", "last"),
    [
        (["", ""], "2 endpoints gave a session and conform."),
        ([""], "1 endpoint gave a session and conforms."),
        (["", "refused", "refused"], "2 of 3 endpoints gave no session."),
    ],
)
def test_check_online_tells_what_came_of_it(run: Run, monkeypatch: pytest.MonkeyPatch, problems: list[str], last: str) -> None:
    checks = [tools.EndpointCheck("a/b", NOBODY, problem, 1, ()) for problem in problems]
    monkeypatch.setattr(tools, "check_online", lambda *_, **__: checks)
    result = run("check", "--online", "--config", str(EXAMPLE))
    assert result.code == (ExitCode.NEGATIVE if any(problems) else ExitCode.OK)
    assert result.out.splitlines()[-1] == last
    assert result.out.count("a/b no session, 1 tag: refused") == sum(map(bool, problems))


def test_check_reports_every_fault_of_every_file_at_once(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "faulty"
    shutil.copytree(EXAMPLE, config)
    (config / "plant.yaml").write_text("kind: Plant\nenterprise: acme\nmother: nowhere\ncolour: red\n")
    (config / "recipes").mkdir(exist_ok=True)
    (config / "recipes" / "broken.yaml").write_text("kind: MasterRecipe\nheader: 3\n")
    result = run("check", "--config", str(config))
    assert result.code == ExitCode.CONFIGURATION
    assert "plant.yaml:4: colour" in result.err
    assert "broken.yaml:2: header" in result.err
    assert result.out == ""
    (config / "overlays" / "tab.yaml").write_text("kind: SiteOverlay\n\tsite: x\n")
    result = run("check", "--config", str(config), "--json")
    assert result.code == ExitCode.CONFIGURATION
    faults = {(Path(each["file"]).name, each["line"], each["field"]): each["message"] for each in result.json["faults"]}
    assert faults["plant.yaml", 4, "colour"].startswith("unknown field")
    assert ("broken.yaml", 2, "header") in faults
    assert faults["tab.yaml", 2, ""].startswith("a tab indents this line")


@pytest.mark.parametrize("place", ["absent", "plant.yaml"])
def test_check_of_no_directory(run: Run, tmp_path: Path, place: str) -> None:
    (tmp_path / "plant.yaml").write_text("")
    assert run("check", "--config", str(tmp_path / place)).code == ExitCode.CONFIGURATION


def test_certificates_are_made_listed_and_renewed(run: Run, tmp_path: Path) -> None:
    directory = ("--data-dir", str(tmp_path / "data"))
    assert "gateway pki init" in run("pki", "list", *directory).out
    (made,) = run("pki", "init", "--host", "gateway.example", "--json", *directory).json
    assert (made["role"], made["application_uri"]) == ("own", "urn:gateway.example:mother-factory:gateway")
    assert made["expires"].endswith("Z")
    assert run("pki", "init", *directory).code == ExitCode.REFUSED
    (renewed,) = run("pki", "renew", "--json", *directory).json
    assert renewed["fingerprint"] != made["fingerprint"]
    assert f"  SHA-256      {renewed['fingerprint']}\n" in run("pki", "list", *directory).out


def test_trust_takes_a_file_and_refuses_what_is_none(run: Run, tmp_path: Path) -> None:
    run("pki", "init", "--data-dir", str(tmp_path / "other"))
    theirs = tmp_path / "other" / "pki" / "own" / "cert.der"
    directory = ("--data-dir", str(tmp_path / "data"))
    assert run("pki", "trust", str(theirs), *directory).code == ExitCode.OK
    assert "trusted" in run("pki", "list", *directory).out
    nothing = run("pki", "trust", "wroclaw/plc", *directory)
    assert (nothing.code, "wroclaw/plc" in nothing.err) == (ExitCode.NOT_FOUND, True)
    (tmp_path / "text").write_text("no certificate")
    assert run("pki", "trust", str(tmp_path / "text"), *directory).code == ExitCode.REFUSED


@pytest.mark.parametrize("command", ["probe", "browse"])
def test_an_endpoint_that_does_not_answer(run: Run, tmp_path: Path, command: str) -> None:
    run("pki", "init", "--data-dir", str(tmp_path / "data"))
    result = run(command, NOBODY, "--timeout", "2", "--data-dir", str(tmp_path / "data"))
    assert result.code == ExitCode.UNREACHABLE
    assert "127.0.0.1:1" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", ["probe", "browse"])
def test_an_endpoint_that_is_none(run: Run, command: str) -> None:
    assert run(command, "wroclaw/plc").code == ExitCode.CONFIGURATION
    known = run(command, "wroclaw/nothing", "--config", str(EXAMPLE))
    assert (known.code, "wroclaw/electrode-plc" in known.err) == (ExitCode.CONFIGURATION, True)


def test_probe_does_not_overwrite(run: Run, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("mine")
    assert run("probe", NOBODY, "--out", "site.yaml").code == ExitCode.REFUSED


def test_run_without_a_configuration_says_what_is_missing(run: Run, tmp_path: Path) -> None:
    result = run("run", "--config", str(tmp_path / "absent"), "--data-dir", str(tmp_path / "data"))
    assert (result.code, "absent" in result.err) == (ExitCode.CONFIGURATION, True)


def test_restore_of_what_is_no_backup(run: Run, tmp_path: Path) -> None:
    result = run("restore", str(tmp_path), "--data-dir", str(tmp_path / "data"))
    assert (result.code, "manifest.json" in result.err) == (ExitCode.STORE, True)
    offline = run("backup", "copy", "--offline")
    assert (offline.code, "--data-dir" in offline.err) == (ExitCode.REFUSED, True)


def test_an_offline_backup_is_refused_while_a_gateway_runs(run: Run, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with claim(directory, ballast_bytes=0) as held:
        with closing(sqlite3.connect(held.twin)) as database:
            database.execute("CREATE TABLE t (x)")
        running = run("backup", "copy", "--offline")
        assert (running.code, "in use" in running.err, Path("copy").exists()) == (ExitCode.STORE, True, False)
    (directory / "ballast").write_bytes(b"x" * 4096)
    stopped = run("backup", "copy", "--offline")
    assert (stopped.code, "The backup is in copy." in stopped.out) == (ExitCode.OK, True)
    assert (directory / "ballast").read_bytes() == b"x" * 4096


def test_every_command_finds_the_same_data_directory(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("data", "demo-data", "named"):
        (tmp_path / name).mkdir()
    assert data_directory(None) == Path("data")
    run("token", "create", "olga")
    assert (tmp_path / "data" / "tokens.json").exists()
    (tmp_path / "demo-data" / "gateway.json").write_text("{}")
    assert data_directory(None) == Path("demo-data")
    run("pki", "init")
    assert (tmp_path / "demo-data" / "pki").exists()
    monkeypatch.setenv("GATEWAY_DATA_DIR", "named")
    assert data_directory(None) == Path("named")
    run("token", "create", "olga")
    assert (tmp_path / "named" / "tokens.json").exists()
    assert data_directory(Path("x")) == Path("x")
    assert run("check", "--config-dir", str(EXAMPLE)).code == ExitCode.OK


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("twin", "get", "--nonsense"), ("twin", "history"), ("token", "create", "x", "--role", "king")]
)
def test_a_wrong_command_line_is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == ExitCode.USAGE


def test_help_comes_without_building_the_daemon() -> None:
    """`gateway --help` must not import OPC UA, the store or FastAPI: it is what people wait for first."""
    script = (
        "import sys; sys.argv = ['gateway', '--help']\n"
        "from gateway.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code\n"
        "slow = {'asyncua', 'fastapi', 'numpy', 'aiosqlite', 'gateway.runtime'} & set(sys.modules)\n"
        "sys.exit(code or sorted(slow) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "twin" in ended.stdout


def test_the_module_is_the_command_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.dumps(ended.stdout.strip())


def test_every_exit_code_is_documented() -> None:
    page = (EXAMPLE.parent / "docs" / "cli.md").read_text("utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    assert documented == {int(code) for code in ExitCode} | {130}
