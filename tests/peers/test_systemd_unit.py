"""The systemd unit holds before systemd's own judgement."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer("systemd")

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "gateway.service"
PROGRAM = "/opt/mother-factory-gateway/bin/gateway"
#: Exposure as systemd-analyze reckons it, in tenths of its scale from 0 (safe) to 10.
HIGHEST_EXPOSURE = 20


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists on this machine: systemd-analyze looks whether it can be started."""
    text = UNIT.read_text()
    assert PROGRAM in text
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace(PROGRAM, sys.executable))
    return copy


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says."""
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_verifies_without_a_word(unit: Path) -> None:
    """No unknown directive, no value that systemd ignores."""
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_misspelt_directive_would_be_noticed(unit: Path) -> None:
    """The check above can fail."""
    unit.write_text(unit.read_text().replace("ProtectHome=yes", "ProtectHomes=yes"))
    assert "ProtectHomes" in analyze("verify", "--man=no", str(unit)).stderr


def test_exposure_is_low(unit: Path) -> None:
    """What an intruder in the gateway could reach on its machine."""
    done = analyze("security", "--offline=yes", "--no-pager", f"--threshold={HIGHEST_EXPOSURE}", str(unit))
    assert done.returncode == 0, done.stdout
