"""Files that commands leave, and what happens where they cannot be left."""

import json
import logging
import os
from pathlib import Path

import pytest

from gateway.cli import files
from gateway.cli.exit_codes import ExitCode
from gateway.errors import GatewayError, NotFound, RequestRefused
from gateway.plant.ports import OperationLimits, ServerFacts
from gateway.runtime import tools

from .conftest import Run

SERVER = "opc.tcp://127.0.0.1:1"
LINE = "wroclaw/electrode/line-1"
FACTS = ServerFacts("Fake PLC", "1.0", ("urn:x",), OperationLimits(), 255, 0.001, None)


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[tools.Probe]:
    """What the server answers to a probe; the last one counts."""
    answers = [tools.Probe(SERVER, [], FACTS, {}, False, "", "kind: Site\n")]
    monkeypatch.setattr(tools, "probe_endpoint", lambda *_: answers[-1])
    return answers


def test_probe_makes_the_directories_of_its_file(run: Run, tmp_path: Path, probed: list[tools.Probe]) -> None:
    file = tmp_path / "new" / "below" / "site.yaml"
    result = run("probe", SERVER, "--out", str(file))
    assert (result.code, file.read_text()) == (ExitCode.OK, "kind: Site\n")
    assert result.out.rstrip().endswith(f"A site file to begin with is in {file}.")
    assert run("probe", SERVER, "--out", str(file)).code == ExitCode.REFUSED
    file.write_text("mine")
    assert run("probe", SERVER, "--out", str(file), "--replace").code == ExitCode.OK
    assert file.read_text() == "kind: Site\n"


def test_probe_writes_no_file_without_a_session(run: Run, tmp_path: Path, probed: list[tools.Probe]) -> None:
    probed.append(tools.Probe(SERVER, [], None, problem="the server refused the user", site_file="kind: Site\n"))
    result = run("probe", SERVER, "--out", str(tmp_path / "site.yaml"))
    assert result.code == ExitCode.NEGATIVE
    assert "the server refused the user" in result.out
    assert "was not written" in result.err
    assert not (tmp_path / "site.yaml").exists()


def test_what_was_found_is_shown_although_the_file_cannot_be_written(run: Run, tmp_path: Path, probed: list[tools.Probe]) -> None:
    (tmp_path / "file").write_text("")
    result = run("probe", SERVER, "--out", str(tmp_path / "file" / "site.yaml"))
    assert result.code == ExitCode.NEGATIVE
    assert "Fake PLC" in result.out
    assert ("cannot be written" in result.err, "Traceback" in result.err) == (True, False)
    assert run("probe", SERVER, "--out", str(tmp_path)).code == ExitCode.REFUSED


def test_a_token_that_cannot_be_written_is_not_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    arguments = ("token", "create", "olga", "--data-dir", str(tmp_path), "--out")
    refused = run(*arguments, str(tmp_path / "file" / "olga.token"))
    assert (refused.code, "cannot be written" in refused.err) == (ExitCode.NEGATIVE, True)
    assert not (tmp_path / "tokens.json").exists()
    made = tmp_path / "new" / "olga.token"
    assert run(*arguments, str(made)).code == ExitCode.OK
    assert made.stat().st_mode & 0o777 == 0o600
    assert len(json.loads((tmp_path / "tokens.json").read_text())["tokens"]) == 1
    again = run(*arguments, str(tmp_path / "again.token"))
    assert (again.code, (tmp_path / "again.token").exists()) == (ExitCode.REFUSED, False)


def test_a_support_bundle_goes_where_it_is_told(run: Run, data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "bundle.zip"
    assert run("support-bundle", LINE, "--out", str(target), "--data-dir", str(data_dir)).code == ExitCode.OK
    assert target.exists()
    assert run("support-bundle", LINE, "--data-dir", str(data_dir)).code == ExitCode.OK
    (named,) = tmp_path.glob("support-wroclaw_electrode_line-1-20*Z.zip")
    assert named.stat().st_size


def test_an_error_of_the_system_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28), "x.db")

    monkeypatch.setattr(tools, "pki_list", full)
    result = run("pki", "list")
    assert (result.code, result.err.strip()) == (ExitCode.NEGATIVE, "x.db: No space left on device")


def test_a_file_that_came_between_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(RequestRefused, match="exists"):
        files.write(tmp_path / "there", "ours")
    with pytest.raises(RequestRefused, match="exists"):
        files.write_private(tmp_path / "there", lambda: "ours")
    assert (tmp_path / "there").read_text() == "mine"


def test_a_private_file_that_fills_the_disk_is_removed(tmp_path: Path) -> None:
    def full() -> str:
        raise OSError(28, os.strerror(28))

    with pytest.raises(GatewayError, match="No space left"):
        files.write_private(tmp_path / "token", full)
    assert not (tmp_path / "token").exists()


def test_the_librarys_noise_is_left_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy(*_: object) -> list[object]:
        logging.getLogger("asyncua.client.ua_client").error("a traceback of forty lines")
        raise NotFound("the server has no node 'i=1'")

    monkeypatch.setattr(tools, "browse_endpoint", noisy)
    result = run("browse", SERVER, "--below", "i=1")
    assert (result.code, result.err.strip()) == (ExitCode.NOT_FOUND, "the server has no node 'i=1'")
    assert logging.getLogger("asyncua").propagate
