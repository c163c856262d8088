"""The disk runs full and is freed again: nothing acknowledged is lost, what could be kept is stored, the rest is a gap."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.acceptance.commands import until
from tests.acceptance.conftest import MakeGateway
from tests.acceptance.daemon import Gateway, now

pytestmark = pytest.mark.peer("root")

SIZE_MB, BALLAST_MB = 64, 16
TAG = "nanjing/electrode/line-1/coater-1/State/Heartbeat"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A device of its own."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "small", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is free on the device while the block runs."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while file.write(b"x" * size):
                        pass
        assert shutil.disk_usage(disk).free == 0
        yield
    finally:
        filler.unlink()


def in_flight(gateway: Gateway) -> float:
    """Values that wait to be stored, after checking that the account holds."""
    scrape = gateway.scrape()
    scrape.check_account()
    return sum(scrape.by_endpoint("gateway_values_in_flight").values())


def stored(gateway: Gateway) -> float:
    """Values stored in this run."""
    return sum(gateway.scrape().by_endpoint("gateway_values_stored_total").values())


def test_full_disk(gateway_on: MakeGateway, small_disk: Path) -> None:
    gateway = gateway_on("nanjing", started=False)
    shutil.move(gateway.data, small_disk / "data")
    gateway.data = small_disk / "data"
    gateway.environment["GATEWAY_BALLAST_MB"] = str(BALLAST_MB)
    gateway.start()
    gateway.until_flowing()
    ballast = gateway.data / "ballast"
    assert ballast.stat().st_size == BALLAST_MB << 20

    with filled(small_disk):
        (refusal,) = until(lambda: gateway.logged("store refuses"), within=10, what=gateway.last_words)
        assert f"no space left for {gateway.data / 'twin.db'}; free space on its device" in refusal["reason"]
        assert not ballast.exists()  # its room is for gaps and for the ledger
        acknowledged = stored(gateway)
        kept = until(lambda: (waiting := in_flight(gateway)) > 150 and waiting, within=30, what=gateway.endpoints)
        ready = httpx.get(f"{gateway.url}/readyz", trust_env=False)
        assert ready.status_code == 503
        assert "the store takes no values: no space left for" in ready.text
        assert httpx.get(f"{gateway.url}/livez", trust_env=False).status_code == 200
        said = gateway.say("status").ended(1)
        assert said.out.count("its values are received and not stored: no space left for") == 2
        assert {each["sessions_created"] for each in gateway.endpoints().values()} == {1}
        assert stored(gateway) == acknowledged
    until(lambda: stored(gateway) >= acknowledged + kept, within=10, what=gateway.endpoints)
    until(ballast.exists, within=10, what="the ballast is reserved again")
    gateway.until_state("connected", within=10)
    in_flight(gateway)
    gateway.verified()
    assert gateway.gaps() == []  # everything was kept in memory, so nothing is missing

    with filled(small_disk):
        until(lambda: in_flight(gateway) > 50, within=20, what=gateway.endpoints)
        acknowledged = stored(gateway)
        lost = now()
        assert gateway.stop(within=25) == 0
        (words,) = gateway.logged("values are lost that were never acknowledged")
        assert words["values"] > 0
    gateway.start()
    held = sum(gateway.verified().values())
    assert held >= acknowledged
    gateway.until_flowing()
    (gap,) = [gap for gap in gateway.gaps(TAG) if gap["reason"] == "gateway_stopped"]
    assert gap["start_ns"] < lost < gap["end_ns"]
    gateway.verified()
