"""SIGKILL at any moment: what was acknowledged is there, once, and the account adds up."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.store.sqlite.directory import claim
from gateway.store.sqlite.twin import open_twin
from tests.contract.batches import START
from tests.contract.conftest import SystemClock

LINE = "ochang/electrode/line-1/coater-1"


def killed_after(directory: Path, commits: int, reads: int) -> int:
    """Let the process commit, kill it a random number of bytes of output later; gives the last number it acknowledged."""
    command = [sys.executable, "-m", "tests.unit.store.committing_process", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(commits)]
        # Spinning for a random while moves the kill to any step between two acknowledgements.
        for _ in range(reads):
            pass
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    return acknowledged[-1]


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    random.seed(seed)
    last = 0
    for _ in range(2):
        last = killed_after(tmp_path, random.randint(1, 25), random.randint(0, 200_000))
    with claim(tmp_path) as data:
        async with open_twin(data, SystemClock()) as twin:
            assert await twin.verify() == []
            for tag in range(4):
                found = [sample.value for sample in (await twin.history(f"{LINE}/T{tag}", start=0, end=START * 2)).samples]
                assert found == list(range(1, len(found) + 1))
                assert len(found) in (last, last + 1), "the commit under way may have been durable already"
            words = [sample.value for sample in (await twin.history(f"{LINE}/T4", start=0, end=START * 2)).samples]
            assert words == [str(number + 1) for number in range(len(found))]
            [account] = await twin.accounts()
            assert account.stored == 5 * len(found)
            assert len(await twin.gaps("", start=0, end=START * 2)) == len(found)
            [reading] = await twin.current(f"{LINE}/T0", now=0, grace_ns=1)
            assert reading.sample is not None
            assert reading.sample.value == len(found)
            assert await twin.last_heard() == {"ochang/plc": START + len(found)}
